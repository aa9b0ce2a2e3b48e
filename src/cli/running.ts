/**
 * Finding the Aphlict that runs with a configuration.
 *
 * @module
 */

import { loadPidfile } from "../config/load.ts";
import { holderOf } from "../supervisor/pidfile.ts";
import { configPath, type Invocation } from "./command.ts";
import { complain } from "./output.ts";

/** A running Aphlict. */
export interface Running {
  readonly pidfile: string;
  /** The overseer's process id. */
  readonly pid: number;
}

/**
 * The Aphlict that runs with the configuration asked for; `null` when none does. Of an invalid file the
 * pidfile is enough, so that one can still be looked at and stopped; its problems are shown.
 *
 * @throws {ConfigError} If not even the pidfile is known.
 * @throws {PidfileError} If it cannot be looked at.
 */
export function findRunning(invocation: Invocation): Running | null {
  const { pidfile, error } = loadPidfile(configPath(invocation));
  if (error !== null) complain(`Warning: ${error.message}`);
  const pid = holderOf(pidfile);
  return pid === null ? null : { pidfile, pid };
}
