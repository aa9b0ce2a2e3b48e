/**
 * Whose pidfile it is.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { logTarget } from "../config/logs.ts";
import { Holder, PidfileError } from "../supervisor/pidfile.ts";
import { isRoot } from "./root.ts";
import { follow, nameOf, strangersOn } from "./trust.ts";

/**
 * Holds a signal back that somebody else could have aimed: at any process of this user, by a pidfile that names it.
 *
 * @throws {PidfileError} If the pidfile is another user's.
 */
export function requireOwn({ pid, uid }: Holder, pidfile: string): void {
  if (uid !== Deno.uid()) {
    throw new PidfileError(
      `Pidfile ${pidfile}, which names process ${pid}, belongs to user ${uid}: the process was not touched. Run the ` +
        "command as that user, or as root.",
    );
  }
}

/**
 * Finds the overseer that holds a pidfile, for a command that changes something; `null` when none does. A pidfile that
 * others can lead elsewhere is not looked at: it would be made and removed there.
 *
 * @throws {PidfileError} If others than root and this user can change a folder of it, or it cannot be looked at.
 */
export function safeHolder(pidfile: string): Holder | null {
  requireSafe(pidfileFault(pidfile));
  return Holder.find(pidfile);
}

/** @throws {PidfileError} If there is a fault. */
export function requireSafe(fault: string | null): void {
  if (fault !== null) throw new PidfileError(fault);
}

/**
 * Returns why a pidfile is not safe where it is, in sentences, or `null`. Others than root and this user who can write
 * one of its folders can put a link or another process id there.
 */
export function pidfileFault(pidfile: string): string | null {
  const [stranger] = strangersOn(follow(pidfile));
  return stranger === undefined
    ? null
    : `Pidfile ${pidfile} is not safe there: ${
      nameOf(stranger)
    } can change folder ${stranger.path}, and with it what ` +
      'Aphlict writes and which process is stopped. Take that right away (chmod go-w, chown), or change "pidfile".';
}

/**
 * Returns why root should not write the logs of a configuration itself, in sentences, or `null`. Whoever can change a
 * folder of a log can lead it to any file of the host.
 */
export function logFaultForRoot({ logs }: Config): string | null {
  if (!isRoot()) return null;
  for (const { path } of logs) {
    if (logTarget(path) !== "file") continue;
    const [stranger] = strangersOn(follow(path));
    if (stranger === undefined) continue;
    return `Root writes no log ${path}: ${
      nameOf(stranger)
    } can change folder ${stranger.path}, and lead it to any file. Name ` +
      'the user as "user" in the configuration, or another log.';
  }
  return null;
}
