/**
 * Log files: which files one log consists of, and how it rotates when nothing is said.
 *
 * @module
 */

import type { LogConfig } from "./config.ts";

/** What a log has that names only its path. */
export const LOG_DEFAULTS = {
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
 * - `console`: a name of standard output or error. Deno opens none of them without `--allow-all`
 *   (measured on 2.9.6), and need not, as the service writes every line to its console anyway.
 * - `device`: something that cannot be rotated, such as `/dev/null`.
 * - `file`: a file that rotates.
 */
export function logTarget(path: string): "console" | "device" | "file" {
  if (/^\/(dev\/(stdout|stderr|fd\/\d+)|proc\/self\/fd\/\d+)$/.test(path)) return "console";
  return path.startsWith("/dev/") ? "device" : "file";
}

/** The files a log consists of: the file itself, then its rotated names, newest first. */
export function logFiles({ path, rotateSize, rotateKeep }: LogConfig): string[] {
  const target = logTarget(path);
  if (target === "console") return [];
  if (target === "device" || rotateSize === 0) return [path];
  return [path, ...Array.from({ length: rotateKeep }, (_, index) => `${path}.${index + 1}`)];
}
