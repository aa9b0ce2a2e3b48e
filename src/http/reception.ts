/**
 * The bodies that are being received, and their limits of memory and time, for both engines.
 *
 * Bytes are charged when they arrive, not when they are announced. If there are too many bodies, the slowest is given
 * up for the newest. So a client that announces a body and sends none does not block others.
 *
 * @module
 */

import type { Account, AccountHolder, Holding } from "../budget.ts";
import { BODY_COST } from "../config/memory.ts";
import { GrowingBuffer } from "../net/growing_buffer.ts";

/** The bytes of memory that a body takes beside its content. */
const RECEPTION_BYTES = 8 * 1024;

/** The error of a body that was not received. */
export abstract class BodyError extends Error {}

/** The error of a body that is longer than allowed. */
export class BodyTooLong extends BodyError {
  override readonly name = "BodyTooLong";
}

/** The error of a body for which there is no room beside the others. */
export class NoRoom extends BodyError {
  override readonly name = "NoRoom";
}

/** The error of a body that has taken too long. */
export class BodyTooSlow extends BodyError {
  override readonly name = "BodyTooSlow";
}

/** The error of a body that ended with its connection, or that is malformed; `cause` says more. */
export class BodyBroken extends BodyError {
  override readonly name = "BodyBroken";
}

/** The error of a body whose server stops, or gives its port up. */
export class BodyInterrupted extends BodyError {
  override readonly name = "BodyInterrupted";
}

/** The limits of the bodies of one server. */
export interface ReceptionLimits {
  /** The most bytes of a body. */
  readonly bodyBytes: number;
  /** The most bodies at a time. */
  readonly bodies: number;
  /** The longest time from the request's head to the last byte, in ms. */
  readonly bodyMs: number;
}

/** The bodies that one server is receiving. */
export class Receptions {
  readonly #account: Account;
  readonly #limits: () => ReceptionLimits;
  readonly #now: () => number;
  /** The open receptions, the oldest first. */
  readonly #open = new Set<Reception>();
  /** The promise that resolves when none is open any more. */
  #empty: PromiseWithResolvers<void> | null = null;

  /**
   * @param account The account that received bytes are charged to.
   * @param limits Called for each use, as the limits may change.
   * @param now A clock in ms.
   */
  constructor(account: Account, limits: () => ReceptionLimits, now: () => number) {
    this.#account = account;
    this.#limits = limits;
    this.#now = now;
  }

  /** Returns the number of bodies that are being received. */
  get size(): number {
    return this.#open.size;
  }

  /** Returns the most bytes of a body. */
  get bodyBytes(): number {
    return this.#limits().bodyBytes;
  }

  /**
   * Begins to receive a body. The slowest of too many is given up for it.
   *
   * @param announced The bytes that the request has announced; `null` when it has not.
   * @param holder The connection, which the budget ends for its holdings; `null`: the body alone is given up.
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

  /** Gives up the bodies that take too long. Called about once a second. */
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

  /** Gives up all unfinished bodies. */
  interrupt(): void {
    for (const reception of this.#open) reception.fail(new BodyInterrupted());
  }
}

/** One body, while it is being received. */
export class Reception implements AccountHolder {
  /** The body's content. Rejects with a {@linkcode BodyError}. */
  readonly whole: Promise<Uint8Array>;
  /** The time when it began, in ms. */
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
    // It may reject before a caller awaits it.
    this.whole.catch(() => {});
  }

  /** Tells whether the reception takes no more bytes. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Charges its own memory before any bytes have come. Called once. */
  begin(): void {
    if (!this.#isOver) this.#charge();
  }

  /** Takes a copy of a received piece, and charges it. */
  take(piece: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#content.length + piece.length > this.#limit) return this.fail(new BodyTooLong());
    this.#content.append(piece);
    this.#charge();
  }

  /** Completes the body, as all bytes have come. */
  finish(): void {
    if (this.#isOver) return;
    this.#result.resolve(this.#content.bytes);
    this.#end();
  }

  /** Gives the body up, and frees the received bytes. */
  fail(error: BodyError): void {
    if (this.#isOver) return;
    this.#result.reject(error);
    this.#content.clear();
    this.#end();
  }

  /** Gives the body up when memory is short, see {@linkcode AccountHolder}. */
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
