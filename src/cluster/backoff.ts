/**
 * How long to wait before a peer that is down is tried again: exponential backoff with full jitter, so
 * that the servers of a cluster do not come back to one of them all at the same moment.
 *
 * @module
 */

/** The longest that the first wait may be, in ms. */
export const FIRST_MS = 250;

/** The longest that any wait may be, in ms. */
export const LONGEST_MS = 15_000;

/** See the module. */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  /** @param random A number from 0 up to 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** How long to wait after one more failure, in ms. */
  wait(): number {
    const longest = Math.min(FIRST_MS * 2 ** this.#failures, LONGEST_MS);
    this.#failures++;
    return this.#random() * longest;
  }

  /** It has worked for long enough: the next failure counts as the first. */
  reset(): void {
    this.#failures = 0;
  }
}
