/**
 * A deadline for a promise.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";

/** Tells whether `promise` resolves within `ms`. An error that it rejects with is thrown. */
export async function within(
  ms: number,
  promise: Promise<unknown>,
  clock: Clock = systemClock,
): Promise<boolean> {
  let cancel = () => {};
  const late = new Promise<boolean>((resolve) => cancel = clock.after(ms, () => resolve(false)));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    cancel();
  }
}
