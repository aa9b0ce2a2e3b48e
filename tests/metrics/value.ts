import { type Labels, type Metrics, type Samples, sumOf } from "../../src/metrics/families.ts";
import type { LabelledCounter } from "../../src/metrics/labelled_counter.ts";

/** Families whose values are numbers. */
type NumberFamily = {
  [Name in keyof Metrics]: Metrics[Name] extends Samples ? Name : never;
}[keyof Metrics];

/** Returns the sum of the samples of a family that a room contributes. */
export function value(
  room: { metrics(): Partial<Metrics> },
  family: NumberFamily,
  labels: Labels = {},
): number {
  return sumOf(room.metrics()[family] ?? [], labels);
}

/** Returns the counts of a labelled counter by its label's values. */
export function countsOf(counter: LabelledCounter<string>): Readonly<Record<string, number>> {
  return Object.fromEntries(counter.samples().map(([{ reason = "" }, count]) => [reason, count]));
}
