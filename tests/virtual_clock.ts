/**
 * Time that a test moves.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "../src/clock.ts";

/** A clock that jumps from event to event, and stands still between two calls of {@linkcode advance}. */
export class VirtualClock implements Clock {
  #now = 0;
  /** The next one last. */
  readonly #events: { readonly at: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const event = { at: this.#now + Math.max(0, ms), callback };
    const index = this.#events.findLastIndex(({ at }) => at > event.at);
    this.#events.splice(index + 1, 0, event);
    return () => {
      const place = this.#events.indexOf(event);
      if (place >= 0) this.#events.splice(place, 1);
    };
  }

  /** The timers that are set. */
  get timers(): number {
    return this.#events.length;
  }

  /** Lets `ms` pass, or less if it is over before. All that follows from an event happens before the next one. */
  async advance(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while (!isOver()) {
      const next = this.#events.at(-1);
      if (next === undefined || next.at > end) {
        this.#now = end;
        return;
      }
      this.#events.pop();
      this.#now = next.at;
      next.callback();
      await settled();
    }
  }
}

/** Resolves when every promise that can has been dealt with: a task comes behind all of them. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
