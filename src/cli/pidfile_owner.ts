/**
 * The owner of a pidfile, and the safety of its path.
 *
 * @module
 */

import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { pathFault } from "../config/files.ts";
import { logTarget } from "../config/logs.ts";
import { PidfileError, PidfileHolder } from "../supervisor/pidfile.ts";
import { readState } from "../supervisor/state.ts";
import { isRoot, knowsUser } from "./root.ts";
import { follow, nameOf, resolvedPath, strangersOn } from "./trust.ts";

/**
 * Prevents a signal that another user could have aimed: at any process of this user, by a pidfile that names it.
 *
 * @throws {PidfileError} If the pidfile is another user's.
 */
export function requireOwn({ pid, uid }: PidfileHolder, pidfile: string): void {
  if (uid !== Deno.uid()) {
    throw new PidfileError(
      `Pidfile ${pidfile}, which names process ${pid}, belongs to user ${uid}: the process was not touched. Run the ` +
        "command as that user, or as root.",
    );
  }
}

/**
 * Finds the supervisor that holds a pidfile; `null` when none does. A pidfile that others can lead elsewhere is not
 * opened: it would be made and removed there, and opening a pipe in its place would wait.
 *
 * @throws {PidfileError} If others than root and this user can change a folder of it, or it is another user's.
 */
export function safeHolder(pidfile: string): PidfileHolder | null {
  const foreigner = foreignerOf(pidfile);
  if (foreigner !== null) {
    throw new PidfileError(
      `Pidfile ${pidfile} belongs to user ${foreigner}: its process was not touched. Run the command as that user, or as ` +
        "root.",
    );
  }
  if (follow(pidfile).info === null) return null;
  requireSafe(pidfileFault(pidfile));
  return PidfileHolder.find(pidfile);
}

/** A supervisor, as far as this user can see it. */
export interface VisibleSupervisor {
  /** Its process id. */
  readonly pid: number;
  /** True if it is another user's: the process id is from its state, and only that user can tell whether it runs. */
  readonly isForeign: boolean;
}

/**
 * Finds the supervisor of a pidfile, for a command that only looks; `null` when none runs.
 *
 * @throws {PidfileError} If it cannot be found out.
 */
export function supervisorOf(pidfile: string): VisibleSupervisor | null {
  const foreigner = foreignerOf(pidfile);
  if (foreigner === null) {
    using holder = safeHolder(pidfile);
    return holder && { pid: holder.pid, isForeign: false };
  }
  const state = readState(pidfile);
  if (state !== null) return { pid: state.pid, isForeign: true };
  throw new PidfileError(
    `Pidfile ${pidfile} belongs to user ${foreigner}, who alone may read it. Run the command as that user, or as root.`,
  );
}

/** Finds the supervisor of a pidfile; `null` when none runs, or that cannot be found out. */
export function supervisorSeen(pidfile: string): VisibleSupervisor | null {
  // An executable may not ask for its user; none of its services has a supervisor.
  if (!knowsUser()) return null;
  try {
    return supervisorOf(pidfile);
  } catch (error) {
    if (error instanceof PidfileError) return null;
    throw error;
  }
}

/** Returns the owner of a pidfile that only another user than this one may read; `null` when there is none. */
export function foreignerOf(pidfile: string): number | null {
  const { info } = follow(pidfile);
  const uid = Deno.uid();
  return uid === 0 || info === null || info.uid === uid ? null : info.uid;
}

/**
 * Throws a fault, if there is one.
 *
 * @throws {PidfileError} If there is a fault.
 */
export function requireSafe(fault: string | null): void {
  if (fault !== null) throw new PidfileError(fault);
}

/**
 * Returns why a pidfile is not safe where it is, in sentences, or `null`. Others than root and this user who can write
 * one of its folders can put a link or another process id there.
 */
export function pidfileFault(pidfile: string): string | null {
  const resolved = resolvedPath(pidfile);
  const fault = resolved === resolve(pidfile) ? null : pathFault(resolved);
  if (fault !== null) {
    return `Pidfile ${pidfile} leads to ${resolved}, which cannot be used. ${fault}`.trimEnd();
  }
  const [stranger] = strangersOn(follow(pidfile));
  if (stranger === undefined) return null;
  const name = isRoot() && stranger.who === "user"
    ? 'If that user runs Aphlict, name it as "user" in the configuration. Otherwise take'
    : "Take";
  return `Pidfile ${pidfile} is not safe there: ${
    nameOf(stranger)
  } can change folder ${stranger.path}, and with it what ` +
    `Aphlict writes and which process is stopped. ${name} that right away (chmod go-w, chown), or change "pidfile".`;
}

/**
 * Returns why root should not write the logs of a configuration itself, in sentences, or `null`. A user who can change
 * a folder of a log can lead it to any file of the host.
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
