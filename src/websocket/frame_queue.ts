/**
 * Text messages that wait for a peer that does not read as fast as they come. Pure.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import { frameSize, OPCODE, writeFrame, writeHeader } from "./frame.ts";

/** Bytes of memory that a message which waits takes beside its frame, at most. */
export const WAITING_BYTES = 224;

/** Messages in their order. They are shared with all who wait for the same; each counts as a whole here. */
export class FrameQueue {
  readonly #payloads = new Fifo<Uint8Array>();
  #bytes = 0;
  /** A large payload whose header has been taken. */
  #body: Uint8Array | null = null;

  /** Bytes of memory that all of it takes, at most. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Adds a text message in UTF-8. */
  push(payload: Uint8Array): void {
    this.#payloads.push(payload);
    this.#bytes += frameSize(payload) + WAITING_BYTES;
  }

  /**
   * Takes frames from the front, as bytes to be written: as many as `limit` bytes hold, and at least a part of one.
   * The payload of a frame that is larger comes by itself, as it is shared and need not be copied.
   */
  take(limit: number): Uint8Array | null {
    if (this.#body !== null) {
      const body = this.#body;
      this.#body = null;
      this.#forgetFirst();
      return body;
    }
    let [count, size] = [0, 0];
    for (;;) {
      const payload = this.#payloads.at(count);
      if (!payload || size + frameSize(payload) > limit) break;
      size += frameSize(payload);
      count++;
    }
    if (count === 0) {
      this.#body = this.#payloads.first ?? null;
      return this.#body && writeHeader(OPCODE.text, this.#body.length);
    }
    const bytes = new Uint8Array(size);
    for (let offset = 0; count > 0; count--) {
      const payload = this.#forgetFirst();
      if (payload) offset = writeFrame(bytes, offset, OPCODE.text, payload);
    }
    return bytes;
  }

  /** Drops all of it, but for the rest of a frame whose header has been taken. */
  clear(): void {
    const body = this.#body;
    this.#payloads.replace(body ? [body] : []);
    this.#bytes = body ? frameSize(body) + WAITING_BYTES : 0;
  }

  #forgetFirst(): Uint8Array | undefined {
    const payload = this.#payloads.shift();
    if (payload) this.#bytes -= frameSize(payload) + WAITING_BYTES;
    return payload;
  }
}
