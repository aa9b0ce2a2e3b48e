/**
 * What of a changed configuration a running service can take over.
 *
 * @module
 */

import { isAbsolute } from "node:path";
import type { Config, ServerConfig } from "./config.ts";
import { logFiles } from "./logs.ts";

/**
 * The keys whose change needs a service with other permissions, or another socket; without any, the
 * running service can take the new configuration over, and nobody is disconnected.
 */
export function restartReasons(from: Config, to: Config): string[] {
  return KEYS.filter(([, part]) => JSON.stringify(part(from)) !== JSON.stringify(part(to)))
    .map(([key]) => key);
}

/** Whether no path starts at the working directory. */
export function isRooted({ path, pidfile, logs, servers, cluster }: Config): boolean {
  const files = servers.flatMap(({ tls }) => tls ? [tls.key, tls.cert, tls.chain ?? "/"] : []);
  const authorities = cluster.map(({ ca }) => ca ?? "/");
  return [path, pidfile, ...logs.map(({ path }) => path), ...files, ...authorities]
    .every(isAbsolute);
}

/** What of a configuration a service is started with, by key. */
const KEYS: readonly (readonly [string, (config: Config) => unknown])[] = [
  ["servers", ({ servers }) => servers.map(identityOf)],
  ["cluster", ({ cluster }) => cluster],
  ["logs", ({ logs }) => logs.flatMap(logFiles)],
  ["memory.hint", ({ memoryHint }) => memoryHint],
];

/** All of it: another certificate file is another permission. */
function identityOf({ type, port, listen, engine, tls }: ServerConfig): unknown {
  return { type, port, listen, engine, tls };
}
