/**
 * What the overseer knows, in a file beside its pidfile: for `status`, `reload` and `check`, as the
 * overseer has no port to ask at.
 *
 * @module
 */

import { stateFile } from "../config/pidfile.ts";
import type { ReloadOutcome } from "./channel.ts";

/** What the overseer knows. Times are in ms since 1970. */
export interface State {
  /** Absolute path of the configuration file. */
  readonly config: string;
  /** Whether its process group holds nothing but the overseer and its children. */
  readonly ownGroup: boolean;
  /** Seconds over which a stop spreads the end of the browsers' connections. */
  readonly drain: number;
  /** Since when the overseer runs. */
  readonly since: number;
  /** The service that listens; `null` while there is none. */
  readonly service: RunningService | null;
  /** How often the service was started again after it had ended unexpectedly. */
  readonly restarts: number;
  /** The last unexpected end. */
  readonly lastEnd: { readonly at: number; readonly reason: string } | null;
  /** Counts the reloads, so that who asks for one knows when it is done. */
  readonly reloads: number;
  readonly lastReload: ReloadOutcome | null;
}

/** A service that listens. */
export interface RunningService {
  readonly pid: number;
  readonly since: number;
  readonly urls: readonly string[];
}

/** Replaces the state as a whole, so that no reader sees half of it. */
export function writeState(pidfile: string, state: State): void {
  const path = stateFile(pidfile);
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o644 });
  Deno.renameSync(`${path}.new`, path);
}

/** Keeps what cleans up old files from finding the state old, and writes one that was removed again. */
export function keepState(pidfile: string, state: State): void {
  const now = new Date();
  try {
    Deno.utimeSync(stateFile(pidfile), now, now);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    writeState(pidfile, state);
  }
}

/** The state beside a pidfile; `null` when there is none that can be understood. */
export function readState(pidfile: string): State | null {
  try {
    const state: unknown = JSON.parse(Deno.readTextFileSync(stateFile(pidfile)));
    return isState(state) ? state : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Only the overseer writes it, so this tells its version from another one. */
function isState(value: unknown): value is State {
  if (typeof value !== "object" || value === null) return false;
  const { config, since, service, restarts, lastEnd, reloads, lastReload } = value as State;
  return typeof config === "string" && typeof since === "number" && typeof restarts === "number" &&
    typeof reloads === "number" && isObjectOrNull(lastEnd) && isObjectOrNull(lastReload) &&
    isObjectOrNull(service) && (service === null || Array.isArray(service.urls));
}

function isObjectOrNull(value: unknown): boolean {
  return typeof value === "object";
}
