/**
 * What the benchmark reads from one run of the load generator, and how runs become a table: medians of
 * each side, and the median of the ratios of the runs that followed each other.
 *
 * @module
 */

/** What this server is compared with: the Node.js original, or another checkout of this project. */
export type Reference = "original" | "before";
/** One side of the comparison. */
export type Side = Reference | "ours";

/** In the order in which they run and are printed. */
export const REFERENCES: readonly Reference[] = ["original", "before"];

/** One run of the load generator against one freshly started server. */
export interface Run {
  readonly scenario: string;
  /** Counted from 1. */
  readonly round: number;
  readonly side: Side;
  /** Exit status of the load generator: 0 when every delivery arrived. */
  readonly exitCode: number;
  /** The object that the load generator printed, as it was. */
  readonly result: Readonly<Record<string, unknown>>;
}

interface Metric {
  readonly name: string;
  /** Which direction is the good one. */
  readonly better: "more" | "less";
  /** Where it stands in a run's result. */
  readonly path: readonly string[];
  /** The printed figure is the raw one times this. Defaults to 1. */
  readonly scale?: number;
  readonly digits: number;
}

const MEGABYTES = 1e-6;

/** Below that of the whole run when the server gets slower the longer it runs. */
const LAST_QUARTER: Metric = {
  name: "messages/s in the last quarter",
  better: "more",
  path: ["messages_per_s_last_quarter"],
  digits: 0,
};

/** For scenarios in which messages flow. */
const PUBLISHING: readonly Metric[] = [
  { name: "deliveries/s", better: "more", path: ["deliveries_per_s"], digits: 0 },
  { name: "messages/s", better: "more", path: ["messages_per_s"], digits: 0 },
  LAST_QUARTER,
  { name: "latency p50, ms", better: "less", path: ["latency_ms", "p50"], digits: 2 },
  { name: "latency p99, ms", better: "less", path: ["latency_ms", "p99"], digits: 2 },
  { name: "server CPU, s", better: "less", path: ["server_cpu_s"], digits: 2 },
  {
    name: "server CPU, s per 1M deliveries",
    better: "less",
    path: ["server_cpu_s_per_1m"],
    digits: 3,
  },
  {
    name: "server RSS connected, MB",
    better: "less",
    path: ["rss_connected"],
    scale: MEGABYTES,
    digits: 1,
  },
  { name: "server RSS peak, MB", better: "less", path: ["rss_peak"], scale: MEGABYTES, digits: 1 },
];

/** Messages flow from the first server of a cluster to the others. */
const CLUSTER: readonly Metric[] = [
  { name: "messages/s", better: "more", path: ["messages_per_s"], digits: 0 },
  LAST_QUARTER,
  { name: "relays per message", better: "less", path: ["relays_per_message"], digits: 2 },
  { name: "remote latency p50, ms", better: "less", path: ["remote_latency_ms", "p50"], digits: 2 },
  { name: "remote latency p99, ms", better: "less", path: ["remote_latency_ms", "p99"], digits: 2 },
  { name: "servers' CPU, ms per message", better: "less", path: ["cpu_ms_per_message"], digits: 3 },
  {
    name: "first one's CPU, ms per message",
    better: "less",
    path: ["first_cpu_ms_per_message"],
    digits: 3,
  },
  { name: "servers' CPU, ms per relay", better: "less", path: ["cpu_ms_per_relay"], digits: 3 },
  {
    name: "servers' RSS peak, MB",
    better: "less",
    path: ["rss_peak"],
    scale: MEGABYTES,
    digits: 1,
  },
];

/** Listeners connect, subscribe and leave, over and over. */
const CHURN: readonly Metric[] = [
  { name: "connections/s", better: "more", path: ["connects_per_s"], digits: 0 },
  { name: "time to connect p99, ms", better: "less", path: ["connect_ms", "p99"], digits: 2 },
  {
    name: "server CPU, s per 10k",
    better: "less",
    path: ["server_cpu_s_per_10k_connects"],
    digits: 3,
  },
  {
    name: "server RSS after, MB",
    better: "less",
    path: ["rss_after"],
    scale: MEGABYTES,
    digits: 1,
  },
];

/** Clients do full TLS handshakes, over and over. */
const HANDSHAKES: readonly Metric[] = [
  { name: "handshakes/s", better: "more", path: ["handshakes_per_s"], digits: 0 },
  {
    name: "server CPU, ms per handshake",
    better: "less",
    path: ["server_cpu_ms_per_handshake"],
    digits: 3,
  },
];

