/**
 * A histogram: counts of values in buckets. Observing costs a look at the bounds, whatever was observed before.
 *
 * @module
 */

/** The values that have been observed, by bucket. */
export interface Distribution {
  /** The largest value of each bucket but the last, which has no bound. */
  readonly bounds: readonly number[];
  /** Values in each bucket; one more than {@linkcode bounds}. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Bounds for times in seconds, from a message for a few to an overloaded server. */
export const SECONDS: readonly number[] = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
];

/** Bounds for numbers of receivers. */
export const RECEIVERS: readonly number[] = [0, 1, 2, 5, 10, 100, 1000, 10_000];

/** A counter of values by bucket. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds The bounds, in growing order. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array(bounds.length + 1).fill(0);
  }

  /** Counts one value. */
  observe(value: number): void {
    let index = 0;
    for (const bound of this.#bounds) {
      if (value <= bound) break;
      index++;
    }
    // There is one bucket for each bound, and one more.
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  /** Returns what has been observed so far. */
  get distribution(): Distribution {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum };
  }
}

/** Returns the number of values. */
export function countOf({ counts }: Distribution): number {
  return counts.reduce((sum, each) => sum + each, 0);
}

/** Returns the sum of several distributions with the same bounds. */
export function together(
  distributions: readonly Distribution[],
  bounds: readonly number[],
): Distribution {
  return {
    bounds,
    counts: Array.from(
      { length: bounds.length + 1 },
      (_, index) => distributions.reduce((sum, { counts }) => sum + (counts[index] ?? 0), 0),
    ),
    sum: distributions.reduce((total, { sum }) => total + sum, 0),
  };
}

/** Returns what was observed between two distributions of the same histogram. */
export function between(former: Distribution, latter: Distribution): Distribution {
  return {
    bounds: latter.bounds,
    counts: latter.counts.map((count, index) => count - (former.counts[index] ?? 0)),
    sum: latter.sum - former.sum,
  };
}

/**
 * Returns the bound that `share` of the values (0 to 1) are not above; `null` without values, and `Infinity` when
 * it is beyond the last one.
 */
export function quantile(share: number, distribution: Distribution): number | null {
  const count = countOf(distribution);
  if (count === 0) return null;
  const rank = Math.max(1, Math.ceil(share * count));
  let seen = 0;
  for (const [index, each] of distribution.counts.entries()) {
    seen += each;
    if (seen >= rank) return distribution.bounds[index] ?? Infinity;
  }
  return Infinity;
}
