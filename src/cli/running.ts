/**
 * Finding the Aphlict that runs with a configuration, and signals to it.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import type { Problem } from "../config/error.ts";
import { loadPidfile } from "../config/load.ts";
import { connectable, portOf } from "../probe/endpoint.ts";
import { configPath, type Invocation } from "./command.ts";
import { NoAnswerError } from "./admin.ts";
import { askConsole, isUnsupervised, listeningIn } from "./service_data.ts";
import { printError } from "./output.ts";
import { supervisorOf, type VisibleSupervisor } from "./pidfile_owner.ts";

/** The Aphlict of a configuration. */
export interface Running {
  readonly pidfile: string;
  /** `null` when the file cannot be used. */
  readonly config: Config | null;
  /** What is wrong with the file. */
  readonly problems: readonly Problem[];
  /** `null` when none runs. */
  readonly supervisor: VisibleSupervisor | null;
}

/**
 * The Aphlict that runs with the configuration asked for. Of an invalid file the pidfile is enough, so
 * that one can still be looked at and stopped; its problems are shown.
 *
 * @throws {ConfigError} If not even the pidfile is known.
 * @throws {PidfileError} If it cannot be looked at.
 */
export function findRunning(invocation: Invocation): Running {
  const { pidfile, config, problems } = namedPidfile(invocation);
  return { pidfile, config, problems, supervisor: supervisorOf(pidfile) };
}

/**
 * The pidfile of the configuration asked for, and the configuration if it can be used; its problems are shown.
 *
 * @throws {ConfigError} If not even the pidfile is known.
 */
export function namedPidfile(invocation: Invocation): Omit<Running, "supervisor"> {
  const { pidfile, config, error } = loadPidfile(configPath(invocation));
  if (error !== null) printError(`Warning: ${error.message}`);
  return { pidfile, config, problems: error?.problems ?? [] };
}

/** How a service that no supervisor runs is told something. */
export interface UnsupervisedHint {
  /** What the command does with a supervisor. */
  readonly verb: "stop" | "reload";
  readonly signal: Deno.Signal;
  /** What is typed in a container, behind the name of its engine. */
  readonly container: string;
  /** What is typed under systemd. */
  readonly systemd: string;
}

/**
 * Says that a service of this configuration runs without a supervisor, or that something takes connections where it would
 * and does not answer, in sentences; `null` when neither is so. No pidfile names its process, so a command has nothing to
 * signal.
 */
export async function explainUnsupervised(
  config: Config | null,
  way: UnsupervisedHint,
): Promise<string | null> {
  if (config === null) return null;
  const { path } = config;
  try {
    const data = await askConsole(config);
    if (!isUnsupervised(config, data)) return null;
    const [url] = listeningIn(data).filter((each) => /^https?:/.test(each)).map((each) =>
      connectable(new URL(each))
    );
    const where = url === undefined ? "" : ` at ${url}`;
    return `A service of ${path} answers${where}, and no supervisor runs it: \`aphlict start\` has not started it, ` +
      `and this does not ${way.verb} it. ${byHand(way, url)}`;
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    if (error.silent === null) return null;
    return `No supervisor runs, and something takes connections that does not answer: ${error.message} It may be a ` +
      `service of ${path}, which this does not ${way.verb}. ${byHand(way, error.silent)}`;
  }
}

/** How the process behind an address is told something, in a sentence. */
function byHand({ signal, container, systemd }: UnsupervisedHint, url: URL | undefined): string {
  const shown = url === undefined ? "" : ` (ss -ltnp 'sport = :${portOf(url)}' shows its process)`;
  return `Send it ${signal}${shown}; in a container: podman ${container}, or docker ${container}; under systemd: ` +
    `${systemd}.`;
}

/** A process that this user may not signal; the message says what to do. */
export class SignalError extends Error {
  override readonly name = "SignalError";
}

/**
 * Sends a signal to a process, or to a group by its negative number. One that has ended meanwhile is as
 * good as told.
 *
 * @returns Whether there was such a process.
 * @throws {SignalError} If this user may not.
 */
export function signal(target: number, name: Deno.Signal): boolean {
  try {
    Deno.kill(target, name);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new SignalError(
        `Process ${
          Math.abs(target)
        } belongs to another user, and takes no ${name} from this one. Run ` +
          "the command as the user that runs Aphlict, or as root.",
      );
    }
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}
