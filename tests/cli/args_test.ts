import { type OptionSpec, parseOptions, UsageError } from "../../src/cli/args.ts";
import { assertEquals, assertThrows } from "../assert.ts";

const SPECS: readonly OptionSpec[] = [
  { name: "config", value: "PATH", help: "" },
  { name: "format", value: "FORMAT", help: "", choices: ["flags", "json"] },
];

for (
  const [argv, values, rest] of [
    [[], {}, []],
    [["--config", "x"], { config: "x" }, []],
    [["--config=x=y"], { config: "x=y" }, []],
    [["--format=json", "--config", "x"], { config: "x", format: "json" }, []],
    [["a", "--config", "x", "7"], { config: "x" }, ["a", "7"]],
    [["--", "--config", "x"], {}, ["--config", "x"]],
    [["--config", "007"], { config: "007" }, []],
  ] as const
) {
  Deno.test(`parseOptions() understands ${JSON.stringify(argv)}`, () => {
    const parsed = parseOptions(argv, SPECS);
    assertEquals(Object.fromEntries(parsed.values), { ...values });
    assertEquals(parsed.rest, rest);
  });
}

for (
  const [argv, complaint] of [
    [["--confg", "x"], 'Unknown option "--confg". Did you mean "--config"?'],
    [["--confg=x"], 'Unknown option "--confg". Did you mean "--config"?'],
    [["-c", "x"], 'Unknown option "-c".'],
    [["--no-config"], 'Unknown option "--no-config". Did you mean "--config"?'],
    [["--__proto__=1"], 'Unknown option "--__proto__".'],
    [["--config"], '"--config" needs a value: --config PATH.'],
    [["--config="], '"--config" needs a value: --config PATH.'],
    [["--config", "--format=json"], '"--config" needs a value: --config PATH.'],
    [["--config", "a", "--config", "b"], '"--config" was given more than once.'],
    [["--format", "xml"], '"--format xml" is not one of flags, json.'],
  ] as const
) {
  Deno.test(`parseOptions() refuses ${JSON.stringify(argv)} and says why`, () => {
    assertEquals(assertThrows(() => parseOptions(argv, SPECS), UsageError).message, complaint);
  });
}
