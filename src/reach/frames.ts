/**
 * WebSocket frames as a client reads and writes them: those of a server have no mask, its own have one
 * (RFC 6455, section 5.3). Pure.
 *
 * @module
 */

import { CONTROL_LIMIT, OPCODE, writeFrame } from "../websocket/frame.ts";

/** Bytes of one message, whatever its fragments: no admin server takes a longer one. */
const MESSAGE_LIMIT = 64 * 1024 * 1024;

/** Fragments of one message. An Aphlict sends it whole; what stands in between may cut it, but not to dust. */
const FRAGMENT_LIMIT = 16_384;

/** Bytes of the shortest header. */
const HEADER_MIN = 2;

/** What a server has sent. */
export type Received =
  | { readonly type: "message"; readonly text: string }
  | { readonly type: "ping"; readonly payload: Uint8Array }
  | { readonly type: "pong" }
  /** `code` is `null` when it gives none. */
  | { readonly type: "close"; readonly code: number | null; readonly reason: string };

/** What a server has sent is no WebSocket's; the message follows on "the server". */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** The first bytes of a frame. */
interface Header {
  readonly final: boolean;
  readonly opcode: number;
  /** Bytes of the header itself, and of the whole frame. */
  readonly start: number;
  readonly end: number;
}

/** A message of which the last fragment has not come. */
interface Unfinished {
  readonly fragments: Uint8Array[];
  size: number;
}

/** Reads the frames of one connection. */
export class FrameReader {
  /** What has come and is in no whole frame yet. It is put together only when a frame may be whole. */
  #chunks: Uint8Array[] = [];
  #size = 0;
  /** Bytes with which there is more to know than without. */
  #wanted = HEADER_MIN;
  #unfinished: Unfinished | null = null;

  /**
   * Takes what the network has brought, and returns what is whole by it.
   *
   * @throws {FrameError} If it breaks the protocol.
   */
  read(chunk: Uint8Array): Received[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const received: Received[] = [];
    if (this.#size < this.#wanted) return received;
    let bytes = joined(this.#chunks, this.#size);
    for (;;) {
      const header = headerOf(bytes);
      this.#wanted = typeof header === "number" ? header : header.end;
      if (typeof header === "number" || bytes.length < header.end) break;
      const one = this.#take(header, bytes.subarray(header.start, header.end));
      bytes = bytes.subarray(header.end);
      if (one !== null) received.push(one);
    }
    this.#chunks = [bytes];
    this.#size = bytes.length;
    return received;
  }

  /** What a frame comes to; `null` when its message goes on. */
  #take({ final, opcode }: Header, payload: Uint8Array): Received | null {
    switch (opcode) {
      case OPCODE.ping:
        return { type: "ping", payload };
      case OPCODE.pong:
        return { type: "pong" };
      case OPCODE.close: {
        const [high, low] = payload;
        const code = high === undefined || low === undefined ? null : high << 8 | low;
        return { type: "close", code, reason: new TextDecoder().decode(payload.subarray(2)) };
      }
      case OPCODE.text:
      case OPCODE.binary:
      case OPCODE.continuation: {
        if ((opcode === OPCODE.continuation) !== (this.#unfinished !== null)) {
          throw new FrameError("mixes the pieces of its messages up");
        }
        const message = this.#message(final, payload);
        return message === null
          ? null
          : { type: "message", text: new TextDecoder().decode(message) };
      }
      default:
        throw new FrameError(`uses the reserved opcode ${opcode}`);
    }
  }

  /** The message that a fragment completes; `null` when it goes on. */
  #message(final: boolean, payload: Uint8Array): Uint8Array | null {
    if (final && this.#unfinished === null) return payload;
    const unfinished = this.#unfinished ??= { fragments: [], size: 0 };
    const { fragments } = unfinished;
    // A view would keep all that came with it.
    fragments.push(payload.slice());
    unfinished.size += payload.length;
    if (unfinished.size > MESSAGE_LIMIT) {
      throw new FrameError(`sends a message of more than ${MESSAGE_LIMIT} bytes`);
    }
    if (fragments.length > FRAGMENT_LIMIT) {
      throw new FrameError(`sends a message in more than ${FRAGMENT_LIMIT} pieces`);
    }
    if (!final) return null;
    this.#unfinished = null;
    return joined(fragments, unfinished.size);
  }
}

/** The header that bytes begin with, or how many bytes it takes to know it. */
function headerOf(bytes: Uint8Array): Header | number {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return HEADER_MIN;
  if ((first & 0x70) !== 0) throw new FrameError("sets a reserved bit");
  if ((second & 0x80) !== 0) throw new FrameError("masks a frame, as only clients do");
  const size = second < 126 ? 0 : second === 126 ? 2 : 8;
  const start = HEADER_MIN + size;
  if (bytes.length < start) return start;
  const view = new DataView(bytes.buffer, bytes.byteOffset, start);
  const length = size === 0
    ? second
    : size === 2
    ? view.getUint16(HEADER_MIN)
    : Number(view.getBigUint64(HEADER_MIN));
  if (length > MESSAGE_LIMIT) throw new FrameError(`announces a frame of ${length} bytes`);
  const final = (first & 0x80) !== 0;
  const opcode = first & 0x0f;
  if (opcode >= OPCODE.close && (!final || length > CONTROL_LIMIT)) {
    throw new FrameError("sends a control frame that is too long or in pieces");
  }
  return { final, opcode, start, end: start + length };
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A frame as a client sends it. */
export function clientFrame(opcode: number, payload: Uint8Array): Uint8Array {
  // A server's frame first: between its header and its payload comes the mask.
  const plain = new Uint8Array(10 + payload.length);
  const end = writeFrame(plain, 0, opcode, payload);
  const start = end - payload.length;
  const mask = crypto.getRandomValues(new Uint8Array(4));
  const frame = new Uint8Array(end + mask.length);
  frame.set(plain.subarray(0, start));
  frame[1] = (frame[1] ?? 0) | 0x80;
  frame.set(mask, start);
  for (const [index, byte] of payload.entries()) {
    frame[start + mask.length + index] = byte ^ (mask[index % mask.length] ?? 0);
  }
  return frame;
}
