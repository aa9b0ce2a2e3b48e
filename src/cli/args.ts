/**
 * The one typed place for `@std/cli`, which npm serves without types.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { suggest } from "../config/suggest.ts";

/** An option, such as `--config PATH` or `--json`. */
export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  /** How the value is called in the help; absent when it takes none. */
  readonly value?: string;
  readonly help: string;
  /** When only these values make sense. */
  readonly choices?: readonly string[];
  /** Whether it is for other parts of the program, and not listed. */
  readonly internal?: true;
  /** The shell words by which bin/aphlict gives it, for a value that the sandbox hides from the process. */
  readonly given?: string;
}

/** What was typed after the verb. */
export interface Parsed {
  /** By name; an option that takes no value has an empty one. */
  readonly values: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

/** What was typed makes no sense; the message says what was meant, perhaps. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Parses the arguments after a verb. A value is given as `--name VALUE` or `--name=VALUE`; after `--`
 * nothing is an option.
 *
 * @throws {UsageError} If an option is unknown, repeated, has no value or one that makes no sense.
 */
export function parseOptions(argv: readonly string[], specs: readonly OptionSpec[]): Parsed {
  const names = specs.map(({ name }) => name);
  // The library keeps what is no option under this name.
  if (argv.some((argument) => /^--?_(=|$)/.test(argument))) {
    throw new UsageError('Unknown option "--_".');
  }
  const flags = specs.filter(({ value }) => value === undefined).map(({ name }) => name);
  const parsed: Record<string, unknown> = parseArgs([...argv], {
    string: [...names.filter((name) => !flags.includes(name)), "_"],
    boolean: flags,
    collect: names,
    unknown(argument: string, key: string | undefined) {
      if (key === undefined) return true;
      const option = argument.replace(/=.*/s, "");
      const meant = suggest(key, names);
      throw new UsageError(
        `Unknown option "${option}".${meant ? ` Did you mean "--${meant}"?` : ""}`,
      );
    },
  });
  const values = new Map<string, string>();
  for (const { name, value, choices } of specs) {
    const given = parsed[name];
    if (!Array.isArray(given) || given.length === 0) continue;
    if (given.length > 1) throw new UsageError(`"--${name}" was given more than once.`);
    const [text] = given;
    if (value === undefined) {
      if (argv.some((argument) => argument.startsWith(`--${name}=`))) {
        throw new UsageError(`"--${name}" takes no value.`);
      }
      values.set(name, "");
      continue;
    }
    if (typeof text !== "string" || text === "") {
      throw new UsageError(`"--${name}" needs a value: --${name} ${value}.`);
    }
    if (choices && !choices.includes(text)) {
      throw new UsageError(`"--${name} ${text}" is not one of ${choices.join(", ")}.`);
    }
    values.set(name, text);
  }
  return { values, rest: Array.isArray(parsed["_"]) ? parsed["_"].map(String) : [] };
}

/**
 * Returns what an option says in seconds, as ms; `null` when it was not given.
 *
 * @throws {UsageError} If that is no number from `min` to `max`.
 */
export function secondsIn(
  options: ReadonlyMap<string, string>,
  name: string,
  min: number,
  max: number,
): number | null {
  const text = options.get(name);
  if (text === undefined) return null;
  const seconds = Number(text);
  if (!(seconds >= min && seconds <= max)) {
    throw new UsageError(`"--${name} ${text}" is no number of seconds from ${min} to ${max}.`);
  }
  return seconds * 1000;
}
