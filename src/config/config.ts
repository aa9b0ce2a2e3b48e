/**
 * What a configuration file says once it has been validated: plain, frozen-in-shape data that every
 * other room may read. Nothing here is optional; defaults have been filled in.
 *
 * The keys of the file are those of Phorge's "Notifications User Guide: Setup and Configuration".
 *
 * @module
 */

import type { AdminLimits, ClientLimits } from "./limits.ts";

/** The files a server speaks TLS with, as paths relative to the working directory. */
export interface TlsFiles {
  /** `ssl.key`: PEM private key. */
  readonly key: string;
  /** `ssl.cert`: PEM certificate. */
  readonly cert: string;
  /** `ssl.chain`: PEM intermediate certificates, sent after `cert`. */
  readonly chain: string | null;
}

/** `admin` takes messages from Phorge and from peers; `client` holds browsers' WebSockets. */
export type ServerType = "admin" | "client";

/** The HTTP engine of a server: `socket`, which is our own, or `serve`, the runtime's `Deno.serve`. */
export type Engine = "socket" | "serve";

/** What both types of server have. */
interface ServerAddress {
  /** 1 to 65535. */
  readonly port: number;
  /** IPv4 or IPv6 address without brackets, or a host name. */
  readonly listen: string;
  /** `null`: plain text. */
  readonly tls: TlsFiles | null;
  readonly engine: Engine;
}

/** An entry of `servers` that holds browsers' WebSockets. */
export interface ClientServerConfig extends ServerAddress {
  readonly type: "client";
  /** `origins`: patterns of `origin.ts` for the pages that may connect; `null`: any. */
  readonly origins: readonly string[] | null;
  /** `proxies`: networks whose word on a client's address is believed. */
  readonly proxies: readonly string[];
  readonly limits: ClientLimits;
}

/** An entry of `servers` that takes messages. */
export interface AdminServerConfig extends ServerAddress {
  readonly type: "admin";
  /** `allow`: networks that are answered; `null`: all. */
  readonly allow: readonly string[] | null;
  /** `token.file`: a file with the token that publishing takes; `null`: none. */
  readonly token: string | null;
  readonly limits: AdminLimits;
}

/** One entry of `servers`. */
export type ServerConfig = ClientServerConfig | AdminServerConfig;

/** How much a log shows: each level shows those after it as well. */
export type LogLevel = "trace" | "debug" | "info" | "warning" | "error";

/** One entry of `logs`. */
export interface LogConfig {
  /** Path of the log file, relative to the working directory; of a link to the console, what it leads to. */
  readonly path: string;
  /** The symbolic links that lead to the console, which are read to know that; else none. */
  readonly links: readonly string[];
  /** `rotate.size`: bytes that the file does not grow beyond; 0 for a file that is never rotated. */
  readonly rotateSize: number;
  /** `rotate.keep`: how many rotated files are kept, at least 1. */
  readonly rotateKeep: number;
  /** `null`: `trace` under `aphlict debug`, else `info`. */
  readonly level: LogLevel | null;
  /** `json`: one object a line. */
  readonly format: "text" | "json";
}

/** One entry of `cluster`: the admin server of another Aphlict, or of this one. */
export interface PeerConfig {
  /** IPv4 or IPv6 address without brackets, or a host name. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  readonly protocol: "http" | "https";
  /**
   * `ssl.ca`: PEM certificates that vouch for the peer's in addition to the usual authorities, as a path
   * relative to the working directory; `null` for those alone.
   */
  readonly ca: string | null;
  /** `token.file`: a file with the token that the peer's admin server takes; `null`: none. */
  readonly token: string | null;
}

/** A validated configuration. */
export interface Config {
  /** The file it was read from, as it was named. */
  readonly path: string;
  /** At least one of each type, each on a port of its own. */
  readonly servers: readonly ServerConfig[];
  readonly logs: readonly LogConfig[];
  readonly cluster: readonly PeerConfig[];
  /** Path of the supervisor's pidfile, relative to the working directory. */
  readonly pidfile: string;
  /** `limit.memory`: bytes that outsiders can make the service hold; `null`: what the host has room for. */
  readonly memoryLimit: number | null;
  /** `memory.hint`: limit for the service's V8 heap in MB; `null` when absent. */
  readonly memoryHint: number | null;
  /** `user`: whom to become when started by root, a name or a number; `null` when absent. */
  readonly user: string | null;
  /** `drain`: seconds over which a stop spreads the end of the browsers' connections. */
  readonly drain: number;
}

/** Where each type listens when `listen` is absent, as Phorge's guide says. */
export const DEFAULT_LISTEN: Readonly<Record<ServerType, string>> = {
  admin: "127.0.0.1",
  client: "0.0.0.0",
};

/** `drain` when it is absent, in seconds. */
export const DEFAULT_DRAIN = 2;

/** `host:port` as a URL and Deno's permission flags write it: IPv6 addresses in brackets. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a server of the configuration listens, such as `wss://0.0.0.0:22280/`. */
export function urlOf({ type, listen, port, tls }: ServerConfig): string {
  const scheme = type === "client" ? "ws" : "http";
  return `${scheme}${tls === null ? "" : "s"}://${formatAddress(listen, port)}/`;
}
