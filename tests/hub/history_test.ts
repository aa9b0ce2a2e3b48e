import fc from "fast-check";
import {
  ENTRY_OVERHEAD,
  History,
  type HistoryLimits,
  HistoryStore,
} from "../../src/hub/history.ts";
import { Encoded, type Message } from "../../src/hub/message.ts";
import { assertEquals } from "../assert.ts";

function add(history: History, message: Message, now: number): void {
  history.add(message, new Encoded(message), now);
}

function numbers(history: History, ageMs: number, now: number): unknown[] {
  return [...history.recent(ageMs, now)].map(({ encoded }) => JSON.parse(encoded.text).n);
}

Deno.test("a history forgets its oldest message beyond the limit of messages", () => {
  const history = new History(
    "default",
    new HistoryStore({ messages: 3, ageMs: 1000, bytes: 1e6 }),
  );
  for (let n = 0; n < 5; n++) add(history, { subscribers: [], n }, 0);
  assertEquals(numbers(history, 1000, 0), [2, 3, 4]);
});

Deno.test("all histories together forget the oldest message beyond the limit of bytes", () => {
  const bytes = new Encoded({ subscribers: [], n: 0 }).bytes.length + ENTRY_OVERHEAD;
  const store = new HistoryStore({ messages: 100, ageMs: 1000, bytes: 3 * bytes });
  const [a, b] = [new History("a", store), new History("b", store)];
  add(a, { subscribers: [], n: 0 }, 0);
  add(b, { subscribers: [], n: 1 }, 1);
  add(a, { subscribers: [], n: 2 }, 2);
  add(b, { subscribers: [], n: 3 }, 3);
  assertEquals([numbers(a, 1000, 3), numbers(b, 1000, 3)], [[2], [1, 3]]);
  assertEquals(store.bytes, 3 * bytes);
});

Deno.test("bytes are counted in UTF-8", () => {
  assertEquals(
    new Encoded({ subscribers: ["é😀"] }).bytes.length,
    '{"subscribers":["é😀"]}'.length + 3,
  );
});

Deno.test("a message that is larger than the limit of bytes is not remembered", () => {
  const store = new HistoryStore({ messages: 100, ageMs: 1000, bytes: 10 });
  const history = new History("default", store);
  add(history, { subscribers: ["A"] }, 0);
  assertEquals([history.size, store.bytes], [0, 0]);
});

Deno.test("a history tells when it has become empty", () => {
  let empty = 0;
  const store = new HistoryStore({ messages: 100, ageMs: 1000, bytes: 1e6 });
  const history = new History("default", store, () => empty++);
  add(history, { subscribers: [] }, 0);
  add(history, { subscribers: [] }, 0);
  store.expire(1000);
  assertEquals([history.size, empty], [2, 0]);
  store.expire(1001);
  assertEquals([history.size, empty, store.bytes], [0, 1, 0]);
});

interface Naive {
  readonly owner: number;
  readonly message: Message;
  readonly at: number;
  readonly bytes: number;
}

/** What should be remembered: the newest messages that fit all three limits. */
function naive(all: readonly Naive[], limits: HistoryLimits, now: number): Naive[] {
  let kept: Naive[] = [];
  for (const entry of all) {
    kept = kept.filter(({ at }) => at >= entry.at - limits.ageMs);
    kept.push(entry);
    while (kept.reduce((sum, { bytes }) => sum + bytes, 0) > limits.bytes) kept.shift();
    const own = kept.filter(({ owner }) => owner === entry.owner);
    if (own.length > limits.messages) kept = kept.filter((each) => each !== own[0]);
  }
  return kept.filter(({ at }) => at >= now - limits.ageMs);
}

Deno.test("for any sequence of messages, the histories are those of the naive definition", () => {
  const publication = fc.record({
    owner: fc.nat(2),
    size: fc.nat(60),
    wait: fc.nat(30),
  });
  const limits = fc.record({
    messages: fc.integer({ min: 1, max: 40 }),
    ageMs: fc.integer({ min: 1, max: 300 }),
    bytes: fc.integer({ min: 1, max: 30_000 }),
  });
  fc.assert(
    fc.property(fc.array(publication, { maxLength: 120 }), limits, (publications, limits) => {
      const store = new HistoryStore(limits);
      const histories = [0, 1, 2].map((owner) => new History(`${owner}`, store));
      const all: Naive[] = [];
      let now = 0;
      for (const [n, { owner, size, wait }] of publications.entries()) {
        now += wait;
        store.expire(now);
        const message = { subscribers: ["x".repeat(size)], n };
        const encoded = new Encoded(message);
        histories[owner]?.add(message, encoded, now);
        all.push({ owner, message, at: now, bytes: encoded.bytes.length + ENTRY_OVERHEAD });
        const expected = naive(all, limits, now);
        assertEquals(store.bytes, expected.reduce((sum, { bytes }) => sum + bytes, 0));
        for (const [index, history] of histories.entries()) {
          const own = expected.filter((entry) => entry.owner === index);
          assertEquals(numbers(history, Infinity, now), own.map((entry) => entry.message["n"]));
          assertEquals(history.size, own.length);
        }
        assertEquals(
          store.newest(now - 50).map(({ instance, at }) => [instance, at]),
          expected.filter(({ at }) => at >= now - 50).map(({ owner, at }) => [`${owner}`, at]),
        );
      }
    }),
  );
});
