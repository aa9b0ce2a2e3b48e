/**
 * Frames that wait to be written together. Sockets that are sent the same messages share one batch, so its bytes are
 * made only once.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { frameSize, writeFrame } from "./frame.ts";

/** One frame, and the frames before it. Immutable except for cached values. */
export class Batch {
  readonly #before: Batch | null;
  readonly #opcode: number;
  readonly #payload: Uint8Array;
  /** The size in bytes on the wire. */
  readonly size: number;
  /** The last result of {@linkcode with}, because the next socket probably asks for the same. */
  #after: Batch | null = null;
  #bytes: Uint8Array | null = null;

  /** Makes a batch of one frame, or of the frames of `before` and one more. */
  constructor(opcode: number, payload: Uint8Array, before: Batch | null = null) {
    this.#before = before;
    this.#opcode = opcode;
    this.#payload = payload;
    this.size = frameSize(payload) + (before?.size ?? 0);
  }

  /** Tells whether the batch ends with this very frame. */
  endsWith(opcode: number, payload: Uint8Array): boolean {
    return this.#payload === payload && this.#opcode === opcode;
  }

  /** Returns this batch with one more frame. The same frame again returns the same batch. */
  with(opcode: number, payload: Uint8Array): Batch {
    if (!this.#after?.endsWith(opcode, payload)) this.#after = new Batch(opcode, payload, this);
    return this.#after;
  }

  /** Returns the bytes of all frames on the wire, made once. */
  get bytes(): Uint8Array {
    if (this.#bytes === null) {
      this.#bytes = Buffer.allocUnsafeSlow(this.size);
      this.#writeTo(this.#bytes);
      for (let batch = this.#before; batch !== null; batch = batch.#before) {
        batch.#writeTo(this.#bytes);
      }
    }
    return this.#bytes;
  }

  /** Writes the last frame at its offset among all of them. */
  #writeTo(bytes: Uint8Array): void {
    writeFrame(bytes, this.#before?.size ?? 0, this.#opcode, this.#payload);
  }
}
