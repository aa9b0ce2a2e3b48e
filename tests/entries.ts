/**
 * Configurations as small as they come, and what a test changes in them.
 *
 * @module
 */

import {
  type AdminLimits,
  type AdminServerConfig,
  type ClientLimits,
  type ClientServerConfig,
  type Config,
  type LogConfig,
  type PeerConfig,
} from "../src/config/config.ts";
import { ADMIN_KEYS, CLIENT_KEYS, LOG_KEYS, TOP_KEYS } from "../src/config/keys.ts";
import { Networks } from "../src/config/network.ts";
import { filled } from "../src/config/table.ts";
import type { SocketLimits, SocketRules } from "../src/websocket/rules.ts";

/** The limits of a client server whose entry says nothing else. */
export const CLIENT_LIMITS: ClientLimits = filled(CLIENT_KEYS.limits, {});

/** The limits of an admin server whose entry says nothing else. */
export const ADMIN_LIMITS: AdminLimits = filled(ADMIN_KEYS.limits, {});

const { path: _, ...rotation } = filled(LOG_KEYS, {});

/** What a log has that names only its path. */
export const LOG_DEFAULTS: Omit<LogConfig, "path"> = { ...rotation, links: [] };

/** A client server of which nothing but its type and port is said. */
export const CLIENT: ClientServerConfig = {
  type: "client",
  port: 22280,
  listen: "0.0.0.0",
  tls: null,
  engine: "socket",
  origins: null,
  proxies: [],
  limits: CLIENT_LIMITS,
};

/** An admin server of which nothing but its type and port is said. */
export const ADMIN: AdminServerConfig = {
  type: "admin",
  port: 22281,
  listen: "127.0.0.1",
  tls: null,
  engine: "socket",
  allow: null,
  token: null,
  limits: ADMIN_LIMITS,
};

/** A peer of which only the needful is said. */
export const PEER: PeerConfig = {
  host: "notify2.example.com",
  port: 22281,
  protocol: "https",
  ca: null,
  token: null,
};

/** A configuration that says as little as it may, but for `change`. */
export function configOf(change: Partial<Config> = {}): Config {
  return {
    path: "aphlict.json",
    servers: [CLIENT, ADMIN],
    logs: [],
    cluster: [],
    pidfile: "aphlict.pid",
    memoryLimit: null,
    memoryHint: null,
    user: null,
    drain: TOP_KEYS.drain.default,
    ...change,
  };
}

/** What sockets are held to as long as the configuration says nothing else. */
export const SOCKET_LIMITS: SocketLimits = {
  messageBytes: 65_536,
  bytesPerSecond: 131_072,
  connections: 50_000,
  address: 0,
  handshakes: 4096,
  handshakeMs: 10_000,
  messageMs: 30_000,
  idleMs: 60_000,
  pongMs: 30_000,
  closeMs: 3000,
};

/** Rules that let everybody in, but for `change`. */
export function socketRules(
  limits: Partial<SocketLimits> = {},
  change: Partial<Omit<SocketRules, "limits">> = {},
): SocketRules {
  return {
    origins: null,
    proxies: new Networks([]),
    ...change,
    limits: { ...SOCKET_LIMITS, ...limits },
  };
}
