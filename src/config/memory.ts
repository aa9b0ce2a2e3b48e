/**
 * How much V8 heap the service needs for as many connections as it accepts: from this comes the limit
 * when `memory.hint` is absent, and the warning when it is too small. Measured; the figures and how
 * they came about are in docs/decisions/0009-heap.md.
 *
 * @module
 */

import type { ClientServerConfig, Config } from "./config.ts";

/** In MiB: with 8 the service does not get as far as listening. */
export const HINT_MIN = 32;

/** The service without connections, in bytes. */
const BASE = 7e6;

/** A full history whose messages have a hundred subscribers each, in bytes; their text is no heap. */
const HISTORY = 25e6;

/** A connection with five subscriptions, in bytes. */
const PLAIN_CONNECTION = 3200;
const TLS_CONNECTION = 8000;

/** What a burst adds for each connection, when all wait for their peers to read, in bytes. */
const BURST = 900;

/** What a byte of a message comes to while it is read and written, at the worst: many empty objects. */
const MESSAGE_BYTE = 24;

/** Messages of this many bytes are part of what was measured. */
const MESSAGE_MEASURED = 1024 * 1024;

/** What V8 needs on top to get by: it gave up at 1.02, and went through everything at 1.13. */
const HEADROOM = 1.25;

/** The unit of `memory.hint` and of V8's own limit, in bytes. */
const MEBIBYTE = 1024 * 1024;

/** The default is a multiple of this many MiB. */
const STEP_MIB = 64;

/** The limit of the service's heap in MiB: `memory.hint`, or what all connections need. */
export function heapLimit(config: Config): number {
  const needed = heapNeeded(config, 1) / MEBIBYTE;
  return config.memoryHint ?? Math.ceil(needed / STEP_MIB) * STEP_MIB;
}

/**
 * How many connections the heap holds, when all client servers have the same share of their limit;
 * `null` when it holds all that are accepted.
 */
export function connectionsHeld(config: Config): number | null {
  const bytes = heapLimit(config) * MEBIBYTE;
  if (bytes >= heapNeeded(config, 1)) return null;
  const [none, all] = [heapNeeded(config, 0), heapNeeded(config, 1)];
  const share = Math.max(0, (bytes - none) / (all - none));
  const limit = connectionLimit(config);
  return Math.floor(share * limit / 100) * 100;
}

/** What to tell about a hint that is too small; `null` when it is not. */
export function memoryWarning(config: Config): string | null {
  const held = connectionsHeld(config);
  if (held === null) return null;
  return `"memory.hint" of ${config.memoryHint} MB holds about ${held} connections, fewer than are ` +
    `accepted. Raise it to ${
      heapLimit({ ...config, memoryHint: null })
    }, or remove it, which comes ` +
    "to the same";
}

/** The connections that all client servers accept. */
export function connectionLimit(config: Config): number {
  return clientServers(config).reduce((sum, { limits }) => sum + limits.connections, 0);
}

function clientServers({ servers }: Config): ClientServerConfig[] {
  return servers.filter((each) => each.type === "client");
}

/** In bytes, for this share of the connections that are accepted. */
function heapNeeded(config: Config, share: number): number {
  const all = clientServers(config).reduce((sum, each) => sum + heapOfConnections(each), 0);
  const longest = Math.max(...config.servers.map(({ limits }) => limits.message));
  const message = MESSAGE_BYTE * Math.max(0, longest - MESSAGE_MEASURED);
  return HEADROOM * (BASE + HISTORY + message + share * all);
}

/** The engine `serve` was not measured, and is taken for the dearer one. */
function heapOfConnections({ tls, engine, limits }: ClientServerConfig): number {
  const connection = tls === null && engine === "socket" ? PLAIN_CONNECTION : TLS_CONNECTION;
  return limits.connections * (connection + BURST);
}
