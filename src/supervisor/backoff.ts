/**
 * How long to wait before a service that ended is started again.
 *
 * @module
 */

/** The first wait, in ms. */
export const FIRST_WAIT_MS = 2000;

/** No wait is longer, in ms. */
export const LONGEST_WAIT_MS = 60_000;

/** A service that has listened for this long, in ms, was well: the next wait is the first again. */
export const HEALTHY_MS = 60_000;

/** Waits that double as long as the service keeps failing. */
export class Backoff {
  #next = FIRST_WAIT_MS;

  /**
   * The wait after an unexpected end, in ms.
   *
   * @param listenedMs For how long the service had listened; 0 when it could not start.
   */
  wait(listenedMs: number): number {
    if (listenedMs >= HEALTHY_MS) this.#next = FIRST_WAIT_MS;
    const wait = this.#next;
    this.#next = Math.min(wait * 2, LONGEST_WAIT_MS);
    return wait;
  }
}
