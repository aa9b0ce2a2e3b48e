/**
 * Time as a parameter: the runtime's clock, or one that a test moves.
 *
 * @module
 */

/**
 * A clock with timers.
 *
 * @example
 * ```ts
 * const cancel = systemClock.after(5000, () => giveUp());
 * ```
 */
export interface Clock {
  /** Returns the time in ms. It never goes back. */
  now(): number;
  /**
   * Calls back once, after `ms`; in the next turn of the event loop if `ms` is not above 0.
   *
   * @returns A function that cancels that. It does nothing once the time has come.
   */
  after(ms: number, callback: () => void): () => void;
}

/** The clock of the runtime. Its timers keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};
