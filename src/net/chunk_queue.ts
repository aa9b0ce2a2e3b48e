/**
 * The chunks of a connection that wait for their turn. Pure.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";

/** The most bytes of memory that a chunk takes beside its own. */
const CHUNK_BYTES = 512;

/** Chunks in their order, and the memory that they take. */
export class ChunkQueue {
  readonly #chunks = new Fifo<Uint8Array>();
  #bytes = 0;

  /** Returns the number of chunks. */
  get size(): number {
    return this.#chunks.size;
  }

  /** Returns the most bytes of memory that all of them take; 0 when none waits. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the chunk that has waited longest; `undefined` when none waits. */
  get first(): Uint8Array | undefined {
    return this.#chunks.first;
  }

  /** Adds a chunk at the end. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length + CHUNK_BYTES;
  }

  /** Takes the first chunk; `undefined` when none waits. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.#bytes -= chunk.length + CHUNK_BYTES;
    return chunk;
  }

  /** Takes all chunks, in their order. */
  takeAll(): Uint8Array[] {
    const { all } = this.#chunks;
    this.#chunks.replace([]);
    this.#bytes = 0;
    return all;
  }
}
