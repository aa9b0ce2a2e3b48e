/**
 * The configuration is the sandbox: it becomes the exact permissions of the process that faces the network.
 *
 * @module
 */

import { knownAddresses } from "./host_name.ts";
import { type Config } from "./config.ts";
import { formatAddress } from "./host_name.ts";
import { PEER_KEYS, SERVER_TABLES } from "./keys.ts";
import { logFiles } from "./logs.ts";
import { filesBeside } from "./pidfile.ts";
import { valuesOf } from "./table.ts";

/**
 * The flags that keep the memory of thousands of connections in bounds: by default V8 lets garbage of closed
 * ones pile up for as long as its heap has been growing. See docs/decisions/0006-socket-engine.md.
 */
const V8_FLAGS = ["--max-semi-space-size=8", "--heap-growing-percent=50"];

/** The flags by which nothing is asked on a terminal, and no code is fetched; see {@linkcode serviceFlags}. */
export const SEALED = ["--no-prompt", "--cached-only", "--deny-import"];

/** The permissions of the service. Everything that is not listed is refused. */
export interface Permissions {
  /** Each `host:port` that it may bind or connect to. */
  readonly net: readonly string[];
  /** Paths of the files it may read. */
  readonly read: readonly string[];
  /** Paths of the files it may write. */
  readonly write: readonly string[];
}

/**
 * Returns the permissions of the service, each once and in the order of the file.
 *
 * The configuration file is among them because a reload reads it again. A log file may be read because
 * rotation renames it, and Deno asks for both permissions to rename. A granted path is compared by its name,
 * without following a symbolic link, so a certificate that is renewed by pointing its link at a new file
 * stays readable.
 */
export function servicePermissions(config: Config): Permissions {
  const logs = config.logs.flatMap(logFiles);
  const links = linksOf(config);
  return {
    net: unique([
      ...config.servers.flatMap((server) => [
        formatAddress(server.listen, server.port),
        // Node.js's sockets ask for the addresses that a name resolves to, and the watchdog connects to them.
        ...server.engine === "socket"
          ? (knownAddresses(server.listen) ?? []).map((at) => formatAddress(at, server.port))
          : [],
      ]),
      ...config.cluster.map(({ host, port }) => formatAddress(host, port)),
    ]),
    read: unique([config.path, ...inputFiles(config), ...links, ...logs]),
    write: unique(logs),
  };
}

/**
 * Returns the flags that `deno run` starts the service with. Measured on Deno 2.9.6:
 *
 * - A flag without a list (`--allow-write`) grants everything, and one with an empty list
 *   (`--allow-write=`) stops the start, so a flag with nothing to list is left out.
 * - `--deny-import` and `--cached-only` belong together. With neither of them, or with `--deny-import`
 *   alone, code may be imported from `jsr.io:443`, `deno.land:443`, `esm.sh:443` and a few more, and
 *   `--cached-only` alone grants importing from every host, as far as the cache goes. Both together
 *   deny all of it. Packages from npm are imported from the cache as before.
 * - `--no-prompt` refuses what is not granted instead of asking on a terminal.
 */
export function serviceFlags(config: Config): string[] {
  const { net, read, write } = servicePermissions(config);
  return [
    ...SEALED,
    `--v8-flags=${[...V8_FLAGS, ...heapFlags(config)].join(",")}`,
    ...allow("net", net),
    ...allow("read", read),
    ...allow("write", write),
  ];
}

/** Returns the files that the service reads for its servers and peers, in the order of the keys. */
function inputFiles({ servers, cluster }: Config): string[] {
  return [
    ...servers.flatMap((each) => valuesOf(SERVER_TABLES[each.type], each)),
    ...cluster.flatMap((each) => valuesOf(PEER_KEYS, each)),
  ].flatMap(([{ kind }, value]) => kind.isInput && typeof value === "string" ? [value] : []);
}

/** Returns the links to the console, which are read when the configuration is loaded. */
function linksOf({ logs }: Config): string[] {
  return logs.flatMap(({ links }) => links);
}

/** Returns the flag of `memory.hint`. V8's own limit is as good, as it is larger than any budget derived from it. */
function heapFlags({ memoryHint }: Config): string[] {
  return memoryHint === null ? [] : [`--max-old-space-size=${memoryHint}`];
}

/**
 * Returns the flags that `deno run` starts the supervisor with: it reads the configuration, owns the pidfile,
 * appends to the first log, and runs the deno binary that it runs under. It has no network.
 *
 * The pidfile is open as a `Deno.FsFile`, which locks it. Deno asks for the path that all links lead to, so both
 * paths are granted.
 *
 * @param deno Path of the binary.
 * @param resolved Path of the pidfile without links.
 */
export function supervisorFlags(
  config: Config,
  deno: string,
  resolved: string,
): string[] {
  const { path, pidfile, logs } = config;
  const owned = [pidfile, resolved].flatMap((each) => [each, ...filesBeside(each)]);
  const log = logs.slice(0, 1).flatMap((each) => logFiles(each).slice(0, 1));
  return [
    ...SEALED,
    // The supervisor also looks whether the log that it appends to was deleted.
    ...allow("read", unique([path, ...linksOf(config), ...owned, ...log])),
    ...allow("write", unique([...owned, ...log])),
    ...allow("run", [deno]),
  ];
}

/**
 * Returns the flags of a process that judges a configuration: it looks at every file and address that one may name,
 * and tries them in a process like the service.
 *
 * @param deno Path of the binary.
 */
export function judgingFlags(deno: string): string[] {
  return [
    "--allow-sys=uid,gid",
    "--allow-read",
    "--allow-write",
    "--allow-net",
    ...allow("run", [deno]),
  ];
}

/**
 * Quotes arguments for a POSIX shell: after `eval "set -- $text"` the shell's parameters are exactly
 * `args`. An argument cannot hold NUL, so none of `args` may.
 */
export function shellQuote(args: readonly string[]): string {
  return args.map((arg) => /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`)
    .join(" ");
}

function allow(name: string, list: readonly string[]): string[] {
  return list.length === 0 ? [] : [`--allow-${name}=${list.join(",")}`];
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}
