/**
 * The daemon: `start`, `stop`, `restart`, `status`, and what happens when a process is killed.
 */

import { readState } from "../../src/supervisor/state.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { answering, response, ScriptedPeer, STATUS, taking } from "../acceptance/bad_peer.ts";
import { Browser } from "../acceptance/browser.ts";
import { makeAuthority, makeCertificate, makeSelfSigned } from "../acceptance/certificate.ts";
import { peersOf, story } from "../acceptance/cluster.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { testNotOnServe } from "../acceptance/engines.ts";
import { freePorts } from "../acceptance/ports.ts";
import { APHLICT, PROGRAM } from "../acceptance/program.ts";
import { assertOutcome, Process } from "../acceptance/process.ts";
import { until } from "../acceptance/until.ts";
import { Folder } from "../folder.ts";
import { publish, status } from "../acceptance/server.ts";

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("start returns when the service listens, and leaves a supervisor and a service", async () => {
  await using daemon = new Daemon();
  const { code, output } = await daemon.run("start");
  assertEquals(code, 0, output);
  const { client, admin } = daemon.written;
  await using browser = await Browser.open(client, { topics: ["A"] });
  await publish(admin, { subscribers: ["A"], n: 1 });
  assertEquals(JSON.parse(await browser.next()).n, 1);
  const [supervisor, service] = [daemon.pid("supervisor"), daemon.pid("service")];
  assertEquals(
    output,
    [
      `Aphlict is running: supervisor ${supervisor}, service ${service}, with ${daemon.written.path}.`,
      `  ws://127.0.0.1:${client}/`,
      `  http://127.0.0.1:${admin}/`,
      `  live page http://127.0.0.1:${admin}/console/`,
      `  log ${daemon.logPath}`,
    ].join("\n"),
  );
  assertEquals(Deno.readTextFileSync(daemon.pidfile), String(supervisor), "as the original's");
});

Deno.test("start makes missing folders that everybody can look into, and a pidfile for its user alone, whatever the umask", async () => {
  await using daemon = new Daemon();
  const args = ["start", "--config", daemon.written.path, "--as-root"];
  await using start = new Process("sh", ["-c", 'umask 077; exec "$@"', "sh", APHLICT, ...args], {
    env: { DENO: Deno.execPath() },
  });
  assertEquals((await start.ended()).code, 0, start.output);
  for (
    const [path, mode] of [
      [`${daemon.folder.path}/log`, 0o755],
      [`${daemon.folder.path}/pid`, 0o755],
      [daemon.pidfile, 0o600],
    ] as const
  ) {
    assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, mode, path);
  }
});

Deno.test("the folder that it was started from may go", async () => {
  await using daemon = new Daemon();
  using other = new Folder();
  const args = ["start", "--config", daemon.written.path, "--as-root"];
  await using start = new Process(APHLICT, args, {
    cwd: other.path,
    env: { DENO: Deno.execPath() },
  });
  assertEquals((await start.ended()).code, 0, start.output);
  for (const { pid } of daemon.members()) assertEquals(Deno.readLinkSync(`/proc/${pid}/cwd`), "/");
});

Deno.test("a stop whose output cannot be written stops all the same", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  await using stop = new Process("sh", [
    "-c",
    'exec "$@" >/dev/full 2>&1',
    "sh",
    APHLICT,
    "stop",
    "--config",
    daemon.written.path,
  ], { env: { DENO: Deno.execPath() } });
  assertEquals((await stop.ended()).code, 0);
  assertEquals(daemon.members(), []);
});

Deno.test("a relative configuration is found from where it is started", async () => {
  await using daemon = new Daemon(() => ({ pidfile: "pid/aphlict.pid" }));
  for (const [verb, ...more] of [["start", "--as-root"], ["status"], ["stop"]] as const) {
    await using process = new Process(APHLICT, [verb, "--config", "aphlict.json", ...more], {
      cwd: daemon.folder.path,
      env: { DENO: Deno.execPath() },
    });
    assertEquals((await process.ended()).code, 0, process.output);
    if (verb === "status") {
      assertStringIncludes(process.output, `config      ${daemon.written.path}`);
    }
  }
});

