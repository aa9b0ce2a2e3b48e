/**
 * What commands print with `--json`: the fields that docs/json.md documents, and no others.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { Browser } from "../acceptance/browser.ts";
import { aphlict, launch, serve } from "../acceptance/command.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { freePorts } from "../acceptance/ports.ts";
import { Process } from "../acceptance/process.ts";
import { APHLICT, PROGRAM, ROOT } from "../acceptance/program.ts";
import { publish, writeConfig } from "../acceptance/server.ts";

/** The fields in the table below a heading of docs/json.md. */
function documented(heading: string): string[] {
  const text = Deno.readTextFileSync(`${ROOT}docs/json.md`);
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const [table = ""] = section.split("\n## ");
  return table.split("\n").filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...line.split("|")[1]?.matchAll(/`([^`]+)`/g) ?? []])
    .map(([, field = ""]) => field).sort();
}

/** The fields of a value, those of lists and objects within it as `name[].field` and `name.field`. */
function fieldsOf(value: unknown, path: string = ""): string[] {
  if (Array.isArray(value)) {
    const isFlat = value.every((each) => typeof each !== "object");
    return isFlat && path !== "" ? [path] : [
      ...new Set(value.flatMap((each) => fieldsOf(each, `${path}[]`))),
    ];
  }
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, each]) =>
    fieldsOf(each, path === "" ? name : `${path}.${name}`)
  );
}

/** Asserts that all values together have exactly the documented fields. */
function assertDocumented(heading: string, ...values: readonly unknown[]): void {
  const fields = [...new Set(values.flatMap((value) => fieldsOf(value)))].sort();
  assertEquals(fields, documented(heading), heading);
  assertEquals(fields.filter((field) => DURATION.test(field)), [], "durations end in Ms");
}

/** A name of a duration without its unit. */
const DURATION = /(uptime|Uptime|\.age|Age|[Dd]elay|[Ll]atency|[Dd]uration|[Ss]econds)$/;

Deno.test("status --json has the documented fields, and tells of a configuration that is no good now", async () => {
  const [peer = 0] = freePorts(1);
  await using daemon = new Daemon(() => ({
    cluster: [{ host: "127.0.0.1", port: peer, protocol: "http" }],
  }));
  await daemon.start();
  const read = async () => JSON.parse((await daemon.run("status", "--json")).stdout);
  const sound = await read();
  const durations = [sound.serviceUptimeMs, sound.overseerUptimeMs, sound.counters.uptimeMs];
  // A number of seconds would be smaller, and one of µs larger.
  for (const ms of durations) assert(ms >= 10 && ms < 120_000, `${durations}`);
  assertEquals(sound.livePages, [`http://127.0.0.1:${daemon.written.admin}/console/`]);
  assertEquals(
    (await fetch(sound.livePages[0]).then((page) => page.text())).includes("<html"),
    true,
  );
  Deno.kill(daemon.pid("service"), "SIGKILL");
  await daemon.until(() => /started again|listens again/.test(daemon.log));
  // It would write its state anew.
  Deno.kill(daemon.pid("supervisor"), "SIGSTOP");
  const state = `${daemon.pidfile}.state`;
  const text = Deno.readTextFileSync(state);
  const failing = { ok: false, lines: ["no"] };
  const told = { ...JSON.parse(text), lastReload: failing, complaint: { at: 0, line: "full" } };
  Deno.writeTextFileSync(state, JSON.stringify(told));
  const ended = await read();
  assertEquals([ended.complaint.line, ended.lastReload], ["full", failing]);
  Deno.writeTextFileSync(state, JSON.stringify({ ...told, service: null }));
  const { path } = daemon.written;
  Deno.writeTextFileSync(
    path,
    JSON.stringify({ ...JSON.parse(Deno.readTextFileSync(path)), x: 1 }),
  );
  await using process = daemon.launch("status", "--json");
  const { code, stdout } = await process.outcome();
  assertEquals(code, 0);
  const broken = JSON.parse(stdout);
  assertEquals(broken.problems.map(({ key }: { readonly key: string }) => key), ["x"]);
  // What is null has no fields of its own, and beside an error there are no counters.
  const counters = [sound, broken].map((report) => ({ counters: report.counters }));
  assertDocumented("status", { ...ended, problems: broken.problems }, ...counters);
});

Deno.test("status --topic tells how many browsers are subscribed to a topic, of each instance", async () => {
  using folder = new Folder();
  const [client = 0, admin = 0] = freePorts(2);
  const token = folder.write("token", "0123456789abcdef0123456789abcdef");
  const written = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      { type: "admin", port: admin, "token.file": token },
    ],
  });
  await using _service = await serve(written);
  await using _one = await Browser.open(client, { topics: ["A", "B"] });
  await using _two = await Browser.open(client, { topics: ["A"] });
  await using _other = await Browser.open(client, { topics: ["A"], path: "/~acme/" });
  const ask = async (...args: string[]) => {
    const { code, output } = await aphlict("status", "--config", written.path, ...args);
    assertEquals(code, 0, output);
    return output;
  };
  assertEquals(
    await ask("--topic", "A"),
    "2 browsers are subscribed to A here (instance default).",
  );
  assertEquals(
    await ask("--topic", "A", "--instance", "acme"),
    "1 browser is subscribed to A here (instance acme).",
  );
  assertMatch(await ask("--topic", "none"), /^No browser is subscribed to none here/);
  const report = JSON.parse(await ask("--topic", "B", "--json"));
  assertEquals(report, { instance: "default", topic: "B", subscribers: 1 });
  assertDocumented("status --topic", report);
  Deno.removeSync(token);
  const refused = await aphlict("status", "--config", written.path, "--topic", "A", "--json");
  assertEquals(refused.code, 1);
  assertDocumented("check", JSON.parse(refused.stdout), { warnings: [] });
  const mistaken = await aphlict("status", "--config", written.path, "--instance", "acme");
  assertEquals(mistaken.code, 2);
});

