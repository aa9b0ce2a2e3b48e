/**
 * A wait that can be cut short.
 *
 * @module
 */

/** See the module. One at a time. */
export class Pause {
  #resolve = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #began = 0;
  #ms = 0;
  #canWake = false;

  /**
   * Resolves after `ms`, or when it is ended.
   *
   * @param canWake Whether {@linkcode wake} ends it.
   */
  async wait(ms: number, canWake = false): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resolve = resolve;
    this.#timer = setTimeout(resolve, Math.max(0, ms));
    this.#began = performance.now();
    this.#ms = ms;
    this.#canWake = canWake;
    await promise;
    clearTimeout(this.#timer);
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
    clearTimeout(this.#timer);
    const left = this.#began + ms - performance.now();
    this.#timer = setTimeout(this.#resolve, Math.max(0, left));
  }
}
