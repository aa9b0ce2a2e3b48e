import fc from "fast-check";
import { type Family, format } from "../../src/metrics/exposition.ts";
import { Histogram } from "../../src/metrics/histogram.ts";
import { assertEquals, assertThrows } from "../assert.ts";
import { read } from "./prometheus.ts";

/** A gauge with these samples. */
function gauge(...samples: Extract<Family, { type: "gauge" | "counter" }>["samples"]): Family {
  return { name: "a_gauge", help: "What it is.", type: "gauge", samples };
}

Deno.test("each family has its help and its type before its samples", () => {
  const histogram = new Histogram([0.1, 1]);
  for (const value of [0.05, 0.5, 0.5, 7]) histogram.observe(value);
  assertEquals(
    format([
      gauge([{}, 1.5], [{ a: "x", b: "y" }, -2]),
      { name: "a_total", help: "How often.", type: "counter", samples: [[{ a: "" }, 3]] },
      {
        name: "a_seconds",
        help: "How long.",
        type: "histogram",
        samples: [[{ server: "s" }, histogram.distribution]],
      },
    ]),
    `# HELP a_gauge What it is.
# TYPE a_gauge gauge
a_gauge 1.5
a_gauge{a="x",b="y"} -2
# HELP a_total How often.
# TYPE a_total counter
a_total{a=""} 3
# HELP a_seconds How long.
# TYPE a_seconds histogram
a_seconds_bucket{server="s",le="0.1"} 1
a_seconds_bucket{server="s",le="1"} 3
a_seconds_bucket{server="s",le="+Inf"} 4
a_seconds_sum{server="s"} 8.05
a_seconds_count{server="s"} 4
`,
  );
});

Deno.test("a family without samples is left out, and none are an empty page", () => {
  assertEquals(format([gauge()]), "");
  assertEquals(format([]), "");
  assertEquals(read(format([gauge(), { ...gauge([{}, 1]), name: "b" }])).length, 1);
});

Deno.test("numbers are written so that they are read as they were", () => {
  const number = fc.oneof(
    fc.double({ noNaN: true }),
    fc.integer(),
    fc.constantFrom(0, Infinity, -Infinity, 1e21, 1e-7, 5e-324, Number.MAX_VALUE),
  );
  fc.assert(fc.property(number, (number) => {
    const [family] = read(format([gauge([{}, number])]));
    // A zero has no sign here.
    assertEquals((family?.samples[0]?.value ?? NaN) + 0, number + 0);
  }));
});

const labelText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(..."\\\n\r\"'{}=, #xnN\0\u2028\ud83e\udd95é") }),
);
const labels = fc.dictionary(
  fc.stringMatching(/^[a-zA-Z_]\w{0,5}$/).filter((name) => name !== "__proto__"),
  labelText,
  { maxKeys: 4 },
);

Deno.test("labels are read as they were written, whatever they hold", () => {
  fc.assert(
    fc.property(labels, labelText, fc.integer(), (labels, other, number) => {
      const all = { ...labels, other };
      const [family] = read(format([gauge([all, number])]));
      assertEquals(family?.samples, [{
        name: "a_gauge",
        labels: Object.fromEntries(
          Object.entries(all).map(([name, text]) => [
            name,
            text.toWellFormed().replaceAll("\0", "\ufffd"),
          ]),
        ),
        value: number,
      }]);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("NUL, which Prometheus' reader stumbles over, is not written", () => {
  const text = format([gauge([{ a: "x\0y" }, 1])]);
  assertEquals(read(text)[0]?.samples[0]?.labels, { a: "x\ufffdy" });
});

Deno.test("what is no UTF-8 does not make the page unreadable", () => {
  const text = format([gauge([{ a: "\ud800x\udc00" }, 1])]);
  assertEquals(text.isWellFormed(), true);
  assertEquals(read(text)[0]?.samples[0]?.labels, { a: "\ufffdx\ufffd" });
});

Deno.test("buckets are cumulative, whatever was observed, and the last holds all", () => {
  const bounds = fc.uniqueArray(fc.double({ min: 0, max: 100, noNaN: true }), { maxLength: 8 })
    .map((all) => all.map((each) => each + 0).sort((a, b) => a - b));
  const values = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { maxLength: 30 });
  fc.assert(fc.property(bounds, values, labels, (bounds, values, { le: _, ...labels }) => {
    const histogram = new Histogram(bounds);
    for (const value of values) histogram.observe(value);
    const [family] = read(format([{
      name: "a_seconds",
      help: "How long.",
      type: "histogram",
      samples: [[labels, histogram.distribution]],
    }]));
    const samples = family?.samples ?? [];
    const buckets = samples.filter(({ name }) => name === "a_seconds_bucket");
    assertEquals(
      buckets.map(({ value }) => value),
      [...bounds, Infinity].map((bound) => values.filter((value) => value <= bound).length),
    );
    assertEquals(samples.at(-1)?.value, values.length);
    assertEquals(samples.at(-2)?.value, histogram.distribution.sum);
  }));
});

for (
  const [what, text] of [
    ["a sample without a type", "a 1\n"],
    ["a type without help", "# TYPE a gauge\na 1\n"],
    ["an end without a line's end", "# HELP a x\n# TYPE a gauge\na 1"],
    ["a family that comes twice", "# HELP a x\n# TYPE a gauge\na 1\n".repeat(2)],
    ["a series that comes twice", '# HELP a x\n# TYPE a gauge\na{b="c"} 1\na{b="c"} 2\n'],
    ["a sample of another family", "# HELP a x\n# TYPE a gauge\nb 1\n"],
    ["a label that is not closed", '# HELP a x\n# TYPE a gauge\na{b="c} 1\n'],
    ["an escape that is none", '# HELP a x\n# TYPE a gauge\na{b="\\x"} 1\n'],
    ["an empty line", "# HELP a x\n# TYPE a gauge\na 1\n\n"],
    ["no value", "# HELP a x\n# TYPE a gauge\na \n"],
    ["NaN", "# HELP a x\n# TYPE a gauge\na NaN\n"],
    [
      "buckets that fall",
      '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    ],
    [
      "no bucket of all",
      '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_sum 1\na_count 2\n',
    ],
    [
      "another count",
      '# HELP a x\n# TYPE a histogram\na_bucket{le="+Inf"} 2\na_sum 1\na_count 1\n',
    ],
  ] as const
) {
  Deno.test(`the tests' reader refuses ${what}`, () => {
    assertThrows(() => read(text));
  });
}