Deno.test("health --json, version --json and doctor --json have the documented fields", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  const run = async (...args: string[]) => JSON.parse((await aphlict(...args, "--json")).stdout);
  const down = await run("health", "--config", written.path);
  assertEquals(down.ready, false);
  assertMatch(down.reason, /nothing listens there/);
  await using _service = await serve(written);
  assertEquals(await run("health", "--config", written.path), { ready: true, reason: null });
  assertDocumented("health", down);
  const version = await run("version");
  assertEquals([version.kind, version.deno], [PROGRAM.kind, Deno.version.deno]);
  assertDocumented("version", version);
  assertDocumented("doctor", await run("doctor", "--config", written.path));
  const { stdout } = await aphlict("permissions", "--config", written.path, "--format", "json");
  assertDocumented("permissions --format json", JSON.parse(stdout));
});

Deno.test("check takes the file without --config, and with --json is an object", async () => {
  using folder = new Folder();
  const written = writeConfig(folder, {
    cluster: [{ host: "203.0.113.1", port: 1, protocol: "http" }],
  });
  const plain = await aphlict("check", written.path);
  assertEquals(plain.code, 0, plain.output);
  assert(plain.output.includes(`OK: ${written.path}`));
  // Root becomes the user that the file names, however it was named.
  using others = new Folder();
  const other = writeConfig(others, { user: "no-such-user" });
  const named = await aphlict("check", "--config", other.path);
  for (const args of [[other.path], ["--as-it-is", other.path], ["--", other.path]]) {
    assertEquals(await aphlict("check", ...args), named, args.join(" "));
  }
  const child = await new Deno.Command(`${ROOT}bin/aphlict`, {
    args: ["check", "--json", written.path],
    env: { DENO: Deno.execPath() },
  }).output();
  const sound = JSON.parse(new TextDecoder().decode(child.stdout));
  assertEquals([sound.ok, sound.problems], [true, []]);
  assert(sound.warnings.some((warning: string) => warning.includes("203.0.113.1")));
});

Deno.test("a bad configuration is an object on standard output, of every command with --json", async () => {
  using folder = new Folder();
  const path = folder.write("aphlict.json", '{"servers": [{"type": "clinet", "port": 1}]}');
  for (
    const args of [
      ["check", "--json"],
      ["status", "--json"],
      ["health", "--json"],
      ["listen", "--json", "A"],
      ["status", "--json", "--topic", "A"],
      ["permissions", "--format", "json"],
    ]
  ) {
    const { code, stdout } = await aphlict(...args, "--config", path);
    const verdict = JSON.parse(stdout);
    assertEquals([code, verdict.ok], [1, false]);
    assertEquals(verdict.problems[0].key, "servers[0].type");
    assertDocumented("check", verdict);
  }
});

Deno.test("what bin/aphlict itself cannot do is an object on standard output, too", async () => {
  const deno = '/nowhere/a "quoted"\\\n\u0007\u001b\u009b\u202edeno';
  for (const verb of ["check", "status", "health", "doctor"]) {
    await using process = new Process(APHLICT, [verb, "--json"], { env: { DENO: deno } });
    const { code, stdout } = await process.outcome();
    const verdict = JSON.parse(stdout);
    assertEquals([code, verdict.ok], [1, false]);
    assertStringIncludes(
      verdict.problems[0].message,
      '/nowhere/a "quoted"\\????????deno cannot be run',
    );
    assertDocumented("check", verdict);
  }
});

Deno.test("a file that is not there is named in the object", async () => {
  const { stdout } = await aphlict("health", "--json", "--config", "/nowhere/aphlict.json");
  assertMatch(
    JSON.parse(stdout).problems[0].message,
    /^Cannot use \/nowhere\/aphlict\.json\. The file/,
  );
});

Deno.test("health --wait returns as soon as the service is ready, and with the last reason when it is not", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  const began = performance.now();
  const inVain = await aphlict("health", "--config", written.path, "--wait", "1");
  assertEquals(inVain.code, 1);
  assertMatch(
    inVain.output,
    /^Not ready: http:\S+ refuses the connection: nothing listens there\./,
  );
  assert(performance.now() - began >= 1000);
  await using waiting = launch("health", "--config", written.path, "--wait", "60");
  await using _service = await serve(written);
  assertEquals((await waiting.ended()).code, 0);
  assertEquals(waiting.output, "ready");
  await publish(written.admin, { subscribers: [] });
});

Deno.test("health --wait gives up in time on what takes connections and says nothing", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  using _mute = Deno.listen({ hostname: "127.0.0.1", port: written.admin });
  const began = performance.now();
  const { code, output } = await aphlict("health", "--config", written.path, "--wait", "0.5");
  assertEquals(code, 1);
  assertEquals(output, "Not ready: No admin server has answered within 0.5 s.");
  assert(performance.now() - began < 5000);
});

Deno.test("what answers 200 and is no Aphlict is not ready, and is not printed", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _stranger = Deno.serve(
    { hostname: "127.0.0.1", port: written.admin, onListen() {} },
    () => new Response("\x1b]0;owned\x07ready\n"),
  );
  const { code, output } = await aphlict("health", "--config", written.path);
  assertEquals(code, 1);
  assertMatch(output, /^Not ready: http:\S+ answers 200, which no admin port does\./);
});
