import { LabelledCounter } from "../../src/metrics/labelled_counter.ts";
import { assertEquals } from "../assert.ts";

Deno.test("all values are there from the beginning, in their order, with 0", () => {
  const counter = new LabelledCounter(["b", "a"]);
  assertEquals(counter.samples(), [[{ reason: "b" }, 0], [{ reason: "a" }, 0]]);
  assertEquals(counter.total, 0);
});

Deno.test("each value is counted for itself, and all together, under any label", () => {
  const counter = new LabelledCounter(["a", "b", "c"]);
  for (const value of ["a", "c", "a"] as const) counter.add(value);
  assertEquals(counter.samples("outcome"), [
    [{ outcome: "a" }, 2],
    [{ outcome: "b" }, 0],
    [{ outcome: "c" }, 1],
  ]);
  assertEquals(counter.total, 3);
});

Deno.test("samples that were taken stay as they were", () => {
  const counter = new LabelledCounter(["a"]);
  const samples = counter.samples();
  counter.add("a");
  assertEquals([samples[0]?.[1], counter.samples()[0]?.[1]], [0, 1]);
});