Deno.test("the supervisor may run its deno and nothing else, and has no network", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const words = Deno.readTextFileSync(`/proc/${daemon.pid("supervisor")}/cmdline`).split("\0");
  const owned = ["", ".state", ".state.new", ".new"].map((suffix) => `${daemon.pidfile}${suffix}`);
  assertEquals(words.slice(words.indexOf("--no-prompt"), words.indexOf(PROGRAM.path)), [
    "--no-prompt",
    "--cached-only",
    "--deny-import",
    `--allow-read=${[daemon.written.path, ...owned, daemon.logPath].join(",")}`,
    `--allow-write=${[...owned, daemon.logPath].join(",")}`,
    `--allow-run=${Deno.execPath()}`,
  ]);
});

Deno.test("stop tells browsers to go, and leaves no process, pidfile or state", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  await using browser = await Browser.open(daemon.written.client);
  const supervisor = daemon.pid("supervisor");
  const { code, output } = await daemon.run("stop");
  assertEquals([code, output], [0, `Stopping Aphlict (supervisor ${supervisor})...\nStopped.`]);
  assertEquals(daemon.members(), []);
  assertEquals((await browser.closed).code, 1001);
  assertEquals(namesIn(`${daemon.folder.path}/pid`), []);
  assertMatch(daemon.log, /INFO SIGTERM: stopping\.\n[^]*INFO Stopped\.\n/);
});

Deno.test("with nothing running, status exits 1, stop 0 and reload 1, and all say so", async () => {
  await using daemon = new Daemon();
  for (const [verb, expected] of [["status", 1], ["stop", 0]] as const) {
    assertOutcome(await daemon.run(verb), expected, "Aphlict is not running.");
  }
  const reload = await daemon.run("reload");
  assertEquals(reload.code, 1);
  assertMatch(reload.output, /^Aphlict is not running with a supervisor: nothing holds pidfile /);
  const { code, stdout } = await daemon.run("status", "--json");
  assertEquals([code, JSON.parse(stdout)], [1, { running: false }]);
  assertEquals(namesIn(daemon.folder.path), ["aphlict.json"], "nothing was made");
});

for (const [how, tls] of [["plain", false], ["with TLS", true]] as const) {
  Deno.test(`stop and reload of a service without a supervisor name the signal for it, and fail (${how})`, async () => {
    const [client = 0, port = 0] = freePorts(2);
    await using daemon = new Daemon((folder) => {
      const { key, cert } = makeSelfSigned({ isAuthority: true });
      Deno.writeTextFileSync(`${folder}/key`, key);
      Deno.writeTextFileSync(`${folder}/cert`, cert);
      const keys = tls ? { "ssl.key": `${folder}/key`, "ssl.cert": `${folder}/cert` } : {};
      return {
        servers: [
          { type: "client", port: client, listen: "127.0.0.1" },
          { type: "admin", port, ...keys },
        ],
      };
    });
    const { path } = daemon.written;
    await using serve = daemon.launch("serve");
    await serve.line(/has fingerprint /);
    const said = `^A service of ${path} answers at ${tls ? "https" : "http"}://127\\.0\\.0\\.1:` +
      `${port}/, and no supervisor runs it: \`aphlict start\` has not started it, and `;
    const stop = await daemon.run("stop");
    assertEquals(stop.code, 1, stop.output);
    assertMatch(
      stop.output,
      new RegExp(
        `${said}this does not stop it\\. Send it SIGTERM \\(ss -ltnp 'sport = :${port}' shows its ` +
          "process\\); in a container: podman stop NAME, or docker stop NAME; under systemd: .*\\.$",
      ),
    );
    const reload = await daemon.run("reload");
    assertEquals(reload.code, 1);
    assertMatch(
      reload.output,
      new RegExp(
        `${said}this does not reload it\\. Send it SIGHUP .*podman kill --signal HUP NAME.*` +
          " Its log says what was done\\.$",
      ),
    );
    assertMatch(
      (await daemon.run("status")).output,
      /^Aphlict is running\. There is no supervisor/,
    );
    serve.kill("SIGHUP");
    await serve.line(/INFO Reload: .* were read again\./);
    serve.kill("SIGTERM");
    await serve.ended();
    const { code, output } = await daemon.run("stop");
    assertEquals([code, output], [0, "Aphlict is not running."]);
  });
}

