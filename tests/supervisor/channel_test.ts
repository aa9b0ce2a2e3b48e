import fc from "fast-check";
import { fileURLToPath } from "node:url";
import { loadConfig } from "../../src/config/load.ts";
import {
  encode,
  linesIn,
  parseReport,
  parseUse,
  type Report,
} from "../../src/supervisor/channel.ts";
import { assertEquals } from "../assert.ts";

const REPORTS: readonly Report[] = [
  { type: "listening", pid: 7, urls: ["ws://[::]:1/"] },
  { type: "failed", problems: ["a\nb", ""] },
  { type: "reloaded", number: 3, outcome: { ok: false, lines: ["é😀"] } },
];

async function collect(chunks: readonly Uint8Array<ArrayBuffer>[]): Promise<string[]> {
  return await Array.fromAsync(linesIn(ReadableStream.from(chunks)));
}

Deno.test("every report arrives as it was sent, however its bytes are cut", async () => {
  const bytes = REPORTS.flatMap((report) => [...encode(report)]);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: bytes.length })), async (cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), bytes.length];
      const chunks = ends.map((end, index) =>
        new Uint8Array(bytes.slice(ends[index - 1] ?? 0, end))
      );
      assertEquals((await collect(chunks)).map(parseReport), [...REPORTS]);
    }),
  );
});

Deno.test("a line that is no report is none, whatever it is", () => {
  for (
    const line of [
      "",
      "null",
      "[]",
      "{",
      '{"type":"listening"}',
      '{"type":"listening","pid":"7","urls":[]}',
      '{"type":"failed","problems":[1]}',
      '{"type":"reloaded","number":1,"outcome":null}',
      '{"type":"reloaded","outcome":{"ok":true,"lines":[]}}',
      '{"type":"__proto__"}',
    ]
  ) {
    assertEquals(parseReport(line), null, line);
  }
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
    parseReport(line);
    assertEquals(parseUse(line), null);
  }));
});

Deno.test("a configuration arrives as it was sent, with the number of its command", () => {
  const config = loadConfig(
    fileURLToPath(new URL("../../conf/aphlict.local.json", import.meta.url)),
  );
  const command = { type: "use", number: 7, config } as const;
  assertEquals(parseUse(new TextDecoder().decode(encode(command))), command);
});

Deno.test("a line without end takes no memory", async () => {
  const chunk = new Uint8Array(256 * 1024).fill(0x61);
  const lines = await collect([
    ...Array.from({ length: 40 }, () => chunk),
    encode({ type: "failed", problems: [] }),
  ]);
  assertEquals(lines.every((line) => line.length <= 1024 * 1024 + chunk.length), true);
});
