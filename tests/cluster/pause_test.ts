import { Pause } from "../../src/cluster/pause.ts";
import { assertEquals } from "../assert.ts";
import { VirtualClock } from "../virtual_clock.ts";

/** A pause, and the times at which its waits have ended. */
function start() {
  const clock = new VirtualClock();
  const pause = new Pause(clock);
  const ended: number[] = [];
  const wait = (ms: number, canWake = false) =>
    void pause.wait(ms, canWake).then(() => ended.push(clock.now()));
  return { clock, pause, ended, wait };
}

Deno.test("a pause lasts as long as it should, and no time at all when that is over", async () => {
  const { clock, ended, wait } = start();
  wait(20);
  await clock.advance(100);
  wait(-1000);
  await clock.advance(100);
  assertEquals(ended, [20, 100]);
});

Deno.test("a pause can be ended, woken if it may be, and shortened", async () => {
  const { clock, pause, ended, wait } = start();
  wait(600_000);
  await clock.advance(1);
  pause.wake();
  await clock.advance(1);
  assertEquals(ended, []);
  pause.end();
  await clock.advance(1);
  wait(600_000, true);
  pause.wake();
  await clock.advance(1);
  wait(600_000);
  await clock.advance(3);
  pause.shorten(10);
  await clock.advance(600_000);
  assertEquals(ended, [2, 3, 14]);
});

Deno.test("a pause that would end before is not made longer", async () => {
  const { clock, pause, ended, wait } = start();
  wait(20);
  pause.shorten(600_000);
  await clock.advance(600_000);
  assertEquals(ended, [20]);
});

Deno.test("what comes between two pauses is not for the next one", async () => {
  const { clock, pause, ended, wait } = start();
  for (const act of [() => pause.end(), () => pause.wake(), () => pause.shorten(0)]) {
    act();
    wait(20, true);
    await clock.advance(20);
  }
  assertEquals(ended, [20, 40, 60]);
});

Deno.test("what shortens no wait leaves no timer behind", async () => {
  const { clock, pause, wait } = start();
  wait(20);
  await clock.advance(20);
  pause.shorten(0);
  assertEquals(clock.timers, 0);
});
