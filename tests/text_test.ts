import fc from "fast-check";
import { flatCopy, printable, printableJson, UNPRINTABLE, withoutEnd } from "../src/text.ts";
import { assert, assertEquals } from "./assert.ts";
import { heldBytes } from "./held.ts";

Deno.test("a copy equals its text, whatever the code units and the length", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (codes) => {
      const text = String.fromCharCode(...codes);
      assertEquals(flatCopy(text), text);
    }),
  );
  for (const length of [0, 1, 12, 13, 4095, 4096, 4097, 8192, 100_000]) {
    const text = "aé\u{1f600}\ud800".repeat(length).slice(0, length);
    assertEquals(flatCopy(text) === text, true, `${length} code units`);
  }
});

Deno.test("a copy of a part does not keep the whole alive, as a part itself does", async () => {
  const kept = (part: string) =>
    heldBytes(`
      import { flatCopy } from ${JSON.stringify(import.meta.resolve("../src/text.ts"))};
      const whole = (index) => new TextDecoder().decode(new Uint8Array(65_536).fill(97 + index % 26));
      export const make = (index) => ${part};
    `);
  const parts = await kept("whole(index).slice(100, 150)");
  const copies = await kept("flatCopy(whole(index).slice(100, 150))");
  assert(parts > 60_000, `a part holds ${parts} bytes: the measurement sees nothing`);
  assert(copies < 6_000, `a copy holds ${copies} bytes`);
});

Deno.test("a text loses one kind of character at its end", () => {
  assertEquals(withoutEnd("TOPIC...", "."), "TOPIC");
  assertEquals(withoutEnd("a.b", "."), "a.b");
  assertEquals([withoutEnd("...", "."), withoutEnd("", ".")], ["", ""]);
});

Deno.test("what breaks a line, steers a terminal, reorders text or is not seen is shown by its number", () => {
  const hidden = [
    ..."\x00\t\n\r\x1b\x7f\x85\x9b\u00a0\u00ad\u034f\u061c\u115f\u180e\u200b\u200d\u200e\u200f\u2028\u2029",
    ..."\u202a\u202e\u2060\u2066\u2069\u3000\u3164\ufe0f\ufeff\ufff9\u{1d173}\u{e0001}\u{e0041}\u{e01ef}",
    "\ud800",
  ];
  for (const character of hidden) {
    const code = character.codePointAt(0)?.toString(16);
    assertEquals(printable(`a${character}b`), `a\\u{${code}}b`);
  }
  const shown = " aé€日本\u{1f600}\\~";
  assertEquals(printable(shown), shown);
});

Deno.test("printable JSON means the same, whatever the code units", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (codes) => {
      const text = String.fromCharCode(...codes);
      const json = printableJson(JSON.stringify({ [text]: text }));
      assertEquals(json.match(UNPRINTABLE), null);
      assertEquals(JSON.parse(json), { [text]: text });
    }),
  );
});
