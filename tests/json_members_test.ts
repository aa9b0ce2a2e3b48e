import fc from "fast-check";
import { JsonError, memberOf, readMembers, stringOf, stringsOf } from "../src/json_members.ts";
import { assertEquals, assertThrows } from "./assert.ts";

const LIMITS = { members: 1000, depth: 100 };

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isRead(text: string): boolean {
  try {
    readMembers(text, LIMITS);
    return true;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return false;
  }
}

Deno.test("the members of any object are those that JSON.parse() finds", () => {
  const object = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue());
  fc.assert(fc.property(object, fc.nat(3), (value, space) => {
    const text = JSON.stringify(value, null, space);
    const members = readMembers(text, LIMITS) ?? [];
    const read = Object.fromEntries(
      members.map(({ name, start, end }) => [name, JSON.parse(text.slice(start, end))]),
    );
    assertEquals(JSON.stringify(read), JSON.stringify(JSON.parse(text)));
    for (const { name, nameStart, end } of members) {
      assertEquals(Object.keys(JSON.parse(`{${text.slice(nameStart, end)}}`)), [name]);
    }
  }));
});

Deno.test("what JSON.parse() takes is read, and nothing else, whatever the text", () => {
  const part = fc.constantFrom(
    ...'{}[]",:\\truefalsn019.-+eEu \t\n\u0001/bé',
    ...['"a"', '"b":', "null", "true", "1.5e3", "\\u00e9", '{"', "]}"],
  );
  const any = fc.array(part, { maxLength: 14 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(any, (text) => assertEquals(isRead(text), isJson(text), text)),
    { numRuns: 20_000 },
  );
  fc.assert(
    fc.property(fc.json(), fc.nat(), part, (text, place, inserted) => {
      const at = place % (text.length + 1);
      for (const changed of [inserted, ""]) {
        const other = text.slice(0, at) + changed + text.slice(changed === "" ? at + 1 : at);
        assertEquals(isRead(other), isJson(other), other);
      }
    }),
    { numRuns: 5000 },
  );
});

Deno.test("strings are those that JSON.parse() makes of them", () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: "binary" })), (strings) => {
    const escaped = JSON.stringify(strings).replace(
      /[^ -~]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    for (const list of [JSON.stringify(strings), escaped, ` [ ${escaped.slice(1)}`]) {
      const text = `{"list":${list},"first":${
        list.trim() === "[]" ? '""' : JSON.stringify(strings[0] ?? "")
      }}`;
      const members = readMembers(text, LIMITS) ?? [];
      assertEquals(stringsOf(text, memberOf(members, "list")), JSON.parse(list));
      assertEquals(stringOf(text, memberOf(members, "first")), strings[0] ?? "");
    }
  }));
});

Deno.test("a value that is no string, or no list of strings, is none", () => {
  const text = '{"a":[1],"b":["x",null],"c":{"length":1},"d":"x","e":[["x"]],"f":[]}';
  const members = readMembers(text, LIMITS) ?? [];
  const lists = ["a", "b", "c", "d", "e", "f", "g"].map((name) =>
    stringsOf(text, memberOf(members, name))
  );
  assertEquals(lists, [undefined, undefined, undefined, undefined, undefined, [], undefined]);
  assertEquals(["a", "d", "g"].map((name) => stringOf(text, memberOf(members, name))), [
    undefined,
    "x",
    undefined,
  ]);
});

Deno.test("of a name that comes twice the last one counts, as with JSON.parse()", () => {
  const text = '{"a":"x","\\u0061":"y"}';
  assertEquals(stringOf(text, memberOf(readMembers(text, LIMITS) ?? [], "a")), "y");
});

Deno.test("a value that is no object has no members, and is checked all the same", () => {
  for (const text of ["null", " 7 ", '"x"', "[]", "[{}]", "true"]) {
    assertEquals(readMembers(text, LIMITS), null, text);
  }
});

for (
  const [text, message] of [
    ["", "it breaks off"],
    ['{"a":[1,', "it breaks off"],
    ["{\"a\":'x'}", "there is something else at character 6"],
    ['{"a":1,}', "there is something else at character 8"],
    ["\ufeff{}", "there is something else at character 1"],
    [`{"a":${"[".repeat(100)}${"]".repeat(100)}}`, "nested too deeply"],
    [`{${'"a":1,'.repeat(1000)}"a":1}`, "more than 1000 keys"],
  ] as const
) {
  Deno.test(`the reason is told: ${text.slice(0, 20)} ${message}`, () => {
    assertThrows(() => readMembers(text, LIMITS), JsonError, message);
  });
}
