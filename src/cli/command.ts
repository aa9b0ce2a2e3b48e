/**
 * What a command is made of.
 *
 * @module
 */

import { defaultConfigPath } from "../config/load.ts";
import type { Program } from "../config/program.ts";
import type { OptionSpec } from "./args.ts";

/** Exit codes of every command. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** What a command is run with. */
export interface Invocation {
  /** What was run. */
  readonly program: Program;
  /** The options that were given, by name. */
  readonly options: ReadonlyMap<string, string>;
  /** What was given besides options. */
  readonly rest: readonly string[];
}

/** One verb of `aphlict`. */
export interface Command {
  readonly verb: string;
  /** One line for the list of verbs. */
  readonly synopsis: string;
  /** What `help VERB` says beneath it. */
  readonly details: string;
  readonly options: readonly OptionSpec[];
  /** Whether it is for other parts of the program, and not listed. */
  readonly internal?: true;
  /** Names of what it takes besides options, such as `VERB`, `[VERB]` or `TOPIC...`; none for nothing. */
  readonly operands?: string;
  /** @returns The exit code. */
  run(invocation: Invocation): Promise<number> | number;
}

/** The commands, or the options, that are for everybody: what help, man page and completion tell of. */
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

/** The option of commands whose answer a program may read. docs/json.md has the fields of each. */
export const JSON_OPTION: OptionSpec = {
  name: "json",
  help: "Print one JSON object instead.",
};

/** The operand of a command that takes the configuration file without --config, too. */
export const CONFIG_OPERAND = "[FILE]";

/** The option of every command that starts something. */
export const AS_ROOT_OPTION: OptionSpec = {
  name: "as-root",
  help: "Run as root all the same. Nothing in Aphlict needs it.",
};

/** The option by which bin/aphlict tells what the sandbox does not let a process find out. */
export const OPEN_FILES_OPTION: OptionSpec = {
  name: "open-files",
  value: "N",
  help: "How many files the service may have open, as `ulimit -Hn` tells.",
  internal: true,
};

/** The same for memory. */
export const MEMORY_OPTION: OptionSpec = {
  name: "memory",
  value: "BYTES",
  help: "How much memory the host or the container grants.",
  internal: true,
};

/** The same for systemd's journal. */
export const JOURNAL_OPTION: OptionSpec = {
  name: "journal",
  value: "DEVICE:INODE",
  help:
    "The stream that systemd's journal reads, as the environment variable JOURNAL_STREAM tells.",
  internal: true,
};

/** The option by which bin/aphlict tells how it was called, for the commands that are shown to a person. */
export const CALLED_OPTION: OptionSpec = {
  name: "called",
  value: "NAME",
  help: "What was typed in place of `aphlict`.",
  internal: true,
};

/** The options of every command that runs the service, or has it run. */
export const HOST_OPTIONS: readonly OptionSpec[] = [
  OPEN_FILES_OPTION,
  MEMORY_OPTION,
  JOURNAL_OPTION,
];

/** Those of {@linkcode HOST_OPTIONS} that a command was given, as arguments for another one. */
export function hostArguments({ options }: Pick<Invocation, "options">): string[] {
  return HOST_OPTIONS.flatMap(({ name }) => {
    const value = options.get(name);
    return value === undefined ? [] : [`--${name}`, value];
  });
}

/** What one of {@linkcode HOST_OPTIONS} says; `null` when that is not known, or has no limit. */
export function hostNumber(
  { options }: Pick<Invocation, "options">,
  { name }: OptionSpec,
): number | null {
  const value = options.get(name) ?? "";
  return /^\d+$/.test(value) ? Number(value) : null;
}

/** The configuration file that was asked for, or the default one. */
export function configPath({ program, options }: Invocation): string {
  return options.get(CONFIG_OPTION.name) ?? defaultConfigPath(program);
}

/** How many operands a command takes, as their names in its usage say. */
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