/** Listeners connect and leave three times; `rounds` holds each time. */
const IDLE: readonly Metric[] = [
  { name: "time to connect all, s", better: "less", path: ["connect_s"], digits: 2 },
  {
    name: "server CPU to connect all, s",
    better: "less",
    path: ["rounds", "0", "connect_cpu_s"],
    digits: 2,
  },
  { name: "bytes per connection", better: "less", path: ["bytes_per_conn_rss"], digits: 0 },
  {
    name: "server RSS before, MB",
    better: "less",
    path: ["rss_start"],
    scale: MEGABYTES,
    digits: 1,
  },
  {
    name: "server RSS connected, MB",
    better: "less",
    path: ["rounds", "0", "rss_open"],
    scale: MEGABYTES,
    digits: 1,
  },
  {
    name: "server RSS after closing, MB",
    better: "less",
    path: ["rounds", "0", "rss_closed"],
    scale: MEGABYTES,
    digits: 1,
  },
  {
    name: "connected the third time, MB",
    better: "less",
    path: ["rounds", "2", "rss_open"],
    scale: MEGABYTES,
    digits: 1,
  },
  {
    name: "after closing the third time, MB",
    better: "less",
    path: ["rounds", "2", "rss_closed"],
    scale: MEGABYTES,
    digits: 1,
  },
];

/** What is told of scenarios in which no messages flow. */
const TABLES: Readonly<Record<string, readonly Metric[]>> = {
  idle: IDLE,
  "idle-tls": IDLE,
  "handshakes-ec": HANDSHAKES,
  "handshakes-rsa": HANDSHAKES,
  churn: CHURN,
};

/** The number at `path`, or `NaN` when there is none. */
export function read(result: unknown, path: readonly string[]): number {
  let value = result;
  for (const key of path) {
    value = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  }
  return typeof value === "number" ? value : NaN;
}

/** The middle value, or the mean of the two middle ones. `NaN` when there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? NaN;
  return (lower + upper) / 2;
}

/** The original's servers pass on what each of them got from another: known, and its figure. */
function repeatsItself({ side, result }: Run): boolean {
  return side === "original" && read(result, ["servers"]) > 2;
}

/** Everything that makes a run worthless, in words. Empty for a sound run. */
export function faultsOf(run: Run): string[] {
  const count = (key: string) => read(run.result, [key]) || 0;
  const faults: [number, string][] = [
    [count("missing"), "deliveries lost"],
    [repeatsItself(run) ? 0 : count("duplicated"), "deliveries duplicated"],
    [count("misrouted"), "deliveries misrouted"],
    [count("bad_conns"), "listeners with another set of messages than was sent to them"],
    [count("unparsed"), "frames that are no message"],
    [count("pub_errors"), "messages refused by the admin port"],
    [count("failed"), "connections failed"],
  ];
  const found = faults.filter(([number]) => number > 0).map(([number, what]) =>
    `${number} ${what}`
  );
  if (run.result.stalled === true) found.push("deliveries stopped before the end");
  if (typeof run.result.error === "string") found.push(run.result.error);
  if (read(run.result, ["received"]) === 0) found.push("nothing was delivered");
  if (found.length === 0 && run.exitCode !== 0 && !repeatsItself(run)) {
    found.push(`the load generator ended with exit status ${run.exitCode}`);
  }
  return found;
}

/** Signs that a run says less about the server than it seems to. */
function doubtsOf(run: Run): string[] {
  const percent = (share: number) => `${Math.round(share * 100)} % of a core`;
  const doubts: string[] = [];
  const generator = read(run.result, ["loadgen_cpu_share"]);
  if (generator > 0.9) {
    doubts.push(`the load generator used ${percent(generator)}: it may be the limit`);
  }
  const wallSeconds = read(run.result, ["machine", "wall_s"]);
  const stolen = read(run.result, ["machine", "steal_s"]) / wallSeconds;
  if (stolen > 0.1) doubts.push(`the hypervisor took ${percent(stolen)}`);
  const others = read(run.result, ["other_cpu_share"]);
  if (others > 0.3) doubts.push(`other programs used ${percent(others)}`);
  return doubts;
}

