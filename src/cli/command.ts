/**
 * The parts of a command.
 *
 * @module
 */

import { defaultConfigPath, type Program } from "../config/program.ts";
import { suggest } from "../config/suggest.ts";
import { type OptionSpec, UsageError } from "./args.ts";

/** Exit codes of every command. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** The arguments of a command's `run`. */
export interface Invocation {
  /** The program that was run. */
  readonly program: Program;
  /** The options that were given, by name. */
  readonly options: ReadonlyMap<string, string>;
  /** The operands: the arguments besides options. */
  readonly rest: readonly string[];
  /** The table of commands, for a command that is about another one. */
  readonly commands: CommandTable;
}

/** One verb of `aphlict`. */
export interface Command {
  readonly verb: string;
  /** One line for the list of verbs. */
  readonly synopsis: string;
  /** The text of `help VERB` beneath the synopsis. */
  readonly details: string;
  readonly options: readonly OptionSpec[];
  /** True if the command is for other parts of the program, and not listed. */
  readonly internal?: true;
  /** The names of its operands, such as `VERB`, `[VERB]` or `TOPIC...`; absent when it takes none. */
  readonly operands?: string;
  /**
   * The permissions that bin/aphlict gives to the command's process. `deno task launcher` makes that script from them.
   * They are flags of deno, or those of the service or the supervisor, which `aphlict launch` derives from the
   * configuration. In a flag, `$deno` is the path of the deno that runs it. Root becomes the user that runs Aphlict
   * before each command that may do more than read.
   *
   * @default {Reading the configuration file.}
   */
  readonly permissions?: readonly string[] | "service" | "supervisor";
  /** True if root makes the missing folders of the logs and the pidfile before it becomes the user. */
  readonly makesFolders?: true;
  /** Runs the command, and returns the exit code. */
  run(invocation: Invocation): Promise<number> | number;
}

/** The permissions of commands that talk to a running server. The runtime needs sys and env before it speaks TLS. */
export const PROBE_PERMISSIONS: readonly string[] = [
  "--allow-sys",
  "--allow-env=NODE_USE_SYSTEM_CA",
  "--allow-read",
  "--allow-net",
];

/**
 * The permissions of the commands that start processes or signal them. These commands ask the servers, too, whether a
 * service runs. A process that may run any program reaches the network anyway.
 */
export const CONTROL_PERMISSIONS: readonly string[] = [
  "--allow-sys=uid,gid",
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-run",
];

/**
 * The commands by their verbs, in the order of the help. Each is loaded when it is asked for: a verb needs a part of
 * the program, and a process that loads all of it takes 0.2 s longer.
 */
export type CommandTable = ReadonlyMap<string, () => Promise<Command>>;

/** Loads all commands. */
export function allCommands(table: CommandTable): Promise<readonly Command[]> {
  return Promise.all([...table.values()].map((load) => load()));
}

/**
 * Loads a command by its verb.
 *
 * @throws {UsageError} If there is no such command.
 */
export async function findCommand(table: CommandTable, verb: string): Promise<Command> {
  const load = table.get(verb);
  if (load !== undefined) return await load();
  const verbs = listed(await allCommands(table)).map(({ verb }) => verb);
  const meant = suggest(verb, verbs);
  throw new UsageError(
    `Unknown command "${verb}".${meant ? ` Did you mean "${meant}"?` : ""} ` +
      `There are: ${verbs.join(", ")}.`,
  );
}

/** Returns the commands, or the options, that are for everybody: those in help, man page and completion. */
export function listed<T extends { readonly internal?: true }>(all: readonly T[]): T[] {
  return all.filter(({ internal }) => internal !== true);
}

/** The option of every command that needs a configuration. */
export const CONFIG_OPTION: OptionSpec = {
  name: "config",
  value: "PATH",
  help: "The configuration file. Default: conf/aphlict.custom.json if it exists, else " +
    "conf/aphlict.default.json; of a bundle or a package /etc/aphlict/aphlict.json; of a compiled " +
    "executable the one that it was built for.",
};

