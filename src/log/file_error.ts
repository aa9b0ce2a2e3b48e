/**
 * The error of a log file, explained to the administrator.
 *
 * @module
 */

import { isLink } from "../config/existence.ts";
import { SPECIAL_HINT } from "../config/files.ts";

/** A log file that cannot be opened. The message says why, and what to do. */
export class LogFileError extends Error {
  override readonly name = "LogFileError";

  /** True if its folder does not exist. */
  readonly isFolderMissing: boolean;

  /** @param cause The error that `openSync` of `node:fs` threw. */
  constructor(path: string, cause: unknown) {
    super(`Cannot open log file ${path}: ${reasonOfOpening(path, cause)}`, { cause });
    this.isFolderMissing = codeOf(cause) === "ENOENT" && !isLink(path);
  }
}

/** Returns the system's words for a failure: `i/o error` of `EIO: i/o error, write`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!("syscall" in error)) return error.message;
  const start = error.message.indexOf(": ") + 2;
  const end = error.message.indexOf(`, ${error.syscall}`, start);
  return error.message.slice(start, end < 0 ? undefined : end);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}

function reasonOfOpening(path: string, error: unknown): string {
  const code = codeOf(error);
  if (code === "ENOENT" && isLink(path)) {
    return "it is a link to a file that does not exist. Create that file, or name it in place of the link.";
  }
  if (code === "ENOENT") {
    return 'its folder does not exist. Create the folder, or change the path in "logs".';
  }
  if (code === "ENXIO") {
    return "it is a pipe that no process reads. Start its reader first, or name a file.";
  }
  if (code === "EACCES" || code === "EPERM") {
    return "permission denied. Let the user that runs Aphlict write it, or change the path in " +
      '"logs".';
  }
  if (error instanceof Deno.errors.NotCapable) {
    // A link may lead to such a file.
    const [, special] = /^Requires all access to "(.*)"/.exec(error.message) ?? [];
    if (special !== undefined) return `it is ${special}. ${SPECIAL_HINT}`;
    return "the process was started without the permission. Start it with bin/aphlict, or with " +
      "the flags that `aphlict permissions` prints.";
  }
  return `${reasonOf(error)}.`;
}
