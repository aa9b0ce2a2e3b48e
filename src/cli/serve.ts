/**
 * `aphlict serve` and `aphlict debug`: the service, in this process.
 *
 * @module
 */

import { restartReasons } from "../config/change.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/error.ts";
import { knownAddresses } from "../config/host_name.ts";
import { loadConfig } from "../config/load.ts";
import { connectionLimit, hostMemory, memoryBudget, memoryWarning } from "../config/memory.ts";
import { connectionsIn, otherFiles } from "../config/open_files.ts";
import { serviceFlags, shellQuote } from "../config/permissions.ts";
import { fault, logUnexpectedErrors } from "../log/fault.ts";
import { Whole } from "../log/format.ts";
import { journalOf } from "../log/streams.ts";
import {
  CLOSE_DEADLINE_MS,
  closeLog,
  logger,
  type LogOptions,
  openLog,
  reopenLog,
  showLine,
  showWarning,
} from "../log/log.ts";
import { LogFileError } from "../log/file_error.ts";
import { type Service, startService } from "../service.ts";
import type { Host } from "../process_meter.ts";
import { StartError } from "../server.ts";
import {
  encode,
  linesIn,
  parseUse,
  type ReloadOutcome,
  type Report,
} from "../supervisor/channel.ts";
import { connectable, livePagesOf } from "../probe/endpoint.ts";
import { denoWarning, VERSION } from "../version.ts";
import { within } from "../within.ts";
import type { OptionSpec } from "./args.ts";
import {
  CALLED_OPTION,
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  HOST_OPTIONS,
  hostNumber,
  type Invocation,
  JOURNAL_OPTION,
  MEMORY_OPTION,
  OPEN_FILES_OPTION,
} from "./command.ts";
import { requireCovered } from "./compiled.ts";
import { tryPeers } from "./trial.ts";
import { formatMebibytes } from "../text.ts";

/** The longest time for stopping beyond the drain, in ms; a connection that is stuck then is left to the system. */
const STOP_LIMIT_MS = 5000;

/** The outcome of a reload with an internal error. */
const RELOAD_FAULT =
  "An internal error of the service: the log has it, please report it. A part of the new " +
  "configuration may be in use. Use `aphlict restart`.";

const log = logger("service");

/** The option that shows the log's level "debug". */
const VERBOSE_OPTION: OptionSpec = {
  name: "verbose",
  help: "Log more of how the service is run, above all the permission flags that it holds.",
};

/** Runs the service. */
export const serve: Command = {
  verb: "serve",
  synopsis: "Run the service in this process, without a supervisor, until it is told to stop.",
  details: "Binds every server of the configuration, or none, and logs to the console and to the " +
    "configured files. SIGINT and SIGTERM stop it: browsers are told to go away (code 1001), and " +
    "the exit code is 0. SIGHUP reloads what can be changed in place.",
  options: [CONFIG_OPTION, VERBOSE_OPTION, CALLED_OPTION, ...HOST_OPTIONS],
  permissions: "service",
  makesFolders: true,
  run: (invocation) =>
    serveAlone(invocation, invocation.options.has(VERBOSE_OPTION.name) ? "debug" : "info"),
};

/** Runs the service and shows everything. */
export const debug: Command = {
  verb: "debug",
  synopsis: "Like serve, and log every connection, command, message and delivery.",
  details:
    "For finding out why a notification does not arrive. It writes a lot, with the content " +
    "of every message: use start for every day.",
  options: [CONFIG_OPTION, CALLED_OPTION, ...HOST_OPTIONS],
  permissions: "service",
  makesFolders: true,
  run: (invocation) => serveAlone(invocation, "trace"),
};

