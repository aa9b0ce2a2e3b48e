/**
 * Whose process it is that a pidfile names.
 *
 * @module
 */

import { PidfileError } from "../supervisor/pidfile.ts";

/**
 * Looks whether a process belongs to the owner of the pidfile that names it: whoever may write the file
 * could name another's, for root to end.
 *
 * @throws {PidfileError} If it does not, or is not there: then somebody else has the file locked.
 */
export function requireOwn(pid: number, pidfile: string): void {
  const owner = ownerOf(pid);
  if (owner === undefined || owner === Deno.statSync(pidfile).uid) return;
  throw new PidfileError(
    `Pidfile ${pidfile} is locked, and process ${pid}, which it names, ${
      owner === null ? "is gone" : "belongs to somebody else than the file"
    }. Find out who has it locked (fuser ${pidfile}), and end that.`,
  );
}

/** Whether there is a process with this number; `undefined` where that cannot be found out. */
export function isGone(pid: number): boolean {
  return ownerOf(pid) === null;
}

/**
 * The user id of a process; `null` when there is none, `undefined` when there is no telling. The runtime
 * itself lets nobody look into `/proc`.
 */
function ownerOf(pid: number): number | null | undefined {
  try {
    const args = ["-c", "%u", `/proc/${pid}`];
    const { success, stdout } = new Deno.Command("stat", { args, stderr: "null" }).outputSync();
    return success ? Number(new TextDecoder().decode(stdout)) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
