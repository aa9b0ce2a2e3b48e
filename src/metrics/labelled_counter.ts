/**
 * A counter with one label. Its values are words of this program, never a text from outside, so that they are few.
 *
 * @module
 */

import type { Samples } from "./families.ts";

/** Counts by the value of a label, such as a reason. */
export class LabelledCounter<Value extends string> {
  readonly #counts: Map<Value, number>;

  /** @param values All values of the label: those that have not happened are counted as 0. */
  constructor(values: readonly Value[]) {
    this.#counts = new Map(values.map((value) => [value, 0]));
  }

  /** Adds one to the count of a value. */
  add(value: Value): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1);
  }

  /** Returns the sum of all counts. */
  get total(): number {
    return [...this.#counts.values()].reduce((sum, each) => sum + each, 0);
  }

  /** Returns a sample for each value, with the label that tells them apart. */
  samples(label = "reason"): Samples {
    return [...this.#counts].map(([value, count]) => [{ [label]: value }, count]);
  }
}