/** Runs the service for the supervisor. */
export const service: Command = {
  verb: "service",
  synopsis: "The service as the supervisor runs it.",
  details:
    "It reads commands on standard input, whose end ends it, and reports on standard output.",
  options: [
    CONFIG_OPTION,
    {
      name: "attempt",
      value: "WHICH",
      choices: ["first", "again"],
      help: "first: a log file that cannot be opened is a reason not to start.",
    },
    {
      name: "console",
      value: "WHERE",
      choices: ["piped", "journal", "none"],
      help:
        "Where the log is shown: on standard error, for the supervisor or for the journal behind it, or nowhere.",
    },
    { name: "restarts", value: "N", help: "How often the supervisor has started it again." },
    ...HOST_OPTIONS,
  ],
  internal: true,
  async run({ options }) {
    // A terminal sends SIGHUP to the whole group; the supervisor decides what it means.
    Deno.addSignalListener("SIGHUP", () => {});
    const say = (report: Report) => {
      try {
        Deno.stdout.writeSync(encode(report));
      } catch (error) {
        // The supervisor is gone; the end of the input shows that as well.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    };
    const commands = linesIn(Deno.stdin.readable);
    const console = options.get("console");
    const first = parseUse((await commands.next()).value ?? "");
    // The supervisor is gone already.
    if (first === null) return EXIT.failed;
    return await runService(first.config, {
      level: "info",
      host: hostOf({ options }, Number(options.get("restarts"))),
      console: console === "piped" || console === "journal" ? "piped" : "none",
      journal: { stdout: false, stderr: console === "journal" },
      onFileError: options.get("attempt") === "again" ? "go on" : "throw",
      report: say,
      async follow(reload, stop) {
        for await (const line of commands) {
          const next = parseUse(line);
          if (next === null) continue;
          const { number, config } = next;
          say({ type: "reloaded", number, outcome: await reload(config) });
        }
        stop("The supervisor is gone");
      },
    });
  },
};

function serveAlone(invocation: Invocation, level: "info" | "debug" | "trace"): Promise<number> {
  const config = loadConfig(configPath(invocation));
  requireCovered(invocation.program, config);
  return runService(config, {
    level,
    host: hostOf(invocation, null),
    console: "split",
    journal: journalOf(invocation.options.get(JOURNAL_OPTION.name)),
    onFileError: "throw",
    report(report) {
      if (report.type !== "listening" || !Deno.stdout.isTerminal()) return;
      showLine(
        welcome(config, report.urls, invocation.options.get(CALLED_OPTION.name) ?? "aphlict"),
      );
    },
    follow(reload) {
      Deno.addSignalListener("SIGHUP", async () => {
        log.info("SIGHUP: reloading.");
        const { ok, lines } = await reloadFile(config.path, reload);
        for (const line of lines) {
          if (ok) log.info("Reload: {line}", { line });
          else log.error("Reload refused: {line}", { line });
        }
      });
    },
  });
}

function hostOf(invocation: Pick<Invocation, "options">, restarts: number | null): Host {
  return {
    restarts,
    openFiles: hostNumber(invocation, OPEN_FILES_OPTION),
    memory: hostNumber(invocation, MEMORY_OPTION),
  };
}

/** Reads a configuration file, and reloads the service with it if it can be used. */
async function reloadFile(path: string, reload: Reload): Promise<ReloadOutcome> {
  let config: Config;
  try {
    config = loadConfig(path);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ok: false, lines: error.message.split("\n") };
  }
  return await reload(config);
}

type Reload = (config: Config) => Promise<ReloadOutcome>;

/** The connections of the service to the process that runs it. */
interface Surroundings extends Pick<LogOptions, "level" | "console" | "journal" | "onFileError"> {
  readonly host: Host;
  /** Receives how the start went. */
  report(report: Report): void;
  /** Calls `reload` and `stop` when they are asked for, from the start on. */
  follow(reload: Reload, stop: (why: string) => void): void;
}

async function runService(
  config: Config,
  { report, follow, host, ...logging }: Surroundings,
): Promise<number> {
  const stopped = Promise.withResolvers<string>();
  // Signals after the first are ignored.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => stopped.resolve(signal));
  }
  let current = config;
  let service: Service | null = null;
  const fail = (problems: readonly string[]) => {
    report({ type: "failed", problems });
    return EXIT.failed;
  };
  const takeOver = async (next: Config): Promise<ReloadOutcome> => {
    if (service === null) return { ok: false, lines: ["The service is still starting."] };
    let outcome: ReloadOutcome;
    try {
      outcome = await reload(service, current, next, logging);
    } catch (error) {
      fault("reloading", error);
      return { ok: false, lines: [RELOAD_FAULT] };
    }
    if (outcome.ok) {
      if (hasOtherRoom(current, next, host)) tellRoom(next, host);
      current = next;
    }
    return outcome;
  };
  let last: Promise<unknown> = Promise.resolve();
  follow((next) => {
    // Reloads run one after the other, so that the last configuration that was read stays.
    const outcome = last.then(() => takeOver(next));
    last = outcome;
    return outcome;
  }, stopped.resolve);
  try {
    openLog({ ...logging, files: config.logs, writer: "rotating" });
  } catch (error) {
    if (!(error instanceof LogFileError)) throw error;
    showWarning(error.message);
    await within(CLOSE_DEADLINE_MS, closeLog());
    return fail([error.message]);
  }
  logUnexpectedErrors();
  log.info(`Aphlict ${VERSION} starts with {path} (pid {pid}).`, {
    path: config.path,
    pid: Deno.pid,
  });
  try {
    // A bad file of a peer is no reason to stay down after a crash.
    const peers = logging.onFileError === "throw" ? tryPeers(config) : [];
    service = await startService(config, {
      host,
      problems: peers.map(({ path, message }) => `${path}: ${message}`),
    });
    announce(config, service, host);
    report({ type: "listening", pid: Deno.pid, urls: service.listening.map(({ url }) => url) });
    log.info("{why}: stopping.", { why: await stopped.promise });
    await stopWithin(service, current.drain * 1000);
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    const problems = error.message.split("\n");
    for (const problem of problems) log.fatal("{problem}", { problem: new Whole(problem) });
    return fail(problems);
  } finally {
    await within(CLOSE_DEADLINE_MS, closeLog());
  }
}

