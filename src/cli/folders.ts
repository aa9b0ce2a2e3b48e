/**
 * The folders of the log files and of the pidfile.
 *
 * @module
 */

import { ExpectedError } from "../config/error.ts";
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { logTarget } from "../config/logs.ts";
import { isRoot } from "./root.ts";
import { follow, nameOf } from "./trust.ts";

/** The error about a folder that cannot be made. The message says why and what to do. */
export class FolderError extends ExpectedError {
  override readonly name = "FolderError";
}

/** Returns the folders that a configuration writes in, each once. */
export function foldersOf({ logs, pidfile }: Config): string[] {
  const paths = logs.filter(({ path }) => logTarget(path) === "file").map(({ path }) => path);
  return [...new Set([...paths, pidfile].map((path) => dirname(path)))];
}

/**
 * Makes the missing folders, readable by everybody (mode 755).
 *
 * @throws {FolderError} If one cannot be made.
 */
export function makeFolders(config: Config): void {
  for (const folder of foldersOf(config)) {
    if (isRoot()) {
      const fault = whyNotForRoot(folder);
      if (fault !== null) throw new FolderError(fault);
    }
    try {
      make(folder);
    } catch (error) {
      const reason = error instanceof Deno.errors.PermissionDenied
        ? "permission denied"
        : error instanceof Error
        ? error.message
        : String(error);
      throw new FolderError(
        `Cannot make folder ${folder}: ${reason}. Make it, let this user write it, or name another ` +
          `in ${config.path}.`,
      );
    }
  }
}

/**
 * Returns why root should not make a missing folder, in sentences, or `null`. A user who can write a folder above it
 * can lead it elsewhere meanwhile.
 */
export function whyNotForRoot(folder: string): string | null {
  const { missing, writers: [writer] } = follow(folder);
  return missing.length === 0 || writer === undefined
    ? null
    : `Root makes no folder ${folder}: ${
      nameOf(writer)
    } can change ${writer.path}, and lead it elsewhere. Make it as ` +
      "the user that runs Aphlict, or name another.";
}

/** Makes a folder and those above it with mode 755, whatever the umask is. */
function make(folder: string): void {
  try {
    Deno.mkdirSync(folder);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists && Deno.statSync(folder).isDirectory) return;
    if (!(error instanceof Deno.errors.NotFound) || dirname(folder) === folder) throw error;
    make(dirname(folder));
    Deno.mkdirSync(folder);
  }
  Deno.chmodSync(folder, 0o755);
}