Deno.test("stop knows a service whose configuration was named from another folder", async () => {
  await using daemon = new Daemon();
  await using serve = new Process(APHLICT, ["serve", "--config", "aphlict.json"], {
    cwd: daemon.folder.path,
    env: { DENO: Deno.execPath() },
  });
  await serve.line(/has fingerprint /);
  const { code, output } = await daemon.run("stop");
  assertEquals(code, 1, output);
  assertMatch(output, /^A service of \S+ answers at /);
});

Deno.test("what has the ports of a configuration and is no service of it, stop does not speak of", async () => {
  await using other = new Daemon();
  await using serve = other.launch("serve");
  await serve.line(/has fingerprint /);
  await using daemon = new Daemon();
  const { servers } = JSON.parse(Deno.readTextFileSync(other.written.path));
  daemon.configure(() => ({ servers }));
  const { code, output } = await daemon.run("stop");
  assertEquals([code, output], [0, "Aphlict is not running."]);
});

Deno.test("stop tells of what takes connections at the admin port and does not answer, and fails", async () => {
  await using daemon = new Daemon();
  // The kernel takes the connections.
  using _silent = Deno.listen({ hostname: "127.0.0.1", port: daemon.written.admin });
  const { code, output } = await daemon.run("stop");
  assertEquals(code, 1);
  assertMatch(
    output,
    new RegExp(
      `^No supervisor runs, and something takes connections that does not answer: http://127\\.0\\.0\\.1:` +
        `${daemon.written.admin}/ does not answer within 5 s\\. It may be a service of .*SIGTERM \\(ss -ltnp `,
    ),
  );
});

Deno.test("status prints a line for each peer, and nothing of their answers that a terminal obeys", async () => {
  const evil = "\x1b]0;evil\x07\x1b[2J\x9b";
  await using good = new ScriptedPeer(taking());
  await using failing = new ScriptedPeer(answering(response(`503 ${evil}`, evil)));
  await using strange = new ScriptedPeer(
    answering(response("200 OK", JSON.stringify({ fingerprint: evil }))),
  );
  await using refusing = new ScriptedPeer(async (connection) => {
    for (let next = await connection.request(); next !== null; next = await connection.request()) {
      const posted = next.method === "POST";
      await connection.send(posted ? response("400 Bad", evil) : response("200 OK", STATUS));
    }
  });
  const peers = [good, failing, strange, refusing];
  await using daemon = new Daemon(() => ({
    cluster: peers.map(({ port }) => ({ host: "127.0.0.1", port, protocol: "http" })),
  }));
  await daemon.start();
  const { admin } = daemon.written;
  const states = async () => (await peersOf(admin)).map(({ state }) => state).join();
  await daemon.until(async () => await states() === "up,down,down,up");
  await publish(admin, story(0));
  await daemon.until(async () => {
    const [first, , , last] = await peersOf(admin);
    return first?.sent === 1 && last?.dropped === 1;
  });
  const { output } = await daemon.run("status");
  const lines = output.split("\n");
  for (
    const [{ at }, rest] of [
      [good, `up (${good.fingerprint}): 0 waiting, 1 sent, 0 dropped, 0 failures, last contact `],
      [failing, "down: 1 waiting, 0 sent, 0 dropped, "],
      [strange, "down: 1 waiting, 0 sent, 0 dropped, "],
      [refusing, "up: 0 waiting, 0 sent, 1 dropped, 0 failures, last contact "],
    ] as const
  ) {
    const start = `peer        http://${at}/ ${rest}`;
    assertEquals(lines.filter((line) => line.startsWith(start)).length, 1, `${start}\n${output}`);
  }
  assertEquals(
    lines.filter((line) => /last failure .* ago: it .*503/.test(line)).length,
    1,
    output,
  );
  for (const text of [output, (await daemon.run("status", "--json")).output, daemon.log]) {
    assertMatch(text, /^[\n -~]*$/);
  }
});

Deno.test("start fails when it runs already, and changes nothing", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const before = daemon.members();
  const { code, output } = await daemon.run("start");
  assertEquals(code, 1);
  assertStringIncludes(
    output,
    `Aphlict is already running (supervisor ${daemon.pid("supervisor")})`,
  );
  assertEquals(daemon.members(), before);
});

