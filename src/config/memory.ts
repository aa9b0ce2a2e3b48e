/**
 * The memory that the service may take for what outsiders make it hold, and the number of connections that
 * this is enough for. The numbers and their origin are in docs/decisions/0013-memory-budget.md.
 *
 * @module
 */

import { getHeapStatistics } from "node:v8";
import { ACCOUNTS } from "../budget.ts";
import type { ClientServerConfig, Config } from "./config.ts";
import { formatMebibytes } from "../text.ts";

/** Bytes of memory that a connection takes, at most, without its backlog and its subscriptions. */
export const CONNECTION_BYTES = { plain: 8 * 1024, tls: 40 * 1024 } as const;

/** Bytes of memory that a posted message takes, at most, for each of its own bytes while it is received. */
export const BODY_COST = 1.5;

const MEBIBYTE = 1024 * 1024;

/** The least default budget, in bytes, where the host allows it: even few connections may hold much else. */
const LEAST = 256 * MEBIBYTE;

/** The number of bytes that the default budget is a multiple of. */
const STEP = MEBIBYTE;

/** The share of V8's heap that all accounts together may take: the rest is for garbage that is not collected yet. */
const SHARE_OF_HEAP = 1 / 2;

/** The share of the memory of the host or the container that all accounts together may take. */
const SHARE_OF_HOST = 1 / 4;

/** The share of the budget that connections can have: the floor of their account, and the pool. */
const SHARE_OF_CONNECTIONS = 1 + ACCOUNTS.connections.floor -
  Object.values(ACCOUNTS).reduce((sum, { floor }) => sum + floor, 0);

/** Memory that a process may use. */
export interface HostMemory {
  /** Bytes that V8's heap may have. */
  readonly heap: number;
  /** Bytes that the host or the container grants; `null` when that is not known. */
  readonly granted: number | null;
}

/**
 * Returns the memory that a service of this configuration has.
 *
 * @param granted Bytes, as in {@linkcode HostMemory}.
 */
export function hostMemory({ memoryHint }: Config, granted: number | null): HostMemory {
  // Without a hint V8 gives every process of the host the same.
  const heap = memoryHint === null ? getHeapStatistics().heap_size_limit : memoryHint * MEBIBYTE;
  return { heap, granted };
}

/**
 * Returns the bytes that outsiders can make the service hold: `limit.memory`, or what all connections need,
 * as far as the host has it.
 */
export function memoryBudget(config: Config, host: HostMemory): number {
  return config.memoryLimit ?? Math.min(room(host), Math.max(LEAST, needed(config)));
}

/** Returns the connections that a budget holds, the same share of its limit for each client server; `null`: all. */
export function connectionsHeld(config: Config, budget: number): number | null {
  const share = budget * SHARE_OF_CONNECTIONS / bytesOfConnections(config);
  return share >= 1 ? null : Math.floor(share * connectionLimit(config) / 100) * 100;
}

/** Returns sentences about a budget that is too small, or too large; `null` when it is neither. */
export function memoryWarning(config: Config, host: HostMemory): string | null {
  const { memoryLimit } = config;
  if (memoryLimit !== null && memoryLimit > room(host)) {
    return `"limit.memory" of ${formatMebibytes(memoryLimit)} is more than ${
      formatMebibytes(room(host))
    }, ` +
      `${boundOf(host)}: the service may be ended when it is used up. Lower "limit.memory", or ` +
      remedyOf(host);
  }
  const budget = memoryBudget(config, host);
  return connectionsWarning(config, host, budget) ?? messageWarning(config, budget);
}

function connectionsWarning(config: Config, host: HostMemory, budget: number): string | null {
  const held = connectionsHeld(config, budget);
  if (held === null) return null;
  const wanted = Math.min(room(host), needed(config));
  const remedy = wanted > budget
    ? `Raise "limit.memory" to ${formatMebibytes(wanted)}`
    : `That is ${boundOf(host)}: ${remedyOf(host)}`;
  return `The service may hold ${
    formatMebibytes(budget)
  } for its connections, enough for about ${held} of the ` +
    `${connectionLimit(config)} that are accepted. ${remedy}, or lower "limit.connections"`;
}

/** Returns a warning if an accepted message would find no room even as the only one. */
function messageWarning({ servers }: Config, budget: number): string | null {
  for (const { type, port, limits: { message } } of servers) {
    const largest = type === "admin"
      ? budget * ACCOUNTS.bodies.ceiling / BODY_COST
      : budget * ACCOUNTS.messages.ceiling;
    if (message <= largest) continue;
    return `The ${type} server at port ${port} accepts messages of ${
      formatMebibytes(message)
    }, and there is memory ` +
      `for one of ${formatMebibytes(largest)}. Lower its "limit.message", or raise "limit.memory"`;
  }
  return null;
}

/** Returns the number of connections that all client servers accept. */
export function connectionLimit(config: Config): number {
  return clientServers(config).reduce((sum, { limits }) => sum + limits.connections, 0);
}

function clientServers({ servers }: Config): ClientServerConfig[] {
  return servers.filter((each) => each.type === "client");
}

/** Returns the bytes that a host has room for. */
function room({ heap, granted }: HostMemory): number {
  return stepDown(Math.min(heap * SHARE_OF_HEAP, (granted ?? Infinity) * SHARE_OF_HOST));
}

function isBoundByHeap({ heap, granted }: HostMemory): boolean {
  return heap * SHARE_OF_HEAP <= (granted ?? Infinity) * SHARE_OF_HOST;
}

/** Returns what the room of a host is a part of, in words. */
function boundOf(host: HostMemory): string {
  return isBoundByHeap(host)
    ? `half of the ${formatMebibytes(host.heap)} that V8's heap may have`
    : `a quarter of the ${
      formatMebibytes(host.granted ?? 0)
    } that the host or the container grants`;
}

function remedyOf(host: HostMemory): string {
  return isBoundByHeap(host)
    ? 'set a larger "memory.hint"'
    : "give the host or the container more memory";
}

/** Returns the budget that holds all connections, in bytes. */
function needed(config: Config): number {
  return STEP * Math.ceil(bytesOfConnections(config) / SHARE_OF_CONNECTIONS / STEP);
}

/** Returns the bytes of all connections. The engine `serve` was not measured, and counts as the dearer kind. */
function bytesOfConnections(config: Config): number {
  return clientServers(config).reduce((sum, { tls, engine, limits }) => {
    const kind = tls === null && engine === "socket" ? "plain" : "tls";
    return sum + limits.connections * CONNECTION_BYTES[kind];
  }, 0);
}

function stepDown(bytes: number): number {
  return STEP * Math.floor(bytes / STEP);
}
