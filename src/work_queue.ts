/**
 * The queue of the work that connections bring: however many there are, each waits for little of it.
 *
 * A piece of work of one connection takes a millisecond at most. But a thousand connections may bring a large
 * message at once, or ask for a replay. Then the event loop would be busy for a second before it looks at any
 * other. So work is done for some milliseconds in each turn of the event loop, in the order in which it came. There
 * are two lanes: small commands do not wait behind large ones, and these have a share of their own.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { Fifo } from "./fifo.ts";

/** The time for which the work of a lane goes on before others have their turn, in ms. */
const SLICE_MS = 10;

/** The time without work after which the event loop has had its turn, in ms. */
const PAUSE_MS = 5;

/** The lane of small commands, and that of all else. */
export type LaneName = "light" | "heavy";

/**
 * Pieces of work that are begun one behind the other. A request is answered in microtasks behind the piece that begins
 * it: they run before the next ones are begun, so that their time counts.
 */
const BATCH = 16;

/** A connection, or what belongs to one, that has work. */
export interface Worker {
  /** Does a piece of the work; adds itself again when there is more. */
  work(): void;
}

/** The work queue that all connections to one kind of port share: neither port waits for the other's. */
export class WorkQueue {
  readonly #lanes: Readonly<Record<LaneName, Lane>>;
  readonly #now: () => number;
  #scheduled = false;
  /** The time of the last turn. */
  #turned = -Infinity;

  /** @param now A clock in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#lanes = { light: new Lane(now), heavy: new Lane(now) };
  }

  /** Does a piece of work at once if there is time in this turn; else it comes behind the waiting ones. */
  add(worker: Worker, lane: LaneName): void {
    this.#lanes[lane].add(worker);
    if (this.#lanes[lane].isWaiting) this.#schedule();
  }

  /** Schedules the next turn, after others had theirs. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Not `setImmediate` again: one that is set in another one, or in a microtask behind it, is called before the event
    // loop looks at any socket (Deno 2.9.6, see docs/upstream.md). A timer that is due when it is looked for is, too.
    if (this.#now() - this.#turned <= 2 * SLICE_MS) setTimeout(() => this.#turn(), 0);
    else setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#turned = this.#now();
    const { light, heavy } = this.#lanes;
    light.begin();
    heavy.begin();
    this.#goOn();
  }

  /**
   * Does a batch, and goes on behind its microtasks for as long as there is time in this turn. The next turn is set
   * only after that, so that its timer is not due yet.
   */
  #goOn(): void {
    const { light, heavy } = this.#lanes;
    if (light.doBatch() || heavy.doBatch()) {
      setImmediate(() => this.#goOn());
      return;
    }
    this.#scheduled = false;
    if (light.isWaiting || heavy.isWaiting) this.#schedule();
  }
}

class Lane {
  readonly #now: () => number;
  readonly #waiting = new Fifo<Worker>();
  #isWorking = false;
  /** The time since which work is done in this turn; `null`: none was. */
  #since: number | null = null;
  /** The time of the last work. */
  #last = -Infinity;

  constructor(now: () => number) {
    this.#now = now;
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  add(worker: Worker): void {
    // Workers that add themselves again come behind those that wait.
    if (this.#isWorking || this.isWaiting || !this.#hasTime()) this.#waiting.push(worker);
    else this.#work(worker);
  }

  /** Begins a turn. */
  begin(): void {
    this.#since = null;
  }

  /** Does some of the work that waits; `false`: none waits, or there is no time for it. */
  doBatch(): boolean {
    let done = 0;
    for (; done < BATCH && this.isWaiting && this.#hasTime(); done++) {
      const worker = this.#waiting.shift();
      if (worker !== undefined) this.#work(worker);
    }
    return done > 0;
  }

  /** Tells whether there is time for a piece in this turn; for the first there is. */
  #hasTime(): boolean {
    const now = this.#now();
    if (this.#since === null || now - this.#last > PAUSE_MS) this.#since = now;
    return now - this.#since < SLICE_MS;
  }

  #work(worker: Worker): void {
    this.#isWorking = true;
    try {
      worker.work();
    } catch (error) {
      // The error does not concern the other workers.
      reportError(error);
    } finally {
      this.#isWorking = false;
      this.#last = this.#now();
    }
  }
}
