import { LagMeter } from "../../src/metrics/lag.ts";
import { assert, assertEquals } from "../assert.ts";

/** A clock and one timer that do what they are told. */
class FakeTime implements Disposable {
  readonly #now = performance.now;
  readonly #real = { setInterval, clearInterval };
  #ms = 1000;
  /** What is to be called, and how often. */
  readonly timers = new Map<number, { readonly run: () => void; readonly ms: number }>();

  constructor() {
    performance.now = () => this.#ms;
    Object.assign(globalThis, {
      setInterval: (run: () => void, ms: number) => {
        const id = this.timers.size + 1;
        this.timers.set(id, { run, ms });
        return id;
      },
      clearInterval: (id: number) => void this.timers.delete(id),
    });
  }

  /** The timers have their turn, this much too late. */
  step(late: number): void {
    for (const { run, ms } of this.timers.values()) {
      this.#ms += ms + late;
      run();
    }
  }

  [Symbol.dispose](): void {
    performance.now = this.#now;
    Object.assign(globalThis, this.#real);
  }
}

Deno.test("an event loop that nobody has looked at is not late", () => {
  const meter = new LagMeter();
  assertEquals(meter.worstMs, 0);
  meter.stop();
});

Deno.test("the worst of the last five seconds is told, and forgotten then", () => {
  using time = new FakeTime();
  const meter = new LagMeter();
  time.step(0);
  assertEquals(meter.worstMs, 0);
  time.step(70);
  time.step(30);
  assertEquals(meter.worstMs, 70);
  for (let step = 0; step < 48; step++) time.step(0);
  assertEquals(meter.worstMs, 70);
  time.step(0);
  assertEquals(meter.worstMs, 30);
  time.step(0);
  assertEquals(meter.worstMs, 0);
});

Deno.test("a timer that is a moment too early is not less than on time", () => {
  using time = new FakeTime();
  const meter = new LagMeter();
  time.step(-2);
  assertEquals(meter.worstMs, 0);
});

Deno.test("one that is stopped leaves no timer behind", () => {
  using time = new FakeTime();
  const meter = new LagMeter();
  meter.stop();
  assertEquals(time.timers.size, 0);
});

Deno.test("a turn of the event loop that takes long is seen", async () => {
  const meter = new LagMeter();
  const until = performance.now() + 300;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 50));
  meter.stop();
  assert(meter.worstMs >= 150, `${meter.worstMs}`);
});
