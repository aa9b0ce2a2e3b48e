/**
 * Exponential backoff: the waits between attempts that fail.
 *
 * @module
 */

/** Options of a {@linkcode Backoff}. */
export interface BackoffOptions {
  /** The first wait, in ms. Each further one is twice as long. */
  readonly firstMs: number;
  /** The longest wait, in ms. */
  readonly longestMs: number;
  /**
   * Returns a number from 0 up to 1, the part of each wait that is taken. With random numbers (full jitter) many
   * clients of the same server do not retry at the same moment.
   *
   * @default {() => 1}
   */
  readonly jitter?: () => number;
}

/**
 * Waits that double as long as attempts fail.
 *
 * @example
 * ```ts
 * const backoff = new Backoff({ firstMs: 250, longestMs: 15_000, jitter: Math.random });
 * while (!await connect()) await pause(backoff.next());
 * backoff.reset();
 * ```
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #longest: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#longest = options.firstMs;
  }

  /** Returns the wait after one more failure, in ms. */
  next(): number {
    const { longestMs, jitter = () => 1 } = this.#options;
    const wait = this.#longest;
    this.#longest = Math.min(2 * wait, longestMs);
    return jitter() * wait;
  }

  /** Starts again with the first wait. */
  reset(): void {
    this.#longest = this.#options.firstMs;
  }
}
