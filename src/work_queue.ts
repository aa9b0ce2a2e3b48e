/**
 * The queue of the work that connections bring: however many there are, each waits for little of it.
 *
 * A piece of work of one connection takes a millisecond at most. But a thousand connections may bring a large
 * message at once, or ask for a replay. Then the event loop would be busy for a second before it looks at any
 * other. So work is done for some milliseconds in each turn of the event loop, in the order in which it came. There
 * are two lanes: small commands do not wait behind large ones, and these have a part of their own.
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
 * it, and a TLS handshake goes on there, too: they run before the next ones are begun, so that their time counts.
 */
const BATCHES: Readonly<Record<LaneName, number>> = { light: 16, heavy: 4 };

/** A connection, or what belongs to one, that has work. */
export interface Worker {
  /** Does a piece of the work; adds itself again when there is more. */
  work(): void;
}

/** The lanes of a work queue for the connections to one kind of server. */
export interface WorkShare {
  /** Does a piece of work at once if there is time in this turn; else it comes behind the waiting ones. */
  add(worker: Worker, lane: LaneName): void;
}

/**
 * The work queue of a service. Each share has two lanes of its own, so that admin servers do not wait for the work of
 * client servers. All lanes have the same turns. Two queues with turns of their own would take turns without end, and
 * the sockets would have none.
 */
export class WorkQueue {
  readonly #lanes: Lane[] = [];
  readonly #clock: WorkClock;
  #scheduled = false;
  #isInTurn = false;
  /** The time of the end of the last turn. */
  #ended = -Infinity;

  /** @param now A clock in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#clock = { now, worked: -Infinity };
  }

  /** Returns one more share. */
  share(): WorkShare {
    const lanes = {
      light: new Lane(this.#clock, BATCHES.light),
      heavy: new Lane(this.#clock, BATCHES.heavy),
    };
    this.#lanes.push(lanes.light, lanes.heavy);
    return {
      add: (worker, name) => {
        // The event loop has had its turn meanwhile.
        if (!this.#isInTurn && this.#clock.now() - this.#clock.worked > PAUSE_MS) this.#begin();
        lanes[name].add(worker);
        if (lanes[name].isWaiting) this.#schedule();
      },
    };
  }

  /** Schedules the next turn, after others had theirs. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Not `setImmediate` again: one that is set in another one, or in a microtask behind it, is called before the event
    // loop looks at any socket (Deno 2.9.6, see docs/upstream.md).
    if (this.#clock.now() - this.#ended <= SLICE_MS) setTimeout(() => this.#turn(), 0);
    else setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isInTurn = true;
    this.#begin();
    this.#goOn();
  }

  #begin(): void {
    for (const lane of this.#lanes) lane.begin();
  }

  /**
   * Does a batch, and goes on behind its microtasks for as long as there is time in this turn. The next turn is set
   * only after that, so that its timer is not due yet.
   */
  #goOn(): void {
    if (this.#lanes.some((lane) => lane.doBatch())) {
      setImmediate(() => this.#goOn());
      return;
    }
    this.#scheduled = false;
    this.#isInTurn = false;
    this.#ended = this.#clock.now();
    if (this.#lanes.some(({ isWaiting }) => isWaiting)) this.#schedule();
  }
}

/** The clock of all lanes. */
interface WorkClock {
  readonly now: () => number;
  /** The time of the end of the last piece of work, in whichever lane. */
  worked: number;
}

class Lane {
  readonly #clock: WorkClock;
  readonly #batch: number;
  readonly #waiting = new Fifo<Worker>();
  #isWorking = false;
  /** The time since which work is done in this turn; `null`: none was. */
  #since: number | null = null;

  /** @param batch Pieces that are begun one behind the other. */
  constructor(clock: WorkClock, batch: number) {
    this.#clock = clock;
    this.#batch = batch;
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
    for (; done < this.#batch && this.isWaiting && this.#hasTime(); done++) {
      const worker = this.#waiting.shift();
      if (worker !== undefined) this.#work(worker);
    }
    return done > 0;
  }

  /** Tells whether there is time for a piece in this turn; for the first there is. */
  #hasTime(): boolean {
    const now = this.#clock.now();
    this.#since ??= now;
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
      this.#clock.worked = this.#clock.now();
    }
  }
}
