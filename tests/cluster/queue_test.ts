import fc from "fast-check";
import { Queue, type Relayed } from "../../src/cluster/queue.ts";
import { assertEquals } from "../assert.ts";

const LIMITS = { messages: 8, bytes: 100, ageMs: 50 };

function relayed(size: number, at: number, rest: Partial<Relayed> = {}): Relayed {
  const bytes = new Uint8Array(size);
  return {
    instance: "default",
    encoded: { bytes, touchedBy: () => bytes.slice() },
    touched: [],
    others: [],
    isPromised: false,
    isHandover: false,
    at,
    wasSent: false,
    ...rest,
  };
}

function sizes(messages: Iterable<Relayed>): number[] {
  return [...messages].map(({ encoded }) => encoded.bytes.length);
}

/** Takes everything that waits. */
function* rest(queue: Queue): Generator<Relayed> {
  for (let next = queue.take(); next; next = queue.take()) yield next;
}

Deno.test("what was sent and not answered is sent again first, and in order", () => {
  const queue = new Queue(LIMITS);
  const messages = [1, 2, 3, 4].map((size) => relayed(size, 0));
  for (const message of messages) queue.push(message);
  queue.take();
  queue.take();
  queue.take();
  queue.answered();
  queue.rewind();
  assertEquals([queue.take(), queue.take(), queue.take(), queue.take()], [
    messages[1],
    messages[2],
    messages[3],
    undefined,
  ]);
});

Deno.test("what is on its way is dropped neither for its age nor for room", () => {
  const queue = new Queue({ ...LIMITS, messages: 2 });
  queue.push(relayed(1, 0));
  queue.take();
  assertEquals(queue.push(relayed(2, 0)), 0);
  assertEquals(queue.push(relayed(3, 0)), 1, "the one that waits");
  assertEquals(queue.expire(1000), 1, "the other one that waits");
  assertEquals([queue.size, queue.waiting], [1, 0]);
});

Deno.test("a message that is taken back is given once, in order, sent or not", () => {
  const queue = new Queue(LIMITS);
  const promised = { isPromised: true };
  for (const message of [relayed(1, 0, promised), relayed(2, 0), relayed(3, 0, promised)]) {
    queue.push(message);
  }
  queue.take();
  assertEquals(sizes(queue.takeBack()), [1, 3]);
  assertEquals(queue.takeBack(), []);
  queue.rewind();
  assertEquals([...rest(queue)].map(({ isPromised }) => isPromised), [false, false, false]);
});

Deno.test("what was never sent names a server no more that is withdrawn; the rest stays as it was", () => {
  const queue = new Queue(LIMITS);
  const messages = [["B", "C"], ["B", "C"], ["C"]].map((others) => relayed(1, 0, { others }));
  for (const message of messages) queue.push(message);
  queue.take();
  queue.rewind();
  assertEquals(queue.withdraw("B"), new Set([messages[1]?.encoded]));
  assertEquals([...rest(queue)].map(({ others }) => others), [["B", "C"], ["C"], ["C"]]);
});

Deno.test("what is put first comes before what waits and behind what was sent", () => {
  const queue = new Queue({ ...LIMITS, messages: 5 });
  for (const size of [1, 2, 3]) queue.push(relayed(size, 0));
  queue.take();
  assertEquals(queue.putFirst([4, 5, 6].map((size) => relayed(size, 0))), 1);
  queue.rewind();
  assertEquals(sizes(rest(queue)), [1, 5, 6, 2, 3], "the oldest of those that waited had to go");
});

type Step = { readonly kind: "push"; readonly size: number } | {
  readonly kind: "take" | "answered" | "rewind" | "clear";
} | { readonly kind: "wait"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("push"), size: fc.nat(40) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("take", "answered") }) },
  fc.record({ kind: fc.constantFrom("rewind", "clear") }),
  fc.record({ kind: fc.constant("wait"), ms: fc.nat(30) }),
);

Deno.test("for any sequence of steps, a queue is that of the naive definition", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new Queue(LIMITS);
      let sent: Relayed[] = [];
      let waiting: Relayed[] = [];
      let now = 0;
      const bytesOf = (messages: readonly Relayed[]) =>
        messages.reduce((sum, { encoded }) => sum + encoded.bytes.length, 0);
      for (const step of steps) {
        switch (step.kind) {
          case "push": {
            const message = relayed(step.size, now);
            waiting.push(message);
            let dropped = 0;
            while (
              waiting.length > 0 &&
              (sent.length + waiting.length > LIMITS.messages ||
                bytesOf([...sent, ...waiting]) > LIMITS.bytes)
            ) {
              waiting.shift();
              dropped++;
            }
            assertEquals(queue.push(message), dropped);
            break;
          }
          case "take": {
            const message = waiting.shift();
            if (message) sent.push(message);
            assertEquals(queue.take(), message);
            break;
          }
          case "answered":
            sent.shift();
            queue.answered();
            break;
          case "rewind":
            waiting = [...sent, ...waiting];
            sent = [];
            queue.rewind();
            break;
          case "clear":
            waiting = [];
            sent = [];
            queue.clear();
            break;
          case "wait": {
            now += step.ms;
            const before = waiting.length;
            while ((waiting[0]?.at ?? now) < now - LIMITS.ageMs) waiting.shift();
            assertEquals(queue.expire(now), before - waiting.length);
          }
        }
        assertEquals([queue.size, queue.waiting, queue.sentBytes], [
          sent.length + waiting.length,
          waiting.length,
          bytesOf(sent),
        ]);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("thousands that pass through leave nothing behind", () => {
  const queue = new Queue();
  for (let n = 0; n < 10_000; n++) {
    queue.push(relayed(1, n));
    queue.push(relayed(2, n));
    assertEquals(queue.take()?.encoded.bytes.length, 1);
    assertEquals(queue.take()?.encoded.bytes.length, 2);
    queue.answered();
    queue.answered();
  }
  assertEquals([queue.size, queue.waiting, queue.take()], [0, 0, undefined]);
});