Deno.test("of two starts at once, exactly one starts", async () => {
  await using daemon = new Daemon();
  const outcomes = await Promise.all([daemon.run("start"), daemon.run("start")]);
  assertEquals(outcomes.map(({ code }) => code).sort(), [0, 1], JSON.stringify(outcomes));
  const refused = outcomes.find(({ code }) => code === 1);
  assertStringIncludes(refused?.output ?? "", "Aphlict is already running");
  assertEquals(daemon.members().map(({ role }) => role).sort(), ["service", "supervisor"]);
  assertEquals(Deno.readTextFileSync(daemon.pidfile), String(daemon.pid("supervisor")));
});

Deno.test("start on a port that is taken says so here, and leaves nothing running", async () => {
  await using daemon = new Daemon();
  const { admin } = daemon.written;
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: admin });
  const { code, output } = await daemon.run("start");
  assertEquals(code, 1);
  assertEquals(
    output,
    `Cannot start Aphlict:\n  Cannot bind admin server 127.0.0.1:${admin}: the address is already ` +
      'in use. Stop the other program or set "port" of servers[1].',
  );
  assertEquals(daemon.members(), []);
  assertEquals(namesIn(`${daemon.folder.path}/pid`), []);
});

Deno.test("start with an invalid configuration names its problems and makes nothing", async () => {
  await using daemon = new Daemon();
  daemon.configure(() => ({ servers: [] }));
  const { code, output } = await daemon.run("start");
  assertEquals(code, 1);
  assertStringIncludes(output, "servers: There are no servers.");
  assertEquals(namesIn(daemon.folder.path), ["aphlict.json"]);
});

Deno.test("a pidfile that cannot be made is a clear error, and nothing is left running", async () => {
  await using daemon = new Daemon((folder) => {
    Deno.mkdirSync(`${folder}/a.pid`);
    return { pidfile: `${folder}/a.pid` };
  });
  const { code, output } = await daemon.run("start");
  assertEquals(code, 1);
  assertStringIncludes(output, `Cannot use pidfile ${daemon.folder.path}/a.pid: it is a folder`);
  assertEquals(daemon.members(), []);
});

Deno.test("a start that is interrupted leaves nothing running", async () => {
  await using daemon = new Daemon();
  await using start = daemon.launch("start");
  await daemon.until(() => daemon.members().length > 0);
  start.kill("SIGTERM");
  await start.ended();
  await daemon.until(() => daemon.members().length === 0);
});

Deno.test("what a killed start has started goes on", async () => {
  await using daemon = new Daemon();
  await using start = daemon.launch("start");
  await daemon.until(() => daemon.members().length > 0);
  start.kill("SIGKILL");
  await start.ended();
  await daemon.until(async () => (await daemon.run("status")).output.includes("listening   http:"));
  assertEquals((await daemon.run("stop")).code, 0);
  assertEquals(daemon.members(), []);
});

Deno.test("a pidfile with the number of a living stranger is stale: the stranger stays, a start replaces it", async () => {
  await using daemon = new Daemon();
  await using stranger = new Process("sleep", ["600"]);
  Deno.mkdirSync(`${daemon.folder.path}/pid`);
  Deno.writeTextFileSync(daemon.pidfile, String(stranger.pid));
  assertOutcome(await daemon.run("status"), 1, "Aphlict is not running.");
  assertOutcome(await daemon.run("stop"), 0, "Aphlict is not running.");
  assert(exists(`/proc/${stranger.pid}`));
  await daemon.start();
  assertEquals(Deno.readTextFileSync(daemon.pidfile), String(daemon.pid("supervisor")));
  assertEquals((await daemon.run("stop")).code, 0);
  assert(exists(`/proc/${stranger.pid}`));
});

