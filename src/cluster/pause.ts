/**
 * A wait that can be cut short.
 *
 * @module
 */

import type { Clock } from "../clock.ts";

/** A wait that can be cut short. One at a time. */
export class Pause {
  readonly #clock: Clock;
  #resolve = () => {};
  #cancel = () => {};
  #began = 0;
  #ms = 0;
  #canWake = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Resolves after `ms`, or when it is ended.
   *
   * @param canWake Whether {@linkcode wake} ends it.
   */
  async wait(ms: number, canWake = false): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resolve = resolve;
    this.#cancel = this.#clock.after(ms, resolve);
    this.#began = this.#clock.now();
    this.#ms = ms;
    this.#canWake = canWake;
    await promise;
    this.#cancel();
    this.#resolve = () => {};
  }

  /** Ends it. */
  end(): void {
    this.#resolve();
  }

  /** Ends it if it is one that can be woken. */
  wake(): void {
    if (this.#canWake) this.#resolve();
  }

  /** Ends it `ms` after it began, or now if that is over; nothing happens if it ends before. */
  shorten(ms: number): void {
    if (ms >= this.#ms) return;
    this.#ms = ms;
    this.#cancel();
    this.#cancel = this.#clock.after(this.#began + ms - this.#clock.now(), this.#resolve);
  }
}
