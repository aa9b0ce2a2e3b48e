/**
 * One measurement: a server is started on fresh ports with a fresh heap, the load generator is let
 * loose on it, and everything is gone again afterwards, however it went.
 *
 * @module
 */

import { dirname, join } from "node:path";
import type { Run, Side } from "./report.ts";

const HERE = import.meta.dirname ?? "bench";
const ROOT = dirname(HERE);
/** Holds what a measurement leaves for its duration: git ignores it. */
const SCRATCH = join(ROOT, "var");
const LOAD_GENERATOR = join(HERE, "wsload");
const HOST = "127.0.0.1";
/** A server answers within this time or is given up. */
const START_LIMIT_MS = 20_000;
/** Passes between a server's first answer and the load, so that its start is not measured. */
const WARM_UP_MS = 700;
/** A server that has not ended this long after SIGTERM is killed. */
const STOP_LIMIT_MS = 5_000;

/** Something the person at the keyboard can put right. */
export class SetupError extends Error {
  override readonly name = "SetupError";
}

/** A load, as the load generator knows it. */
export interface Scenario {
  /** What happens in it, in words. */
  readonly what: string;
  readonly listeners: number;
  /** Arguments of the load generator, apart from addresses, listeners and duration. */
  readonly load: readonly string[];
  /** Whether it runs without being asked for. */
  readonly byDefault: boolean;
}

/** What is compared. */
export interface Servers {
  /** Folder of a working Node.js Aphlict server. `null`: there is none. */
  readonly original: string | null;
  /** Shell command that starts ours, without `--config FILE`. `null`: `main.ts serve`. */
  readonly ours: string | null;
  /** The engine of our client server. */
  readonly engine: "socket" | "serve";
}

/**
 * Prepares a program that may open as many files as the host allows. `Deno.Command` cannot raise
 * that limit, a shell can; its `exec` keeps the process id.
 */
function command(
  program: readonly string[],
  options: { logFile: string } | { signal: AbortSignal },
): Deno.Command {
  const toFile = "logFile" in options;
  const script = 'ulimit -n "$(ulimit -Hn)"; exec "$@"' + (toFile ? ' >"$0" 2>&1' : "");
  return new Deno.Command("sh", {
    args: ["-c", script, toFile ? options.logFile : "sh", ...program],
    cwd: ROOT,
    stdin: "null",
    stdout: toFile ? "null" : "piped",
    stderr: "inherit",
    ...toFile ? {} : options,
  });
}

/** Runs a program to its end. What it says on standard error is shown. */
async function run(
  program: readonly string[],
  signal: AbortSignal,
): Promise<{ code: number; stdout: string }> {
  signal.throwIfAborted();
  const { code, stdout } = await command(program, { signal }).output();
  signal.throwIfAborted();
  return { code, stdout: new TextDecoder().decode(stdout) };
}

/** The first line that a program prints, such as its version. */
export async function firstLine(program: readonly string[], signal: AbortSignal): Promise<string> {
  return (await run(program, signal)).stdout.split("\n")[0] ?? "";
}

/** How many files a process may open on this host. */
export async function openFilesLimit(signal: AbortSignal): Promise<number> {
  const limit = await firstLine(["sh", "-c", "ulimit -Hn"], signal);
  return limit === "unlimited" ? Infinity : Number(limit);
}

/** Compiles the load generator unless it is there and newer than its source. */
export async function buildLoadGenerator(signal: AbortSignal): Promise<void> {
  const source = `${LOAD_GENERATOR}.cpp`;
  const modifiedMs = (path: string) =>
    Deno.stat(path).then((info) => info.mtime?.getTime() ?? 0, () => -1);
  if (await modifiedMs(LOAD_GENERATOR) >= await modifiedMs(source)) return;
  const compile = ["g++", "-O2", "-std=c++17", "-o", LOAD_GENERATOR, source];
  const { code } = await run(compile, signal);
  if (code === 127) {
    throw new SetupError(`Cannot compile ${source}: g++ is not on PATH. Install a C++ compiler.`);
  }
  if (code !== 0) throw new SetupError(`Cannot compile ${source}: g++ ended with status ${code}.`);
}

interface Ports {
  readonly client: number;
  readonly admin: number;
}

/** Two ports that nothing listens on now. */
function freePorts(): Ports {
  using client = Deno.listen({ hostname: HOST, port: 0 });
  using admin = Deno.listen({ hostname: HOST, port: 0 });
  return { client: client.addr.port, admin: admin.addr.port };
}

