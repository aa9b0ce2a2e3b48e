/**
 * The log on standard output and error, as a container or systemd reads it.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Browser } from "../acceptance/browser.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { Process } from "../acceptance/process.ts";
import { APHLICT } from "../acceptance/program.ts";
import { publish } from "../acceptance/server.ts";

/** What a line of the log has as JSON. */
interface Line {
  readonly level: string;
  readonly message: string;
}

/** A daemon whose first log is the console. */
function consoleDaemon(log: Record<string, unknown> = {}): Daemon {
  return new Daemon(() => ({ logs: [{ path: "/dev/stdout", format: "json", ...log }] }));
}

/** Every line of a process's output, each of which has to be a JSON object. */
function jsonLines(process: Process): Line[] {
  return process.output.split("\n").map((line): Line => {
    try {
      return JSON.parse(line);
    } catch {
      throw new Error(`No JSON: ${line}\n\nAmong:\n${process.output}`);
    }
  });
}

/** Runs a verb with each stream in a file of its own while `meanwhile` goes on, and returns what is in these. */
async function streamsOf(
  daemon: Daemon,
  verb: string,
  meanwhile: (shows: (text: string) => Promise<void>) => Promise<void>,
): Promise<{ stdout: string; stderr: string }> {
  const read = () => ({
    stdout: Deno.readTextFileSync(`${daemon.folder.path}/stdout`),
    stderr: Deno.readTextFileSync(`${daemon.folder.path}/stderr`),
  });
  daemon.folder.write("stdout", "");
  daemon.folder.write("stderr", "");
  const script = 'cd -- "$0"; exec "$@" >stdout 2>stderr';
  const asRoot = verb === "run" ? ["--as-root"] : [];
  await using process = new Process("sh", [
    ...["-c", script, daemon.folder.path],
    ...[APHLICT, verb, "--config", daemon.written.path, ...asRoot],
  ], { env: { DENO: Deno.execPath() } });
  await meanwhile((text) => daemon.until(() => Object.values(read()).join("").includes(text)));
  process.kill("SIGTERM");
  await process.ended();
  return read();
}

for (const verb of ["serve", "run"] as const) {
  Deno.test(`${verb} with a JSON log on /dev/stdout writes nothing but JSON, from the start to the stop`, async () => {
    await using daemon = consoleDaemon({ level: "debug" });
    await using service = daemon.launch(verb);
    await service.line(/has fingerprint /);
    await using browser = await Browser.open(daemon.written.client, { topics: ["A"] });
    await publish(daemon.written.admin, { subscribers: ["A"] });
    await browser.next();
    service.kill("SIGHUP");
    await service.line(/were read again/);
    service.kill("SIGTERM");
    assertEquals((await service.ended()).code, 0);
    const lines = jsonLines(service);
    assert(lines.some(({ message }) => /^Aphlict \S+ starts with /.test(message)));
    assertEquals(lines.at(-1)?.message, "Stopped.");
  });

  Deno.test(`${verb} with a JSON log on /dev/stdout that cannot start says why in JSON`, async () => {
    await using daemon = consoleDaemon();
    using _taken = Deno.listen({ hostname: "127.0.0.1", port: daemon.written.client });
    await using service = daemon.launch(verb);
    assertEquals((await service.ended()).code, 1);
    const problem = `Cannot bind client server 127.0.0.1:${daemon.written.client}`;
    assert(jsonLines(service).some(({ message }) => message.startsWith(problem)), service.output);
  });

  Deno.test(`${verb} with a JSON log on /dev/stdout tells in JSON which log file cannot be opened`, async () => {
    await using daemon = consoleDaemon();
    const path = `${daemon.folder.path}/log/a.log`;
    daemon.configure(({ logs }) => ({ logs: [...logs as unknown[], { path }] }));
    Deno.mkdirSync(`${path}/folder`, { recursive: true });
    await using service = daemon.launch(verb);
    assertEquals((await service.ended()).code, 1);
    const problem = `Cannot open log file ${path}`;
    assert(jsonLines(service).some(({ message }) => message.startsWith(problem)), service.output);
  });

  Deno.test(`${verb} shows the console's log from its level on, on the stream that it names`, async () => {
    for (const stream of ["stdout", "stderr"] as const) {
      await using daemon = consoleDaemon({ path: `/dev/${stream}`, level: "trace" });
      const shown = await streamsOf(daemon, verb, async (shows) => {
        await shows("has fingerprint ");
        await publish(daemon.written.admin, { subscribers: ["A"] });
        await shows("Received message");
      });
      const other = stream === "stdout" ? "stderr" : "stdout";
      // To root there is a warning.
      assertEquals(/fingerprint|Received/.test(shown[other]), false);
      const levels = shown[stream].trimEnd().split("\n").map((line): string =>
        JSON.parse(line).level
      );
      assert(levels.includes("trace") && levels.includes("info"), levels.join());
    }
  });

  Deno.test(`${verb} takes a log that is a symbolic link to /dev/stdout for the console`, async () => {
    await using daemon = consoleDaemon();
    const links = [`${daemon.folder.path}/aphlict.log`, `${daemon.folder.path}/link`] as const;
    Deno.symlinkSync("/dev/stdout", links[1]);
    Deno.symlinkSync("link", links[0]);
    daemon.configure(() => ({ logs: [{ path: links[0], format: "json" }] }));
    const { code, output } = await daemon.run("check");
    assertEquals(code, 0, output);
    assertStringIncludes(output, `log ${links[0]}, the console`);
    await using service = daemon.launch(verb);
    await service.line(/has fingerprint /);
    service.kill("SIGHUP");
    await service.line(/were read again/);
    service.kill("SIGTERM");
    assertEquals((await service.ended()).code, 0);
    jsonLines(service);
  });
}

