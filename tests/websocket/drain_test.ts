import type { Clock } from "../../src/clock.ts";
import { drain } from "../../src/websocket/drain.ts";
import { assert, assertEquals } from "../assert.ts";

/** A clock that goes when it is told to. */
class FakeClock implements Clock {
  #now = 0;
  #calls: { readonly at: number; readonly call: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const entry = { at: this.#now + ms, call };
    this.#calls.push(entry);
    return () => this.#calls = this.#calls.filter((each) => each !== entry);
  }

  get waiting(): number {
    return this.#calls.length;
  }

  /** Goes on, and calls what is due on the way. */
  go(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = this.#calls.toSorted((one, other) => one.at - other.at)[0];
      if (next === undefined || next.at > until) break;
      this.#calls = this.#calls.filter((each) => each !== next);
      this.#now = next.at;
      next.call();
    }
    this.#now = until;
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

Deno.test("ten thousand sockets are closed in even shares, in their order", async () => {
  const clock = new FakeClock();
  const closed: { readonly socket: number; readonly at: number }[] = [];
  const { done } = drain(
    numbers(10_000),
    2000,
    (socket) => closed.push({ socket, at: clock.now() }),
    clock,
  );
  clock.go(2000);
  await done;
  assertEquals(closed.map(({ socket }) => socket), numbers(10_000));
  assertEquals([closed[0]?.at, closed.at(-1)?.at], [0, 2000]);
  const shares = Map.groupBy(closed, ({ at }) => at);
  for (const share of shares.values()) assert(share.length <= 101, `${share.length} at once`);
});

Deno.test("of two sockets one is closed at once, the other at the end", () => {
  const clock = new FakeClock();
  const closed: number[] = [];
  drain(numbers(2), 2000, (socket) => closed.push(socket), clock);
  assertEquals(closed, [0]);
  clock.go(1999);
  assertEquals(closed, [0]);
  clock.go(1);
  assertEquals(closed, [0, 1]);
  assertEquals(clock.waiting, 0);
});

for (
  const [what, count, overMs] of [
    ["a single socket is", 1, 2000],
    ["all sockets are, when there is no time,", 1000, 0],
    ["no socket is", 0, 2000],
  ] as const
) {
  Deno.test(`${what} closed without waiting`, async () => {
    const clock = new FakeClock();
    const closed: number[] = [];
    await drain(numbers(count), overMs, (socket) => closed.push(socket), clock).done;
    assertEquals([closed.length, clock.waiting], [count, 0]);
  });
}

Deno.test("a long turn of the event loop closes what became due in it", () => {
  const times = [0, 900];
  let step = () => {};
  const closed: number[] = [];
  drain(numbers(11), 1000, (socket) => closed.push(socket), {
    now: () => times.length > 1 ? times.shift() ?? 0 : times[0] ?? 0,
    after(_ms, call) {
      step = call;
      return () => {};
    },
  });
  step();
  assertEquals(closed, numbers(10));
});

Deno.test("a drain that is called off closes no more and leaves no timer", async () => {
  const clock = new FakeClock();
  const closed: number[] = [];
  const closing = drain(numbers(11), 1000, (socket) => closed.push(socket), clock);
  clock.go(500);
  closing.cancel();
  clock.go(1000);
  await closing.done;
  assertEquals([closed.length, clock.waiting], [6, 0]);
});