/** Writes one side's configuration to `folder` and returns the command that starts its server. */
async function prepare(
  side: Side,
  servers: Servers,
  ports: Ports,
  folder: string,
  signal: AbortSignal,
): Promise<string[]> {
  const file = `${folder}/aphlict.json`;
  const config = {
    servers: [
      {
        type: "client",
        port: ports.client,
        listen: HOST,
        ...side === "ours" ? { engine: servers.engine } : {},
      },
      { type: "admin", port: ports.admin, listen: HOST },
    ],
    logs: side === "original" ? [] : [{ path: `${folder}/aphlict.log` }],
    pidfile: `${folder}/aphlict.pid`,
  };
  await Deno.writeTextFile(file, JSON.stringify(config));
  if (side === "original") {
    return ["node", `${servers.original}/aphlict_server.js`, `--config=${file}`];
  }
  if (servers.ours !== null) return ["sh", "-c", `exec ${servers.ours} --config "$0"`, file];
  const deno = Deno.execPath();
  const ask = ["run", "--no-prompt", `--allow-read=${file}`, "--allow-sys=uid", "main.ts"];
  const { code, stdout } = await run(
    [deno, ...ask, "permissions", "--format", "json", "--config", file],
    signal,
  );
  if (code !== 0) throw new Error(`"main.ts permissions" ended with status ${code}.`);
  const { flags }: { flags: string[] } = JSON.parse(stdout);
  return [deno, "run", ...flags, "main.ts", "serve", "--config", file];
}

/** Resolves once both ports give the answers of an Aphlict server. */
async function untilReady(ports: Ports, ended: () => boolean, signal: AbortSignal): Promise<void> {
  const headers = { connection: "close" }; // nothing of ours stays open during the load
  const answers = async (port: number, path: string, status: number) => {
    const response = await fetch(`http://${HOST}:${port}${path}`, { headers, signal })
      .catch(() => null);
    await response?.body?.cancel();
    return response?.status === status;
  };
  const limit = Date.now() + START_LIMIT_MS;
  const poll = async (): Promise<void> => {
    signal.throwIfAborted();
    if (ended()) throw new Error("it ended");
    if (Date.now() > limit) throw new Error(`it gave no answer for ${START_LIMIT_MS / 1000} s`);
    if (await answers(ports.client, "/", 501) && await answers(ports.admin, "/status/", 200)) {
      return;
    }
    await pause(100);
    return await poll();
  };
  await poll();
  await pause(WARM_UP_MS);
}

/** Measures one side once. */
export async function measure(
  which: { scenario: string; round: number; side: Side },
  { listeners, load }: Scenario,
  servers: Servers,
  seconds: number,
  signal: AbortSignal,
): Promise<Run> {
  await Deno.mkdir(SCRATCH, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: SCRATCH, prefix: "bench-" });
  let server: Deno.ChildProcess | null = null;
  try {
    const logFile = `${folder}/output`;
    const ports = freePorts();
    const program = await prepare(which.side, servers, ports, folder, signal);
    server = command(program, { logFile }).spawn();
    let ended = false;
    server.status.then(() => ended = true);
    try {
      await untilReady(ports, () => ended, signal);
    } catch (error) {
      signal.throwIfAborted();
      const said = await Deno.readTextFile(logFile).catch(() => "") || "(none)";
      const why = error instanceof Error ? error.message : error;
      throw new Error(`The ${which.side} server did not start: ${why}. Its output:\n${said}`);
    }
    // The load generator bounds each of its phases itself.
    const { code, stdout } = await run([
      LOAD_GENERATOR,
      ...["--client-url", `ws://${HOST}:${ports.client}/ws/`],
      ...["--admin-url", `http://${HOST}:${ports.admin}/`],
      ...["--server-pid", `${server.pid}`, "--label", which.side],
      ...["-n", `${listeners}`, "--duration", `${seconds}`, ...load],
    ], signal);
    if (stdout === "") {
      throw new Error(`The load generator ended with status ${code} and no result.`);
    }
    return { ...which, exitCode: code, result: JSON.parse(stdout) };
  } finally {
    if (server !== null) await stop(server);
    await Deno.remove(folder, { recursive: true });
  }
}

async function stop(server: Deno.ChildProcess): Promise<void> {
  const send = (signal: Deno.Signal) => {
    try {
      server.kill(signal);
    } catch { /* It has ended already. */ }
  };
  send("SIGTERM");
  const timer = setTimeout(() => send("SIGKILL"), STOP_LIMIT_MS);
  await server.status;
  clearTimeout(timer);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
