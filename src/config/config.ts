/**
 * The values of a validated configuration file: plain, frozen-in-shape data that every
 * other room may read. Nothing here is optional; defaults have been filled in. `keys.ts` says what each
 * part is.
 *
 * @module
 */

import {
  type ADMIN_KEYS,
  type CLIENT_KEYS,
  type LOG_KEYS,
  type PEER_KEYS,
  type SERVER_KEYS,
  type TOP_KEYS,
} from "./keys.ts";
import { formatAddress } from "./host_name.ts";
import type { Values } from "./table.ts";

type ServerValues = Values<typeof SERVER_KEYS>;

/** The files that a server speaks TLS with, as paths relative to the working directory. */
export interface TlsFiles extends Omit<ServerValues["tls"], "key" | "cert"> {
  readonly key: string;
  readonly cert: string;
}

/** The type of a server: `admin` takes messages from Phorge and from peers; `client` holds browsers' WebSockets. */
export type ServerType = ServerValues["type"];

/** The HTTP engine of a server: `socket`, which is Aphlict's own, or `serve`, the runtime's `Deno.serve`. */
export type Engine = NonNullable<ServerValues["engine"]>;

/** The values that both types of server have. */
interface AnyServerConfig extends Omit<ServerValues, "type" | "tls" | "engine"> {
  /** The files of TLS; `null` for plain text. */
  readonly tls: TlsFiles | null;
  readonly engine: Engine;
}

/** An entry of `servers` that holds browsers' WebSockets. */
export interface ClientServerConfig extends AnyServerConfig, Values<typeof CLIENT_KEYS> {
  readonly type: "client";
}

/** An entry of `servers` that takes messages. */
export interface AdminServerConfig extends AnyServerConfig, Values<typeof ADMIN_KEYS> {
  readonly type: "admin";
}

/** One entry of `servers`. */
export type ServerConfig = ClientServerConfig | AdminServerConfig;

/** The limits of a client server: what browsers may do. */
export type ClientLimits = ClientServerConfig["limits"];

/** The limits of an admin server: what Phorge and peers may do. */
export type AdminLimits = AdminServerConfig["limits"];

/** One entry of `logs`. */
export interface LogConfig extends Values<typeof LOG_KEYS> {
  /** The symbolic links that lead to the console, which loading reads; empty if there are none. */
  readonly links: readonly string[];
}

/** One entry of `cluster`: the admin server of another Aphlict, or of this one. */
export type PeerConfig = Values<typeof PEER_KEYS>;

type TopValues = Omit<Values<typeof TOP_KEYS>, "servers" | "logs" | "cluster" | "schema">;

/** A validated configuration. */
export interface Config extends TopValues {
  /** The file that it was read from, as it was named. */
  readonly path: string;
  /** The servers: at least one of each type, each on a port of its own. */
  readonly servers: readonly ServerConfig[];
  readonly logs: readonly LogConfig[];
  readonly cluster: readonly PeerConfig[];
}

/** Returns the URL that a server of the configuration listens at, such as `wss://0.0.0.0:22280/`. */
export function serverUrl({ type, listen, port, tls }: ServerConfig): string {
  const scheme = type === "client" ? "ws" : "http";
  return `${scheme}${tls === null ? "" : "s"}://${formatAddress(listen, port)}/`;
}
