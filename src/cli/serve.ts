/**
 * `aphlict serve` and `aphlict debug`: the service itself, in this process.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { knownAddresses } from "../config/host.ts";
import { loadConfig } from "../config/load.ts";
import { logTarget } from "../config/logs.ts";
import { serviceFlags, shellQuote } from "../config/permissions.ts";
import { Whole } from "../log/format.ts";
import { closeLog, LogFileError, logger, openLog, show } from "../log/log.ts";
import { type Service, StartError, startService } from "../service.ts";
import { VERSION } from "../version.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT, type Invocation } from "./command.ts";
import { complain } from "./output.ts";

/** How long stopping may take, in ms; what is stuck then is left to the system. */
const STOP_DEADLINE_MS = 4500;

/** How long the last lines may wait for a console that nobody reads, in ms. */
const CLOSE_DEADLINE_MS = 500;

const log = logger("service");

/** Runs the service. */
export const serve: Command = {
  verb: "serve",
  synopsis: "Run the service in this process until it is told to stop.",
  details: "Binds every server of the configuration, or none, and logs to the console and to the " +
    "configured files. SIGINT and SIGTERM stop it: browsers are told to go away (code 1001), and " +
    "the exit code is 0. SIGHUP reads the certificates again, for new connections.",
  options: [CONFIG_OPTION],
  run: (invocation) => serveUntilStopped(invocation, "info"),
};

/** Runs the service and shows everything. */
export const debug: Command = {
  verb: "debug",
  synopsis: "Like serve, and log every connection, command, message and delivery.",
  details:
    "For finding out why a notification does not arrive. It writes a lot, with the content " +
    "of every message: use serve for every day.",
  options: [CONFIG_OPTION],
  run: (invocation) => serveUntilStopped(invocation, "trace"),
};

async function serveUntilStopped(
  invocation: Invocation,
  level: "info" | "trace",
): Promise<number> {
  const config = loadConfig(configPath(invocation));
  const stopped = stopSignal();
  let service: Service | null = null;
  // From the start on, as it would end the process otherwise.
  Deno.addSignalListener("SIGHUP", () => {
    log.info("SIGHUP: reading the certificates again.");
    service?.renewCertificates();
  });
  try {
    await openLog({
      files: config.logs.filter(({ path }) => logTarget(path) !== "console").map((
        { path, rotateSize, rotateKeep },
      ) => ({ path, size: rotateSize, keep: rotateKeep })),
      console: true,
      level,
    });
  } catch (error) {
    if (!(error instanceof LogFileError)) throw error;
    complain(error.message);
    return EXIT.failed;
  }
  logUnexpectedErrors();
  log.info(`Aphlict ${VERSION} starts with {path} (pid {pid}).`, {
    path: config.path,
    pid: Deno.pid,
  });
  try {
    service = await startService(config);
    announce(config, service);
    log.info("{signal}: stopping.", { signal: await stopped });
    await stopWithin(STOP_DEADLINE_MS, service);
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    for (const problem of error.message.split("\n")) {
      log.fatal("{problem}", { problem: new Whole(problem) });
    }
    return EXIT.failed;
  } finally {
    await deadline(closeLog(), CLOSE_DEADLINE_MS);
  }
}

function announce(config: Config, service: Service): void {
  for (const { type, url } of service.listening) {
    log.info("Listening: {type} server at {url}", { type, url });
  }
  for (const { type, engine, listen } of config.servers) {
    if (type === "client" && engine === "serve" && knownAddresses(listen) === null) {
      log.warning(
        "The client server on {listen} runs on the runtime's engine, which has fewer bounds, because " +
          'that is a host name. Set "listen" to an address for the socket engine.',
        { listen },
      );
    }
  }
  log.info("This server has fingerprint {fingerprint}.", { fingerprint: service.fingerprint });
  if (config.cluster.length > 0) {
    log.warning("{count} peers are configured, but this version relays nothing to them yet.", {
      count: config.cluster.length,
    });
  }
  const flags = serviceFlags(config);
  log.info("Permissions: {flags}", { flags: new Whole(shellQuote(flags)) });
  const excess = excessPermissions();
  if (excess.length > 0) {
    log.warning(
      "The process holds more permissions than it needs: all of {excess}. Start it with " +
        "bin/aphlict, or with the flags above.",
      { excess: excess.join(", ") },
    );
  }
  const admin = service.listening.find(({ type }) => type === "admin");
  show(
    "\nSend a first message to the browsers subscribed to PHID-USER-example:\n\n" +
      `  curl -d '{"type":"test","subscribers":["PHID-USER-example"]}' '${admin?.url}'\n`,
  );
}

/** The kinds of permission that the process holds without any limit. */
function excessPermissions(): string[] {
  const kinds = ["net", "read", "write", "run", "env", "sys", "ffi", "import"] as const;
  return kinds.filter((name) => Deno.permissions.querySync({ name }).state === "granted");
}

/** Resolves with the first signal that asks the process to stop; those that follow are ignored. */
function stopSignal(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => resolve(signal));
    }
  });
}

async function stopWithin(ms: number, service: Service): Promise<void> {
  if (await deadline(service.stop(), ms)) log.info("Stopped.");
  else log.warning("Stopped with connections that did not end within {ms} ms.", { ms });
}

/** Whether `promise` settles within `ms`. */
async function deadline(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), ms));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One mistake of ours must not take every browser's connection down, nor stay unseen. */
function logUnexpectedErrors(): void {
  const report = (error: unknown) =>
    log.error("Unexpected error, please report it: {stack}", {
      stack: new Whole(
        (error instanceof Error ? error.stack ?? error.message : String(error)).slice(0, 4000),
      ),
    });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  });
}
