/**
 * The only typed use of `@std/cli`, which npm serves without types.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { suggest } from "../config/suggest.ts";

/** An option, such as `--config PATH` or `--json`. */
export interface OptionSpec {
  /** The name, without the dashes. */
  readonly name: string;
  /** The name of the value in the help; absent when the option takes none. */
  readonly value?: string;
  readonly help: string;
  /** The only values that are valid; absent when others are, too. */
  readonly choices?: readonly string[];
  /** True if the option is for other parts of the program, and not listed. */
  readonly internal?: true;
  /** The shell words by which bin/aphlict gives the option, for a value that the sandbox hides from the process. */
  readonly given?: string;
}

/** The options and operands that were typed after the verb. */
export interface Parsed {
  /** The values by the name of the option; an option that takes no value has an empty one. */
  readonly values: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

/** The error about an invalid command line. The message may suggest what was meant. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Parses the arguments after a verb. A value is given as `--name VALUE` or `--name=VALUE`; no argument after `--` is an
 * option.
 *
 * @throws {UsageError} If an option is unknown, repeated, has no value or an invalid one.
 */
export function parseOptions(argv: readonly string[], specs: readonly OptionSpec[]): Parsed {
  const names = specs.map(({ name }) => name);
  // The library keeps the operands under this name.
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
 * Returns the value of an option in seconds as ms; `null` when the option was not given.
 *
 * @throws {UsageError} If the value is no number from `min` to `max`.
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
