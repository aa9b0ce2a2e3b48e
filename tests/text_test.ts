import fc from "fast-check";
import { flatCopy, withoutEnd } from "../src/text.ts";
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
