/**
 * A reader of Prometheus' text format, version 0.0.4, written from its description and without the code under
 * test. It is strict: what the format leaves open to taste is refused as well.
 *
 * @module
 */

/** One line with a value. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All that is told of one metric. */
export interface ReadFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
}

/**
 * Reads a page.
 *
 * @throws {Error} With the line that is wrong.
 */
export function read(text: string): ReadFamily[] {
  if (text === "") return [];
  if (!text.endsWith("\n")) throw new Error("The last line does not end");
  const families: (ReadFamily & { samples: Sample[] })[] = [];
  const names = new Set<string>();
  const series = new Set<string>();
  const lines = text.slice(0, -1).split("\n");
  while (lines.length > 0) {
    const [, name = "", help = ""] = /^# HELP (\S+) (\S.*)$/.exec(lines.shift() ?? "") ?? [];
    const [, typed = "", type = ""] = /^# TYPE (\S+) (\S+)$/.exec(lines.shift() ?? "") ?? [];
    if (name === "" || name !== typed) throw new Error(`No help and type in a row for ${name}`);
    if (!/^[a-zA-Z_:][\w:]*$/.test(name)) throw new Error(`${name} is no name`);
    if (names.has(name)) throw new Error(`${name} comes twice`);
    names.add(name);
    if (type !== "counter" && type !== "gauge" && type !== "histogram") throw new Error(type);
    const family = { name, help, type, samples: [] as Sample[] } as const;
    while (lines.length > 0 && !lines[0]?.startsWith("#")) {
      const sample = readSample(lines.shift() ?? "");
      const its = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      if (!its.some((suffix) => sample.name === `${name}${suffix}`)) {
        throw new Error(`${sample.name} stands under ${name}`);
      }
      const labels = Object.entries(sample.labels).sort(([a], [b]) => a < b ? -1 : 1);
      const key = JSON.stringify([sample.name, labels]);
      if (series.has(key)) throw new Error(`${key} comes twice`);
      series.add(key);
      family.samples.push(sample);
    }
    if (family.samples.length === 0) throw new Error(`${name} has no samples`);
    if (type === "histogram") checkBuckets(family);
    families.push(family);
  }
  return families;
}

function readSample(line: string): Sample {
  const fail = () => new Error(`${JSON.stringify(line)} is no sample`);
  const [whole, name = ""] = /^([a-zA-Z_:][\w:]*)/.exec(line) ?? [];
  if (whole === undefined) throw fail();
  let rest = line.slice(name.length);
  const labels: Record<string, string> = {};
  if (rest.startsWith("{")) {
    rest = rest.slice(1);
    for (let first = true; !rest.startsWith("}"); first = false) {
      const pattern = first
        ? /^([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\n"])*)"/
        : /^,([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\n"])*)"/;
      const [pair, label = "", value = ""] = pattern.exec(rest) ?? [];
      if (pair === undefined || Object.hasOwn(labels, label)) throw fail();
      labels[label] = value.replaceAll(
        /\\(.)/g,
        (_, escaped) => escaped === "n" ? "\n" : escaped,
      );
      rest = rest.slice(pair.length);
    }
    rest = rest.slice(1);
  }
  const [, number] = /^ (\S+)$/.exec(rest) ?? [];
  if (number === undefined) throw fail();
  return { name, labels, value: readNumber(number) };
}

function readNumber(text: string): number {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  if (!/^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(text)) throw new Error(`${text} is no number`);
  return Number(text);
}

/** Each series has buckets that do not fall, the last without a bound, and as many values in it as in all. */
function checkBuckets({ name, samples }: ReadFamily): void {
  const series = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  for (const [labels, all] of series) {
    const fail = (what: string) => new Error(`${name} ${labels}: ${what}`);
    const buckets = all.filter((each) => each.name === `${name}_bucket`);
    const bounds = buckets.map((each) => readNumber(each.labels["le"] ?? ""));
    if (bounds.some((bound, index) => index > 0 && bound <= (bounds[index - 1] ?? NaN))) {
      throw fail("the bounds do not grow");
    }
    if (bounds.at(-1) !== Infinity) throw fail("there is no bucket of all");
    if (buckets.some(({ value }, index) => value < (buckets[index - 1]?.value ?? 0))) {
      throw fail("the buckets are not cumulative");
    }
    const [sum, count, ...others] = all.slice(buckets.length);
    if (sum?.name !== `${name}_sum` || count?.name !== `${name}_count` || others.length > 0) {
      throw fail("no sum and count follow the buckets");
    }
    if (count.value !== buckets.at(-1)?.value) throw fail("the count is not the bucket of all");
  }
}
