/**
 * Frames that wait to be written together. Sockets that are sent the same messages share one batch,
 * so its bytes are made once however many they are.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { frameSize, writeFrame } from "./frame.ts";

/** One frame, and those before it. Never changes, but for what it remembers. */
export class Batch {
  readonly #before: Batch | null;
  readonly #opcode: number;
  readonly #payload: Uint8Array;
  /** Bytes on the wire. */
  readonly size: number;
  /** What was last made by {@linkcode with}: the next socket is likely to ask for the same. */
  #after: Batch | null = null;
  #bytes: Uint8Array | null = null;

  /** A batch of one frame, or one more frame behind those of `before`. */
  constructor(opcode: number, payload: Uint8Array, before: Batch | null = null) {
    this.#before = before;
    this.#opcode = opcode;
    this.#payload = payload;
    this.size = frameSize(payload) + (before?.size ?? 0);
  }

  /** Whether it ends with this very frame. */
  endsWith(opcode: number, payload: Uint8Array): boolean {
    return this.#payload === payload && this.#opcode === opcode;
  }

  /** This batch and one more frame. Asked for the same again, it gives the same batch. */
  with(opcode: number, payload: Uint8Array): Batch {
    if (!this.#after?.endsWith(opcode, payload)) this.#after = new Batch(opcode, payload, this);
    return this.#after;
  }

  /** All its frames as they go over the wire, made once. */
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

  /** Writes its last frame where it stands among all of them. */
  #writeTo(bytes: Uint8Array): void {
    writeFrame(bytes, this.#before?.size ?? 0, this.#opcode, this.#payload);
  }
}
