/**
 * The real service as an administrator runs it: a process of its own with nothing but the flags
 * that its configuration needs.
 *
 * @module
 */

import type { Engine } from "../../src/config/config.ts";
import { Folder } from "../folder.ts";
import { hasEngine, withEngines } from "./engines.ts";
import { freePorts } from "./ports.ts";
import { Process } from "./process.ts";
import { serviceArguments } from "./program.ts";

/** A configuration in a folder: a client and an admin server on 127.0.0.1, and a log. */
export interface Written {
  /** The file, `aphlict.json` in the folder. */
  readonly path: string;
  /** The port of the client server. */
  readonly client: number;
  /** The port of the admin server. */
  readonly admin: number;
}

/** Writes a configuration into a folder, with some of its keys changed. */
export function writeConfig(
  folder: Folder,
  change: Record<string, unknown> = {},
  engine: Engine | null = null,
): Written {
  const [client = 0, admin = 0] = freePorts(2);
  const config = withEngines({
    servers: [
      { type: "client", port: client, listen: "127.0.0.1", ...(engine ? { engine } : {}) },
      { type: "admin", port: admin },
    ],
    logs: [{ path: `${folder.path}/aphlict.log` }],
    pidfile: `${folder.path}/aphlict.pid`,
    ...change,
  });
  return { path: folder.write("aphlict.json", JSON.stringify(config)), client, admin };
}

/** One entry of `servers` in a test; its port is chosen by the harness. */
export interface ServerEntry {
  readonly type: "admin" | "client";
  /** @default {"127.0.0.1"} */
  readonly listen?: string;
  /** @default {RunOptions.engine} */
  readonly engine?: Engine;
  /** Further keys of the entry. */
  readonly keys?: Readonly<Record<string, unknown>>;
  /** Names of files given in {@linkcode RunOptions.files}. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly chain?: string };
}

/** What a test runs. */
export interface RunOptions {
  /** @default {[{ type: "client" }, { type: "admin" }]} All on 127.0.0.1. */
  readonly servers?: readonly ServerEntry[];
  /** @default {"serve"} */
  readonly verb?: "serve" | "debug";
  /** Of every server that names none and has the key. @default {ENGINE} */
  readonly engine?: Engine;
  /** `drain`, in seconds. @default {0} */
  readonly drain?: number;
  /** PEM files to write into the folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Files that the service may have open, and is told so. @default {null} It is not told. */
  readonly openFiles?: number;
  /** The ports of `servers`, in their order. @default {} Free ones. */
  readonly ports?: readonly number[];
  /** `cluster`, given the folder's path. @default {} None. */
  readonly cluster?: (folder: string) => readonly PeerEntry[];
  /** Further keys of the configuration. */
  readonly keys?: Readonly<Record<string, unknown>>;
}

/** One entry of `cluster` in a test. */
export interface PeerEntry {
  readonly host: string;
  readonly port: number;
  readonly protocol: "http" | "https";
  readonly "ssl.ca"?: string;
  readonly "token.file"?: string;
}

/** An entry for a peer without TLS. */
export function peerAt(port: number, host: string = "127.0.0.1"): PeerEntry {
  return { host, port, protocol: "http" };
}

/** A running service. Dispose of it: it is killed, and its folder removed. */
export interface Running extends AsyncDisposable {
  readonly process: Process;
  /** Holds `aphlict.json`, `aphlict.log` and the files given. */
  readonly folder: string;
  /** The ports, in the order of `servers`. */
  readonly ports: readonly number[];
  /** The port of the first client server. */
  readonly client: number;
  /** The port of the first admin server. */
  readonly admin: number;
  /** The text of the log file. */
  log(): string;
}

/** Starts the service and waits until it listens. */
export async function run(options: RunOptions = {}): Promise<Running> {
  const servers = options.servers ?? [{ type: "client" }, { type: "admin" }];
  const ports = options.ports ?? freePorts(servers.length);
  const folder = new Folder();
  for (const [name, text] of Object.entries(options.files ?? {})) folder.write(name, text);
  const { path } = writeConfig(folder, {
    ...options.keys,
    drain: options.drain ?? 0,
    cluster: options.cluster?.(folder.path) ?? [],
    servers: servers.map(({ type, listen, keys, tls, engine = options.engine }, index) => ({
      ...keys,
      type,
      ...(engine && hasEngine(type) ? { engine } : {}),
      listen: listen ?? "127.0.0.1",
      port: ports[index],
      ...Object.fromEntries(
        Object.entries(tls ?? {}).map(([key, name]) => [`ssl.${key}`, `${folder.path}/${name}`]),
      ),
    })),
  });
  const process = start(serviceArguments(path, options.verb ?? "serve"), options.openFiles);
  const dispose = async () => {
    await process[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  };
  try {
    await process.line(/has fingerprint /);
  } catch (error) {
    await dispose();
    throw error;
  }
  const portOf = (type: string) => ports[servers.findIndex((server) => server.type === type)] ?? 0;
  return {
    process,
    folder: folder.path,
    ports,
    client: portOf("client"),
    admin: portOf("admin"),
    log: () => Deno.readTextFileSync(`${folder.path}/aphlict.log`),
    [Symbol.asyncDispose]: dispose,
  };
}

function start(args: readonly string[], openFiles: number | undefined): Process {
  if (openFiles === undefined) return new Process(Deno.execPath(), args);
  const limited = ["-c", `ulimit -n ${openFiles}; exec "$@"`, "sh", Deno.execPath(), ...args];
  return new Process("sh", [...limited, "--open-files", `${openFiles}`]);
}

/** Resident memory of a service, in bytes. */
export function residentBytes({ process }: Pick<Running, "process">): number {
  const text = Deno.readTextFileSync(`/proc/${process.pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]) * 1024;
}

/** Posts a message as Phorge does, and returns the receipt's fingerprint. */
export async function publish(
  port: number,
  message: unknown,
  options: { readonly instance?: string; readonly client?: Deno.HttpClient } = {},
): Promise<string> {
  const { instance, client } = options;
  const query = instance === undefined ? "" : `?instance=${encodeURIComponent(instance)}`;
  const response = await fetch(`${client ? "https" : "http"}://127.0.0.1:${port}/${query}`, {
    method: "POST",
    body: typeof message === "string" ? message : JSON.stringify(message),
    ...(client ? { client } : {}),
  });
  const receipt = await response.json();
  if (response.status !== 200) throw new Error(`${response.status} ${JSON.stringify(receipt)}`);
  return receipt.fingerprint;
}

/** The status page of an instance. */
export async function status(port: number, instance?: string): Promise<Record<string, unknown>> {
  const query = instance === undefined ? "" : `?instance=${encodeURIComponent(instance)}`;
  const response = await fetch(`http://127.0.0.1:${port}/status/${query}`);
  return await response.json();
}
