/**
 * What `bin/aphlict` has of the table of commands, in the shells that hosts have as `sh`.
 */

import { casesOf, LAUNCHER, withTable } from "../../packaging/launcher.ts";
import { BuildError } from "../../packaging/dist.ts";
import { loadCommands } from "../../src/cli/cli.ts";
import {
  CALLED_OPTION,
  type Command,
  CONFIG_OPTION,
  HOST_OPTIONS,
  LIMIT_OPTIONS,
  MEMORY_OPTION,
} from "../../src/cli/command.ts";
import { UNIT_OPTION } from "../../src/cli/unit.ts";
import { ROOT } from "../acceptance/program.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";
import { command } from "../cli/fixtures.ts";

const COMMANDS = await loadCommands();

const SCRIPT = Deno.readTextFileSync(`${ROOT}${LAUNCHER}`);

Deno.test("bin/aphlict has what the table of commands says", () => {
  assert(SCRIPT === withTable(SCRIPT, COMMANDS), "It is out of date. Run: deno task launcher");
});

Deno.test("a launcher without the two lines, or with one of them twice, is refused", () => {
  const [first = "", last = ""] = SCRIPT.match(/^# (Made from|The end of) .*\n/gm) ?? [];
  assertEquals(withTable(`a\n${first}x\n${last}b\n`, []), `a\n${first}${casesOf([])}${last}b\n`);
  for (const text of ["", first, last, last + first, SCRIPT + first, SCRIPT + last]) {
    assertThrows(() => withTable(text, []), BuildError, "each of these lines once");
  }
});

/** The shells of hosts, as far as this one has them. */
const SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]].filter(([name = ""]) =>
  Deno.env.get("PATH")?.split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  })
);

/** What the cases come to when somebody types `args`, a word a line, beside shell code that is run before. */
async function run(
  shell: readonly string[],
  commands: readonly Command[],
  [verb = "", ...args]: readonly string[],
  before = "",
): Promise<string[]> {
  const [name = "", ...flags] = shell;
  const { stdout, stderr } = await new Deno.Command(name, {
    args: [
      ...flags,
      "-c",
      `set -eu
      deno='/my deno' main=/main.ts readable=/a.json called=./aphlict verb=$1 judged= properties=
      unset JOURNAL_STREAM
      as_user() { printf '%s\\n' as_user "$@"; }
      launch() { printf '%s\\n' launch "$@"; }
      become() { printf '%s\\n' become "$@"; }
      memory() { echo 7; }
      unit() { printf 'A=b c\\n'; }
      ${before}
      ${casesOf(commands)}`,
      ...["sh", verb, ...args],
    ],
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  return decoder.decode(stdout).split("\n").slice(0, -1);
}

for (const shell of SHELLS) {
  Deno.test(`${shell.join(" ")} runs a command with its permissions, and with what it cannot find out`, async () => {
    const permissions = ["--allow-net", "--allow-run=$deno"];
    const [fly, land] = [
      command({ permissions, options: [CONFIG_OPTION, ...LIMIT_OPTIONS] }),
      command({ verb: "land", permissions, options: [MEMORY_OPTION, UNIT_OPTION] }),
    ];
    const as = (...args: string[]) => run(shell, [fly, land], args, "ulimit() { echo 9; }");
    const user = ["as_user", "a b"];
    const granted = ["become", "--allow-net", "--allow-run=/my deno", "/main.ts"];
    assertEquals(await as("fly", "a b"), [
      ...user,
      ...granted,
      ...["fly", "--open-files", "9", "--memory", "7", "a b"],
    ]);
    assertEquals(await as("land", "a b"), [
      ...user,
      ...granted,
      ...["land", "--memory", "7", "--unit", "A=b c", "a b"],
    ]);
    assertEquals(await run(shell, [land], ["land", "--unit", "x"], "judged=1"), [
      ...["as_user", "--unit", "x"],
      ...granted,
      ...["land", "--memory", "7", "--unit", "x"],
    ], "root has told it");
  });

  Deno.test(`${shell.join(" ")} has root become the user for a command that may do more than read`, async () => {
    const reader = command({ permissions: ["--allow-read"] });
    assertEquals(await run(shell, [reader], ["fly"]), [
      "become",
      "--allow-read",
      "/main.ts",
      "fly",
    ]);
    for (const flag of ["--allow-sys=uid", "--allow-net", "--allow-write=/a", "--allow-run"]) {
      const doer = command({ permissions: ["--allow-read", flag] });
      assertEquals(
        (await run(shell, [doer], ["fly", "x"])).slice(0, 3),
        ["as_user", "x", "become"],
        flag,
      );
    }
  });

  Deno.test(`${shell.join(" ")} launches what has the flags of its configuration`, async () => {
    const options = [CONFIG_OPTION, CALLED_OPTION, ...HOST_OPTIONS];
    for (const permissions of ["service", "supervisor"] as const) {
      const launched = command({ permissions, options });
      assertEquals(await run(shell, [launched], ["fly", "--config", "a b"]), [
        "launch",
        "--config",
        "a b",
      ]);
    }
  });

  Deno.test(`${shell.join(" ")} lets whatever else is typed read the configuration and no more`, async () => {
    for (const typed of [["help", "x"], ["no-verb"], ["--version"], [""], ["fly*"], ["*"]]) {
      assertEquals(
        await run(shell, [command({}), command({ verb: "land", permissions: "service" })], typed),
        ["become", "--allow-read=/a.json", "/main.ts", ...typed],
      );
    }
    const all = casesOf(COMMANDS);
    for (const { verb } of COMMANDS.filter(({ permissions }) => permissions === undefined)) {
      assertEquals(new RegExp(`\\b${verb}(\\)| \\|)`).test(all), false, verb);
      assertEquals((await run(shell, COMMANDS, [verb]))[1], "--allow-read=/a.json", verb);
    }
  });
}

Deno.test("the shells of Debian are among those that are tried", () => {
  assertEquals(SHELLS.slice(0, 2), [["dash"], ["bash", "--posix"]]);
});

/** The rows of the table of processes, whose first two cells are these. */
function documented(): Map<string, string> {
  const text = Deno.readTextFileSync(`${ROOT}docs/architecture.md`);
  const rows = text.matchAll(/^\| ([^|]*?) +\| ([^|]*?) +\|/gm);
  return new Map([...rows].map(([, process = "", flags = ""]) => [process, flags]));
}

Deno.test("the table of processes in docs/architecture.md has the permissions of each command", () => {
  const expected = new Map<string, string[]>();
  for (const { verb, permissions } of COMMANDS) {
    if (permissions === undefined) continue;
    const flags = typeof permissions === "string"
      ? `the ${permissions}`
      : `\`${permissions.join(" ")}\``;
    expected.set(flags, [...expected.get(flags) ?? [], `\`${verb}\``]);
  }
  const rows = documented();
  for (const [flags, verbs] of expected) {
    const list = verbs.join(", ");
    if (flags.startsWith("the ")) assert(rows.has(`${flags} (${list})`), `${flags} (${list})`);
    else assertEquals(rows.get(list), flags, list);
  }
});
