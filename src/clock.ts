/**
 * Time as a parameter: a simulation brings a clock of its own, and waits for nothing.
 *
 * @module
 */

/** A clock that nobody sets. All times are in ms. */
export interface Clock {
  /** Returns the time since some moment. */
  now(): number;
  /** Calls once after `ms`; what it returns calls it off. */
  after(ms: number, call: () => void): () => void;
}

/** The clock of the host. */
export const CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};
