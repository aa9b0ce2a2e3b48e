/**
 * The error that tells an administrator what to correct in a configuration file.
 *
 * @module
 */

import { printable } from "../text.ts";

/** One thing to correct. */
export interface Problem {
  /** The JSON path (`servers[1].ssl.cert`); empty when the problem is the file as a whole. */
  readonly path: string;
  /** Sentences: what is wrong, the value quoted, and what to do. */
  readonly message: string;
}

/**
 * An error about the configuration or the host, which the administrator can put right. Its message says what is wrong and
 * what to do. A command shows it and exits with 1; any other error is a defect of the program.
 */
export abstract class ExpectedError extends Error {}

/** A configuration that cannot be used. The message lists every problem, one a line. */
export class ConfigError extends ExpectedError {
  override readonly name = "ConfigError";
  /** The file, as it was named. */
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[], options?: ErrorOptions) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const lines = problems.map(({ path, message }) =>
      printable(path === "" ? `  ${message}` : `  ${path}: ${message}`)
    );
    super([`Cannot use ${printable(file)}: ${count}.`, ...lines].join("\n"), options);
    this.file = file;
    this.problems = problems;
  }
}
