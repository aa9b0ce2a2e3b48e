/**
 * npm's package as a user installs it from the packed file, with npm and no Deno. These tests need `npm`, and fetch
 * Deno from its registry.
 */

import { manifest, NPM_PACKAGE } from "../../packaging/npm.ts";
import { TESTED_DENO, VERSION } from "../../src/version.ts";
import type { Outcome } from "../acceptance/process.ts";
import { writePackage } from "../acceptance/newcomer.ts";
import { must, Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { hasRuntimesOwn, OnTerminal } from "../acceptance/terminal.ts";
import { writeConfig, type Written } from "../acceptance/server.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { basename } from "node:path";

const FILE = `${ROOT}${NPM_PACKAGE}`;

/** A user with an empty home and an empty folder. The `deno` on the PATH is another program, which leaves a mark. */
class User implements AsyncDisposable {
  readonly #folder = new Folder();
  readonly #work = `${this.#folder.path}/work`;
  readonly #environment: readonly string[];
  readonly written: Written = writeConfig(this.#folder);

  /** @param cache The folder of what npm has fetched. */
  constructor(cache: string) {
    const { path } = this.#folder;
    for (const name of ["bin", "home", "work"]) Deno.mkdirSync(`${path}/${name}`);
    Deno.writeTextFileSync(`${path}/bin/deno`, `#!/bin/sh\n>${path}/mark\nexit 1\n`, {
      mode: 0o755,
    });
    Deno.copyFileSync(FILE, `${this.#work}/aphlict.tgz`);
    this.#environment = [
      ...[`HOME=${path}/home`, `PATH=${path}/bin:/usr/local/bin:/usr/bin:/bin`],
      ...[`npm_config_cache=${cache}`, "npm_config_prefer_offline=true"],
      ...["npm_config_audit=false", "npm_config_update_notifier=false"],
    ];
  }

  start(...command: readonly string[]): Process {
    const args = ["-i", ...this.#environment, ...command];
    return new Process("env", args, { cwd: this.#work });
  }

  async run(...command: readonly string[]): Promise<Outcome> {
    await using process = this.start(...command);
    return await process.outcome();
  }

  /** Runs a command on a terminal, and returns what that shows. */
  async shown(...command: readonly string[]): Promise<string> {
    const line = ["env", "-i", ...this.#environment, "NO_COLOR=1", ...command];
    await using terminal = new OnTerminal(line, { cwd: this.#work });
    const { code } = await terminal.ended();
    assertEquals(code, 0, terminal.output);
    return terminal.text;
  }

  /** The same, where it has to work. Returns what it has written. */
  async call(...command: readonly string[]): Promise<string> {
    const { code, output } = await this.run(...command);
    assertEquals(code, 0, `${command.join(" ")}: ${output}`);
    return output;
  }

  /** The command of a verb with the configuration. */
  npx(verb: string, ...args: readonly string[]): string[] {
    return ["npx", "--yes", "./aphlict.tgz", verb, "--config", this.written.path, ...args];
  }

  /** Whether the `deno` on the PATH was run. */
  get wasMistaken(): boolean {
    return [...Deno.readDirSync(this.#folder.path)].some(({ name }) => name === "mark");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run(...this.npx("stop"));
    this.#folder[Symbol.dispose]();
  }
}

const RUNS = new RegExp(
  `^aphlict ${VERSION.replaceAll(".", "\\.")} \\(bundle, deno ${TESTED_DENO}, `,
);

let cache: Folder;

Deno.test.beforeAll(() => {
  cache = new Folder();
});

Deno.test.afterAll(() => cache[Symbol.dispose]());

Deno.test("npx checks, starts and stops a service in its sandbox, and delivers a message", async () => {
  await using user = new User(cache.path);
  assertMatch(await user.call("npx", "--yes", "./aphlict.tgz", "version"), RUNS);
  assertMatch(await user.call(...user.npx("check")), /^OK: /m);
  const started = await user.call(...user.npx("start", "--as-root"));
  const pid = started.match(/^Aphlict is running: supervisor \d+, service (\d+), /)?.[1];
  assert(pid, started);
  const { flags } = JSON.parse(await user.call(...user.npx("permissions", "--format", "json")));
  const line = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  assertStringIncludes(line.join("\0"), flags.join("\0"));
  const allowed = (words: readonly string[]) => words.filter((word) => word.startsWith("--allow"));
  assertEquals(allowed(line), allowed(flags));
  // What runs is the Deno that npm has fetched.
  assert(Deno.readLinkSync(`/proc/${pid}/exe`).startsWith(`${cache.path}/_npx/`));
  assertMatch(await user.call(...user.npx("status")), /^Aphlict \(\d+\) is running/);
  // npx passes a signal to none but its shell. timeout passes it to all, as a terminal does.
  await using listener = user.start("timeout", "120", ...user.npx("listen", "A"));
  await listener.line(/^listening/);
  await user.call(...user.npx("send", "--to", "A", '{"type":"hello"}'));
  await listener.line(/ hello: \{/);
  listener.kill("SIGTERM");
  await listener.ended();
  assertMatch(await user.call(...user.npx("stop")), /Stopped\.$/);
  assertEquals(user.wasMistaken, false);
});

Deno.test("the command that npm installs for all users runs where npm runs no scripts of packages, and is clean on a terminal", async () => {
  await using user = new User(cache.path);
  const options = ["--global", "--prefix", "../home", "--ignore-scripts"];
  await user.call("npm", "install", ...options, "./aphlict.tgz");
  const command = "../home/bin/aphlict";
  assertMatch(await user.call(command, "version"), RUNS);
  for (
    const [verb, ...args] of [["check"], ["start", "--as-root"], ["status"], ["health"], ["stop"]]
  ) {
    const line = [command, verb ?? "", "--config", user.written.path, ...args];
    const text = await user.shown(...line);
    assert(text !== "" && !hasRuntimesOwn(text), `${verb}: ${JSON.stringify(text)}`);
  }
  assertEquals(user.wasMistaken, false);
});

Deno.test("a project's own Deno of another version is not the one that runs", async () => {
  using other = new Folder();
  writePackage(other.path, "exit 1");
  const changed = { name: "deno", version: "2.8.0", bin: { deno: "deno.sh" } };
  other.write("package.json", JSON.stringify(changed));
  await using user = new User(cache.path);
  await user.call("npm", "install", other.path, "./aphlict.tgz");
  assertMatch(await user.call("npx", "aphlict", "version"), RUNS);
  assertEquals(user.wasMistaken, false);
});

Deno.test("the packed file has the bundle that is released, and the same bytes each time", () => {
  using folder = new Folder();
  must("tar", ["x", "-C", folder.path, "-f", FILE]);
  const tree = `${folder.path}/package`;
  const names = [...Deno.readDirSync(tree)].map(({ name }) => name).sort();
  assertEquals(names, [...manifest(undefined)["files"] as string[], "package.json"].sort());
  const bytes = (path: string) => Deno.readFileSync(path);
  assertEquals(bytes(`${tree}/aphlict.js`), bytes(`${ROOT}dist/aphlict.js`));
  must("npm", ["pack", "--silent", "--pack-destination", folder.path, tree]);
  assertEquals(bytes(`${folder.path}/${basename(FILE)}`), bytes(FILE));
});