/** The option of commands whose output a program may read. docs/json.md has the fields of each. */
export const JSON_OPTION: OptionSpec = {
  name: "json",
  help: "Print one JSON object instead.",
};

/** The operand of a command that takes the configuration file without --config, too. */
export const CONFIG_OPERAND = "[FILE]";

/** The option of every command that starts Aphlict. Root needs the option where the configuration names no user. */
export const AS_ROOT_OPTION: OptionSpec = {
  name: "as-root",
  help: "Run as root all the same. Nothing in Aphlict needs it.",
};

/** The option by which bin/aphlict tells the limit of open files, which the sandbox hides from a process. */
export const OPEN_FILES_OPTION: OptionSpec = {
  name: "open-files",
  value: "N",
  help: "How many files the service may have open, as `ulimit -Hn` tells.",
  internal: true,
  given: '--open-files "$(ulimit -Hn)"',
};

/** The option by which bin/aphlict tells the granted memory, which is hidden likewise. */
export const MEMORY_OPTION: OptionSpec = {
  name: "memory",
  value: "BYTES",
  help: "How much memory the host or the container grants.",
  internal: true,
  given: '--memory "$(memory)"',
};

/** The option by which bin/aphlict tells the stream of systemd's journal, which is hidden likewise. */
export const JOURNAL_OPTION: OptionSpec = {
  name: "journal",
  value: "DEVICE:INODE",
  help:
    "The stream that systemd's journal reads, as the environment variable JOURNAL_STREAM tells.",
  internal: true,
  given: '${JOURNAL_STREAM:+--journal "$JOURNAL_STREAM"}',
};

/** The option by which bin/aphlict tells the name it was called by, for the commands that are shown to a person. */
export const CALLED_OPTION: OptionSpec = {
  name: "called",
  value: "NAME",
  help: "What was typed in place of `aphlict`.",
  internal: true,
  given: '--called "$called"',
};

/** The options of every command that makes the service run. */
export const LIMIT_OPTIONS: readonly OptionSpec[] = [OPEN_FILES_OPTION, MEMORY_OPTION];

/** The options of every command that runs the service, or makes it run, where its log is shown. */
export const HOST_OPTIONS: readonly OptionSpec[] = [...LIMIT_OPTIONS, JOURNAL_OPTION];

/** Returns the shell words by which bin/aphlict gives a command the values that it cannot find out. */
export function givenWords({ options }: Pick<Command, "options">): string[] {
  return options.flatMap(({ given }) => given ?? []);
}

/** Returns those of {@linkcode HOST_OPTIONS} that a command was given, as arguments for another one. */
export function hostArguments({ options }: Pick<Invocation, "options">): string[] {
  return HOST_OPTIONS.flatMap(({ name }) => {
    const value = options.get(name);
    return value === undefined ? [] : [`--${name}`, value];
  });
}

/** Returns the number in one of {@linkcode HOST_OPTIONS}; `null` when it is not known, or has no limit. */
export function hostNumber(
  { options }: Pick<Invocation, "options">,
  { name }: OptionSpec,
): number | null {
  const value = options.get(name) ?? "";
  return /^\d+$/.test(value) ? Number(value) : null;
}

/** Returns the path of the configuration file that was asked for, or of the default one. */
export function configPath({ program, options }: Invocation): string {
  return options.get(CONFIG_OPTION.name) ?? defaultConfigPath(program);
}

/** Counts the operands that a command takes, by their names in its usage. */
export function operandRange({ operands = "" }: Pick<Command, "operands">): {
  readonly min: number;
  readonly max: number;
} {
  const names = operands.split(" ").filter((name) => name !== "");
  return {
    min: names.filter((name) => !name.startsWith("[")).length,
    max: names.some((name) => name.includes("...")) ? Infinity : names.length,
  };
}
