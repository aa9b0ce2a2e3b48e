import { manPage } from "../../packaging/man.ts";
import { loadCommands } from "../../src/cli/cli.ts";
import { listed } from "../../src/cli/command.ts";
import { loadConfig } from "../../src/config/load.ts";
import { SYSTEM_CONFIG } from "../../src/config/program.ts";
import { command } from "../cli/fixtures.ts";
import { ROOT } from "../acceptance/program.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";

const COMMANDS = await loadCommands();

/** The lines of the page from one heading to the next. */
function sectionOf(page: string, heading: string): string[] {
  const lines = page.split("\n");
  const start = lines.indexOf(heading);
  const length = lines.slice(start + 1).findIndex((line) => /^\.S[HS] /.test(line));
  return lines.slice(start + 1, start + 1 + length);
}

Deno.test("manPage() shows how a verb is typed, what it does, and its options", () => {
  const options = [
    { name: "height", value: "METRES", help: "How high." },
    { name: "wing", value: "WING", choices: ["left", "right"], help: "Which one." },
  ];
  const page = manPage([command({ options, operands: "[PLACE]" })], "1.2.3");
  assertEquals(sectionOf(page, ".SS fly"), [
    '.SY "aphlict fly"',
    "[\\fB\\-\\-height\\fR\\ \\fIMETRES\\fR]\\&",
    "[\\fB\\-\\-wing\\fR\\ \\fIleft|right\\fR]\\&",
    "\\fI[PLACE]\\fR\\&",
    ".YS",
    ".PP",
    "Take off.",
    ".PP",
    "Up.",
    ".TP",
    "\\fB\\-\\-height\\fR \\fIMETRES\\fR",
    "How high.",
    ".TP",
    "\\fB\\-\\-wing\\fR \\fIleft|right\\fR",
    "Which one.",
  ]);
});

Deno.test("manPage() explains once what several verbs take", () => {
  const options = [{ name: "height", value: "METRES", help: "How high." }];
  const page = manPage([command({ options }), command({ verb: "soar", options })], "1.2.3");
  assertEquals(page.split("How high.").length, 2);
  assertStringIncludes(sectionOf(page, ".SH OPTIONS").join("\n"), "How high.");
});

Deno.test("manPage() explains an option where each verb means something else by it", () => {
  const [high, far] = ["How high.", "How far."].map((help) => [{ name: "limit", help }]);
  const page = manPage(
    [command({ options: high ?? [] }), command({ verb: "soar", options: far ?? [] })],
    "1.2.3",
  );
  assertStringIncludes(sectionOf(page, ".SS fly").join("\n"), "How high.");
  assertStringIncludes(sectionOf(page, ".SS soar").join("\n"), "How far.");
});

Deno.test("manPage() leaves out verbs and options that are for other parts of the program", () => {
  const page = manPage([
    command({ options: [{ name: "lift", help: "Secret.", internal: true }] }),
    command({ verb: "taxi", internal: true }),
  ], "1.2.3");
  assertEquals(/lift|Secret|taxi/.test(page), false);
});

Deno.test("manPage() takes nothing in a text for an instruction of roff", () => {
  const page = manPage([command({ details: `.x 'y' "z" \\n a-b ^~ \u2713` })], "1.2.3");
  assertEquals(
    sectionOf(page, ".SS fly").at(-1),
    "\\&.x \\(aqy\\(aq \\(dqz\\(dq \\(rsn a\\-b \\(ha\\(ti \\[u2713]",
  );
});

Deno.test("manPage() sets in bold what a text has in backticks", () => {
  const page = manPage([command({ details: "`aphlict fly` first." })], "1.2.3");
  assertEquals(sectionOf(page, ".SS fly").at(-1), "\\fBaphlict fly\\fR first.");
});

Deno.test("aphlict(8) has every verb and every option of the table, and is in ASCII", () => {
  const page = manPage(COMMANDS, "1.2.3");
  assertMatch(page, /^\.TH APHLICT 8 "" "Aphlict on Deno 1\.2\.3"/);
  assertMatch(page, /^[\n\x20-\x7e]*$/);
  for (const { verb, options } of listed(COMMANDS)) {
    const section = sectionOf(page, `.SS ${verb}`).join("\n");
    for (const { name } of listed(options)) {
      assertStringIncludes(section, `\\fB\\-\\-${name.replaceAll("-", "\\-")}\\fR`, verb);
    }
  }
});

Deno.test("aphlict(8) names the files that the example of a configuration names", () => {
  const files = sectionOf(manPage(COMMANDS, "1.2.3"), ".SH FILES");
  const { logs, pidfile } = loadConfig(`${ROOT}conf/examples/aphlict.json`);
  for (const path of [SYSTEM_CONFIG, ...logs.map(({ path }) => path), pidfile]) {
    assert(files.includes(`\\fI${path}\\fR`), path);
  }
});
