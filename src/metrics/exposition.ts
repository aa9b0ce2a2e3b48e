/**
 * Prometheus' text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure.
 *
 * @module
 */

import { FAMILIES, type Labels, type Metrics, type Samples } from "./families.ts";
import type { Distribution } from "./histogram.ts";

/** One family with its samples. Its name and its help come from the source, never from outside. */
export type Family =
  & { readonly name: string; readonly help: string }
  & (
    | { readonly type: "counter" | "gauge"; readonly samples: Samples }
    | { readonly type: "histogram"; readonly samples: Samples<Distribution> }
  );

/** Writes everything that was collected, in the order of {@linkcode FAMILIES}. */
export function exposition(metrics: Metrics): string {
  const families = Object.entries(FAMILIES).map(([name, family]) => ({
    name,
    ...family,
    samples: metrics[name as keyof Metrics],
  }));
  // The type of a family is that of its samples' values.
  return format(families as readonly Family[]);
}

/** Writes families, each with its help and type; one without samples is left out. */
export function format(families: readonly Family[]): string {
  return families.filter(({ samples }) => samples.length > 0).map(formatFamily).join("");
}

function formatFamily(family: Family): string {
  const { name, help, type } = family;
  const lines = type === "histogram"
    ? family.samples.flatMap(([labels, distribution]) => bucketLines(name, labels, distribution))
    : family.samples.map(([labels, value]) => line(name, labels, value));
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

/** Returns the lines of a histogram. Its buckets are cumulative: each counts what is not above its bound. */
function bucketLines(name: string, labels: Labels, distribution: Distribution): string[] {
  const { bounds, counts, sum } = distribution;
  let count = 0;
  const buckets = counts.map((each, index) => {
    count += each;
    return line(`${name}_bucket`, { ...labels, le: numeral(bounds[index] ?? Infinity) }, count);
  });
  return [...buckets, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, count)];
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${numeral(value)}`;
}

function numeral(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function escape(text: string): string {
  // A text that is no UTF-8, and NUL in Prometheus' own reader, would make the whole page unreadable.
  return text.toWellFormed().replaceAll("\0", "\uFFFD").replaceAll("\\", "\\\\").replaceAll(
    "\n",
    "\\n",
  ).replaceAll(
    '"',
    '\\"',
  );
}
