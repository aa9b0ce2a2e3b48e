/**
 * `aphlict run`: the supervisor, in the foreground or for `aphlict start`.
 *
 * @module
 */

import type { Config, LogConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { consoleLog, isStdout, logTarget } from "../config/logs.ts";
import { fault, logUnexpectedErrors } from "../log/fault.ts";
import { Whole } from "../log/format.ts";
import { type Journal, journalOf, NO_JOURNAL } from "../log/console.ts";
import {
  CLOSE_DEADLINE_MS,
  closeLog,
  logger,
  type LogOptions,
  openLog,
  reopenLog,
  showForeign,
  showTrouble,
} from "../log/log.ts";
import { encode, type Report } from "../supervisor/channel.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { holderOf, Pidfile, PidfileError } from "../supervisor/pidfile.ts";
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
import { scriptOf } from "./compiled.ts";
import { alreadyRunning } from "./start.ts";

/** How often the pidfile is looked after, in ms. */
const KEEP_INTERVAL_MS = 10_000;

/** Runs the supervisor where it was typed. */
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

/** What `aphlict start` leaves running. */
export const supervisor: Command = {
  verb: "supervisor",
  synopsis: "The supervisor as `aphlict start` runs it.",
  details: "It says on standard output how the start went, and nothing after that.",
  options: [CONFIG_OPTION, ...LIMIT_OPTIONS],
  internal: true,
  run: (invocation) => supervise(invocation, true),
};

async function supervise(invocation: Invocation, detached: boolean): Promise<number> {
  const announce = detached ? report : tellFailure;
  const config = loadConfig(configPath(invocation));
  const log = logger("supervisor");
  const journal = detached ? NO_JOURNAL : journalOf(invocation.options.get(JOURNAL_OPTION.name));
  const options = ({ logs }: Config) => logOptions(logs, config.logs[0], detached, journal);
  // It shows nothing yet, and opens its file for each line.
  openLog(options(config));
  // From here on it can be told to stop.
  const supervisor = new Supervisor({
    config,
    deno: Deno.execPath(),
    program: scriptOf(invocation.program),
    detached,
    console: detached ? "none" : isJournal(config, journal) ? "journal" : "piped",
    hostOptions: hostArguments(invocation),
    log,
    fault,
    show: showForeign,
    announce,
    adopted: (next) => reopenLog(options(next)),
  });
  let pidfile: Pidfile | null = null;
  try {
    pidfile = await Pidfile.take(config.pidfile);
    if (pidfile === null) {
      announce({ type: "failed", problems: [alreadyRunning(config, holderOf(config.pidfile))] });
      return EXIT.failed;
    }
    logUnexpectedErrors();
    keep(pidfile, config.pidfile, supervisor, log);
    return await supervisor.run() ? EXIT.done : EXIT.failed;
  } catch (error) {
    if (!(error instanceof PidfileError) || pidfile !== null) throw error;
    announce({ type: "failed", problems: [error.message] });
    return EXIT.failed;
  } finally {
    await within(CLOSE_DEADLINE_MS, closeLog());
    pidfile?.remove();
  }
}

/** Whether the journal reads what the service's lines are shown on. */
function isJournal({ logs }: Config, { stdout, stderr }: Journal): boolean {
  const log = consoleLog(logs);
  return log !== undefined && isStdout(log) ? stdout : stderr;
}

/** Looks after the pidfile and the state for as long as the process runs. */
function keep(
  pidfile: Pidfile,
  path: string,
  supervisor: Supervisor,
  log: ReturnType<typeof logger>,
): void {
  let told = "";
  const look = async () => {
    try {
      const found = await pidfile.keep();
      if (found === "lost") supervisor.stop(`Another Aphlict has taken pidfile ${path}`);
      if (found === "remade") log.warning("Pidfile {path} was gone: it was made again.", { path });
      if (found !== "lost") supervisor.remember();
      told = "";
    } catch (error) {
      if (!(error instanceof PidfileError)) return fault("looking after the pidfile", error);
      const problem = error.message;
      if (problem !== told) log.error("{problem}", { problem: new Whole(problem) });
      told = problem;
    }
  };
  const timer = setInterval(() => void look(), KEEP_INTERVAL_MS);
  Deno.unrefTimer(timer);
}

/**
 * Its own few lines go to the console, and to the first log, which the service rotates. That is the one of the start:
 * it may append to no other.
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
    onTrouble: "go on",
    writer: "appending",
  };
}

function report(report: Report): void {
  try {
    Deno.stdout.writeSync(encode(report));
  } catch (error) {
    // What has been started goes on, whatever has become of who started it.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function tellFailure(report: Report): void {
  if (report.type === "failed") { for (const problem of report.problems) showTrouble(problem); }
}
