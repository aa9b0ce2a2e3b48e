/**
 * What the daemon's logs do on disks that fill, in folders that vanish, and under load.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Browser } from "../acceptance/browser.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { APHLICT } from "../acceptance/program.ts";
import { Process } from "../acceptance/process.ts";
import { publish } from "../acceptance/server.ts";

/** Has a line logged: a request for something that there is not. */
async function logLine(daemon: Daemon): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${daemon.written.admin}/nothing`);
  assertEquals(answer.status, 404);
  await answer.body?.cancel();
}

function linesOf(path: string): string[] {
  const lines = Deno.readTextFileSync(path).split("\n");
  assertEquals(lines.pop(), "", "every line is whole");
  return lines;
}

Deno.test("10,000 lines under load are rotated without losing or doubling one", async () => {
  const keep = 60;
  await using daemon = new Daemon((folder) => ({
    logs: [{
      path: `${folder}/log/aphlict.log`,
      "rotate.size": "64KiB",
      "rotate.keep": keep,
      "level": "trace",
    }],
  }));
  await daemon.start();
  const senders = 8;
  const each = 5000 / senders;
  // Two lines a message: that it was received, and what became of it.
  await Promise.all(
    Array.from({ length: senders }, async (_, sender) => {
      for (let n = 0; n < each; n++) {
        await publish(daemon.written.admin, { subscribers: [], sender, n });
      }
    }),
  );
  assertEquals((await daemon.run("stop")).code, 0);
  const files = [...Deno.readDirSync(`${daemon.folder.path}/log`)].map(({ name }) => name);
  const rotated = files.length - 1;
  assert(rotated > 5 && rotated < keep, `${rotated} rotated files`);
  const paths = Array.from({ length: rotated }, (_, n) => `${daemon.logPath}.${rotated - n}`);
  for (const path of [...paths, daemon.logPath]) {
    assert(Deno.statSync(path).size <= 64 * 1024, `${path} is within its size`);
  }
  const lines = [...paths, daemon.logPath].flatMap(linesOf);
  const next = Array.from({ length: senders }, () => 0);
  let outcomes = 0;
  for (const line of lines) {
    if (line.includes("TRACE It was ")) outcomes++;
    const [, sender, n] = /"sender":(\d+),"n":(\d+)/.exec(line) ?? [];
    if (sender === undefined) continue;
    assertEquals(next[Number(sender)], Number(n), "each once, and in order");
    next[Number(sender)] = Number(n) + 1;
  }
  assertEquals(next, Array.from({ length: senders }, () => each));
  assertEquals(outcomes, 5000);
});

Deno.test("a folder that vanishes and comes back costs the lines in between, which are counted", async () => {
  await using daemon = new Daemon();
  await using run = daemon.launch("run");
  await run.line(/INFO This server has fingerprint /);
  await using browser = await Browser.open(daemon.written.client, { topics: ["A"] });
  Deno.removeSync(`${daemon.folder.path}/log`, { recursive: true });
  for (let n = 0; n < 3; n++) await logLine(daemon);
  await run.line(/Cannot open log file \S+: its folder does not exist\..* Its lines are lost/);
  Deno.mkdirSync(`${daemon.folder.path}/log`);
  await logLine(daemon);
  const [notice = "", line = "", ...more] = linesOf(daemon.logPath);
  assertMatch(notice, /WARNING Lines that could not be written are missing here: 3\.$/);
  assertMatch(line, /INFO <127\.0\.0\.1:\d+> Answered 404 to /);
  assertEquals(more, []);
  assertEquals(run.output.match(/Its lines are lost/g)?.length, 1, "it is told once");
  await publish(daemon.written.admin, { subscribers: ["A"] });
  assertEquals((await browser.all()).length, 1, "the service has gone on meanwhile");
});

/**
 * A log that takes nothing: for root the device that is always full, under a name of its own, as Deno
 * opens nothing in /dev; for others a file that may not grow.
 */
function makeFull(path: string): string[] {
  if (Deno.uid() !== 0) return ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"];
  const { success } = new Deno.Command("mknod", { args: ["-m", "666", path, "c", "1", "7"] })
    .outputSync();
  assert(success);
  return [];
}

Deno.test("a full disk does not stop the service: it goes on, and says so once", async () => {
  await using daemon = new Daemon();
  Deno.mkdirSync(`${daemon.folder.path}/log`);
  const prefix = makeFull(daemon.logPath);
  // What is limited this way can write no pidfile either: it is the service alone.
  const words = [...prefix, APHLICT, "serve", "--config", daemon.written.path];
  await using serve = new Process(words[0] ?? "", words.slice(1), {
    env: { DENO: Deno.execPath() },
  });
  await serve.line(/INFO This server has fingerprint /);
  await using browser = await Browser.open(daemon.written.client, { topics: ["A"] });
  for (let n = 0; n < 3; n++) await logLine(daemon);
  await publish(daemon.written.admin, { subscribers: ["A"] });
  assertEquals((await browser.all()).length, 1);
  serve.kill("SIGTERM");
  assertEquals((await serve.ended()).code, 0);
  assertEquals(serve.output.match(/Cannot write log file/g)?.length, 1);
  assertStringIncludes(serve.output, "Its lines are lost until it can be written again.");
});

Deno.test("a service that comes back after a crash starts although the log's folder is gone", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const killed = daemon.pid("service");
  Deno.removeSync(`${daemon.folder.path}/log`, { recursive: true });
  Deno.kill(killed, "SIGKILL");
  await daemon.until(() =>
    daemon.members().some(({ role, pid }) => role === "service" && pid !== killed)
  );
  await daemon.until(async () => {
    try {
      await publish(daemon.written.admin, { subscribers: [] });
      return true;
    } catch {
      // It does not listen yet.
      return false;
    }
  });
});

Deno.test("what a daemon cannot write into its log, status tells, and start already", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  Deno.removeSync(`${daemon.folder.path}/log`, { recursive: true });
  await logLine(daemon);
  await daemon.until(async () =>
    /complaint .*Cannot open log file/.test((await daemon.run("status")).output)
  );
});
