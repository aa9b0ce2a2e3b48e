/**
 * What of a changed configuration a running service can take over.
 *
 * @module
 */

import { isAbsolute } from "node:path";
import type { Config, ServerConfig } from "./config.ts";
import { logFiles } from "./logs.ts";
import { servicePermissions } from "./permissions.ts";

/**
 * The keys whose change needs a service with other permissions, or another socket; without any, the
 * running service can take the new configuration over, and nobody is disconnected.
 */
export function restartReasons(from: Config, to: Config): string[] {
  return KEYS.filter(([, part]) => JSON.stringify(part(from)) !== JSON.stringify(part(to)))
    .map(([key]) => key);
}

/** Whether no path starts at the working directory. */
export function isRooted(config: Config): boolean {
  const { read, write } = servicePermissions(config);
  return [config.pidfile, ...read, ...write].every(isAbsolute);
}

/** What of a configuration a service is started with, by key. */
const KEYS: readonly (readonly [string, (config: Config) => unknown])[] = [
  ["servers", ({ servers }) => servers.map(identityOf)],
  ["cluster", ({ cluster }) => cluster],
  ["logs", ({ logs }) => logs.flatMap((log) => [...log.links, ...logFiles(log)])],
  ["memory.hint", ({ memoryHint }) => memoryHint],
];

/** What it is bound to, and the files that it may read: another file is another permission. */
function identityOf(server: ServerConfig): unknown {
  const { type, port, listen, tls, engine } = server;
  return { type, port, listen, tls, engine, token: server.type === "admin" ? server.token : null };
}
