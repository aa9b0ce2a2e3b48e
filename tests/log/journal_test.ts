import { fstatSync } from "node:fs";
import { journalOf, NO_JOURNAL } from "../../src/log/journal.ts";
import { assertEquals } from "../assert.ts";

Deno.test("a stream is the journal's if device and inode are those that systemd names", () => {
  const { dev, ino } = fstatSync(2, { bigint: true });
  assertEquals(journalOf(`${dev}:${ino}`).stderr, true);
});

Deno.test("a stream that leads elsewhere is not the journal's, whatever was inherited", () => {
  for (const text of [undefined, "", "8:1", "x", "9:99999999999999999999"]) {
    assertEquals(journalOf(text), NO_JOURNAL);
  }
});
