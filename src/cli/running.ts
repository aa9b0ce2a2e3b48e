/**
 * The search for the Aphlict that runs with a configuration, and the signals to it.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { ExpectedError, type Problem } from "../config/error.ts";
import { loadPidfile } from "../config/load.ts";
import { connectable, portOf } from "../probe/endpoint.ts";
import { configPath, type Invocation } from "./command.ts";
import { NoAnswerError } from "./admin.ts";
import { isUnsupervised, listeningIn, requestConsole } from "./service_data.ts";
import { printError } from "./output.ts";
import { supervisorOf, type VisibleSupervisor } from "./pidfile_owner.ts";
import type { PidfileHolder } from "../supervisor/pidfile.ts";

/** The Aphlict of a configuration. */
export interface Running {
  readonly pidfile: string;
  /** The configuration; `null` when the file cannot be used. */
  readonly config: Config | null;
  /** The problems of the file. */
  readonly problems: readonly Problem[];
  /** The supervisor; `null` when none runs. */
  readonly supervisor: VisibleSupervisor | null;
}

/**
 * Finds the Aphlict that runs with the configuration asked for. Of an invalid file the pidfile is enough, so that
 * Aphlict can still be looked at and stopped. The problems of the file are printed.
 *
 * @throws {ConfigError} If not even the pidfile is known.
 * @throws {PidfileError} If the pidfile cannot be looked at.
 */
export function findRunning(invocation: Invocation): Running {
  const { pidfile, config, problems } = namedPidfile(invocation);
  return { pidfile, config, problems, supervisor: supervisorOf(pidfile) };
}

/**
 * Returns the pidfile of the configuration asked for, and the configuration if it can be used. Prints its problems.
 *
 * @throws {ConfigError} If not even the pidfile is known.
 */
export function namedPidfile(invocation: Invocation): Omit<Running, "supervisor"> {
  const { pidfile, config, error } = loadPidfile(configPath(invocation));
  if (error !== null) printError(`Warning: ${error.message}`);
  return { pidfile, config, problems: error?.problems ?? [] };
}

/** The ways to signal a service that no supervisor runs. */
export interface UnsupervisedHint {
  /** The action of the command on a supervisor. */
  readonly verb: "stop" | "reload";
  readonly signal: Deno.Signal;
  /** The command for a container, behind the name of its engine. */
  readonly container: string;
  /** The command under systemd. */
  readonly systemd: string;
}

/**
 * Explains that a service of this configuration runs without a supervisor, or that a process accepts connections at its
 * address and does not answer. Returns sentences; `null` when neither is so. No pidfile names that process, so a
 * command cannot signal it.
 */
export async function explainUnsupervised(
  config: Config | null,
  way: UnsupervisedHint,
): Promise<string | null> {
  if (config === null) return null;
  const { path } = config;
  try {
    const data = await requestConsole(config);
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

/** Explains how to signal the process behind an address, in a sentence. */
function byHand({ signal, container, systemd }: UnsupervisedHint, url: URL | undefined): string {
  const shown = url === undefined ? "" : ` (ss -ltnp 'sport = :${portOf(url)}' shows its process)`;
  return `Send it ${signal}${shown}; in a container: podman ${container}, or docker ${container}; under systemd: ` +
    `${systemd}.`;
}

/** The error about a process that this user may not signal. The message says what to do. */
class SignalError extends ExpectedError {
  override readonly name = "SignalError";
}

/**
 * Sends a signal to the holder of a pidfile, unless it has ended: its number may be another process's by now.
 *
 * @returns True if there was such a process.
 * @throws {SignalError} If this user may not signal it.
 */
export function signalHolder(holder: PidfileHolder, name: Deno.Signal): boolean {
  return holder.isHeld && signal(holder.pid, name);
}

/**
 * Sends a signal to a process, or to a group by its negative number. A process that has ended meanwhile is no error.
 *
 * @returns True if there was such a process.
 * @throws {SignalError} If this user may not signal it.
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
