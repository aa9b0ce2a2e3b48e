/**
 * What a configuration file says once it has been validated: plain, frozen-in-shape data that every
 * other room may read. Nothing here is optional; defaults have been filled in.
 *
 * The keys of the file are those of Phorge's "Notifications User Guide: Setup and Configuration".
 *
 * @module
 */

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

/**
 * What runs a client server's WebSockets: our own `socket` engine, or `serve`, the runtime's
 * `Deno.serve`.
 */
export type Engine = "socket" | "serve";

/** One entry of `servers`. */
export interface ServerConfig {
  readonly type: ServerType;
  /** 1 to 65535. */
  readonly port: number;
  /** IPv4 or IPv6 address without brackets, or a host name. */
  readonly listen: string;
  /** `null`: plain text. */
  readonly tls: TlsFiles | null;
  /** Of a client server; an admin server is always on `Deno.serve`. */
  readonly engine: Engine;
}

/** One entry of `logs`. */
export interface LogConfig {
  /** Path of the log file, relative to the working directory. */
  readonly path: string;
}

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

/** One entry of `cluster`: the admin server of another Aphlict, or of this one. */
export interface PeerConfig {
  /** IPv4 or IPv6 address without brackets, or a host name. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  readonly protocol: "http" | "https";
}

/** A validated configuration. */
export interface Config {
  /** The file it was read from, as it was named. */
  readonly path: string;
  /** At least one of each type, each on a port of its own. */
  readonly servers: readonly ServerConfig[];
  readonly logs: readonly LogConfig[];
  readonly cluster: readonly PeerConfig[];
  /** Path of the overseer's pidfile, relative to the working directory. */
  readonly pidfile: string;
  /** `memory.hint`: limit for the service's V8 heap in MB; `null` when absent. */
  readonly memoryHint: number | null;
}

/** Where each type listens when `listen` is absent, as Phorge's guide says. */
export const DEFAULT_LISTEN: Readonly<Record<ServerType, string>> = {
  admin: "127.0.0.1",
  client: "0.0.0.0",
};

/** `host:port` as a URL and Deno's permission flags write it: IPv6 addresses in brackets. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
