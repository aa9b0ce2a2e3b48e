import fc from "fast-check";
import { drawKey, KeyedHash } from "../src/keyed_hash.ts";
import { KeyedMap } from "../src/keyed_map.ts";
import { assert, assertEquals } from "./assert.ts";

/** A hash under which all texts collide in their lower half. */
class Colliding extends KeyedHash {
  override digest(text: string): void {
    super.digest(text);
    this.low = 7;
  }
}

const key = fc.constantFrom("a", "b", "c", "d", "", "__proto__", "constructor", "10", "é");
const step = fc.record({ kind: fc.constantFrom("set", "add", "delete"), key, value: fc.nat(9) });

for (
  const [name, hash] of [["", new KeyedHash([1, 2])], [
    " whose texts collide",
    new Colliding([1, 2]),
  ]] as const
) {
  Deno.test(`for any sequence of steps, a map${name} is a Map`, () => {
    fc.assert(fc.property(fc.array(step), (steps) => {
      const map = new KeyedMap<number>(hash);
      const expected = new Map<string, number>();
      for (const { kind, key, value } of steps) {
        if (kind === "delete") {
          map.delete(key);
          expected.delete(key);
        } else if (kind === "set") {
          map.set(key, value);
          expected.set(key, value);
        } else {
          assertEquals(map.add(key, value).text, key);
          if (!expected.has(key)) expected.set(key, value);
        }
        assertEquals(map.size, expected.size);
        for (const each of ["a", "b", "c", "__proto__", "constructor", "10"]) {
          assertEquals(map.get(each), expected.get(each));
        }
        assertEquals([...map.values()].sort(), [...expected.values()].sort());
      }
    }));
  });
}

Deno.test("an entry is found by the hash of its text alone", () => {
  const hash = new KeyedHash(drawKey());
  const map = new KeyedMap<number>(hash);
  const entry = map.add("PHID-USER-x", 1);
  hash.digest("PHID-USER-x");
  const { low, high } = hash;
  assertEquals(map.findByHash(low, high, null), entry);
  assertEquals(map.findByHash(low, high, "other"), undefined);
  assertEquals(map.findByHash(low, high ^ 1, null), undefined);
});

Deno.test("an empty map takes no memory beside itself", () => {
  const map = new KeyedMap<number>(new KeyedHash([1, 2]));
  assertEquals([map.size, map.get("a"), [...map.values()]], [0, undefined, []]);
  map.delete("a");
  assert(map.find("a") === undefined);
});
