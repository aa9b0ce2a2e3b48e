import type { LogLevel, LogRecord } from "@logtape/logtape";
import { FORMATS, journalFormat } from "../../src/log/formats.ts";
import { assertEquals } from "../assert.ts";

function record(level: LogLevel): LogRecord {
  return {
    category: ["aphlict", "hub"],
    level,
    message: ["Hello ", "you", "."],
    rawMessage: "Hello {who}.",
    properties: { who: "you" },
    timestamp: 0,
  };
}

for (
  const [level, line] of [
    ["trace", "<7>TRACE Hello you.\n"],
    ["debug", "<7>DEBUG Hello you.\n"],
    ["info", "<6>INFO Hello you.\n"],
    ["warning", "<4>WARNING Hello you.\n"],
    ["error", "<3>ERROR Hello you.\n"],
    ["fatal", "<2>FATAL Hello you.\n"],
  ] as const
) {
  Deno.test(`a line of the level ${level} has its priority for the journal, and no time`, () => {
    assertEquals(journalFormat("text").line(record(level)), line);
  });
}

Deno.test("a line of JSON for the journal has its priority in front, and is as elsewhere behind it", () => {
  assertEquals(
    journalFormat("json").line(record("error")),
    `<3>${FORMATS.json.line(record("error"))}`,
  );
});

Deno.test("a line of another process is a warning to the journal, unless it has a priority", () => {
  const { foreign, notice } = journalFormat("text");
  assertEquals(foreign("Killed"), "<4>Killed\n");
  assertEquals(foreign("<3>ERROR x"), "<3>ERROR x\n");
  assertEquals(notice("Lines are missing."), "<4>Lines are missing.\n");
});

Deno.test("another process raises no alarm that the journal shows to everybody", () => {
  for (const line of ["<0>x", "<1>x", "<8>x", "<31>x", "<>x"]) {
    assertEquals(journalFormat("text").foreign(line), `<4>${line}\n`);
  }
});

Deno.test("a line of another process is JSON in a log of JSON, and is left as it is if it is that already", () => {
  const line = FORMATS.json.line(record("info"));
  assertEquals(FORMATS.json.foreign(line.trimEnd()), line);
  for (const text of ["Killed", "[1]", "1", '{"a":1} and', ""]) {
    const { level, message } = JSON.parse(FORMATS.json.foreign(text));
    assertEquals([level, message], ["warning", text]);
  }
  assertEquals(journalFormat("json").foreign(`<6>${line.trimEnd()}`), `<6>${line}`);
});
