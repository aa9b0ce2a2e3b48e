/**
 * One measurement: a server, or a cluster of them, is started on fresh ports with a fresh heap, the
 * load generator is let loose on it, and everything is gone again afterwards, however it went.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { read, type Run, type Side } from "./report.ts";

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

/** P-256, or RSA of 2048 bits. */
export type KeyKind = "ec" | "rsa";

/** A load, as the load generator knows it. */
export interface Scenario {
  /** What happens in it, in words. */
  readonly what: string;
  readonly listeners: number;
  /**
   * How many servers form a cluster, each of which names all of them as its peers. Absent: it is
   * not about a cluster, and there is one.
   */
  readonly servers?: number;
  /** The kind of key of the client server, where browsers connect over TLS: `tlsload.ts` then is the load generator. */
  readonly tls?: KeyKind;
  /** Arguments of the load generator, apart from addresses, listeners and duration. */
  readonly load: readonly string[];
  /** Whether it runs without being asked for. */
  readonly byDefault: boolean;
}

/** What is compared. */
export interface Servers {
  /** Folder of a working Node.js Aphlict server. `null`: there is none. */
  readonly original: string | null;
  /** Absolute path of another checkout of this project. `null`: there is none. */
  readonly before: string | null;
  /** Shell command that starts ours, without `--config FILE`. `null`: `main.ts serve`. */
  readonly ours: string | null;
  /** The engine of the client servers, but for the original's. */
  readonly engine: "socket" | "serve";
}

/**
 * Prepares a program that may open as many files as the host allows. `Deno.Command` cannot raise
 * that limit, a shell can; its `exec` keeps the process id.
 */
function command(
  program: readonly string[],
  options: { logFile: string; cwd: string } | { signal: AbortSignal; cwd: string },
): Deno.Command {
  const toFile = "logFile" in options;
  const script = 'ulimit -n "$(ulimit -Hn)"; exec "$@"' + (toFile ? ' >"$0" 2>&1' : "");
  return new Deno.Command("sh", {
    args: ["-c", script, toFile ? options.logFile : "sh", ...program],
    stdin: "null",
    stdout: toFile ? "null" : "piped",
    stderr: "inherit",
    ...toFile ? { cwd: options.cwd } : options,
  });
}

/** Runs a program to its end. What it says on standard error is shown. */
async function run(
  program: readonly string[],
  signal: AbortSignal,
  cwd = ROOT,
): Promise<{ code: number; stdout: string }> {
  signal.throwIfAborted();
  const { code, stdout } = await command(program, { signal, cwd }).output();
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

/** Returns the absolute path of another checkout of this project, given with `--before`. */
export async function findCheckout(path: string, signal: AbortSignal): Promise<string> {
  const script = 'cd "$0" 2>/dev/null && test -f main.ts && pwd -P';
  const found = await firstLine(["sh", "-c", script, path], signal);
  if (found !== "") return found;
  throw new SetupError(
    `--before "${path}" is not a checkout of this project: it is no folder with a main.ts. ` +
      `Make one: git worktree add --detach ../before HEAD~1`,
  );
}

/** The folder in which the commands of one side's server run. */
function workFolder(side: Side, servers: Servers): string {
  return side === "before" ? servers.before ?? ROOT : ROOT;
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

/** The files of a certificate for {@linkcode HOST} that no authority has signed. */
interface Certificate {
  readonly cert: string;
  readonly key: string;
}

async function makeCertificate(
  kind: KeyKind,
  folder: string,
  signal: AbortSignal,
): Promise<Certificate> {
  const files = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  const programs = [
    kind === "ec"
      ? ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", files.key]
      : ["openssl", "genrsa", "-out", files.key, "2048"],
    [
      ...["openssl", "req", "-x509", "-new", "-key", files.key, "-batch", "-subj", "/CN=bench"],
      ...["-addext", `subjectAltName=IP:${HOST}`, "-addext", "basicConstraints=critical,CA:FALSE"],
      ...["-out", files.cert],
    ],
  ];
  for (const program of programs) {
    const { code } = await run(program, signal);
    if (code === 127) {
      throw new SetupError("Cannot make a certificate: openssl is not on PATH. Install it.");
    }
    if (code !== 0) {
      throw new SetupError(`Cannot make a certificate: openssl ended with status ${code}.`);
    }
  }
  return files;
}

interface Ports {
  readonly client: number;
  readonly admin: number;
}

/** Two ports for each server that nothing listens on now. */
function freePorts(servers: number): Ports[] {
  const listen = () => Deno.listen({ hostname: HOST, port: 0 });
  const pairs = Array.from({ length: servers }, () => [listen(), listen()] as const);
  return pairs.map(([client, admin]) => {
    client.close();
    admin.close();
    return { client: client.addr.port, admin: admin.addr.port };
  });
}

/**
 * Writes the configuration of one side's server at `ports` to `folder` and returns the command that
 * starts it. `all` are the ports of the cluster. `certificate` is for its client server.
 */
async function prepare(
  side: Side,
  servers: Servers,
  ports: Ports,
  all: readonly Ports[],
  certificate: Certificate | null,
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
        ...side === "original" ? {} : { engine: servers.engine },
        ...certificate && { "ssl.key": certificate.key, "ssl.cert": certificate.cert },
      },
      { type: "admin", port: ports.admin, listen: HOST },
    ],
    logs: side === "original" ? [] : [{ path: `${folder}/aphlict.log` }],
    pidfile: `${folder}/aphlict.pid`,
    cluster: all.length === 1
      ? []
      : all.map(({ admin }) => ({ host: HOST, port: admin, protocol: "http" })),
  };
  await Deno.writeTextFile(file, JSON.stringify(config));
  if (side === "original") {
    return ["node", `${servers.original}/aphlict_server.js`, `--config=${file}`];
  }
  if (side === "ours" && servers.ours !== null) {
    return ["sh", "-c", `exec ${servers.ours} --config "$0"`, file];
  }
  const deno = Deno.execPath();
  const ask = ["run", "--no-prompt", `--allow-read=${file}`, "--allow-sys=uid", "main.ts"];
  const { code, stdout } = await run(
    [deno, ...ask, "permissions", "--format", "json", "--config", file],
    signal,
    workFolder(side, servers),
  );
  if (code !== 0) {
    throw new Error(`"main.ts permissions" of the ${side} server ended with status ${code}.`);
  }
  const { flags }: { flags: string[] } = JSON.parse(stdout);
  return [deno, "run", ...flags, "main.ts", "serve", "--config", file];
}

