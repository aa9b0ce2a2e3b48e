import { Backoff, LONGEST_MS } from "../../src/cluster/backoff.ts";
import { assertEquals } from "../assert.ts";

Deno.test("the longest wait doubles from 0.25 s to 15 s and begins anew after a reset", () => {
  const backoff = new Backoff(() => 1);
  const waits = Array.from({ length: 9 }, () => backoff.wait());
  assertEquals(waits, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  for (let n = 0; n < 2000; n++) assertEquals(backoff.wait(), LONGEST_MS);
  backoff.reset();
  assertEquals(backoff.wait(), 250);
});

Deno.test("each wait is anything up to the longest", () => {
  const numbers = [0, 0.5, 0.999];
  const backoff = new Backoff(() => numbers.shift() ?? 0);
  assertEquals([backoff.wait(), backoff.wait(), backoff.wait()], [0, 250, 999]);
});
