/**
 * Checks the paths in a configuration: which can be granted to the service, and which files would destroy
 * each other.
 *
 * @module
 */

import { normalize } from "node:path/posix";
import { logTarget } from "./logs.ts";
import type { Place } from "./schema.ts";
import { quote } from "../text.ts";

/** The advice about a path that the runtime opens only for a process with all permissions (Deno 2.9.6). */
export const SPECIAL_HINT =
  "Deno opens nothing below /dev, /proc and /sys but /dev/null under limited permissions. Choose a file elsewhere: " +
  "/run is in memory, as /dev/shm is.";

/** Returns advice about a path that cannot be used; `""` when there is nothing particular to say. */
export function pathFault(path: string): string | null {
  if (path === "") return "";
  if (/[,\0\r\n]/.test(path)) {
    return "Choose a path without commas, line breaks and NUL: Deno's permission flags separate " +
      "paths by commas and have no way to escape one.";
  }
  if (/(^|\/)\.{0,2}$/.test(path)) return "It names a folder; add the name of a file.";
  if (!path.isWellFormed()) return "Choose a path that is valid Unicode.";
  return isSpecial(normalize(path)) ? SPECIAL_HINT : null;
}

/** Tells whether a path is one of the system's own. The names of the console are not: they are never opened. */
function isSpecial(path: string): boolean {
  return /^\/(dev|proc|sys)\//.test(path) && path !== "/dev/null" && logTarget(path) !== "console";
}

/** A use of a file in a configuration. */
export interface FileUse {
  readonly path: string;
  readonly place: Place;
  /** The name of this use in messages to the administrator. */
  readonly label: string;
  readonly access: "read" | "write";
  /** The files that are written because of it. */
  readonly beside?: FilesBeside;
}

/** Files that come with another one, and their names in messages to the administrator. */
export interface FilesBeside {
  readonly paths: readonly string[];
  /** The words between the file and one of these, such as `rotates to`. */
  readonly verb: string;
  /** The words before the file's label, such as `a rotated name of`. */
  readonly label: string;
}

/**
 * Reports each file that is written in one use and named in an earlier one too, once for each use.
 * Uses that only read come first in `uses`; those may share a file.
 */
export function checkFiles(uses: readonly FileUse[]): void {
  const labels = new Map<string, string>();
  for (const { path, place, label, access, beside } of uses) {
    const names = [path, ...beside?.paths ?? []];
    const clash = names.find((name) => access !== "read" && labels.has(normalize(name)));
    if (clash !== undefined) {
      const subject = clash === path
        ? `${quote(path)} is`
        : `${quote(path)} ${beside?.verb} ${quote(clash)}, which is`;
      place.report(
        `${subject} also ${labels.get(normalize(clash))}. ` +
          "Use another file: writing to one would destroy the other.",
      );
      continue;
    }
    const below = access === "read" ? undefined : placedBelow(names, labels);
    if (below !== undefined) {
      const [inner, outer] = below;
      place.report(
        `${quote(inner)} lies below ${quote(outer)}, which is a file. Use another file.`,
      );
      continue;
    }
    for (const name of names) {
      labels.set(normalize(name), name === path ? label : `${beside?.label} ${label}`);
    }
  }
}

/** Returns a new and a known name of which one lies below the other, the lower one first; `undefined`: none does. */
function placedBelow(
  names: readonly string[],
  known: ReadonlyMap<string, string>,
): readonly [inner: string, outer: string] | undefined {
  for (const name of names.map(normalize)) {
    for (const other of known.keys()) {
      // Equal names have been reported.
      if (isBelow(name, [other])) return [name, other];
      if (isBelow(other, [name])) return [other, name];
    }
  }
  return undefined;
}

/** Tells whether a path is one of some folders, or below one. */
export function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) =>
    path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`)
  );
}
