/**
 * A buffer for bytes that arrive in pieces.
 *
 * @module
 */

import { freeBytes } from "../bytes.ts";

const NOTHING = new Uint8Array(0);

/**
 * Collects pieces of bytes in one buffer that doubles. Each byte is copied a constant number of times, for pieces of
 * any size, and no piece is kept alive.
 */
export class GrowingBuffer {
  readonly #limit: number;
  #buffer: Uint8Array<ArrayBuffer> = NOTHING;
  #length = 0;

  /** @param limit The most bytes that it may hold. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Returns the number of bytes that have been collected. */
  get length(): number {
    return this.#length;
  }

  /** Returns the bytes of memory that it holds: up to twice as many as were collected, and at most the limit. */
  get heldBytes(): number {
    return this.#buffer.length;
  }

  /** Returns the bytes that have been collected. They are valid until the next call of a method. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /**
   * Adds a copy of `bytes`.
   *
   * @throws {RangeError} If there is no room for them below the limit.
   */
  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#limit) throw new RangeError(`More than ${this.#limit} bytes`);
    if (length > this.#buffer.length) {
      const buffer = new Uint8Array(Math.min(this.#limit, Math.max(length, 2 * this.#length)));
      buffer.set(this.bytes);
      freeBytes(this.#buffer);
      this.#buffer = buffer;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  /** Drops all bytes, and frees the memory. */
  clear(): void {
    freeBytes(this.#buffer);
    this.#buffer = NOTHING;
    this.#length = 0;
  }
}
