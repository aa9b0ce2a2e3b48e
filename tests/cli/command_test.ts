import {
  HOST_OPTIONS,
  hostArguments,
  hostNumber,
  LIMIT_OPTIONS,
  listed,
  MEMORY_OPTION,
  OPEN_FILES_OPTION,
  operandRange,
} from "../../src/cli/command.ts";
import { check } from "../../src/cli/check.ts";
import { loadCommands } from "../../src/cli/cli.ts";
import { doctor } from "../../src/cli/doctor.ts";
import { restart } from "../../src/cli/restart.ts";
import { run, supervisor } from "../../src/cli/run.ts";
import { debug, serve, service } from "../../src/cli/serve.ts";
import { start } from "../../src/cli/start.ts";
import { assertEquals } from "../assert.ts";

const COMMANDS = await loadCommands();

Deno.test("the names of the operands say how many a command takes", () => {
  assertEquals(
    ["", "VERB", "[VERB]", "TOPIC...", "[FILE...]", "FROM [TO]"].map((operands) =>
      Object.values(operandRange({ operands }))
    ),
    [[0, 0], [1, 1], [0, 1], [1, Infinity], [0, Infinity], [1, 2]],
  );
  assertEquals(operandRange({}), { min: 0, max: 0 });
});

/** What a command was run with. */
function given(options: Readonly<Record<string, string>>) {
  return { options: new Map(Object.entries(options)) };
}

Deno.test("what is told of the host is a number, or not known", () => {
  for (
    const [value, expected] of [
      ["25276510208", 25_276_510_208],
      ["0", 0],
      ["unlimited", null],
      ["", null],
      ["-1", null],
      ["1.5", null],
      ["1e9", null],
      ["0x10", null],
      ["1 ", null],
    ] as const
  ) {
    for (const option of [MEMORY_OPTION, OPEN_FILES_OPTION]) {
      assertEquals(hostNumber(given({ [option.name]: value }), option), expected, value);
    }
  }
  assertEquals(hostNumber(given({}), MEMORY_OPTION), null);
  assertEquals(hostNumber(given({ "open-files": "7" }), MEMORY_OPTION), null);
});

Deno.test("what is told of the host is passed on as it is, and nothing else is", () => {
  assertEquals(hostArguments(given({})), []);
  assertEquals(hostArguments(given({ memory: "", config: "a.json" })), ["--memory", ""]);
  assertEquals(
    hostArguments(given({ "memory": "123", "as-root": "", "open-files": "unlimited" })),
    ["--open-files", "unlimited", "--memory", "123"],
  );
});

Deno.test("commands that run the service are told of the host, those that look whether it fits of its memory", () => {
  for (const { verb, options } of [start, restart, supervisor]) {
    assertEquals(LIMIT_OPTIONS.filter((option) => !options.includes(option)), [], verb);
  }
  for (const { verb, options } of [run, serve, debug, service]) {
    assertEquals(HOST_OPTIONS.filter((option) => !options.includes(option)), [], verb);
  }
  for (const { verb, options } of [check, doctor]) {
    assertEquals(options.includes(MEMORY_OPTION), true, verb);
  }
  assertEquals(listed(HOST_OPTIONS), [], "people need not know of them");
});

Deno.test("what bin/aphlict gives has the name of its option, and a value", () => {
  const given = COMMANDS.flatMap(({ options }) => options).filter(({ given }) =>
    given !== undefined
  );
  assertEquals(given.length > 0, true);
  for (const { name, given: words = "", value, internal } of given) {
    assertEquals([words.includes(`--${name} "$`), value !== undefined, internal], [
      true,
      true,
      true,
    ], name);
  }
});
