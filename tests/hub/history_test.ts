import fc from "fast-check";
import { Budget } from "../../src/budget.ts";
import { entryBytes, History, type HistoryLimits, HistoryStore } from "../../src/hub/history.ts";
import { assert, assertEquals } from "../assert.ts";
import { encode, type Json } from "./fixtures.ts";

/** Remembers a message without topics. */
function add(history: History, message: Json, at: number): number {
  const entry = { encoded: encode(message), topics: new Int32Array(0), at };
  history.add(entry);
  return entryBytes(entry);
}

function numbers(history: History): unknown[] {
  const found: unknown[] = [];
  for (let number = history.first; number < history.next; number++) {
    found.push(JSON.parse(history.at(number)?.encoded.text ?? "").n);
  }
  return found;
}

Deno.test("a history forgets its oldest message beyond the limit of messages", () => {
  const history = new History(
    new HistoryStore({ messages: 3, ageMs: 1000, bytes: 1e6 }),
  );
  for (let n = 0; n < 5; n++) add(history, { subscribers: [], n }, 0);
  assertEquals(numbers(history), [2, 3, 4]);
});

Deno.test("all histories together forget the oldest message beyond the limit of bytes", () => {
  const bytes = add(new History(new HistoryStore()), { subscribers: [], n: 0 }, 0);
  const store = new HistoryStore({ messages: 100, ageMs: 1000, bytes: 3 * bytes });
  const [a, b] = [new History(store), new History(store)];
  add(a, { subscribers: [], n: 0 }, 0);
  add(b, { subscribers: [], n: 1 }, 1);
  add(a, { subscribers: [], n: 2 }, 2);
  add(b, { subscribers: [], n: 3 }, 3);
  assertEquals([numbers(a), numbers(b)], [[2], [1, 3]]);
  assertEquals(store.bytes, 3 * bytes);
});

Deno.test("bytes are counted in UTF-8", () => {
  assertEquals(
    encode({ subscribers: ["é😀"] }).bytes.length,
    '{"subscribers":["é😀"],"touched":[]}'.length + 3,
  );
});

Deno.test("a message that is larger than the limit of bytes is not remembered", () => {
  const store = new HistoryStore({ messages: 100, ageMs: 1000, bytes: 10 });
  const history = new History(store);
  add(history, { subscribers: ["A"] }, 0);
  assertEquals([history.size, store.bytes], [0, 0]);
});

Deno.test("a history tells when it has become empty", () => {
  let empty = 0;
  const store = new HistoryStore({ messages: 100, ageMs: 1000, bytes: 1e6 });
  const history = new History(store, () => empty++);
  add(history, { subscribers: [] }, 0);
  add(history, { subscribers: [] }, 0);
  store.expire(1000);
  assertEquals([history.size, empty], [2, 0]);
  store.expire(1001);
  assertEquals([history.size, empty, store.bytes], [0, 1, 0]);
});

interface Naive {
  readonly owner: number;
  readonly message: Json;
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
      const histories = [0, 1, 2].map(() => new History(store));
      const all: Naive[] = [];
      let now = 0;
      for (const [n, { owner, size, wait }] of publications.entries()) {
        now += wait;
        store.expire(now);
        const message = { subscribers: ["x".repeat(size)], n };
        const history = histories[owner];
        assert(history !== undefined);
        all.push({ owner, message, at: now, bytes: add(history, message, now) });
        const expected = naive(all, limits, now);
        assertEquals(store.bytes, expected.reduce((sum, { bytes }) => sum + bytes, 0));
        for (const [index, history] of histories.entries()) {
          const own = expected.filter((entry) => entry.owner === index);
          assertEquals(numbers(history), own.map((entry) => entry.message["n"]));
          assertEquals(history.size, own.length);
        }
      }
    }),
  );
});

Deno.test("a history has no more than the floor of its account", () => {
  const account = new Budget(16 * 4000).account("history");
  const store = new HistoryStore({ messages: 100, ageMs: 1000, bytes: 1e6 }, account);
  const history = new History(store);
  for (let n = 0; n < 50; n++) {
    add(history, { subscribers: [], n }, 0);
    assertEquals(account.bytes, store.bytes);
    assert(account.bytes <= 4000, `${account.bytes}`);
  }
  assert(history.size > 1 && history.size < 50);
  store.expire(2000);
  assertEquals(account.bytes, 0);
});

Deno.test("a topic of a message costs 8 bytes more", () => {
  const encoded = encode({ subscribers: [] });
  const bytes = (topics: number) => entryBytes({ encoded, topics: new Int32Array(2 * topics) });
  assertEquals(bytes(1000) - bytes(0), 8000);
});
