/**
 * `aphlict run`: the overseer, in the foreground or for `aphlict start`.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { fault } from "../log/fault.ts";
import { Whole } from "../log/format.ts";
import {
  CLOSE_DEADLINE_MS,
  closeLog,
  logger,
  openLog,
  reopenLog,
  showTrouble,
} from "../log/log.ts";
import { encode, type Report } from "../supervisor/channel.ts";
import { Overseer } from "../supervisor/overseer.ts";
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
} from "./command.ts";
import { scriptOf } from "./compiled.ts";
import { complain } from "./output.ts";
import { alreadyRunning } from "./start.ts";
import { logUnexpectedErrors } from "./unexpected.ts";

/** How often the pidfile is looked after, in ms. */
const KEEP_INTERVAL_MS = 10_000;

/** Runs the overseer where it was typed. */
export const run: Command = {
  verb: "run",
  synopsis: "Run Aphlict in the foreground: for systemd, containers and the like.",
  details:
    "The overseer and its service, with the log on standard error. SIGTERM and SIGINT stop it " +
    "(exit code 0), SIGHUP reloads. When the service cannot start at first, the reason is printed and " +
    "the exit code is 1; when it ends later, it is started again.",
  options: [CONFIG_OPTION, AS_ROOT_OPTION, ...HOST_OPTIONS],
  run: (invocation) => oversee(invocation, false),
};

/** What `aphlict start` leaves running. */
export const overseer: Command = {
  verb: "overseer",
  synopsis: "The overseer as `aphlict start` runs it.",
  details: "It says on standard output how the start went, and nothing after that.",
  options: [CONFIG_OPTION, ...HOST_OPTIONS],
  internal: true,
  run: (invocation) => oversee(invocation, true),
};

async function oversee(invocation: Invocation, detached: boolean): Promise<number> {
  const announce = detached ? report : tellFailure;
  const config = loadConfig(configPath(invocation));
  const log = logger("overseer");
  const options = (config: Config) => logOptions(config, detached);
  // From here on it can be told to stop.
  const overseer = new Overseer({
    config,
    deno: Deno.execPath(),
    program: scriptOf(invocation.program),
    detached,
    hostOptions: hostArguments(invocation),
    log,
    fault,
    show: showTrouble,
    announce,
    adopted(next) {
      // It may append to the log that it was started with, and to no other.
      const [first, now] = [config.logs[0], next.logs[0]];
      if (first?.path === now?.path) reopenLog(options(next));
    },
  });
  let pidfile: Pidfile | null;
  try {
    pidfile = await Pidfile.take(config.pidfile);
    if (pidfile === null) {
      announce({ type: "failed", problems: [alreadyRunning(config, holderOf(config.pidfile))] });
      return EXIT.failed;
    }
  } catch (error) {
    if (!(error instanceof PidfileError)) throw error;
    announce({ type: "failed", problems: [error.message] });
    return EXIT.failed;
  }
  try {
    openLog(options(config));
    logUnexpectedErrors();
    keep(pidfile, config.pidfile, overseer, log);
    return await overseer.run() ? EXIT.done : EXIT.failed;
  } finally {
    await within(CLOSE_DEADLINE_MS, closeLog());
    pidfile.remove();
  }
}

/** Looks after the pidfile and the state for as long as the process runs. */
function keep(
  pidfile: Pidfile,
  path: string,
  overseer: Overseer,
  log: ReturnType<typeof logger>,
): void {
  let told = "";
  const look = async () => {
    try {
      const found = await pidfile.keep();
      if (found === "lost") overseer.stop(`Another Aphlict has taken pidfile ${path}`);
      if (found === "remade") log.warning("Pidfile {path} was gone: it was made again.", { path });
      if (found !== "lost") overseer.remember();
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

/** Its own few lines go to the first log, which the service rotates. */
function logOptions({ logs }: Config, detached: boolean): Parameters<typeof openLog>[0] {
  return {
    files: logs.slice(0, 1),
    level: "info",
    console: detached ? "none" : "stderr",
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
  if (report.type === "failed") complain(report.problems.join("\n"));
}
