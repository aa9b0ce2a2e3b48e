/**
 * The real service as an administrator runs it: a process of its own with nothing but the flags
 * that its configuration needs.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { loadConfig } from "../../src/config/load.ts";
import { serviceFlags } from "../../src/config/permissions.ts";
import { Process } from "./process.ts";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Ports that were free a moment ago, each another one. */
export function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** One entry of `servers` in a test; its port is chosen by the harness. */
export interface ServerEntry {
  readonly type: "admin" | "client";
  /** @default {"127.0.0.1"} */
  readonly listen?: string;
  /** Names of files given in {@linkcode RunOptions.files}. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly chain?: string };
}

/** What a test runs. */
export interface RunOptions {
  /** @default {[{ type: "client" }, { type: "admin" }]} All on 127.0.0.1. */
  readonly servers?: readonly ServerEntry[];
  /** @default {"serve"} */
  readonly verb?: "serve" | "debug";
  /** PEM files to write into the folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
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

/** The arguments for deno that run the service with exactly its derived flags. */
export function serviceArguments(config: string, verb: string): string[] {
  const flags = serviceFlags(loadConfig(config));
  return ["run", `--config=${ROOT}deno.json`, ...flags, `${ROOT}main.ts`, verb, "--config", config];
}

/** Starts the service and waits until it listens. */
export async function run(options: RunOptions = {}): Promise<Running> {
  const servers = options.servers ?? [{ type: "client" }, { type: "admin" }];
  const ports = freePorts(servers.length);
  const folder = Deno.makeTempDirSync({ prefix: "aphlict-test-" });
  for (const [name, text] of Object.entries(options.files ?? {})) {
    Deno.writeTextFileSync(`${folder}/${name}`, text);
  }
  const config = {
    servers: servers.map(({ type, listen, tls }, index) => ({
      type,
      listen: listen ?? "127.0.0.1",
      port: ports[index],
      ...Object.fromEntries(
        Object.entries(tls ?? {}).map(([key, name]) => [`ssl.${key}`, `${folder}/${name}`]),
      ),
    })),
    logs: [{ path: `${folder}/aphlict.log` }],
    pidfile: `${folder}/aphlict.pid`,
  };
  const path = `${folder}/aphlict.json`;
  Deno.writeTextFileSync(path, JSON.stringify(config));
  const process = new Process(
    Deno.execPath(),
    serviceArguments(path, options.verb ?? "serve"),
  );
  const dispose = async () => {
    await process[Symbol.asyncDispose]();
    Deno.removeSync(folder, { recursive: true });
  };
  try {
    await process.line(/Permissions: /);
  } catch (error) {
    await dispose();
    throw error;
  }
  const portOf = (type: string) => ports[servers.findIndex((server) => server.type === type)] ?? 0;
  return {
    process,
    folder,
    ports,
    client: portOf("client"),
    admin: portOf("admin"),
    log: () => Deno.readTextFileSync(`${folder}/aphlict.log`),
    [Symbol.asyncDispose]: dispose,
  };
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
