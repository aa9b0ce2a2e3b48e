/**
 * What a command prints with --json when it cannot do its work.
 *
 * @module
 */

import { ConfigError } from "../config/error.ts";

/** The object of `check --json`, and of every other command with --json that the configuration keeps from its work. */
export interface Verdict {
  readonly ok: boolean;
  readonly problems: readonly {
    /** Path in the configuration, such as `servers[1].port`; empty when the problem is another one. */
    readonly key: string;
    /** Sentences: what is wrong, and what to do. */
    readonly message: string;
  }[];
  /** Sentences. */
  readonly warnings: readonly string[];
}

/** Returns the object for an error that the administrator can put right. */
export function failureOf(error: Error): Verdict {
  const problems = error instanceof ConfigError
    ? error.problems.map(({ path, message }) => ({
      key: path,
      message: path === "" ? `Cannot use ${error.file}. ${message}` : message,
    }))
    : [{ key: "", message: error.message }];
  return { ok: false, problems, warnings: [] };
}
