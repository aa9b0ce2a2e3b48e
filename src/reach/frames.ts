/**
 * WebSocket frames as a client reads and writes them: those of a server have no mask, its own have one
 * (RFC 6455, section 5.3). Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { CONTROL_LIMIT, OPCODE, writeFrame } from "../websocket/frame.ts";

/** Bytes of one message, whatever its fragments. */
const MESSAGE_LIMIT = 64 * 1024 * 1024;

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

interface Header {
  readonly final: boolean;
  readonly opcode: number;
  /** Where the payload starts and ends. */
  readonly start: number;
  readonly end: number;
}

/** Reads the frames of one connection. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #fragments: Uint8Array[] | null = null;

  /**
   * Takes what the network has brought, and returns what is whole by it.
   *
   * @throws {FrameError} If it breaks the protocol.
   */
  read(chunk: Uint8Array): Received[] {
    this.#bytes = new Uint8Array(Buffer.concat([this.#bytes, chunk]));
    const received: Received[] = [];
    for (let header = this.#header(); header !== null; header = this.#header()) {
      const payload = this.#bytes.slice(header.start, header.end);
      this.#bytes = this.#bytes.subarray(header.end);
      const one = this.#take(header, payload);
      if (one !== null) received.push(one);
    }
    return received;
  }

  /** The header of the frame at hand; `null` until that is whole. */
  #header(): Header | null {
    const bytes = this.#bytes;
    const [first, second] = bytes;
    if (first === undefined || second === undefined) return null;
    if ((first & 0x70) !== 0) throw new FrameError("sets a reserved bit");
    if ((second & 0x80) !== 0) throw new FrameError("masks a frame, as only clients do");
    const size = second < 126 ? 0 : second === 126 ? 2 : 8;
    const start = 2 + size;
    if (bytes.length < start) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, start);
    const length = size === 0
      ? second
      : size === 2
      ? view.getUint16(2)
      : Number(view.getBigUint64(2));
    if (length > MESSAGE_LIMIT) throw new FrameError(`announces a frame of ${length} bytes`);
    const header = {
      final: (first & 0x80) !== 0,
      opcode: first & 0x0f,
      start,
      end: start + length,
    };
    if (header.opcode >= OPCODE.close && (!header.final || length > CONTROL_LIMIT)) {
      throw new FrameError("sends a control frame that is too long or in pieces");
    }
    return bytes.length < header.end ? null : header;
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
        if ((opcode === OPCODE.continuation) !== (this.#fragments !== null)) {
          throw new FrameError("mixes the pieces of its messages up");
        }
        const fragments = [...this.#fragments ?? [], payload];
        this.#fragments = final ? null : fragments;
        if (fragments.reduce((sum, { length }) => sum + length, 0) > MESSAGE_LIMIT) {
          throw new FrameError(`sends a message of more than ${MESSAGE_LIMIT} bytes`);
        }
        if (!final) return null;
        return { type: "message", text: new TextDecoder().decode(Buffer.concat(fragments)) };
      }
      default:
        throw new FrameError(`uses the reserved opcode ${opcode}`);
    }
  }
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
