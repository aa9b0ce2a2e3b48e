import { JsoncSyntaxError, parseJsonc } from "../../src/config/jsonc.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../assert.ts";

Deno.test("parsing ignores comments and trailing commas", () => {
  const text = `// first
    { "a": [1, 2,], /* in between */ "b": null, }`;
  assertEquals(parseJsonc(text), { a: [1, 2], b: null });
});

Deno.test("parsing keeps the last of two values for one key", () => {
  assertEquals(parseJsonc(`{"a": 1, "a": 2}`), { a: 2 });
});

Deno.test("parsing makes __proto__ a key of the object and leaves its prototype alone", () => {
  const value = parseJsonc(`{"__proto__": {"polluted": true}}`);
  assert(typeof value === "object" && value !== null);
  assertEquals(Object.keys(value), ["__proto__"]);
  assert(!("polluted" in value));
});

/** A text, where it stops being JSONC, and a part of what is said about it. */
const FAULTS: readonly (readonly [what: string, text: string, at: string, message: string])[] = [
  ["an empty file", "", "1:1", "the file is empty"],
  ["a file of blanks", " \n ", "2:2", "the file is empty"],
  ["an object that is not closed", `{\n  "a": [1\n`, "3:1", "the file ends too early"],
  ["a comment that is not closed", `{} /* and`, "1:10", "the file ends too early"],
  ["a file of comments", "// nothing", "1:11", "the file ends too early"],
  ["a missing comma", `{\n  "a": 1\n  "b": 2\n}`, "3:3", 'unexpected text "b". Look before it'],
  ["a missing colon", `{"a" "b"}`, "1:6", 'unexpected text "b". Look before it'],
  ["a missing value", `{"a": ,}`, "1:7", 'unexpected ",". Look before it'],
  ["a key without quotes", `{a: 1}`, "1:2", 'unexpected "a". Look before it'],
  ["single quotes", `{'a': 1}`, "1:2", "unexpected single quote. Use double quotes around texts."],
  ["a bracket too many", `{}\r\n}`, "2:1", 'unexpected "}". Look before it'],
  ["a number that JSON does not know", `{"a": +1}`, "1:7", 'unexpected "+1".'],
  ["a text over two lines", `{"a": "x\ny"}`, "1:7", "not closed on its line"],
  ["a text that is not closed", `{"a": "x}`, "1:7", "not closed on its line"],
  ["an escape that JSON does not know", `{"a": "\\x"}`, "1:7", 'write a backslash as "\\\\".'],
  ["a blank that JSON does not know", `{\u00a0}`, "1:2", 'unexpected "\\u{a0}".'],
  ["words that look like the parser's own message", `[] x at position 1`, "1:4", 'unexpected "x".'],
  ["a fault after an old Mac's line ends", `{\r"a"\r1}`, "3:1", 'unexpected "1".'],
  ["a fault after a letter of two UTF-16 units", `{"🦕" 1}`, "1:6", 'unexpected "1".'],
  ["a text with DEL, which JSON allows", `{"a" "\x7f"}`, "1:6", 'unexpected text "\\u{7f}".'],
];

for (const [what, text, at, message] of FAULTS) {
  Deno.test(`parsing refuses ${what} and says where`, () => {
    const error = assertThrows(() => parseJsonc(text), JsoncSyntaxError);
    assertEquals(`${error.line}:${error.column}`, at);
    assertStringIncludes(error.message, `line ${error.line}, column ${error.column}: `);
    assertStringIncludes(error.message, message);
  });
}

Deno.test("parsing refuses brackets that are nested too deeply for the stack", () => {
  const text = "[".repeat(1_000_000);
  assertThrows(() => parseJsonc(text), JsoncSyntaxError, "brackets are nested too deeply");
});

Deno.test("parsing quotes only the beginning of a long text", () => {
  const error = assertThrows(() => parseJsonc(`{} "${"x".repeat(1000)}"`), JsoncSyntaxError);
  assert(error.message.length < 200);
});
