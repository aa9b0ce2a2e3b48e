/**
 * The program that runs: the project's sources, the bundle made of them, or an executable compiled from it.
 *
 * @module
 */

import { exists } from "./existence.ts";

/** The program that a process runs. */
export type Program = Script | Compiled;

/** A program that deno runs. */
export interface Script {
  /** The files of the repository, or one file that imports only modules that are built into the runtime. */
  readonly kind: "source" | "bundle";
  /** Path of the main module, `main.ts` or the bundle. */
  readonly path: string;
}

/** An executable whose permissions are those of one configuration. */
export interface Compiled {
  readonly kind: "compiled";
  /** Path of the configuration. */
  readonly config: string;
}

/** The configuration of a program that is no clone of the repository. */
export const SYSTEM_CONFIG = "/etc/aphlict/aphlict.json";

/** Flags of deno for a program that needs nothing around it: no settings, no registry. */
export const ALONE = ["--no-config", "--no-remote", "--no-npm"];

/**
 * The flag of deno against its code cache, a database that all processes of a user share. It gains nothing
 * measurable. A process that is stopped (SIGSTOP, a frozen container) while it writes there would keep every other
 * waiting, the command that ends it too.
 */
const NO_CODE_CACHE = "--no-code-cache";

/** The start of the argument that the compiler puts before those that the executable is given. */
const BUILT_FOR = "--built-for=";

/** Returns the argument by which a compiled executable knows that it is one, and its configuration. */
export function builtFor(config: string): string {
  return `${BUILT_FOR}${config}`;
}

/**
 * Returns the program that this process runs, and the arguments that are for it.
 *
 * @param path Path of the main module.
 */
export function identify(
  path: string,
  argv: readonly string[],
): { readonly program: Program; readonly argv: readonly string[] } {
  const [first, ...rest] = argv;
  if (first?.startsWith(BUILT_FOR)) {
    return { program: { kind: "compiled", config: first.slice(BUILT_FOR.length) }, argv: rest };
  }
  return { program: { kind: path.endsWith(".ts") ? "source" : "bundle", path }, argv };
}

/** Returns the script of a program that deno runs. */
export function scriptOf(program: Program): Script {
  if (program.kind === "compiled") throw new Error("A compiled executable is no script.");
  return program;
}

/**
 * Returns the path of the configuration to use when none is named. Beside the sources it is the
 * administrator's own, or else the one shipped.
 */
export function defaultConfigPath(program: Program): string {
  switch (program.kind) {
    case "source": {
      const conf = `${folderOf(program)}/conf`;
      const custom = `${conf}/aphlict.custom.json`;
      return exists(custom) ? custom : `${conf}/aphlict.default.json`;
    }
    case "bundle":
      return SYSTEM_CONFIG;
    case "compiled":
      return program.config;
  }
}

/**
 * Returns the arguments of deno that run a command of a program. A bundle needs nothing else: neither a
 * registry nor the cache is asked, and no settings are looked for around it.
 */
export function denoArguments(
  program: Script,
  flags: readonly string[],
  command: readonly string[],
): string[] {
  return [
    "run",
    ...program.kind === "bundle" ? ALONE : [`--config=${folderOf(program)}/deno.json`],
    NO_CODE_CACHE,
    ...flags,
    program.path,
    ...command,
  ];
}

/** Returns the folder of a script. Not by `node:path`, which takes 20 ms to load. */
function folderOf({ path }: Script): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
}
