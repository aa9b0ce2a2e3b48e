import { Backoff } from "../../src/supervisor/backoff.ts";
import { assertEquals } from "../assert.ts";

const SECOND = 1000;

Deno.test("a service that keeps failing is waited for twice as long each time, up to a minute", () => {
  const backoff = new Backoff();
  const waits = Array.from({ length: 8 }, () => backoff.wait(0) / SECOND);
  assertEquals(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
});

Deno.test("after a minute of health the wait is the first again", () => {
  const backoff = new Backoff();
  for (let n = 0; n < 4; n++) backoff.wait(0);
  assertEquals(backoff.wait(60 * SECOND), 2 * SECOND);
  assertEquals(backoff.wait(0), 4 * SECOND);
});

Deno.test("less than a minute of health does not count", () => {
  const backoff = new Backoff();
  backoff.wait(0);
  assertEquals(backoff.wait(59 * SECOND), 4 * SECOND);
});
