/**
 * Turns for what connections bring: however many there are, each waits for little of it.
 *
 * A piece of work of one connection takes a millisecond at most. But where a thousand of them bring a large
 * message at once, or ask for a replay, the event loop would be busy for a second before it looks at any other. So
 * work is done for some milliseconds in each turn of the event loop, in the order in which it came. There are two
 * lanes: small commands do not wait behind large ones, and these have a share of their own.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { Fifo } from "./fifo.ts";

/** How long the work of a lane goes on before others have their turn, in ms. */
const SLICE_MS = 10;

/** The lane of small commands, and that of all else. */
export type LaneName = "light" | "heavy";

/**
 * Pieces of heavy work in one turn, at most. A request is answered in microtasks behind the slice that begins it, which
 * its time does not show: that of 32 large pages is some 3 ms.
 */
const HEAVY_PIECES = 32;

/** A connection, or what belongs to one, that has work. */
export interface Worker {
  /** Does a piece of it; adds itself again when there is more. */
  work(): void;
}

/** Shared by all connections of a service. */
export class WorkQueue {
  readonly #lanes: Readonly<Record<LaneName, Lane>>;
  #scheduled = false;

  /** @param now A clock in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#lanes = { light: new Lane(now, Infinity), heavy: new Lane(now, HEAVY_PIECES) };
  }

  /** Has a piece of work done: at once if there is time in this turn, else behind those who wait. */
  add(worker: Worker, lane: LaneName): void {
    this.#schedule();
    this.#lanes[lane].add(worker);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  /** Goes on after others had their turn. */
  #goOn(): void {
    this.#scheduled = true;
    // Not `setImmediate`: one that is set in another one is called before the event loop looks at any socket
    // (Deno 2.9.6, see docs/upstream.md).
    setTimeout(() => this.#turn(), 0);
  }

  #turn(): void {
    const { light, heavy } = this.#lanes;
    light.turn();
    heavy.turn();
    this.#scheduled = false;
    if (light.isWaiting || heavy.isWaiting) this.#goOn();
  }
}

class Lane {
  readonly #now: () => number;
  readonly #pieces: number;
  readonly #waiting = new Fifo<Worker>();
  #isWorking = false;
  /** Since when work is done in this turn; `null`: none was. */
  #since: number | null = null;
  /** Pieces that were done in this turn. */
  #done = 0;

  constructor(now: () => number, pieces: number) {
    this.#now = now;
    this.#pieces = pieces;
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  add(worker: Worker): void {
    // Those who add themselves again come behind those who wait.
    if (this.#isWorking || this.isWaiting || !this.#hasTime()) this.#waiting.push(worker);
    else this.#work(worker);
  }

  turn(): void {
    this.#since = null;
    while (this.isWaiting && this.#hasTime()) {
      const worker = this.#waiting.shift();
      if (worker !== undefined) this.#work(worker);
    }
    if (!this.isWaiting) this.#since = null;
  }

  /** Whether there is time for a piece in this turn; for the first there is. */
  #hasTime(): boolean {
    if (this.#since !== null) {
      return this.#done < this.#pieces && this.#now() - this.#since < SLICE_MS;
    }
    this.#since = this.#now();
    this.#done = 0;
    return true;
  }

  #work(worker: Worker): void {
    this.#isWorking = true;
    this.#done++;
    try {
      worker.work();
    } catch (error) {
      // The others have nothing to do with it.
      reportError(error);
    } finally {
      this.#isWorking = false;
    }
  }
}
