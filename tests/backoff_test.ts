import { Backoff } from "../src/backoff.ts";
import { assertEquals } from "./assert.ts";

Deno.test("the wait doubles from the first to the longest, and begins anew after a reset", () => {
  const backoff = new Backoff({ firstMs: 250, longestMs: 15_000 });
  const waits = Array.from({ length: 9 }, () => backoff.next());
  assertEquals(waits, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  for (let n = 0; n < 2000; n++) assertEquals(backoff.next(), 15_000);
  backoff.reset();
  assertEquals(backoff.next(), 250);
});

Deno.test("with jitter each wait is any part of the longest", () => {
  const parts = [0, 0.5, 0.999];
  const backoff = new Backoff({
    firstMs: 250,
    longestMs: 15_000,
    jitter: () => parts.shift() ?? 0,
  });
  assertEquals([backoff.next(), backoff.next(), backoff.next()], [0, 250, 999]);
});
