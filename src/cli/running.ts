/**
 * Finding the Aphlict that runs with a configuration.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import type { Problem } from "../config/error.ts";
import { loadPidfile } from "../config/load.ts";
import { configPath, type Invocation } from "./command.ts";
import { complain } from "./output.ts";
import { type Overseer, overseerOf } from "./owner.ts";

/** The Aphlict of a configuration. */
export interface Running {
  readonly pidfile: string;
  /** `null` when the file cannot be used. */
  readonly config: Config | null;
  /** What is wrong with the file. */
  readonly problems: readonly Problem[];
  /** `null` when none runs. */
  readonly overseer: Overseer | null;
}

/**
 * The Aphlict that runs with the configuration asked for. Of an invalid file the pidfile is enough, so
 * that one can still be looked at and stopped; its problems are shown.
 *
 * @throws {ConfigError} If not even the pidfile is known.
 * @throws {PidfileError} If it cannot be looked at.
 */
export function findRunning(invocation: Invocation): Running {
  const { pidfile, config, problems } = namedPidfile(invocation);
  return { pidfile, config, problems, overseer: overseerOf(pidfile) };
}

/**
 * The pidfile of the configuration asked for, and the configuration if it can be used; its problems are shown.
 *
 * @throws {ConfigError} If not even the pidfile is known.
 */
export function namedPidfile(invocation: Invocation): Omit<Running, "overseer"> {
  const { pidfile, config, error } = loadPidfile(configPath(invocation));
  if (error !== null) complain(`Warning: ${error.message}`);
  return { pidfile, config, problems: error?.problems ?? [] };
}
