/**
 * Reading requests' bodies without letting them take more memory or time than they may.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { freeBytes } from "../bytes.ts";
import type { Account, Holder, Holding } from "../budget.ts";
import { BODY_COST } from "../config/memory.ts";
import { within } from "../within.ts";

/** Bytes of memory that a request takes beside its body. */
const REQUEST_BYTES = 8 * 1024;

/** How long a body may take, in ms. Phorge waits for an answer for 2 s, and peers for 15 s. */
const PATIENCE_MS = 30_000;

/**
 * A body up to this many bytes is read in one go: much faster than in pieces, but in some four times its
 * memory (Deno 2.9.6).
 */
const SMALL = 64 * 1024;

/** The body is longer than allowed. */
export class BodyTooLong extends Error {
  override readonly name = "BodyTooLong";
}

/** There is no room for the body now. */
export class NoRoom extends Error {
  override readonly name = "NoRoom";
}

/** The body has taken too long. */
export class BodyTooSlow extends Error {
  override readonly name = "BodyTooSlow";
}

/** The connection has ended before the body; `cause` says how. */
export class BodyBroken extends Error {
  override readonly name = "BodyBroken";
}

// A byte order mark is kept, so that JSON behind one is refused, as the original refuses it. Bytes
// that are no UTF-8 become U+FFFD, as in the original.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A body that has arrived. */
export interface Body {
  readonly text: string;
  readonly bytes: number;
}

/** Reads the bodies of one server. */
export class Intake {
  readonly #account: Account;
  readonly #patienceMs: number;

  /** @param account What is being received is charged to it. */
  constructor(account: Account, patienceMs: number = PATIENCE_MS) {
    this.#account = account;
    this.#patienceMs = patienceMs;
  }

  /**
   * The body as text, decoded as a whole so that no character is torn.
   *
   * @param limit Bytes; a longer body is not read to its end.
   * @throws {BodyTooLong} If it is longer than `limit`.
   * @throws {NoRoom} If memory is short, and it is the largest of those that are being received.
   * @throws {BodyTooSlow} If it does not arrive in time.
   * @throws {BodyBroken} If the connection breaks before its end.
   */
  async read(request: Request, limit: number): Promise<Body> {
    const announced = request.headers.get("content-length");
    if (announced !== null && Number(announced) > limit) throw new BodyTooLong();
    const reception = new Reception(this.#account, limit);
    const isSmall = announced !== null && Number(announced) <= SMALL;
    const whole = isSmall
      ? inOneGo(request, Number(announced), reception)
      : inPieces(request, reception);
    const first = Promise.race([whole, reception.evicted]);
    try {
      if (!await within(this.#patienceMs, first)) throw new BodyTooSlow();
      const bytes = await first;
      const body = { text: decoder.decode(bytes), bytes: bytes.length };
      freeBytes(bytes);
      return body;
    } finally {
      reception.end();
      // What comes of them later is of no interest.
      whole.catch(() => {});
      first.catch(() => {});
    }
  }
}

/** One body, while it is being received. */
class Reception implements Holder {
  readonly #holding: Holding;
  readonly #limit: number;
  readonly #evicted = Promise.withResolvers<never>();
  /** What has come in pieces. */
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isOver = false;

  constructor(account: Account, limit: number) {
    this.#holding = account.open(this);
    this.#limit = limit;
    // It may be ended when nobody waits for it any more.
    this.evicted.catch(() => {});
  }

  /** Rejects when it is the largest and memory is short. */
  get evicted(): Promise<never> {
    return this.#evicted.promise;
  }

  /** Takes bytes that have come. */
  take(bytes: number): void {
    // Nobody waits for it any more.
    if (this.#isOver) throw new BodyTooSlow();
    this.#bytes += bytes;
    if (this.#bytes > this.#limit) throw new BodyTooLong();
    if (!this.#holding.set(REQUEST_BYTES + BODY_COST * this.#bytes)) throw new NoRoom();
  }

  /** Takes a piece that has come. It is given back at the end, also when no other comes any more. */
  takeChunk(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    try {
      this.take(chunk.byteLength);
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /** Returns all pieces as one. */
  whole(): Uint8Array {
    if (this.#isOver) throw new NoRoom();
    return Buffer.concat(this.#chunks);
  }

  evict(): void {
    this.end();
    this.#evicted.reject(new NoRoom());
  }

  end(): void {
    this.#isOver = true;
    this.#holding.close();
    for (const chunk of this.#chunks) freeBytes(chunk);
    this.#chunks = [];
  }
}

async function inOneGo(
  request: Request,
  bytes: number,
  reception: Reception,
): Promise<Uint8Array> {
  reception.take(bytes);
  try {
    // The runtime reads exactly as many as were announced.
    return new Uint8Array(await request.arrayBuffer());
  } catch (cause) {
    throw broken(cause);
  }
}

async function inPieces(request: Request, reception: Reception): Promise<Uint8Array> {
  for await (const chunk of piecesOf(request)) reception.takeChunk(chunk);
  return reception.whole();
}

/** Yields the pieces of a body. An error of who takes them does not become one of the connection. */
async function* piecesOf({ body }: Request): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  try {
    yield* body;
  } catch (cause) {
    throw broken(cause);
  }
}

function broken(cause: unknown): BodyBroken {
  return new BodyBroken("The body did not arrive whole", { cause });
}
