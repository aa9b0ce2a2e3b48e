/**
 * The completion, in a bash of its own.
 */

import { bashCompletion } from "../../packaging/completion.ts";
import { loadCommands } from "../../src/cli/cli.ts";
import { listed } from "../../src/cli/command.ts";
import { assertEquals } from "../assert.ts";
import { Folder } from "../folder.ts";

const COMMANDS = await loadCommands();

/** Runs bash without anybody's settings, and without the terminal of who runs the tests. */
async function bash(args: readonly string[], input: string, cwd: string): Promise<string> {
  const child = new Deno.Command("setsid", {
    args: ["--wait", "bash", "--noprofile", ...args],
    cwd,
    env: { INPUTRC: "/dev/null", TERM: "dumb" },
    stdin: "piped",
    stdout: "piped",
    // The prompt, what is typed, and that there is no terminal.
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).trimEnd();
}

/** What is offered for the last of the words on a line. */
async function offered(...words: string[]): Promise<string[]> {
  using folder = new Folder();
  const array = words.map((word) => `'${word}'`).join(" ");
  const output = await bash(
    [],
    `${bashCompletion(COMMANDS)}
    COMP_WORDS=(${array}) COMP_CWORD=${words.length - 1}
    _aphlict
    printf '%s\\n' "\${COMPREPLY[@]}"`,
    folder.path,
  );
  return output === "" ? [] : output.split("\n");
}

/** What the command gets when somebody types a line, with `\t` for the Tab key. */
async function typed(line: string): Promise<string> {
  using folder = new Folder();
  Deno.mkdirSync(`${folder.path}/my folder`);
  folder.write("my folder/aphlict's.json", "");
  const settings = folder.write(
    ".settings",
    `${bashCompletion(COMMANDS)}\naphlict() { printf '<%s>' "$@"; }\n`,
  );
  return await bash(["--rcfile", settings, "-i"], `${line}\n`, folder.path);
}

const VERBS = listed(COMMANDS).map(({ verb }) => verb);

Deno.test("bash offers the verbs, and not those for other parts of the program", async () => {
  assertEquals(await offered("aphlict", ""), VERBS);
});

Deno.test("bash offers the verbs that begin as what was typed", async () => {
  assertEquals(await offered("aphlict", "sta"), ["start", "status"]);
});

Deno.test("bash offers the options of each verb", async () => {
  for (const { verb, options } of listed(COMMANDS)) {
    const names = listed(options).map(({ name }) => `--${name}`);
    assertEquals(await offered("aphlict", verb, "--"), names, verb);
  }
});

Deno.test("bash offers no option twice", async () => {
  assertEquals(await offered("aphlict", "version", "--"), ["--json"]);
  for (const given of [["--config", "x"], ["--config", "=", "x"]]) {
    assertEquals(await offered("aphlict", "health", ...given, "--"), ["--wait", "--json"]);
  }
});

Deno.test("bash offers the values that an option can have", async () => {
  assertEquals(await offered("aphlict", "permissions", "--format", ""), ["flags", "json"]);
  assertEquals(await offered("aphlict", "permissions", "--format", "="), ["flags", "json"]);
  assertEquals(await offered("aphlict", "permissions", "--format", "=", "j"), ["json"]);
});

Deno.test("bash offers nothing for a value that nobody can know", async () => {
  assertEquals(await offered("aphlict", "listen", "--url", ""), []);
});

Deno.test("bash offers the verbs after help, once", async () => {
  assertEquals(await offered("aphlict", "help", ""), VERBS);
  assertEquals(await offered("aphlict", "help", "start", ""), []);
});

Deno.test("bash offers nothing for a verb that there is not", async () => {
  assertEquals(await offered("aphlict", "fly", ""), []);
});

Deno.test("options of one name take values of one kind, as the completion presumes", () => {
  const kinds = new Map<string, string>();
  for (const { name, value, choices } of COMMANDS.flatMap(({ options }) => listed(options))) {
    const kind = `${value} ${choices}`;
    assertEquals(kinds.get(name) ?? kind, kind, name);
    kinds.set(name, kind);
  }
});

for (const given of ["--config my\t\t", "--config=my\t\t", '--config "my\t\t', "--ca my\t\t"]) {
  Deno.test(`who types ${JSON.stringify(given)} gets the name of a file, whatever is in it`, async () => {
    const separator = given.includes("=") ? "=" : "><";
    const option = given.slice(0, given.search(/[ =]/));
    assertEquals(
      await typed(`aphlict doctor ${given}`),
      `<doctor><${option}${separator}my folder/aphlict's.json>`,
    );
  });
}

Deno.test("who types a Tab where no file belongs gets none", async () => {
  assertEquals(await typed("aphlict check m\t"), "<check><m>");
});
