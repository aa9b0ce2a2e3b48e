/**
 * A hostile user beside root. Only root can run something as that user.
 *
 * @module
 */

import { Process } from "./process.ts";

/** The user id and group id of the hostile user, `nobody`. */
export const HOSTILE = 65534;

/** Returns the arguments of `setpriv` that run a command as the hostile user. */
export function asHostile(...command: readonly string[]): string[] {
  return [`--reuid=${HOSTILE}`, `--regid=${HOSTILE}`, "--clear-groups", "--", ...command];
}

/** Runs shell code as the hostile user, in the background. Its first line, `ready`, is awaited. */
export async function hostile(code: string, ...args: readonly string[]): Promise<Process> {
  const process = new Process("setpriv", asHostile("sh", "-c", code, "sh", ...args));
  await process.line(/^ready$/);
  return process;
}