/** Applies the changes of a configuration that can be made in place: all of them, or none. */
async function reload(
  service: Service,
  from: Config,
  to: Config,
  logging: Pick<LogOptions, "level" | "console" | "journal">,
): Promise<ReloadOutcome> {
  const reasons = restartReasons(from, to);
  if (reasons.length > 0) {
    return {
      ok: false,
      lines: [`${reasons.join(", ")} changed, which needs a restart of the service.`],
    };
  }
  try {
    const use = await service.read(to);
    reopenLog({ ...logging, files: to.logs, onFileError: "throw", writer: "rotating" });
    const renewed = await use();
    return {
      ok: renewed.every(({ ok }) => ok),
      lines: [
        "Configuration, certificates, tokens and logs were read again.",
        ...renewed.map(({ line }) => line),
      ],
    };
  } catch (error) {
    if (!(error instanceof StartError || error instanceof LogFileError)) throw error;
    return { ok: false, lines: error.message.split("\n") };
  }
}

function announce(config: Config, service: Service, host: Host): void {
  for (const { type, url } of service.listening) {
    log.info("Listening: {type} server at {url}", { type, url });
  }
  for (const server of config.servers) {
    const { type, listen, engine } = server;
    if (engine === "serve" && knownAddresses(listen) === null) {
      log.warning(
        "The {type} server on {listen} runs on the runtime's engine, which has fewer bounds, because " +
          'that is a host name. Set "listen" to an address for the socket engine.',
        { type, listen },
      );
    }
  }
  tellRoom(config, host);
  const flags = serviceFlags(config);
  log.debug("Permissions: {flags}", { flags: new Whole(shellQuote(flags)) });
  const other = denoWarning(Deno.version.deno);
  if (other !== null) log.warning("{other}.", { other });
  const excess = excessPermissions();
  if (excess.length > 0) {
    log.warning(
      "The process holds more permissions than it needs: all of {excess}. Start it with " +
        "bin/aphlict, or with the flags above.",
      { excess: excess.join(", ") },
    );
  }
  log.info("This server has fingerprint {fingerprint}.", { fingerprint: service.fingerprint });
}

/** Tells whether there is room for another number of connections, or other memory, than before. */
function hasOtherRoom(from: Config, to: Config, host: Host): boolean {
  const roomOf = (config: Config) => [
    connectionLimit(config),
    memoryBudget(config, hostMemory(config, host.memory)),
  ];
  return roomOf(from).join() !== roomOf(to).join();
}

/** Logs how many connections there is room for, in memory and in open files. */
function tellRoom(config: Config, { openFiles, memory }: Host): void {
  const host = hostMemory(config, memory);
  log.info(
    "Browsers and Phorge can make it hold {budget}: V8's heap may have {heap}, and {granted}.",
    {
      budget: formatMebibytes(memoryBudget(config, host)),
      heap: formatMebibytes(host.heap),
      granted: new Whole(
        host.granted === null
          ? "it was not told how much memory there is"
          : `there are ${formatMebibytes(host.granted)} of memory`,
      ),
    },
  );
  const warning = memoryWarning(config, host);
  if (warning !== null) log.warning("{warning}.", { warning: new Whole(warning) });
  if (openFiles === null) return;
  const values = {
    openFiles,
    held: connectionsIn(openFiles, otherFiles(config)),
    limit: connectionLimit(config),
  };
  if (values.held >= values.limit) {
    log.info("This host allows {openFiles} open files, enough for {limit} connections.", values);
  } else {
    log.warning(
      "This host allows {openFiles} open files, enough for {held} connections, fewer than the {limit} " +
        "that are accepted. Raise its limit (LimitNOFILE= in systemd, --ulimit nofile= of a container, ulimit -Hn), " +
        'or lower "limit.connections".',
      values,
    );
  }
}

/** Returns the text for a person at a terminal: addresses, the live page, the log, and a first message. */
function welcome(config: Config, urls: readonly string[], called: string): string {
  const rows = urls.map((url) => [
    url.startsWith("http") ? "Phorge posts to" : "Browsers connect to",
    connectable(new URL(url)).href === url ? url : `${url} (any address of this host)`,
  ]);
  rows.push(
    ...livePagesOf(urls).map((url) => ["The live page", url]),
    ...config.logs.map(({ path }) => ["The log", path]),
  );
  const aphlict = (verb: string, ...args: readonly string[]) =>
    `  ${shellQuote([called, verb, "--config", config.path, ...args])}`;
  return [
    "",
    ...rows.map(([what = "", where]) => `${what.padEnd(21)}${where}`),
    "",
    "To see a message arrive, type these in two other terminals:",
    "",
    aphlict("listen", "PHID-USER-example"),
    aphlict("send", "--to", "PHID-USER-example"),
    "",
  ].join("\n");
}

/** Returns the kinds of permission that the process holds without any limit. */
function excessPermissions(): string[] {
  const kinds = ["net", "read", "write", "run", "env", "sys", "ffi", "import"] as const;
  return kinds.filter((name) => Deno.permissions.querySync({ name }).state === "granted");
}

async function stopWithin(service: Service, drainMs: number): Promise<void> {
  const ms = drainMs + STOP_LIMIT_MS;
  if (await within(ms, service.stop(drainMs))) log.info("Stopped.");
  else log.warning("Stopped with connections that did not end within {ms} ms.", { ms });
}