/** One metric of one scenario over all rounds. */
export interface Summary {
  readonly scenario: string;
  readonly metric: string;
  readonly better: "more" | "less";
  /** The side that ours is divided by. `null` when ours was measured alone. */
  readonly reference: Reference | null;
  /** The median of the reference. `null` when it has no such figure. */
  readonly referenceMedian: number | null;
  /** The median of ours. `null` when it has no such figure. */
  readonly ours: number | null;
  /** Ours / reference of each round. Empty when only one side was measured. */
  readonly ratios: readonly number[];
  /** The median of `ratios`, or `null`. */
  readonly ratio: number | null;
}

function summarise(
  scenario: string,
  metric: Metric,
  runs: readonly Run[],
  reference: Reference | null,
): Summary {
  const of = (side: Side | null) =>
    runs.filter((run) => run.side === side).sort((a, b) => a.round - b.round)
      .map((run) => read(run.result, metric.path) * (metric.scale ?? 1));
  const theirs = of(reference);
  const ours = of("ours");
  const ratios = ours.map((value, i) => value / (theirs[i] ?? NaN)).filter(Number.isFinite);
  const orNull = (value: number) => Number.isNaN(value) ? null : value;
  return {
    scenario,
    metric: metric.name,
    better: metric.better,
    reference,
    referenceMedian: orNull(median(theirs)),
    ours: orNull(median(ours)),
    ratios,
    ratio: orNull(median(ratios)),
  };
}

/**
 * The tables of one scenario as text, and their figures: one table for each side that this server is
 * compared with, and one when there is none.
 */
export function report(
  scenario: string,
  title: string,
  runs: readonly Run[],
): { text: string; summaries: Summary[] } {
  const references = REFERENCES.filter((reference) => runs.some(({ side }) => side === reference));
  const tables = references.length === 0
    ? [table(scenario, runs, null)]
    : references.map((reference) => table(scenario, runs, reference));
  const remarks = [
    ...runs.flatMap((run) => doubtsOf(run).map((doubt) => remark("note", run, doubt))),
    ...runs.flatMap((run) => faultsOf(run).map((fault) => remark("FAILED", run, fault))),
  ];
  const lines = [title, tables.map(({ lines }) => lines.join("\n")).join("\n\n"), ...remarks];
  return {
    text: lines.join("\n") + "\n",
    summaries: tables.flatMap(({ summaries }) => summaries),
  };
}

function remark(kind: "note" | "FAILED", { side, round }: Run, text: string): string {
  return `  ${kind}: ${side}, round ${round}: ${text}`;
}

/** Ours beside `reference`, or alone. */
function table(
  scenario: string,
  runs: readonly Run[],
  reference: Reference | null,
): { lines: string[]; summaries: Summary[] } {
  const isCluster = runs.some((run) => "servers" in run.result);
  const metrics = isCluster ? CLUSTER : TABLES[scenario] ?? PUBLISHING;
  const summaries = metrics.map((metric) => summarise(scenario, metric, runs, reference));
  const lines: string[] = [];
  const line = (...[name = "", ...cells]: string[]) =>
    lines.push("  " + name.padEnd(33) + cells.map((cell) => cell.padStart(13)).join(""));

  const heads = reference === null
    ? ["ours"]
    : [reference, "ours", "ratio", "better", "each round"];
  line("median", ...heads);
  summaries.forEach((summary, i) => {
    const show = (value: number | null) => number(value, metrics[i]?.digits ?? 0);
    const cells = [show(summary.ours)];
    if (reference !== null) {
      cells.unshift(show(summary.referenceMedian));
      cells.push(number(summary.ratio, 2), summary.better);
      cells.push("   " + summary.ratios.map((ratio) => number(ratio, 2)).join("  "));
    }
    line(summary.metric, ...cells);
  });
  if (metrics === PUBLISHING || metrics === CLUSTER) {
    const sides: Side[] = reference === null ? ["ours"] : [reference, "ours"];
    line("lost/duplicated/misrouted", ...sides.map((side) => wrongDeliveries(runs, side)));
  }
  return { lines, summaries };
}

function wrongDeliveries(runs: readonly Run[], side: Side): string {
  const sum = (key: string) =>
    runs.filter((run) => run.side === side)
      .reduce((total, run) => total + (read(run.result, [key]) || 0), 0);
  return ["missing", "duplicated", "misrouted"].map(sum).join("/");
}

function number(value: number | null, digits: number): string {
  if (value === null) return "-";
  return value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