Deno.test("run with a JSON log tells the end of a service that is killed, and what it said, in JSON", async () => {
  await using daemon = consoleDaemon();
  await using run = daemon.launch("run");
  await run.line(/has fingerprint /);
  Deno.kill(daemon.pid("service"), "SIGKILL");
  await run.line(/listens again/);
  run.kill("SIGTERM");
  assertEquals((await run.ended()).code, 0);
  assert(
    jsonLines(run).some(({ level, message }) =>
      level === "error" && /was ended by SIGKILL/.test(message)
    ),
  );
});

Deno.test("run with a JSON log says in JSON that it runs already", async () => {
  await using daemon = consoleDaemon();
  await daemon.start();
  await using run = daemon.launch("run");
  assertEquals((await run.ended()).code, 1);
  assertMatch(jsonLines(run)[0]?.message ?? "", /^Aphlict is already running/);
});

Deno.test("run with a JSON log says once why its service cannot start", async () => {
  await using daemon = consoleDaemon();
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: daemon.written.client });
  await using run = daemon.launch("run");
  assertEquals((await run.ended()).code, 1);
  const told = jsonLines(run).filter(({ message }) => message.startsWith("Cannot bind"));
  assertEquals(told.map(({ level }) => level), ["fatal"]);
});

Deno.test("reload changes the console's format and level in place", async () => {
  await using daemon = consoleDaemon({ format: "text" });
  await using run = daemon.launch("run");
  await run.line(/INFO .*has fingerprint /);
  const before = daemon.members();
  daemon.configure(() => ({ logs: [{ path: "/dev/stdout", format: "json", level: "trace" }] }));
  assertEquals((await daemon.run("reload")).code, 0);
  await publish(daemon.written.admin, { subscribers: ["A"] });
  assertEquals(JSON.parse(await run.line(/Received message/)).level, "trace");
  // The supervisor's own.
  assertEquals(JSON.parse(await run.line(/Reload: Configuration/)).level, "info");
  assertEquals(daemon.members(), before);
});

Deno.test("start with a log on the console says that it reaches nobody, and starts", async () => {
  await using daemon = consoleDaemon();
  const { code, output } = await daemon.run("start");
  assertEquals(code, 0, output);
  assertStringIncludes(
    output,
    "Warning: logs[0].path: /dev/stdout is the console, and what `aphlict start` leaves running has none: this " +
      "log reaches nobody. Name a file, or use `aphlict run`.",
  );
});

Deno.test("a log that is a link to where the runtime opens no file is refused with that reason", async () => {
  await using daemon = new Daemon();
  const path = `${daemon.folder.path}/a.log`;
  daemon.configure(() => ({ logs: [{ path }] }));
  const special = Deno.makeTempFileSync({ dir: "/dev/shm", prefix: "aphlict-test-" });
  try {
    Deno.symlinkSync(special, path);
    await using serve = daemon.launch("serve");
    assertEquals((await serve.ended()).code, 1);
    assertStringIncludes(serve.output, `${path}: it is ${special}. Deno opens nothing below /dev,`);
  } finally {
    Deno.removeSync(special);
  }
});
