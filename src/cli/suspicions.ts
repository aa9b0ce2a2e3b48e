/**
 * The findings of `aphlict check`, in a configuration and on the host, that do not prevent a start.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import type { Problem } from "../config/error.ts";
import { loadDuplicates } from "../config/load.ts";
import { logFiles, logTarget } from "../config/logs.ts";
import { servicePermissions } from "../config/permissions.ts";
import { resolvedPath } from "./trust.ts";

/**
 * Returns what looks wrong in a configuration, or on the host, and does not prevent a start.
 *
 * @param isRunning True if the service of this configuration runs, which has its own logs locked.
 */
export function suspicions(config: Config, isRunning: boolean): string[] {
  return [
    ...duplicateWarnings(config),
    ...userWarnings(config),
    ...isRunning ? [] : foreignLogWarnings(config),
  ];
}

/** Returns warnings of keys that the file has twice. */
function duplicateWarnings({ path }: Config): string[] {
  return loadDuplicates(path).map(({ path: key, lines: [first, again] }) =>
    `${key}: The key is there twice, in line ${first} and in line ${again}, and the last one counts. Remove one.`
  );
}

/** Returns a warning when root could not become the user that the configuration names. */
function userWarnings({ user }: Config): string[] {
  if (user === null) return [];
  const lines = usersOfHost();
  if (lines === null) return [];
  if (lines.some(([name, , number]) => user === name || user === number)) return [];
  return [
    `user: There is no user ${user} in /etc/passwd. Unless a directory service knows it, root cannot start Aphlict: ` +
    `useradd --system --create-home ${user}`,
  ];
}

/** Returns the fields of each line of the host's users; `null` when they cannot be read. */
function usersOfHost(): string[][] | null {
  try {
    return Deno.readTextFileSync("/etc/passwd").split("\n").map((line) => line.split(":"));
  } catch {
    // That is no reason to tell a person to make a user.
    return null;
  }
}

/** Returns a problem for each log that is, by links, a file with another use. */
export function sharedLogs(config: Config): Problem[] {
  const { logs, pidfile } = config;
  const { read, write } = servicePermissions(config);
  const others = read.filter((path) => !write.includes(path));
  const labels = new Map([
    ...others.map((path) => [identityOf(path), path] as const),
    [identityOf(pidfile), "pidfile"],
  ]);
  return logs.flatMap((log, index): Problem[] => {
    if (logTarget(log.path) !== "file") return [];
    const key = `logs[${index}].path`;
    for (const path of logFiles(log)) {
      const identity = identityOf(path);
      const other = labels.get(identity);
      if (other === undefined) {
        labels.set(identity, path === log.path ? key : `a rotated name of ${key}`);
        continue;
      }
      const subject = path === log.path ? `${path} is` : `${log.path} rotates to ${path}, which is`;
      return [{
        path: key,
        message:
          `${subject} the same file as ${other}, through a link. Use another file: writing to one would ` +
          "destroy the other.",
      }];
    }
    return [];
  });
}

/**
 * Returns warnings of logs that a running service of another configuration writes. A service has its log files locked,
 * with a lock that others can share.
 */
function foreignLogWarnings({ logs }: Config): string[] {
  return logs.flatMap(({ path }, index) =>
    logTarget(path) === "file" && isLocked(path)
      ? [
        `logs[${index}].path: Another Aphlict that runs writes ${path}, and each of the two would rotate the file away ` +
        "from the other. Use another file.",
      ]
      : []
  );
}

function isLocked(path: string): boolean {
  try {
    // Opening a pipe would wait for a process that writes it.
    if (!Deno.statSync(path).isFile) return false;
    using file = Deno.openSync(path);
    return !file.tryLockSync(true);
  } catch {
    // The log does not exist yet, or may not be read, or its file system has no locks.
    return false;
  }
}

/** Returns what two paths of one file have in common: device and inode, or the path at which it would be made. */
function identityOf(path: string): string {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return resolvedPath(path);
  }
}
