import { Tally } from "../../src/metrics/tally.ts";
import { assertEquals } from "../assert.ts";

Deno.test("all kinds are there from the beginning, in their order, with 0", () => {
  const tally = new Tally(["b", "a"]);
  assertEquals(Object.entries(tally.counts), [["b", 0], ["a", 0]]);
  assertEquals(tally.total, 0);
});

Deno.test("each kind is counted for itself, and all together", () => {
  const tally = new Tally(["a", "b", "c"]);
  for (const kind of ["a", "c", "a"] as const) tally.add(kind);
  assertEquals(tally.counts, { a: 2, b: 0, c: 1 });
  assertEquals(tally.total, 3);
});

Deno.test("counts that were taken stay as they were", () => {
  const tally = new Tally(["a"]);
  const { counts } = tally;
  tally.add("a");
  assertEquals([counts.a, tally.counts.a], [0, 1]);
});

Deno.test("a tally of nothing is nothing", () => {
  const tally = new Tally([]);
  assertEquals([Object.keys(tally.counts).length, tally.total], [0, 0]);
});
