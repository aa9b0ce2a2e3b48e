/**
 * Reading requests' bodies without letting them take more memory or time than they may.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { within } from "../within.ts";

/**
 * Bytes of all bodies that are being received, in the least. Phorge's are small, and peers send one after the
 * other: this is for somebody who begins a thousand large ones.
 */
const TOGETHER = 32 * 1024 * 1024;

/** How many bodies of the largest size there is room for, where that is more. */
const LARGE_ONES = 4;

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
  /** Bytes of the bodies that are being received. */
  #bytes = 0;
  readonly #patienceMs: number;

  constructor(patienceMs: number = PATIENCE_MS) {
    this.#patienceMs = patienceMs;
  }

  /**
   * The body as text, decoded as a whole so that no character is torn.
   *
   * @param limit Bytes; a longer body is not read to its end.
   * @throws {BodyTooLong} If it is longer than `limit`.
   * @throws {NoRoom} If all that are being received are too much together.
   * @throws {BodyTooSlow} If it does not arrive in time.
   * @throws {BodyBroken} If the connection breaks before its end.
   */
  async read(request: Request, limit: number): Promise<Body> {
    const announced = request.headers.get("content-length");
    if (announced !== null && Number(announced) > limit) throw new BodyTooLong();
    const received = { bytes: 0, isOver: false };
    const take = (bytes: number) => {
      // Nobody waits for it any more.
      if (received.isOver) throw new BodyTooSlow();
      received.bytes += bytes;
      this.#bytes += bytes;
      if (received.bytes > limit) throw new BodyTooLong();
      if (this.#bytes > Math.max(TOGETHER, LARGE_ONES * limit)) throw new NoRoom();
    };
    const isSmall = announced !== null && Number(announced) <= SMALL;
    const whole = isSmall ? inOneGo(request, Number(announced), take) : inPieces(request, take);
    try {
      if (!await within(this.#patienceMs, whole)) throw new BodyTooSlow();
      const bytes = await whole;
      return { text: decoder.decode(bytes), bytes: bytes.length };
    } finally {
      // What comes of it later is of no interest.
      received.isOver = true;
      whole.catch(() => {});
      this.#bytes -= received.bytes;
    }
  }
}

async function inOneGo(
  request: Request,
  bytes: number,
  take: (bytes: number) => void,
): Promise<Uint8Array> {
  take(bytes);
  try {
    // The runtime reads exactly as many as were announced.
    return new Uint8Array(await request.arrayBuffer());
  } catch (cause) {
    throw broken(cause);
  }
}

async function inPieces(
  request: Request,
  take: (bytes: number) => void,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of piecesOf(request)) {
    take(chunk.byteLength);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
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
