/**
 * Prometheus' text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure.
 *
 * @module
 */

import type { Distribution } from "./histogram.ts";

/** What tells the samples of a family apart. */
export type Labels = Readonly<Record<string, string>>;

/** One family of metrics; its name and help are fixed texts of ours. */
export type Family =
  | {
    readonly name: string;
    readonly help: string;
    readonly type: "counter" | "gauge";
    readonly samples: readonly (readonly [Labels, number])[];
  }
  | {
    readonly name: string;
    readonly help: string;
    readonly type: "histogram";
    readonly samples: readonly (readonly [Labels, Distribution])[];
  };

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

/** Buckets are cumulative: each counts what is not above its bound. */
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
  // What is no UTF-8, and NUL in Prometheus' own reader, would make all of it unreadable.
  return text.toWellFormed().replaceAll("\0", "\uFFFD").replaceAll("\\", "\\\\").replaceAll(
    "\n",
    "\\n",
  ).replaceAll(
    '"',
    '\\"',
  );
}
