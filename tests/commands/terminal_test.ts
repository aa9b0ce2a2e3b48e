/**
 * What a person sees: commands on a terminal.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { loadConfig } from "../../src/config/load.ts";
import { serviceFlags } from "../../src/config/permissions.ts";
import { Folder } from "../folder.ts";
import { BlackHole } from "../acceptance/black_hole.ts";
import { Browser } from "../acceptance/browser.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { fetchedFrom } from "../acceptance/installation.ts";
import { must, Process } from "../acceptance/process.ts";
import { APHLICT, ROOT, testOfSource } from "../acceptance/program.ts";
import { writeConfig } from "../acceptance/server.ts";
import { hasRuntimesOwn, OnTerminal } from "../acceptance/terminal.ts";

const env = { DENO: Deno.execPath() };

for (const command of new Set([APHLICT, `${ROOT}dist/aphlict.js`])) {
  const name = command.slice(command.lastIndexOf("/") + 1);

  Deno.test(`${name} writes to a terminal what it writes to a pipe`, async () => {
    using folder = new Folder();
    const { path } = writeConfig(folder);
    for (
      const args of [
        ["version"],
        ["help"],
        ["help", "start"],
        ["permissions", "--config", path],
        ["check", "--config", path],
        ["status", "--config", path],
        ["health", "--config", path],
        ["no-such-verb"],
        ["check", "--config", `${folder.path}/none.json`],
      ]
    ) {
      await using piped = new Process(command, args, { env });
      // One after the other, as a check binds the addresses for a moment.
      const { code } = await piped.ended();
      await using shown = new OnTerminal([command, ...args], { env });
      assertEquals((await shown.ended()).code, code, args.join(" "));
      // A pipe keeps no order between the two streams.
      const sorted = (text: string) => text.split("\n").sort();
      assertEquals(sorted(shown.text), sorted(piped.output), args.join(" "));
    }
  });

  Deno.test(`${name} writes no line of the runtime's to a terminal, whatever it does`, async () => {
    await using daemon = new Daemon();
    const options = ["--config", daemon.written.path];
    for (
      const [verb = "", ...args] of [
        ["start", "--as-root"],
        ["status"],
        ["health"],
        ["doctor"],
        ["send", "--to", "A"],
        ["top", "--once"],
        ["reload"],
        ["restart", "--as-root"],
        ["check"],
        ["stop"],
      ]
    ) {
      await using shown = new OnTerminal([command, verb, ...options, ...args], { env });
      const { code } = await shown.ended();
      assertEquals(code, 0, `${verb}: ${shown.output}`);
      assert(!hasRuntimesOwn(shown.output), `${verb}: ${JSON.stringify(shown.output)}`);
    }
  });

  for (const verb of ["serve", "debug", "run"]) {
    Deno.test(`${name} ${verb} writes no line of the runtime's to a terminal`, async () => {
      using folder = new Folder();
      const { path } = writeConfig(folder);
      const asRoot = verb === "run" ? ["--as-root"] : [];
      await using shown = new OnTerminal([command, verb, "--config", path, ...asRoot], { env });
      await shown.line(/has fingerprint /);
      shown.kill("SIGTERM");
      await shown.ended();
      assert(!hasRuntimesOwn(shown.output), JSON.stringify(shown.output));
    });
  }
}

Deno.test("serve shows on a terminal where to go on, and its commands work as they are", async () => {
  using folder = new Folder();
  const { path, client, admin } = writeConfig(folder);
  await using service = new OnTerminal([APHLICT, "serve", "--config", path], { env, cwd: ROOT });
  const send = await service.line(/ send --config /);
  const text = service.text;
  const listen = /^ +(\S.* listen .*)$/m.exec(text)?.[1] ?? "";
  for (
    const line of [
      `Browsers connect to  ws://127.0.0.1:${client}/`,
      `Phorge posts to      http://127.0.0.1:${admin}/`,
      `The live page        http://127.0.0.1:${admin}/console/`,
      `The log              ${folder.path}/aphlict.log`,
    ]
  ) assertStringIncludes(text, `\n${line}\n`);
  assertEquals(text.includes("--allow-"), false, text);
  assert(!hasRuntimesOwn(service.output), JSON.stringify(service.output));
  const page = await fetch(`http://127.0.0.1:${admin}/console/`);
  assertMatch(await page.text(), /<html/);
  const shell = (line: string) => new Process("sh", ["-c", `exec ${line}`], { env, cwd: ROOT });
  await using listener = shell(listen);
  await listener.line(/^listening/);
  await using sender = shell(send.replaceAll("\r", ""));
  assertEquals((await sender.ended()).code, 0, sender.output);
  await listener.line(/ test: \{/);
});

Deno.test("a server of all addresses is shown as that, and its live page where it can be opened", async () => {
  using folder = new Folder();
  const { path, client, admin } = writeConfig(folder);
  const config = JSON.parse(Deno.readTextFileSync(path));
  for (const server of config.servers) server.listen = "0.0.0.0";
  Deno.writeTextFileSync(path, JSON.stringify(config));
  await using service = new OnTerminal([APHLICT, "serve", "--config", path], { env });
  await service.line(/ send --config /);
  const text = service.text;
  assertStringIncludes(text, `ws://0.0.0.0:${client}/ (any address of this host)\n`);
  assertStringIncludes(text, `The live page        http://127.0.0.1:${admin}/console/\n`);
  await (await Browser.open(client))[Symbol.asyncDispose]();
});

Deno.test("a terminal that does not know its size is taken to have 80 columns", async () => {
  using folder = new Folder();
  const { path } = writeConfig(folder);
  await using service = new Process(APHLICT, ["serve", "--config", path, "--verbose"], { env });
  await service.line(/Permissions: .*--allow-net=/);
  for (const args of [["doctor"], ["top", "--once"]]) {
    const command = [APHLICT, ...args, "--config", path];
    await using shown = new OnTerminal(command, { env }, [0, 0]);
    await shown.ended();
    const widest = Math.max(...shown.text.split("\n").map((line) => line.length));
    // In no columns there is nothing, or a letter a line.
    assert(widest > 40 && widest <= 80, `${args}: ${widest} columns:\n${shown.text}`);
  }
});

Deno.test("start names the live page", async () => {
  await using daemon = new Daemon();
  const { output } = await daemon.run("start");
  assertStringIncludes(output, `\n  live page http://127.0.0.1:${daemon.written.admin}/console/\n`);
});

/** A clone of the repository with other ports in the configuration of its tasks. */
class Clone implements Disposable {
  readonly folder = new Folder();
  readonly written = writeConfig(this.folder, { logs: [{ path: "./var/aphlict.log" }] });

