/**
 * When to write: once for each turn of the event loop, whatever was queued in it. A burst of messages
 * becomes one system call for each socket, which is where a server like this spends its time.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { Histogram, SECONDS } from "../metrics/histogram.ts";
import { Batch } from "./batch.ts";

/** How long writing goes on before whoever else waits for the event loop has a turn, in ms. */
const SLICE_MS = 20;

/** How many writers are between two looks at the clock. */
const CLOCK_INTERVAL = 16;

/** Something that has frames to write. */
export interface FrameWriter {
  /** Writes what it has queued. Called once for each {@linkcode Outbox.add}. */
  write(): void;
}

/** Shared by all sockets of a server. */
export class Outbox {
  readonly #writing: Histogram;
  #writers: FrameWriter[] = [];
  #scheduled = false;
  #firsts = new Map<Uint8Array, Batch>();
  /** When the first of those that write next was added. */
  #since = 0;

  /** @param writing Told how long, in seconds, what is queued waits until all of it is written. */
  constructor(writing: Histogram = new Histogram(SECONDS)) {
    this.#writing = writing;
  }

  /** The batch of this frame alone, the same for all who ask in one turn. */
  first(opcode: number, payload: Uint8Array): Batch {
    let batch = this.#firsts.get(payload);
    if (!batch?.endsWith(opcode, payload)) {
      batch = new Batch(opcode, payload);
      this.#firsts.set(payload, batch);
      // Whoever asks may write at once, or much later. It is forgotten at the end of this turn all the same.
      this.#schedule();
    }
    return batch;
  }

  /** Lets `writer` write when this turn of the event loop is over. */
  add(writer: FrameWriter): void {
    if (this.#writers.length === 0) this.#since = performance.now();
    this.#writers.push(writer);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#write());
  }

  /** Writes the rest after others had their turn. */
  #goOn(): void {
    this.#scheduled = true;
    // Not `setImmediate`: one that is set in another one is called before the event loop looks at any socket
    // (Deno 2.9.6, see docs/upstream.md).
    setTimeout(() => this.#write(), 0);
  }

  #write(): void {
    const until = performance.now() + SLICE_MS;
    let done = 0;
    for (const writer of this.#writers) {
      try {
        writer.write();
      } catch (error) {
        // The others have nothing to do with it.
        reportError(error);
      }
      done++;
      if (done % CLOCK_INTERVAL === 0 && performance.now() > until) break;
    }
    this.#writers = this.#writers.slice(done);
    this.#firsts = new Map();
    this.#scheduled = false;
    if (this.#writers.length > 0) this.#goOn();
    else if (done > 0) this.#writing.observe((performance.now() - this.#since) / 1000);
  }
}
