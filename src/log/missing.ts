/**
 * How many lines are missing in the log since the process began.
 *
 * @module
 */

/** Why a line is missing: there were too many of its kind, or a file could not be written. */
export type Missing = "leftOut" | "lost";

const counts = { leftOut: 0, lost: 0 };

/** One more is missing. */
export function miss(why: Missing): void {
  counts[why]++;
}

/** All that are missing. */
export function missingLines(): Readonly<Record<Missing, number>> {
  return { ...counts };
}
