import fc from "fast-check";
import {
  between,
  countOf,
  type Distribution,
  Histogram,
  quantile,
  RECEIVERS,
  SECONDS,
  together,
} from "../../src/metrics/histogram.ts";
import { assert, assertEquals } from "../assert.ts";

/** What a histogram with these bounds says about values. */
function distributionOf(values: readonly number[], bounds: readonly number[]): Distribution {
  const histogram = new Histogram(bounds);
  for (const value of values) histogram.observe(value);
  return histogram.distribution;
}

/** The same but for the sum, whose last digits depend on the order of additions. */
function counts({ bounds, counts }: Distribution): Pick<Distribution, "bounds" | "counts"> {
  return { bounds, counts };
}

function assertClose(actual: number, expected: number): void {
  assert(Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${actual}`);
}

Deno.test("a value is in the first bucket whose bound it is not above", () => {
  assertEquals(distributionOf([0, 1, 1.5, 2, 2.1, 99], [1, 2]), {
    bounds: [1, 2],
    counts: [2, 2, 2],
    sum: 105.6,
  });
  assertEquals(distributionOf([], [1, 2]), { bounds: [1, 2], counts: [0, 0, 0], sum: 0 });
  assertEquals(distributionOf([7], []), { bounds: [], counts: [1], sum: 7 });
});

Deno.test("a distribution that was taken stays as it was", () => {
  const histogram = new Histogram([1]);
  histogram.observe(1);
  const { distribution } = histogram;
  histogram.observe(1);
  assertEquals(distribution, { bounds: [1], counts: [1, 0], sum: 1 });
});

for (const [name, bounds] of [["SECONDS", SECONDS], ["RECEIVERS", RECEIVERS]] as const) {
  Deno.test(`the bounds ${name} grow`, () => {
    assertEquals(bounds, [...new Set(bounds)].sort((a, b) => a - b));
  });
}

const value = fc.oneof(
  fc.double({ min: 0, max: 10, noNaN: true }),
  fc.constantFrom(...SECONDS, 0, 1e-9, 1e6),
);
const values = fc.array(value, { maxLength: 50 });

Deno.test("each value is counted once, where it belongs", () => {
  fc.assert(fc.property(values, (values) => {
    const distribution = distributionOf(values, SECONDS);
    assertEquals(countOf(distribution), values.length);
    assertClose(distribution.sum, values.reduce((sum, each) => sum + each, 0));
    let cumulated = 0;
    for (const [index, bound] of [...SECONDS, Infinity].entries()) {
      cumulated += distribution.counts[index] ?? NaN;
      assertEquals(cumulated, values.filter((each) => each <= bound).length);
    }
  }));
});

Deno.test("a quantile is the first bound that the share of the values are not above", () => {
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 50 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, share) => {
        const sorted = values.toSorted((a, b) => a - b);
        const wanted = sorted[Math.max(1, Math.ceil(share * values.length)) - 1] ?? NaN;
        const expected = SECONDS.find((bound) => wanted <= bound) ?? Infinity;
        assertEquals(quantile(share, distributionOf(values, SECONDS)), expected);
      },
    ),
  );
});

for (
  const [values, share, expected] of [
    [[], 0.5, null],
    [[], 0, null],
    [[1, 2, 3], 0, 1],
    [[1, 2, 3], 0.33, 1],
    [[1, 2, 3], 0.5, 2],
    [[1, 2, 3], 1, Infinity],
    [[1], 0.99, 1],
    [[9], 0, Infinity],
    [Array(99).fill(0.5).concat(1.5), 0.99, 1],
    [Array(98).fill(0.5).concat(1.5, 1.5), 0.99, 2],
  ] as const
) {
  Deno.test(`the ${share} quantile of ${values.length} values is ${expected}`, () => {
    assertEquals(quantile(share, distributionOf(values, [1, 2])), expected);
  });
}

Deno.test("what several have observed together is what one would have", () => {
  fc.assert(fc.property(fc.array(values, { maxLength: 4 }), (all) => {
    const sum = together(all.map((each) => distributionOf(each, SECONDS)), SECONDS);
    const one = distributionOf(all.flat(), SECONDS);
    assertEquals(counts(sum), counts(one));
    assertClose(sum.sum, one.sum);
  }));
  assertEquals(together([], [1]), { bounds: [1], counts: [0, 0], sum: 0 });
});

Deno.test("between two looks is what was observed after the first", () => {
  fc.assert(fc.property(values, values, (before, after) => {
    const histogram = new Histogram(SECONDS);
    for (const each of before) histogram.observe(each);
    const former = histogram.distribution;
    for (const each of after) histogram.observe(each);
    const latter = histogram.distribution;
    const expected = distributionOf(after, SECONDS);
    assertEquals(counts(between(former, latter)), counts(expected));
    assert(Math.abs(between(former, latter).sum - expected.sum) < 1e-3 * (1 + latter.sum));
    assertEquals(quantile(0.5, between(latter, latter)), null);
  }));
});
