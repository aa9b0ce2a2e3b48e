import fc from "fast-check";
import {
  flatCopy,
  formatBytes,
  formatCount,
  formatDuration,
  formatMebibytes,
  formatNumber,
  printable,
  printableJson,
  UNPRINTABLE,
  withoutEnd,
} from "../src/text.ts";
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

Deno.test("a duration is told by its two largest parts", () => {
  const HOUR = 3600;
  assertEquals(
    [null, 0, 59, 60, 61, HOUR, 13 * HOUR + 61, 23 * HOUR, 24 * HOUR, 51 * HOUR].map(
      formatDuration,
    ),
    ["unknown", "0s", "59s", "1m 0s", "1m 1s", "1h 0m", "13h 1m", "23h 0m", "1d 0h", "2d 3h"],
  );
});

Deno.test("a size is told in the unit that it has at least one of", () => {
  assertEquals(
    [0, 1, 1023, 1024, 1.5 * 1024 ** 2, 100 * 1024 ** 2, 3 * 1024 ** 4].map(formatBytes),
    [
      ...["0 bytes", "1 byte", "1,023 bytes", "1 KiB", "1.5 MiB", "100 MiB", "3,072 GiB"],
    ],
  );
  assertEquals([0, 1024 ** 2 / 2, 300 * 1024 ** 2].map(formatMebibytes), [
    "0 MiB",
    "1 MiB",
    "300 MiB",
  ]);
});

Deno.test("a count has its noun, and what is no number a question mark", () => {
  assertEquals([0, 1, 1234].map((count) => formatCount(count, "peer")), [
    ...["0 peers", "1 peer", "1,234 peers"],
  ]);
  assertEquals(formatNumber(NaN), "?");
  assertEquals([12.34, 123.4].map((value) => formatNumber(value, 1)), ["12.3", "123"]);
});
