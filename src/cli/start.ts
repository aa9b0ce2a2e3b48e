/**
 * `aphlict start`: the start of a supervisor in the background.
 *
 * @module
 */

import { resolve } from "node:path";
import { isRooted } from "../config/change.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { logTarget } from "../config/logs.ts";
import { supervisorFlags } from "../config/permissions.ts";
import { denoArguments, scriptOf } from "../config/program.ts";
import { livePagesOf } from "../probe/endpoint.ts";
import { linesIn, parseReport, type Report } from "../supervisor/channel.ts";
import { alreadyRunning } from "../supervisor/pidfile.ts";
import { readState } from "../supervisor/state.ts";
import {
  AS_ROOT_OPTION,
  type Command,
  CONFIG_OPTION,
  configPath,
  CONTROL_PERMISSIONS,
  EXIT,
  hostArguments,
  type Invocation,
  LIMIT_OPTIONS,
} from "./command.ts";
import { makeFolders } from "./folders.ts";
import { print, printError } from "./output.ts";
import { logFaultForRoot, pidfileFault, safeHolder } from "./pidfile_owner.ts";
import { refusesRoot } from "./root.ts";
import { resolvedPath } from "./trust.ts";

/** Starts Aphlict and leaves it running. */
export const start: Command = {
  verb: "start",
  synopsis: "Start Aphlict in the background.",
  details:
    "Makes the folders of the logs and the pidfile where they are missing, starts a supervisor, " +
    "which starts the service and starts it again should it ever end, and returns when the service " +
    "listens. When it cannot, the reason is printed, nothing is left running, and the exit code is 1. " +
    "Root is refused, unless the configuration names a user to become.",
  options: [CONFIG_OPTION, AS_ROOT_OPTION, ...LIMIT_OPTIONS],
  permissions: CONTROL_PERMISSIONS,
  makesFolders: true,
  run(invocation) {
    if (refusesRoot(invocation)) return EXIT.failed;
    return startWith(loadConfig(configPath(invocation)), invocation);
  },
};

/** Starts a supervisor, waits until it reports how the start went, and returns the exit code. */
export async function startWith(named: Config, { program, options }: Invocation): Promise<number> {
  // Commands in any folder may look at the service that stays running.
  const config = { ...named, path: resolve(named.path) };
  using holder = safeHolder(config.pidfile);
  if (holder !== null) return fail([alreadyRunning(config.pidfile, holder.pid)]);
  warnOfConsole(config);
  makeFolders(config);
  // Another user may have made a folder in the meantime.
  const fault = logFaultForRoot(config) ?? pidfileFault(config.pidfile);
  if (fault !== null) return fail([fault]);
  // A killed supervisor has left its state.
  const former = readState(config.pidfile)?.service?.pid;
  const deno = Deno.execPath();
  const script = scriptOf(program);
  // A person who interrupts the start wants nothing started. A signal from here on is handled after the spawn below.
  const interrupt = () => {
    try {
      supervisor.kill("SIGTERM");
    } catch (error) {
      // The supervisor has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, interrupt);
  }
  const supervisor = new Deno.Command(deno, {
    args: denoArguments(script, supervisorFlags(config, deno, resolvedPath(config.pidfile)), [
      "supervisor",
      ...["--config", config.path],
      ...hostArguments({ options }),
    ]),
    // The supervisor would keep the folder of the start from being removed or unmounted.
    ...isRooted(config) ? { cwd: "/" } : {},
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const complaints = Array.fromAsync(linesIn(supervisor.stderr));
  const report = await firstReport(supervisor.stdout);
  if (report?.type === "listening") {
    const complaint = readState(config.pidfile)?.complaint;
    if (complaint) printError(`Warning: ${complaint.line}`);
    print(
      [
        `Aphlict is running: supervisor ${supervisor.pid}, service ${report.pid}, with ${config.path}.`,
        ...report.urls.map((url) => `  ${url}`),
        ...livePagesOf(report.urls).map((url) => `  live page ${url}`),
        ...config.logs.filter(({ path }) => logTarget(path) !== "console").map(({ path }) =>
          `  log ${path}`
        ),
      ],
    );
    return EXIT.done;
  }
  const { code, signal } = await supervisor.status;
  if (report?.type !== "failed") {
    return fail([
      `The supervisor ended without a word (${signal ?? `code ${code}`}).`,
      ...await complaints,
    ]);
  }
  const hint =
    `The service of an earlier supervisor was process ${former}. If it still runs (ps -p ` +
    `${former}), it holds the address: end it.`;
  const isTaken = report.problems.some((problem) => problem.includes("already in use"));
  return fail(isTaken && former !== undefined ? [...report.problems, hint] : report.problems);
}

/** Warns of logs on a console, as a service in the background has none. */
function warnOfConsole({ logs }: Config): void {
  for (const [index, { path, links }] of logs.entries()) {
    if (logTarget(path) !== "console") continue;
    printError(
      `Warning: logs[${index}].path: ${
        links[0] ?? path
      } is the console, and what \`aphlict start\` leaves running has ` +
        "none: this log reaches nobody. Name a file, or use `aphlict run`.",
    );
  }
}

async function firstReport(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Report | null> {
  for await (const line of linesIn(stream)) {
    const report = parseReport(line);
    if (report !== null) return report;
  }
  return null;
}

function fail(problems: readonly string[]): number {
  printError(["Cannot start Aphlict:", ...problems.map((line) => `  ${line}`)]);
  return EXIT.failed;
}
