/**
 * Log files: which files one log consists of, and how it rotates when nothing is said.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import type { LogConfig } from "./config.ts";

/** What a log has that names only its path. */
export const LOG_DEFAULTS = {
  links: [],
  rotateSize: 16 * 1024 * 1024,
  rotateKeep: 5,
  level: null,
  format: "text",
} as const satisfies Omit<LogConfig, "path">;

/** More rotated files than anybody looks through; each is named in the service's flags. */
export const ROTATE_KEEP_MAX = 100;

/**
 * What a log's path stands for:
 *
 * - `console`: a name of standard output or error, or what has these names in a container, where the service is the
 *   first process. Deno opens none of them without `--allow-all`
 *   (measured on 2.9.6), and need not, as the service writes every line to its console anyway.
 * - `device`: something that cannot be rotated, such as `/dev/null`.
 * - `file`: a file that rotates.
 */
export function logTarget(path: string): "console" | "device" | "file" {
  if (/^\/(dev\/(stdout|stderr|fd\/\d+)|proc\/(self|1)\/fd\/\d+)$/.test(path)) return "console";
  return path.startsWith("/dev/") ? "device" : "file";
}

/** More links than one path leads through. */
const LINKS_MAX = 16;

/**
 * Returns a log as it is used: images of containers often have a symbolic link to `/dev/stdout` where a program
 * expects its log file, and such a link is the console.
 *
 * @param readLink Returns where a symbolic link leads; `null` for what is no link, or cannot be looked at.
 */
export function followLink(log: LogConfig, readLink: (path: string) => string | null): LogConfig {
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

/** Returns the log that says how the console looks: the first that names it. */
export function consoleLog(logs: readonly LogConfig[]): LogConfig | undefined {
  return logs.find(({ path }) => logTarget(path) === "console");
}

/** Returns whether a log that names the console means standard output, and not standard error. */
export function isStdout({ path }: LogConfig): boolean {
  return !/(stderr|\/2)$/.test(path);
}

/** The files a log consists of: the file itself, then its rotated names, newest first. */
export function logFiles({ path, rotateSize, rotateKeep }: LogConfig): string[] {
  const target = logTarget(path);
  if (target === "console") return [];
  if (target === "device" || rotateSize === 0) return [path];
  return [path, ...Array.from({ length: rotateKeep }, (_, index) => `${path}.${index + 1}`)];
}
