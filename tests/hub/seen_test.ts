import fc from "fast-check";
import { KeyedHash } from "../../src/keyed_hash.ts";
import { Seen } from "../../src/hub/seen.ts";
import { assertEquals, assertThrows } from "../assert.ts";

const hash = new KeyedHash([1, 2]);

Deno.test("a message without an identifier is not remembered", () => {
  const seen = new Seen(hash);
  seen.add("default", null, 0);
  assertEquals([seen.has("default", null), seen.size], [false, 0]);
});

Deno.test("the number of messages is a power of two", () => {
  assertThrows(() => new Seen(hash, { ageMs: 1, messages: 5 }), RangeError, "power of two");
});

Deno.test("the names of Object.prototype are identifiers like any other", () => {
  const seen = new Seen(hash);
  assertEquals(seen.has("__proto__", "constructor"), false);
  seen.add("__proto__", "constructor", 0);
  assertEquals(seen.has("__proto__", "constructor"), true);
});

Deno.test("an instance and an identifier are not taken for two others that read the same together", () => {
  const seen = new Seen(hash);
  seen.add("a", "bc", 0);
  assertEquals([seen.has("ab", "c"), seen.has("", "abc"), seen.has("a", "bc")], [
    false,
    false,
    true,
  ]);
});

Deno.test("for any sequence of messages, the newest within age and number are remembered", () => {
  const limits = { ageMs: 100, messages: 4 };
  const message = fc.record({ instance: fc.nat(2), id: fc.nat(12), wait: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 80 }), (messages) => {
      const seen = new Seen(hash, limits);
      let expected: { key: string; at: number }[] = [];
      let now = 0;
      for (const { instance, id, wait } of messages) {
        now += wait;
        seen.expire(now);
        expected = expected.filter(({ at }) => at >= now - limits.ageMs);
        const key = `${instance}/${id}`;
        const isKnown = expected.some((each) => each.key === key);
        assertEquals(seen.has(`${instance}`, `${id}`), isKnown);
        if (isKnown) continue;
        seen.add(`${instance}`, `${id}`, now);
        expected = [...expected, { key, at: now }].slice(-limits.messages);
        assertEquals(seen.size, expected.length);
      }
    }),
  );
});
