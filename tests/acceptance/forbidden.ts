/**
 * What a compromised service would try.
 *
 * @module
 */

import { dirname } from "node:path";
import type { Written } from "./server.ts";

/** What code under test may need to name. */
export interface Values {
  /** The configuration file. */
  readonly config: string;
  readonly pidfile: string;
  /** The log, and its folder. */
  readonly log: string;
  readonly folder: string;
  /** The ports of the two servers and of the peer. */
  readonly client: number;
  readonly admin: number;
  readonly peer: number;
  /** A port that is free and not in the configuration. */
  readonly other: number;
}

/** What the service must not be able to do, as code. */
export const FORBIDDEN: Readonly<Record<string, (values: Values) => string>> = {
  "listen on another port": ({ other }) =>
    `Deno.listen({ hostname: "127.0.0.1", port: ${other} });`,
  "listen on another address": ({ client }) =>
    `Deno.listen({ hostname: "127.0.0.3", port: ${client} });`,
  "listen on every address": ({ admin }) => `Deno.listen({ hostname: "::", port: ${admin} });`,
  "connect elsewhere": ({ other }) =>
    `await Deno.connect({ hostname: "127.0.0.1", port: ${other} });`,
  "connect to another address on the port of a peer": ({ peer }) =>
    `await Deno.connect({ hostname: "127.0.0.2", port: ${peer} });`,
  "fetch from elsewhere": ({ other }) => `await fetch("http://127.0.0.1:${other}/");`,
  "resolve a name": () => `await Deno.resolveDns("example.com", "A");`,
  "read /etc/hostname": () => `Deno.readTextFileSync("/etc/hostname");`,
  "read the folder of the log": ({ folder }) => `[...Deno.readDirSync("${folder}")];`,
  "write beside the log": ({ folder }) => `Deno.writeTextFileSync("${folder}/other", "");`,
  "write a seventh log file": ({ log }) => `Deno.writeTextFileSync("${log}.6", "");`,
  "write the configuration": ({ config }) => `Deno.writeTextFileSync("${config}", "");`,
  "write the pidfile": ({ pidfile }) => `Deno.writeTextFileSync("${pidfile}", "");`,
  "write its own program": () => `Deno.writeTextFileSync(new URL(Deno.mainModule), "");`,
  "run a program": () => `new Deno.Command("true").outputSync();`,
  "read an environment variable": () => `Deno.env.get("SECRET");`,
  "ask who it runs as": () => `Deno.uid();`,
  "load a library": () => `Deno.dlopen("libc.so.6", {});`,
  "signal another process": () => `Deno.kill(1, "SIGCONT");`,
  "change its own memory": () => `Deno.openSync("/proc/self/mem", { write: true });`,
  "put a link in the place of a log": ({ log }) => `Deno.symlinkSync("/etc/passwd", "${log}.5");`,
  "give a file another name": ({ log }) => `Deno.linkSync("/etc/hostname", "${log}.5");`,
  "connect to a Unix socket": () =>
    `await Deno.connect({ transport: "unix", path: "/run/systemd/private" });`,
  "read a file in Node's way": () => `(await import("node:fs")).readFileSync("/etc/hostname");`,
  "run a program in Node's way": () =>
    `const { error } = (await import("node:child_process")).spawnSync("true");
     if (error) throw error;`,
  "connect in Node's way": ({ other }) =>
    `const { connect } = await import("node:net");
     const socket = connect(${other}, "127.0.0.1");
     await new Promise((resolve, reject) => socket.on("error", reject).on("connect", resolve));`,
  "ask for more": () =>
    `const { state } = await Deno.permissions.request({ name: "run" });
     if (state !== "granted") throw new Deno.errors.NotCapable("Requires run access: " + state);`,
  "import from the network": () => `const url = "https://jsr.io/x.ts"; await import(url);`,
};

/** What is true of a configuration that was written by {@linkcode writeConfig}. */
export function valuesOf(
  { path, client, admin }: Written,
  ports: { readonly peer: number; readonly other: number },
): Values {
  const folder = dirname(path);
  const log = `${folder}/aphlict.log`;
  return { config: path, pidfile: `${folder}/aphlict.pid`, log, folder, client, admin, ...ports };
}

/** How the runtime refuses it; a compiled executable has nothing to fetch modules with. */
export const DENIED: RegExp =
  /NotCapable: (Requires (net|read|write|run|env|sys|ffi) access|\S+ requires unscoped --allow-read)|Requires import access|Module not found: https:/;