Deno.test("status tells of the state beside the pidfile; without it restart and reload still work", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  for (
    const [verb, text] of [["status", "is not known"], ["check", "OK: "], ["restart", "Stopped."]]
  ) {
    Deno.writeTextFileSync(`${daemon.pidfile}.state`, "garbage");
    const { code, output } = await daemon.run(verb ?? "");
    assertEquals(code, 0, output);
    assertStringIncludes(output, text ?? "");
  }
  Deno.writeTextFileSync(`${daemon.pidfile}.state`, '{"supervisor":1}');
  assertMatch((await daemon.run("status")).output, /is not known/);
  assertEquals((await daemon.run("reload")).code, 0);
  assertMatch((await daemon.run("status")).output, /\nlistening {3}ws:/);
  // As it is after a start that has failed.
  const state = readState(daemon.pidfile);
  const lastEnd = { at: Date.now(), reason: "could not start: Cannot bind" };
  Deno.writeTextFileSync(
    `${daemon.pidfile}.state`,
    JSON.stringify({ ...state, service: null, lastEnd }),
  );
  const { output } = await daemon.run("status");
  assertMatch(output, /is running, but its service is down and will be started again\./);
  assertMatch(output, /the service could not start: Cannot bind/);
});

Deno.test("stop removes the pidfile of a killed supervisor", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  for (const { pid } of daemon.members()) Deno.kill(pid, "SIGKILL");
  await daemon.until(() => daemon.members().length === 0);
  assertOutcome(await daemon.run("stop"), 0, "Aphlict is not running.");
  assertEquals(namesIn(`${daemon.folder.path}/pid`), []);
});

Deno.test("run whose console nobody reads starts its service again, and stops", async () => {
  await using daemon = new Daemon();
  const run = new Deno.Command(APHLICT, {
    args: ["run", "--config", daemon.written.path, "--as-root"],
    env: { DENO: Deno.execPath() },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await daemon.until(() => daemon.log.includes("has fingerprint"));
  // A pipe holds 64 KiB.
  for (let index = 0; index < 1000; index++) {
    const response = await fetch(`http://127.0.0.1:${daemon.written.admin}/${index}`);
    await response.body?.cancel();
  }
  Deno.kill(daemon.pid("service"), "SIGKILL");
  await daemon.until(() => daemon.log.includes("listens again"));
  run.kill("SIGTERM");
  assertEquals((await run.status).code, 0);
  assertEquals(daemon.members(), []);
  await run.stderr.cancel();
});

Deno.test("status tells processes, uptime, restarts, files, addresses and counters", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const { client, admin, path } = daemon.written;
  await using browser = await Browser.open(client, { topics: ["A"] });
  await publish(admin, { subscribers: ["A"] });
  await browser.next();
  const { code, output } = await daemon.run("status");
  assertEquals(code, 0);
  const [supervisor, service] = [daemon.pid("supervisor"), daemon.pid("service")];
  assertEquals(output.replace(/up \d+s/g, "up 1s").split("\n"), [
    `Aphlict (${supervisor}) is running.`,
    `supervisor  ${supervisor}, up 1s`,
    `service     ${service}, up 1s`,
    "restarts    0",
    `config      ${path}`,
    `pidfile     ${daemon.pidfile}`,
    `listening   ws://127.0.0.1:${client}/`,
    `listening   http://127.0.0.1:${admin}/`,
    `live page   http://127.0.0.1:${admin}/console/`,
    "browsers    1 connected, 1 in all",
    "messages    1 in, 1 out",
  ]);
});

Deno.test("status tells of a service that does not answer, and waits for it no longer than 5 s", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  Deno.kill(daemon.pid("service"), "SIGSTOP");
  const { code, output } = await daemon.run("status");
  assertEquals(code, 0);
  assertMatch(output, /counters {4}unknown: http:\S+ does not answer within 5 s/);
});