/** Asks a server and leaves no connection open during the load. `null`: it gave no answer. */
async function get(
  url: string,
  signal: AbortSignal,
  client?: Deno.HttpClient,
): Promise<{ status: number; text: string } | null> {
  const headers = { connection: "close" };
  return await fetch(url, { headers, signal, ...client && { client } })
    .then(async (response) => ({ status: response.status, text: await response.text() }))
    .catch(() => null);
}

function statusUrl(admin: number): string {
  return `http://${HOST}:${admin}/status/`;
}

/** Resolves once both ports give the answers of an Aphlict server that has met its peers. */
async function untilReady(
  { ports, ended }: Started,
  certificate: Certificate | null,
  signal: AbortSignal,
): Promise<void> {
  const scheme = certificate === null ? "http" : "https";
  const caCerts = certificate === null ? [] : [await Deno.readTextFile(certificate.cert)];
  using trusting = Deno.createHttpClient({ caCerts });
  const isReady = async () => {
    const client = await get(`${scheme}://${HOST}:${ports.client}/`, signal, trusting);
    const admin = await get(statusUrl(ports.admin), signal);
    if (client?.status !== 501 || admin?.status !== 200) return false;
    const { cluster }: { cluster?: { state: string }[] } = JSON.parse(admin.text);
    return cluster?.every(({ state }) => state === "up" || state === "self") ?? true;
  };
  const limit = Date.now() + START_LIMIT_MS;
  const poll = async (): Promise<void> => {
    signal.throwIfAborted();
    if (ended()) throw new Error("it ended");
    if (Date.now() > limit) throw new Error(`it was not ready after ${START_LIMIT_MS / 1000} s`);
    if (await isReady()) return;
    await pause(100);
    return await poll();
  };
  await poll();
}

/**
 * Publishes a message to each server of a cluster. From its peers' receipts the original learns
 * which of them are who, and until then relays more than it does ever after.
 */
async function introduce(all: readonly Ports[], signal: AbortSignal): Promise<void> {
  await Promise.all(all.map(async ({ admin }) => {
    const body = JSON.stringify({ type: "notification", uniqueID: `${admin}`, subscribers: [] });
    const headers = { connection: "close", "content-type": "application/json" };
    const request = { method: "POST", body, headers, signal };
    await (await fetch(`http://${HOST}:${admin}/`, request)).body?.cancel();
  }));
}

