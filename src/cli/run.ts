/**
 * `aphlict run`: the supervisor, in the foreground or for `aphlict start`.
 *
 * @module
 */

import { systemClock } from "../clock.ts";
import type { Config, LogConfig } from "../config/config.ts";
import { scriptOf } from "../config/program.ts";
import { loadConfig } from "../config/load.ts";
import { consoleLog, isStdout, logTarget } from "../config/logs.ts";
import { fault, logUnexpectedErrors } from "../log/fault.ts";
import { type Journal, journalOf, NO_JOURNAL } from "../log/streams.ts";
import {
  CLOSE_DEADLINE_MS,
  closeLog,
  logger,
  type LogOptions,
  openLog,
  reopenLog,
  showForeign,
  showWarning,
} from "../log/log.ts";
import { encode, type Report } from "../supervisor/channel.ts";
import { spawn } from "../supervisor/child.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { within } from "../within.ts";
import {
  AS_ROOT_OPTION,
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  HOST_OPTIONS,
  hostArguments,
  type Invocation,
  JOURNAL_OPTION,
  LIMIT_OPTIONS,
} from "./command.ts";

/** Runs the supervisor in the foreground. */
export const run: Command = {
  verb: "run",
  synopsis: "Run Aphlict in the foreground: for systemd, containers and the like.",
  details:
    "The supervisor and its service, with the log on standard error. SIGTERM and SIGINT stop it " +
    "(exit code 0), SIGHUP reloads. When the service cannot start at first, the reason is printed and " +
    "the exit code is 1; when it ends later, it is started again.",
  options: [CONFIG_OPTION, AS_ROOT_OPTION, ...HOST_OPTIONS],
  permissions: "supervisor",
  makesFolders: true,
  run: (invocation) => supervise(invocation, false),
};

/** Runs the supervisor that `aphlict start` leaves running. */
export const supervisor: Command = {
  verb: "supervisor",
  synopsis: "The supervisor as `aphlict start` runs it.",
  details: "It says on standard output how the start went, and nothing after that.",
  options: [CONFIG_OPTION, ...LIMIT_OPTIONS],
  internal: true,
  run: (invocation) => supervise(invocation, true),
};

async function supervise(invocation: Invocation, detached: boolean): Promise<number> {
  const config = loadConfig(configPath(invocation));
  const journal = detached ? NO_JOURNAL : journalOf(invocation.options.get(JOURNAL_OPTION.name));
  const options = ({ logs }: Config) => logOptions(logs, config.logs[0], detached, journal);
  // The log shows nothing yet, and opens its file for each line.
  openLog(options(config));
  const supervisor = new Supervisor({
    config,
    deno: Deno.execPath(),
    program: scriptOf(invocation.program),
    detached,
    console: detached ? "none" : isJournal(config, journal) ? "journal" : "piped",
    hostOptions: hostArguments(invocation),
    log: logger("supervisor"),
    clock: systemClock,
    spawn,
    fault,
    show: showForeign,
    announce: detached ? report : tellFailure,
    adopted: (next) => reopenLog(options(next)),
    async close() {
      await within(CLOSE_DEADLINE_MS, closeLog());
    },
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => supervisor.stop(signal));
  }
  Deno.addSignalListener("SIGHUP", () => supervisor.reload());
  logUnexpectedErrors();
  return await supervisor.run() ? EXIT.done : EXIT.failed;
}

/** Tells whether the journal reads the stream that shows the service's lines. */
function isJournal({ logs }: Config, { stdout, stderr }: Journal): boolean {
  const log = consoleLog(logs);
  return log !== undefined && isStdout(log) ? stdout : stderr;
}

/**
 * Returns where the supervisor logs its own few lines: to the console, and to the first log, which the service rotates.
 * That is the first log of the start: the supervisor may append to no other.
 */
function logOptions(
  logs: readonly LogConfig[],
  first: LogConfig | undefined,
  detached: boolean,
  journal: Journal,
): LogOptions {
  const own = logs[0]?.path === first?.path ? logs[0] : first;
  const console = consoleLog(logs);
  return {
    files: [
      ...own === undefined || logTarget(own.path) === "console" ? [] : [own],
      ...console === undefined ? [] : [console],
    ],
    level: "info",
    console: detached ? "none" : "stderr",
    journal,
    onFileError: "go on",
    writer: "appending",
  };
}

function report(report: Report): void {
  try {
    Deno.stdout.writeSync(encode(report));
  } catch (error) {
    // The started supervisor goes on, even if the process that started it is gone.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Shows why a start failed, unless the service has logged it, and so shown it. */
function tellFailure(report: Report, isLogged: boolean): void {
  if (report.type === "failed" && !isLogged) report.problems.forEach(showWarning);
}
