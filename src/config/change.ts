/**
 * Decides which keys of a changed configuration a running Aphlict takes over, and how, by the tables of keys.
 *
 * @module
 */

import { isAbsolute } from "node:path";
import type { Config } from "./config.ts";
import { LOG_KEYS, PEER_KEYS, SERVER_TABLES, TOP_KEYS } from "./keys.ts";
import { logFiles } from "./logs.ts";
import { servicePermissions } from "./permissions.ts";
import { type Reload, type Table, valuesOf } from "./table.ts";

/** A change of a key at the top level. */
interface Change {
  /** The name of the key. */
  readonly name: string;
  readonly from: unknown;
  readonly to: unknown;
}

/**
 * Returns the keys whose change needs a service with other permissions, or another socket. Without any, the
 * running service can take the new configuration over, and no browser is disconnected.
 */
export function restartReasons(from: Config, to: Config): string[] {
  const before = startedWith(from);
  return [...startedWith(to)].filter(([name, value]) => !isSame(value, before.get(name)))
    .map(([name]) => name);
}

/** Returns the keys at the top level that have changed and are taken over in one way. */
export function changesOf(reload: Reload, from: Config, to: Config): Change[] {
  const before = new Map(valuesOf(TOP_KEYS, from));
  return valuesOf(TOP_KEYS, to).map(([key, to]) => ({ key, from: before.get(key), to }))
    .filter(({ key, from, to }) => key.reload === reload && !isSame(from, to))
    .map(({ key: { name }, from, to }) => ({ name, from, to }));
}

/** Tells whether no path starts at the working directory. */
export function isRooted(config: Config): boolean {
  const { read, write } = servicePermissions(config);
  return [config.pidfile, ...read, ...write].every(isAbsolute);
}

/** Returns the values that a service is started with, by the name of the key at the top level. */
function startedWith(config: Config): ReadonlyMap<string, unknown> {
  const { servers, logs, cluster } = config;
  return new Map<string, unknown>([
    ["servers", servers.map((each) => bound(SERVER_TABLES[each.type], each))],
    ["logs", logs.flatMap((each) => [...bound(LOG_KEYS, each), ...each.links, ...logFiles(each)])],
    ["cluster", cluster.map((each) => bound(PEER_KEYS, each))],
    ...bound(TOP_KEYS, config),
  ]);
}

/** Returns the names and the values of the keys of a table that a service is started with. */
function bound(table: Table, values: unknown): [string, unknown][] {
  return valuesOf(table, values).filter(([{ reload }]) => reload === "restart of the service")
    .map(([{ name }, value]) => [name, value]);
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
