/**
 * Turns for work that takes long: however many connections have some, the others wait for little of it.
 *
 * A piece of work of one connection takes a millisecond at most. But where a thousand of them bring a large
 * message at once, or ask for a replay, the event loop would be busy for a second before it looks at anybody
 * else. So such work is done for some milliseconds in each turn of the event loop, in the order in which it came.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** How long work goes on before others have their turn, in ms. */
const SLICE_MS = 10;

/** Somebody who has work. */
export interface Worker {
  /** Does a piece of it; adds itself again when there is more. */
  work(): void;
}

/** Shared by all connections of a service. */
export class WorkQueue {
  #waiting: Worker[] = [];
  #scheduled = false;
  /** Since when work is done in this turn; `null`: none was. */
  #since: number | null = null;
  #isWorking = false;
  readonly #now: () => number;

  /** @param now A clock in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Has a piece of work done: at once if there is time in this turn, else behind those who wait. */
  add(worker: Worker): void {
    this.#schedule();
    // Those who add themselves again come behind those who wait.
    const isBusy = this.#isWorking || this.#waiting.length > 0;
    if (isBusy || !this.#hasTime()) this.#waiting.push(worker);
    else this.#work(worker);
  }

  /** Whether there is time for a piece in this turn; for the first there is. */
  #hasTime(): boolean {
    if (this.#since !== null) return this.#now() - this.#since < SLICE_MS;
    this.#since = this.#now();
    return true;
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
    this.#since = null;
    let done = 0;
    while (done < this.#waiting.length && this.#hasTime()) {
      const worker = this.#waiting[done++];
      if (worker !== undefined) this.#work(worker);
    }
    this.#waiting = this.#waiting.slice(done);
    this.#scheduled = false;
    if (this.#waiting.length > 0) this.#goOn();
    else this.#since = null;
  }

  #work(worker: Worker): void {
    this.#isWorking = true;
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