  constructor() {
    const { path } = this.folder;
    const parts = ["bin", "src", "main.ts", "deno.json", "deno.lock"];
    must("cp", ["-r", ...parts.map((name) => `${ROOT}${name}`), path]);
    for (const name of ["conf", "var"]) Deno.mkdirSync(`${path}/${name}`);
    Deno.renameSync(this.written.path, `${path}/conf/aphlict.local.json`);
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

testOfSource(
  "deno task start shows on a terminal what a person needs, and nothing else",
  async () => {
    using clone = new Clone();
    using hole = new BlackHole();
    await using task = new OnTerminal([Deno.execPath(), "task", "start"], {
      cwd: clone.folder.path,
      env: {
        ...env,
        ...fetchedFrom(hole, clone.folder.path),
        SECRET: "hunter2",
        NODE_OPTIONS: "--inspect",
      },
    });
    await task.line(/ send --config /);
    const text = task.text;
    const pid = /\(pid (\d+)\)/.exec(text)?.[1];
    const { path } = clone.folder;
    const config = {
      ...loadConfig(`${path}/conf/aphlict.local.json`),
      path: "conf/aphlict.local.json",
    };
    assertStringIncludes(
      Deno.readTextFileSync(`/proc/${pid}/cmdline`),
      `\0${serviceFlags(config).join("\0")}\0`,
    );
    const environment = Deno.readTextFileSync(`/proc/${pid}/environ`);
    assertEquals(/^(SECRET|NODE_OPTIONS)=/m.test(environment.replaceAll("\0", "\n")), false);
    assertStringIncludes(
      text,
      `\nThe live page        http://127.0.0.1:${clone.written.admin}/console/\n`,
    );
    assertStringIncludes(
      text,
      "\n  bin/aphlict send --config conf/aphlict.local.json --to PHID-USER-example\n",
    );
    assertEquals(text.includes("--allow-"), false, text);
    // At 80 columns.
    const rows = text.split("\n").map((line) => Math.ceil(Math.max(1, line.length) / 80));
    const shown = rows.reduce((sum, each) => sum + each, 0);
    assert(shown <= 30, `${shown} lines:\n${text}`);
    assertEquals(hole.asked, 0, "the dependencies are there");
    // Its end is that of the task.
    Deno.kill(Number(pid), "SIGTERM");
    assertEquals((await task.ended()).code, 0);
  },
);