/** How many messages a cluster's servers have got, each one's counted. */
async function messagesIn(all: readonly Ports[], signal: AbortSignal): Promise<number> {
  const counts = await Promise.all(all.map(async ({ admin }) => {
    const answer = await get(statusUrl(admin), signal);
    return read(JSON.parse(answer?.text ?? "null"), ["messages.in"]);
  }));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A server that runs. */
interface Started {
  readonly process: Deno.ChildProcess;
  readonly ports: Ports;
  /** Where its output goes. */
  readonly logFile: string;
  readonly ended: () => boolean;
}

/** Starts a server in the folder `cwd`. Its files all are in `folder`. */
function start(program: readonly string[], ports: Ports, folder: string, cwd: string): Started {
  const logFile = `${folder}/output`;
  const process = command(program, { logFile, cwd }).spawn();
  let ended = false;
  process.status.then(() => ended = true);
  return { process, ports, logFile, ended: () => ended };
}

/** Measures one side once. */
export async function measure(
  which: { scenario: string; round: number; side: Side },
  scenario: Scenario,
  servers: Servers,
  seconds: number,
  signal: AbortSignal,
): Promise<Run> {
  await Deno.mkdir(SCRATCH, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: SCRATCH, prefix: "bench-" });
  const started: Started[] = [];
  try {
    const { tls } = scenario;
    const certificate = tls === undefined ? null : await makeCertificate(tls, folder, signal);
    const all = freePorts(scenario.servers ?? 1);
    const programs = await Promise.all(all.map(async (ports, index) => {
      const own = `${folder}/${index}`;
      await Deno.mkdir(own);
      return await prepare(which.side, servers, ports, all, certificate, own, signal);
    }));
    const cwd = workFolder(which.side, servers);
    all.forEach((ports, index) =>
      started.push(start(programs[index] ?? [], ports, `${folder}/${index}`, cwd))
    );
    await Promise.all(started.map(async (server) => {
      try {
        await untilReady(server, certificate, signal);
      } catch (error) {
        signal.throwIfAborted();
        const said = await Deno.readTextFile(server.logFile).catch(() => "") || "(none)";
        const why = error instanceof Error ? error.message : error;
        throw new Error(`The ${which.side} server did not start: ${why}. Its output:\n${said}`);
      }
    }));
    if (all.length > 1) await introduce(all, signal);
    await pause(WARM_UP_MS);
    const before = await messagesIn(all, signal);
    // The load generator bounds each of its phases itself.
    const { code, stdout } = await run([
      ...certificate === null ? [LOAD_GENERATOR] : tlsLoadGenerator(certificate),
      ...all.flatMap(({ client }) => [
        "--client-url",
        `${certificate === null ? "ws" : "wss"}://${HOST}:${client}/ws/`,
      ]),
      ...["--admin-url", `http://${HOST}:${all[0]?.admin}/`],
      ...["--server-pid", started.map(({ process }) => process.pid).join(), "--label", which.side],
      ...["-n", `${scenario.listeners}`, "--duration", `${seconds}`, ...scenario.load],
    ], signal);
    if (stdout === "") {
      throw new Error(`The load generator ended with status ${code} and no result.`);
    }
    const result = JSON.parse(stdout);
    if (scenario.servers !== undefined) {
      const posts = await messagesIn(all, signal) - before;
      Object.assign(result, { servers: scenario.servers, ...relaying(result, posts) });
    }
    return { ...which, exitCode: code, result };
  } finally {
    await Promise.all(started.map(({ process }) => stop(process)));
    await Deno.remove(folder, { recursive: true });
  }
}

/** The command that starts `tlsload.ts`, without the arguments that it shares with `wsload`. */
function tlsLoadGenerator({ cert }: Certificate): string[] {
  const flags = ["--no-prompt", `--allow-net=${HOST}`, `--allow-read=${cert}`, "--allow-run=cat"];
  return [Deno.execPath(), "run", ...flags, join(HERE, "tlsload.ts"), "--ca", cert];
}

/** What it took a cluster to pass on the messages of a `result`, given what its servers got. */
function relaying(result: unknown, posts: number): Record<string, number> {
  const published = read(result, ["published"]);
  const relays = posts - published;
  const cpuMs = read(result, ["server_cpu_s_settled"]) * 1000;
  const firstCpuMs = read(result, ["first_server_cpu_s"]) * 1000;
  return {
    relays,
    relays_per_message: relays / published,
    cpu_ms_per_message: cpuMs / published,
    first_cpu_ms_per_message: firstCpuMs / published,
    cpu_ms_per_relay: relays > 0 ? cpuMs / relays : NaN,
  };
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
