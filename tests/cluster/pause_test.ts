import { Pause } from "../../src/cluster/pause.ts";
import { assert } from "../assert.ts";

/** Long enough for a test that waits for it to be noticed. */
const LONG_MS = 600_000;

Deno.test("a pause lasts as long as it should, and no time at all when that is over", async () => {
  const pause = new Pause();
  const began = performance.now();
  await pause.wait(20);
  assert(performance.now() - began >= 19);
  await pause.wait(-1000);
});

Deno.test("a pause can be ended, woken if it may be, and shortened", async () => {
  const pause = new Pause();
  const ended = pause.wait(LONG_MS);
  pause.wake();
  pause.end();
  await ended;
  const woken = pause.wait(LONG_MS, true);
  pause.wake();
  await woken;
  const shortened = pause.wait(LONG_MS);
  pause.shorten(10);
  await shortened;
});

Deno.test("a pause that would end before is not made longer", async () => {
  const pause = new Pause();
  const began = performance.now();
  const short = pause.wait(20);
  pause.shorten(LONG_MS);
  await short;
  assert(performance.now() - began < LONG_MS);
});

Deno.test("what comes between two pauses is not for the next one", async () => {
  const pause = new Pause();
  for (const act of [() => pause.end(), () => pause.wake(), () => pause.shorten(0)]) {
    act();
    const began = performance.now();
    await pause.wait(20, true);
    assert(performance.now() - began >= 19);
  }
});
