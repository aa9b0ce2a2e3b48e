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
   * Waits for `ms`, or until the wait is ended.
   *
   * @param canWake True if {@linkcode wake} ends the wait.
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
    // Between two waits there is nothing to shorten.
    this.#ms = 0;
  }

  /** Ends the wait. */
  end(): void {
    this.#resolve();
  }

  /** Ends the wait if it can be woken. */
  wake(): void {
    if (this.#canWake) this.#resolve();
  }

  /** Ends the wait `ms` after it began, or now if that is over. A wait that ends earlier is not changed. */
  shorten(ms: number): void {
    if (ms >= this.#ms) return;
    this.#ms = ms;
    this.#cancel();
    this.#cancel = this.#clock.after(this.#began + ms - this.#clock.now(), this.#resolve);
  }
}