Deno.test("status --json is one object, and asks an admin server that speaks TLS, too", async () => {
  const { key, cert } = makeCertificate(makeAuthority("Test"));
  await using daemon = new Daemon();
  const tls = {
    "ssl.key": daemon.folder.write("a.key", key),
    "ssl.cert": daemon.folder.write("a.crt", cert),
  };
  const { client, admin, path } = daemon.written;
  daemon.configure(() => ({
    servers: [{ type: "client", port: client }, {
      type: "admin",
      port: admin,
      listen: "0.0.0.0",
      ...tls,
    }],
  }));
  await daemon.start();
  const { code, stdout } = await daemon.run("status", "--json");
  assertEquals(code, 0);
  const report = JSON.parse(stdout);
  const uptimes = { overseerUptimeMs: 0, serviceUptimeMs: 0 };
  assertEquals({ ...report, ...uptimes, counters: report.counters["clients.active"] }, {
    running: true,
    overseer: daemon.pid("supervisor"),
    service: daemon.pid("service"),
    config: path,
    pidfile: daemon.pidfile,
    ...uptimes,
    restarts: 0,
    lastEnd: null,
    lastReload: null,
    complaint: null,
    listening: [`ws://0.0.0.0:${client}/`, `https://0.0.0.0:${admin}/`],
    livePages: [`https://127.0.0.1:${admin}/console/`],
    problems: [],
    counters: 0,
  });
});

