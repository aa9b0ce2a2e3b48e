/**
 * Bodies that are being received: what they may take of memory and time, for both engines.
 *
 * Bytes are charged when they arrive, not when they are announced. Where there are too many bodies the slowest is given
 * up for the newcomer, so that whoever announces a body and sends none keeps nobody else out.
 *
 * @module
 */

import type { Account, AccountHolder, Holding } from "../budget.ts";
import { BODY_COST } from "../config/memory.ts";
import { GrowingBuffer } from "../net/growing_buffer.ts";

/** Bytes of memory that a body takes beside its content. */
const RECEPTION_BYTES = 8 * 1024;

/** A body that was not received. */
export abstract class BodyError extends Error {}

/** The body is longer than allowed. */
export class BodyTooLong extends BodyError {
  override readonly name = "BodyTooLong";
}

/** There is no room for the body beside the others. */
export class NoRoom extends BodyError {
  override readonly name = "NoRoom";
}

/** The body has taken too long. */
export class BodyTooSlow extends BodyError {
  override readonly name = "BodyTooSlow";
}

/** The connection has ended before the body, or what came is no body; `cause` says more. */
export class BodyBroken extends BodyError {
  override readonly name = "BodyBroken";
}

/** The server stops, or gives its port up. */
export class BodyInterrupted extends BodyError {
  override readonly name = "BodyInterrupted";
}

/** Bounds of the bodies of one server. */
export interface ReceptionLimits {
  /** Bytes of a body. */
  readonly bodyBytes: number;
  /** Bodies at a time. */
  readonly bodies: number;
  /** From the request's head to the last byte, in ms. */
  readonly bodyMs: number;
}

/** The bodies that one server is receiving. */
export class Receptions {
  readonly #account: Account;
  readonly #limits: () => ReceptionLimits;
  readonly #now: () => number;
  /** The oldest first. */
  readonly #open = new Set<Reception>();
  /** Resolves when none is open any more. */
  #empty: PromiseWithResolvers<void> | null = null;

  /**
   * @param account What is received is charged to it.
   * @param limits Asked whenever it matters, as they may change.
   * @param now A clock in ms.
   */
  constructor(account: Account, limits: () => ReceptionLimits, now: () => number) {
    this.#account = account;
    this.#limits = limits;
    this.#now = now;
  }

  /** Bodies that are being received. */
  get size(): number {
    return this.#open.size;
  }

  /** Bytes that a body may have. */
  get bodyBytes(): number {
    return this.#limits().bodyBytes;
  }

  /**
   * Begins to receive a body; the slowest of too many is given up for it.
   *
   * @param announced Bytes that the request has announced; `null` when it has not.
   * @param holder Is ended by the budget for what it holds: the connection; `null`: the body alone is given up.
   * @returns A reception, which has failed already if too many bytes were announced, or there is no room for it.
   */
  begin(announced: number | null, holder: AccountHolder | null): Reception {
    const { bodyBytes, bodies } = this.#limits();
    const limit = Math.min(bodyBytes, announced ?? bodyBytes);
    const reception = new Reception(this.#account, limit, holder, this.#now(), () => {
      this.#open.delete(reception);
      if (this.#open.size > 0) return;
      this.#empty?.resolve();
      this.#empty = null;
    });
    this.#open.add(reception);
    if ((announced ?? 0) > bodyBytes) reception.fail(new BodyTooLong());
    while (this.#open.size > bodies) {
      const [slowest] = this.#open;
      slowest?.fail(new NoRoom());
    }
    reception.begin();
    return reception;
  }

  /** Gives up those that take too long. Called about once a second. */
  tick(): void {
    const since = this.#now() - this.#limits().bodyMs;
    for (const reception of this.#open) {
      if (reception.since > since) return;
      reception.fail(new BodyTooSlow());
    }
  }

  /** Resolves when none is open. */
  async settled(): Promise<void> {
    if (this.#open.size > 0) await (this.#empty ??= Promise.withResolvers<void>()).promise;
  }

  /** Gives all up that have not come whole. */
  interrupt(): void {
    for (const reception of this.#open) reception.fail(new BodyInterrupted());
  }
}

/** One body, while it is being received. */
export class Reception implements AccountHolder {
  /** The body's content. Rejects with a {@linkcode BodyError}. */
  readonly whole: Promise<Uint8Array>;
  /** When it began, in ms. */
  readonly since: number;
  readonly #holding: Holding;
  readonly #content: GrowingBuffer;
  readonly #limit: number;
  readonly #result = Promise.withResolvers<Uint8Array>();
  readonly #onOver: () => void;
  #isOver = false;

  constructor(
    account: Account,
    limit: number,
    holder: AccountHolder | null,
    since: number,
    onOver: () => void,
  ) {
    this.#holding = account.open(holder ?? this);
    this.#limit = limit;
    this.#content = new GrowingBuffer(limit);
    this.since = since;
    this.#onOver = onOver;
    this.whole = this.#result.promise;
    // It may fail when nobody waits for it.
    this.whole.catch(() => {});
  }

  /** Tells whether no more is taken. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Charges what it takes before anything has come. Called once. */
  begin(): void {
    if (!this.#isOver) this.#charge();
  }

  /** Takes a copy of a piece that has come, and charges it. */
  take(piece: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#content.length + piece.length > this.#limit) return this.fail(new BodyTooLong());
    this.#content.append(piece);
    this.#charge();
  }

  /** All has come. */
  finish(): void {
    if (this.#isOver) return;
    this.#result.resolve(this.#content.bytes);
    this.#end();
  }

  /** Gives it up, and gives back what has come. */
  fail(error: BodyError): void {
    if (this.#isOver) return;
    this.#result.reject(error);
    this.#content.clear();
    this.#end();
  }

  /** See {@linkcode AccountHolder}. */
  evict(): void {
    this.fail(new NoRoom());
  }

  #charge(): void {
    const bytes = RECEPTION_BYTES + BODY_COST * this.#content.heldBytes;
    if (!this.#holding.set(bytes)) this.fail(new NoRoom());
  }

  #end(): void {
    this.#isOver = true;
    this.#holding.close();
    this.#onOver();
  }
}
