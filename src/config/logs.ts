/**
 * Log files: which files one log consists of, and which logs are the console.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
/** The keys of a log that say which files it consists of. */
interface Rotation {
  readonly path: string;
  readonly rotateSize: number;
  readonly rotateKeep: number;
}

/**
 * Returns what a log's path stands for:
 *
 * - `console`: a name of standard output or error, also of process 1, which the service is in a container. Deno
 *   opens none of them without `--allow-all` (measured on 2.9.6). It need not, as the service writes every line
 *   to its console anyway.
 * - `device`: a file that cannot be rotated, such as `/dev/null`.
 * - `file`: a file that rotates.
 */
export function logTarget(path: string): "console" | "device" | "file" {
  if (/^\/(dev\/(stdout|stderr|fd\/\d+)|proc\/(self|1)\/fd\/\d+)$/.test(path)) return "console";
  return path.startsWith("/dev/") ? "device" : "file";
}

/** The most links that are followed: more than one path leads through. */
const LINKS_MAX = 16;

/**
 * Returns a log as it is used: images of containers often have a symbolic link to `/dev/stdout` where a program
 * expects its log file, and such a link is the console.
 *
 * @param readLink Returns the target of a symbolic link; `null` if the path is no link, or cannot be looked at.
 */
export function followLink<T extends { readonly path: string }>(
  log: T,
  readLink: (path: string) => string | null,
): T {
  const links: string[] = [];
  let path = log.path;
  while (logTarget(path) === "file") {
    const target = links.length < LINKS_MAX ? readLink(path) : null;
    if (target === null) return log;
    links.push(path);
    path = resolve(dirname(path), target);
  }
  return links.length > 0 && logTarget(path) === "console" ? { ...log, path, links } : log;
}

/** Returns the log whose settings the console has: the first that names it. */
export function consoleLog<T extends { readonly path: string }>(logs: readonly T[]): T | undefined {
  return logs.find(({ path }) => logTarget(path) === "console");
}

/** Tells whether a log that names the console means standard output, and not standard error. */
export function isStdout({ path }: { readonly path: string }): boolean {
  return !/(stderr|\/2)$/.test(path);
}

/** Returns the files that a log consists of: the file itself, then its rotated names, newest first. */
export function logFiles({ path, rotateSize, rotateKeep }: Rotation): string[] {
  const target = logTarget(path);
  if (target === "console") return [];
  if (target === "device" || rotateSize === 0) return [path];
  return [path, ...Array.from({ length: rotateKeep }, (_, index) => `${path}.${index + 1}`)];
}
