import fc from "fast-check";
import { Seen } from "../../src/hub/seen.ts";
import { assertEquals } from "../assert.ts";

Deno.test("only strings identify a message", () => {
  const seen = new Seen();
  for (const id of [undefined, null, 7, ["u"], { u: 1 }]) {
    seen.add("default", id, 0);
    assertEquals(seen.has("default", id), false);
  }
  assertEquals(seen.size, 0);
});

Deno.test("the names of Object.prototype are identifiers like any other", () => {
  const seen = new Seen();
  assertEquals(seen.has("__proto__", "constructor"), false);
  seen.add("__proto__", "constructor", 0);
  assertEquals(seen.has("__proto__", "constructor"), true);
});

Deno.test("an instance and an identifier are not taken for two others that read the same together", () => {
  const seen = new Seen();
  seen.add("a", "bc", 0);
  assertEquals([seen.has("ab", "c"), seen.has("", "abc"), seen.has("a", "bc")], [
    false,
    false,
    true,
  ]);
});

Deno.test("beyond its limit of characters the oldest are forgotten", () => {
  const seen = new Seen({ ageMs: 1000, messages: 100, characters: 30 });
  seen.add("i", "x".repeat(10), 0);
  seen.add("i", "y".repeat(10), 0);
  assertEquals(seen.size, 2);
  seen.add("i", "z".repeat(10), 0);
  assertEquals([seen.size, seen.has("i", "x".repeat(10))], [2, false]);
});

Deno.test("for any sequence of messages, the newest within age and number are remembered", () => {
  const limits = { ageMs: 100, messages: 5, characters: 1e6 };
  const message = fc.record({ instance: fc.nat(2), id: fc.nat(12), wait: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 80 }), (messages) => {
      const seen = new Seen(limits);
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
