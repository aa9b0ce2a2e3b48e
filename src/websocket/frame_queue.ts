/**
 * Text messages that wait for a peer that reads more slowly than they come. Pure.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import { frameSize, OPCODE, writeFrame, writeHeader } from "./frame.ts";

/** The most bytes of memory that a waiting message takes beside its frame. */
const WAITING_BYTES = 224;

/** The waiting messages in their order. A message is shared by all queues that hold it; each counts it as a whole. */
export class FrameQueue {
  readonly #payloads = new Fifo<Uint8Array>();
  #bytes = 0;
  /** A large payload whose header has been taken. */
  #body: Uint8Array | null = null;

  /** Returns the most bytes of memory that the queue takes. */
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
   * Takes frames from the head of the queue, as bytes to write: as many as `limit` bytes hold, and at least a part of
   * one. The payload of a larger frame comes by itself, as it is shared and need not be copied.
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

  /** Drops all messages, except the rest of a frame whose header has been taken. */
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
