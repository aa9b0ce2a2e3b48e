/**
 * Writes once in each turn of the event loop. A burst of messages becomes one system call for each socket, which is
 * where such a server spends its time.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { Histogram, SECONDS } from "../metrics/histogram.ts";
import { Batch } from "./batch.ts";

/** The longest time of writing, in ms, before other work of the event loop has a turn. */
const SLICE_MS = 20;

/** The number of writers between two readings of the clock. */
const CLOCK_INTERVAL = 16;

/** Something that has frames to write. */
export interface FrameWriter {
  /** Writes the queued frames. Called once for each {@linkcode Outbox.add}. */
  write(): void;
}

/** The queue of writers that all sockets of a server share. */
export class Outbox {
  readonly #writing: Histogram;
  #writers: FrameWriter[] = [];
  #scheduled = false;
  #firsts = new Map<Uint8Array, Batch>();
  /** The time when the first of the next writers was added. */
  #since = 0;

  /** @param writing Observes, in seconds, how long queued frames wait until all of them are written. */
  constructor(writing: Histogram = new Histogram(SECONDS)) {
    this.#writing = writing;
  }

  /** Returns the batch of this frame alone, the same for all callers in one turn. */
  first(opcode: number, payload: Uint8Array): Batch {
    let batch = this.#firsts.get(payload);
    if (!batch?.endsWith(opcode, payload)) {
      batch = new Batch(opcode, payload);
      this.#firsts.set(payload, batch);
      // The caller may write at once, or much later. The batch is forgotten at the end of this turn in both cases.
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

  /** Writes the rest after other work of the event loop had its turn. */
  #goOn(): void {
    this.#scheduled = true;
    // Not `setImmediate`: one that is set in another one is called before the event loop polls any socket (Deno 2.9.6,
    // see docs/upstream.md).
    setTimeout(() => this.#write(), 0);
  }

  #write(): void {
    const until = performance.now() + SLICE_MS;
    let done = 0;
    for (const writer of this.#writers) {
      try {
        writer.write();
      } catch (error) {
        // One writer's error does not affect the others.
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