Deno.test("a service that is killed comes back; the pidfile stays true, browsers reconnect and replay", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const { client, admin } = daemon.written;
  const [supervisor, killed] = [daemon.pid("supervisor"), daemon.pid("service")];
  await using lost = await Browser.open(client, { topics: ["A"] });
  Deno.kill(killed, "SIGKILL");
  await lost.closed;
  await daemon.until(() => /The service \(pid \d+\) listens again/.test(daemon.log));
  await publish(admin, { subscribers: ["A"], n: 1 });
  await using browser = await Browser.open(client, { topics: ["A"] });
  browser.command("replay", { age: 60_000 });
  assertEquals((await browser.all()).map((text) => JSON.parse(text).n), [1]);
  assertEquals(daemon.pid("supervisor"), supervisor);
  assert(daemon.pid("service") !== killed);
  assertEquals(Deno.readTextFileSync(daemon.pidfile), String(supervisor));
  assertMatch(
    daemon.log,
    new RegExp(`ERROR The service \\(pid ${killed}\\) was ended by SIGKILL after \\d+ s\\.`),
  );
  assertStringIncludes(daemon.log, "INFO The service is started again in 2 s.");
  const { output } = await daemon.run("status");
  assertMatch(output, /restarts {4}1\nlast end {4}\S+: the service was ended by SIGKILL\n/);
  const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics/`)).text();
  assertStringIncludes(metrics, "\naphlict_restarts_total 1\n", "the service knows it, too");
});

Deno.test("a service whose supervisor is killed ends by itself, and a start replaces both", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  await using browser = await Browser.open(daemon.written.client);
  Deno.kill(daemon.pid("supervisor"), "SIGKILL");
  await daemon.until(() => daemon.members().length === 0);
  assertEquals((await browser.closed).code, 1001);
  assertStringIncludes(daemon.log, "INFO The supervisor is gone: stopping.");
  assert(exists(daemon.pidfile), "nobody was there to remove it");
  assertEquals((await daemon.run("status")).code, 1);
  await daemon.start();
  assertEquals(Deno.readTextFileSync(daemon.pidfile), String(daemon.pid("supervisor")));
});

testNotOnServe("a start right after the supervisor was killed finds the ports free", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const sockets = await Promise.all(
    Array.from({ length: 20 }, () => Browser.open(daemon.written.client)),
  );
  const orphan = daemon.pid("service");
  Deno.kill(daemon.pid("supervisor"), "SIGKILL");
  await daemon.start();
  await publish(daemon.written.admin, { subscribers: [] });
  for (const socket of sockets) assertEquals((await socket.closed).code, 1001);
  await daemon.until(() => !exists(`/proc/${orphan}`));
});

Deno.test("what does not stop is killed, both of them, and stop says so", async () => {
  await using daemon = new Daemon(() => ({ drain: 0 }));
  await daemon.start();
  const supervisor = daemon.pid("supervisor");
  for (const { pid } of daemon.members()) Deno.kill(pid, "SIGSTOP");
  const { code, output } = await daemon.run("stop");
  assertEquals(code, 0);
  assertEquals(
    output,
    `Stopping Aphlict (supervisor ${supervisor})...\nIt did not stop within 8 s: sent SIGKILL.\nKilled.`,
  );
  assertEquals(daemon.members(), []);
  assertEquals(namesIn(`${daemon.folder.path}/pid`), []);
});

Deno.test("restart starts what does not run, and takes another configuration with another supervisor", async () => {
  await using daemon = new Daemon();
  assertEquals((await daemon.run("restart")).code, 0);
  const before = daemon.pid("supervisor");
  daemon.configure(() => ({ "memory.hint": 300 }));
  const { code, output } = await daemon.run("restart");
  assertEquals(code, 0, output);
  assert(daemon.pid("supervisor") !== before);
  const words = Deno.readTextFileSync(`/proc/${daemon.pid("service")}/cmdline`);
  assertStringIncludes(words, "--max-old-space-size=300");
});

Deno.test("restart keeps what runs when the new configuration is invalid, or names a port that is taken", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const before = daemon.members();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { client, admin } = daemon.written;
  const good = [{ type: "client", port: client }, { type: "admin", port: admin }];
  for (
    const [servers, reason] of [
      [[], "servers: There are no servers."],
      [[...good, { type: "admin", port: taken.addr.port }], "the address is already in use"],
    ] as const
  ) {
    daemon.configure(() => ({ servers }));
    const { code, output } = await daemon.run("restart");
    assertEquals(code, 1);
    assertStringIncludes(output, reason);
    assertEquals(daemon.members(), before);
    assertEquals((await status(admin))["clients.active"], 0);
  }
});

Deno.test("what runs can be looked at and stopped although its configuration has become invalid", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const text = Deno.readTextFileSync(daemon.written.path);
  Deno.writeTextFileSync(daemon.written.path, `${text.slice(0, -1)}, oops`);
  const { code, output } = await daemon.run("status");
  assertEquals(code, 0);
  assertMatch(output, /^Warning: Cannot use .*: 1 problem\.\n.*Syntax error/);
  assertMatch(output, /Aphlict \(\d+\) is running\./);
  assertEquals((await daemon.run("stop")).code, 0);
  assertEquals(daemon.members(), []);
});

Deno.test("run stays in the foreground, shows the log, and ends with 0 on SIGTERM", async () => {
  await using daemon = new Daemon();
  await using run = daemon.launch("run");
  await run.line(/INFO Listening: client server/);
  await run.line(/INFO This server has fingerprint /);
  assertEquals(Deno.readTextFileSync(daemon.pidfile), String(run.pid), "the shell became it");
  assertEquals((await daemon.run("status")).code, 0);
  run.kill("SIGTERM");
  assertEquals((await run.ended()).code, 0);
  assertEquals(daemon.members(), []);
  assertEquals(namesIn(`${daemon.folder.path}/pid`), []);
  assertMatch(run.output, /INFO Stopped\./);
});

Deno.test("SIGHUP to both, as of a terminal that closes, ends neither and reloads; SIGINT ends run with 0", async () => {
  await using daemon = new Daemon();
  await using run = daemon.launch("run");
  await run.line(/INFO This server has fingerprint /);
  const before = daemon.members();
  for (const { pid } of before) Deno.kill(pid, "SIGHUP");
  await run.line(/INFO Reload: /);
  assertEquals(daemon.members(), before);
  run.kill("SIGINT");
  assertEquals((await run.ended()).code, 0);
  assertEquals(daemon.members(), []);
});

Deno.test("run ends with 1 and says why when the service cannot start at first", async () => {
  await using daemon = new Daemon();
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: daemon.written.client });
  const { code, output } = await daemon.run("run");
  assertEquals(code, 1);
  assertStringIncludes(output, `Cannot bind client server 127.0.0.1:${daemon.written.client}`);
  assertEquals(daemon.members(), []);
});

Deno.test("stop tells who keeps the pidfile locked after the end, and kills nobody for it", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  // It waits for the supervisor's lock, and has it before anybody who asks for it later.
  await using waiter = new Process("flock", ["--no-fork", daemon.pidfile, "sleep", "60"]);
  await until(() => Deno.readTextFileSync("/proc/locks").includes(` WRITE ${waiter.pid} `));
  const { code, output } = await daemon.run("stop");
  assertEquals(code, 1);
  assertMatch(
    output,
    /There is no process \d+ here .*, and somebody has pidfile .* locked: .*fuser /,
  );
  assertEquals(output.includes("SIGKILL"), false);
  assertEquals(daemon.members(), []);
});
