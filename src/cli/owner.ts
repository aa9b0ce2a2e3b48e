/**
 * Whose process it is that a pidfile names.
 *
 * @module
 */

import { PidfileError } from "../supervisor/pidfile.ts";
import { isRoot } from "./root.ts";

/** Prints the owner of a process, where `/proc` is that of who asks. */
const ASK = '[ /proc/self -ef "/proc/$$" ] && exec stat -c %u "/proc/$1"';

/**
 * Has root look whether a process belongs to the owner of the pidfile that names it: whoever may write the
 * file could name another's, for root to end. Others can signal their own processes only.
 *
 * @throws {PidfileError} If it belongs to somebody else.
 */
export function requireOwn(pid: number, pidfile: string): void {
  if (!isRoot()) return;
  const mine = ownerOfFile(pidfile);
  const owner = ownerOf(pid);
  if (mine === null || owner === null || owner === mine) return;
  throw new PidfileError(
    `Pidfile ${pidfile} names process ${pid}, which belongs to somebody else than the file: it was not ` +
      `touched. Find out who has the file locked (fuser ${pidfile}), and end that.`,
  );
}

/** The user id of a file; `null` when it is gone meanwhile. */
function ownerOfFile(path: string): number | null {
  try {
    return Deno.statSync(path).uid;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The user id of a process; `null` when there is no telling. The runtime itself may not look into `/proc`. */
function ownerOf(pid: number): number | null {
  const args = ["-c", ASK, "sh", `${pid}`];
  const { success, stdout } = new Deno.Command("sh", { args, stderr: "null" }).outputSync();
  return success ? Number(new TextDecoder().decode(stdout)) : null;
}
