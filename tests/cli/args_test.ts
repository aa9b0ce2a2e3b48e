import { type OptionSpec, parseOptions, UsageError } from "../../src/cli/args.ts";
import { assertEquals, assertThrows } from "../assert.ts";

const SPECS: readonly OptionSpec[] = [
  { name: "config", value: "PATH", help: "" },
  { name: "format", value: "FORMAT", help: "", choices: ["flags", "json"] },
  { name: "json", help: "" },
];

for (
  const [argv, values, rest] of [
    [[], {}, []],
    [["--config", "x"], { config: "x" }, []],
    [["--config=x=y"], { config: "x=y" }, []],
    [["--format=json", "--config", "x"], { config: "x", format: "json" }, []],
    [["a", "--config", "x", "7"], { config: "x" }, ["a", "7"]],
    [["--", "--config", "x"], {}, ["--config", "x"]],
    [["a", "--", "--", "-"], {}, ["a", "--", "-"]],
    [["007", "0x10", "1e3"], {}, ["007", "0x10", "1e3"]],
    [["--config=--x", "--format=json"], { config: "--x", format: "json" }, []],
    [["--config", "a\nb"], { config: "a\nb" }, []],
    [["--config", "007"], { config: "007" }, []],
    [["--json", "x"], { json: "" }, ["x"]],
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
    [["--confg=a\nb=c"], 'Unknown option "--confg". Did you mean "--config"?'],
    [["-c", "x"], 'Unknown option "-c".'],
    [["-config=x"], 'Unknown option "-config".'],
    [["--_=1"], 'Unknown option "--_".'],
    [["--_", "1"], 'Unknown option "--_".'],
    [["--=x"], 'Unknown option "--".'],
    [["--config.x=1"], 'Unknown option "--config.x". Did you mean "--config"?'],
    [["--toString=1"], 'Unknown option "--toString".'],
    [["--no-config"], 'Unknown option "--no-config". Did you mean "--config"?'],
    [["--__proto__=1"], 'Unknown option "--__proto__".'],
    [["--config"], '"--config" needs a value: --config PATH.'],
    [["--config", ""], '"--config" needs a value: --config PATH.'],
    [["--config", "--", "x"], '"--config" needs a value: --config PATH.'],
    [["--config="], '"--config" needs a value: --config PATH.'],
    [["--config", "--format=json"], '"--config" needs a value: --config PATH.'],
    [["--config", "a", "--config", "b"], '"--config" was given more than once.'],
    [["--config=a", "--config"], '"--config" was given more than once.'],
    [["--format", "JSON"], '"--format JSON" is not one of flags, json.'],
    [["--json=x"], '"--json" takes no value.'],
    [["--json=false"], '"--json" takes no value.'],
    [["--json", "--json"], '"--json" was given more than once.'],
    [["--format", "xml"], '"--format xml" is not one of flags, json.'],
  ] as const
) {
  Deno.test(`parseOptions() refuses ${JSON.stringify(argv)} and says why`, () => {
    assertEquals(assertThrows(() => parseOptions(argv, SPECS), UsageError).message, complaint);
  });
}

const FLAG = { name: "json", help: "" };

Deno.test("an option that takes no value is there or not", () => {
  assertEquals(parseOptions(["--json"], [FLAG]).values.get("json"), "");
  assertEquals(parseOptions([], [FLAG]).values.has("json"), false);
  assertEquals(parseOptions(["--json", "x"], [FLAG]).rest, ["x"]);
});

for (
  const [argv, problem] of [
    [["--json=1"], "takes no value"],
    [["--json=false"], "takes no value"],
    [["--json", "--json"], "more than once"],
  ] as const
) {
  Deno.test(`an option that takes no value is refused as "${argv.join(" ")}"`, () => {
    assertThrows(() => parseOptions(argv, [FLAG]), UsageError, problem);
  });
}
