/**
 * The daemon's commands as the examples use them. These tests need logrotate.
 */

import { type Outcome, Process } from "../acceptance/process.ts";
import { publish, status, writeConfig, type Written } from "../acceptance/server.ts";
import { ROOT } from "../acceptance/program.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import { Folder } from "../folder.ts";
import { example, writeLogrotate } from "./site.ts";

/** What the examples and the guide tell an administrator to type or to copy. */
const TEXTS = [
  "conf/examples/aphlict.service",
  "conf/examples/cron.md",
  "conf/examples/logrotate.conf",
  "docs/install.md",
  "docs/operations.md",
  "docs/troubleshooting.md",
];

/** Runs a program to its end. */
async function call(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  await using process = new Process(command, args, { env });
  return await process.outcome();
}

function aphlict(...args: readonly string[]): Promise<Outcome> {
  return call(`${ROOT}bin/aphlict`, args);
}

/** Stops what a test has started, whatever became of it. */
class Daemon implements AsyncDisposable {
  readonly #path: string;

  constructor({ path }: Written) {
    this.#path = path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await aphlict("stop", "--config", this.#path);
  }
}

/** The one block of a language in the note on hosts without systemd that holds a word. */
function block(language: string, word: string): string {
  const blocks = [...example("cron.md", {}).matchAll(/```(\w+)\n(.*?)```/gs)]
    .filter(([, name, text]) => name === language && text?.includes(word));
  assertEquals(blocks.length, 1, `${language} with ${word}`);
  return blocks[0]?.[2] ?? "";
}

/** As this user, with the Deno that runs the test, for a configuration of the test. */
function adapt(text: string, { path }: Written): string {
  return text
    .replaceAll(/runuser -u aphlict -- env [^\\]*\\\n/g, "")
    .replaceAll("/opt/aphlict/", ROOT)
    .replaceAll("/etc/aphlict/aphlict.json", path)
    .replaceAll(/aphlict start\b/g, "aphlict start --as-root");
}

Deno.test("every command and option that the examples and the guide name exists", async () => {
  const { output: overview } = await aphlict("help");
  const verbs = new Set([...overview.matchAll(/^ {2}(\w+) {2}/gm)].map(([, verb]) => verb));
  for (const name of TEXTS) {
    const text = Deno.readTextFileSync(`${ROOT}${name}`);
    // In code, not in sentences: a path before it, or a back-quote.
    const commands = [...text.matchAll(/(?:bin\/|`)aphlict ([a-z]+)([^`\n]*)/g)];
    assertEquals(commands.length > 0, true, name);
    for (const [command, verb = "", rest = ""] of commands) {
      assertEquals(verbs.has(verb), true, `${name}: ${command}`);
      const { output: help } = await aphlict("help", verb);
      for (const [option] of rest.matchAll(/--[a-z-]+/g)) {
        assertEquals(help.includes(option), true, `${name}: ${command}`);
      }
    }
  }
});

Deno.test("logrotate takes the log away, and lines go on in the new one", async () => {
  using folder = new Folder();
  const log = `${folder.path}/aphlict.log`;
  const written = writeConfig(folder, { logs: [{ path: log, "rotate.size": 0 }] });
  await using _daemon = new Daemon(written);
  const start = await aphlict("start", "--config", written.path, "--as-root");
  assertEquals(start.code, 0, start.output);
  const before = Deno.readTextFileSync(log);
  assertMatch(before, /Listening: client server/);

  const rotate = writeLogrotate(folder, written.path);
  for (const times of [1, 2]) {
    // An empty one would stay where it is.
    Deno.writeTextFileSync(log, "a line\n", { append: true });
    const { code, output } = await call("logrotate", [
      "-f",
      "-s",
      `${folder.path}/logrotate.state`,
      rotate,
    ]);
    assertEquals(code, 0, output);
    assertEquals((await status(written.admin))["version"] !== undefined, true);
    assertEquals(Deno.statSync(log).mode! & 0o777, 0o640, `${times}: made by logrotate`);
  }
  // Compressed after the second time, and whole: nobody wrote into it any more.
  const { output: oldest } = await call("zcat", [`${log}.2.gz`]);
  assertEquals(`${oldest}\n`.startsWith(before), true, oldest);

  await publish(written.admin, { subscribers: [] });
  const stop = await aphlict("stop", "--config", written.path);
  assertEquals(stop.code, 0, stop.output);
  assertMatch(Deno.readTextFileSync(log), /stopping|Stopped/i);
});

Deno.test("the crontab's line starts it, from cron's bare environment", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _daemon = new Daemon(written);
  const line = /^@reboot (.*)$/m.exec(block("crontab", "@reboot"))?.[1] ?? "";
  const { code, output } = await call("env", [
    "-i",
    `HOME=${Deno.env.get("HOME")}`,
    `DENO=${Deno.execPath()}`,
    "PATH=/usr/bin:/bin",
    "sh",
    "-c",
    adapt(line, written),
  ]);
  assertEquals(code, 0, output);
  assertEquals((await aphlict("status", "--config", written.path)).code, 0);
});

Deno.test("the init script starts, reloads and stops it, and says 3 when it is not there", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _daemon = new Daemon(written);
  const script = folder.write("init", adapt(block("sh", "BEGIN INIT INFO"), written));
  // Who runs the test may have fewer.
  Deno.writeTextFileSync(script, Deno.readTextFileSync(script).replace(/^ulimit.*\n/m, ""));
  const codes: Record<string, number> = {};
  for (const verb of ["status", "start", "reload", "force-reload", "stop", "nonsense"]) {
    codes[verb] = (await call("sh", [script, verb])).code;
  }
  assertEquals(codes, {
    "status": 3,
    "start": 0,
    "reload": 0,
    "force-reload": 0,
    "stop": 0,
    "nonsense": 2,
  });
});
