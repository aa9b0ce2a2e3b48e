/**
 * What the supervisor knows, in a file beside its pidfile: for `status`, `reload` and `check`, as the
 * supervisor has no port to ask at.
 *
 * @module
 */

import { stateFile } from "../config/pidfile.ts";
import { readRegularText } from "../config/regular_file.ts";
import type { ReloadOutcome } from "./channel.ts";

/** Bytes of the state, at most: the lines of a reload are the largest part. */
const FILE_LIMIT = 1024 * 1024;

/** What the supervisor knows. Times are in ms since 1970. */
export interface State {
  /** The supervisor's process id. Whether it still runs, the pidfile's lock tells. */
  readonly pid: number;
  /** Absolute path of the configuration file. */
  readonly config: string;
  /** Whether its process group holds nothing but the supervisor and its children. */
  readonly ownGroup: boolean;
  /** Seconds over which a stop spreads the end of the browsers' connections. */
  readonly drain: number;
  /** Since when the supervisor runs. */
  readonly since: number;
  /** The service that listens; `null` while there is none. */
  readonly service: RunningService | null;
  /** How often the service was started again after it had ended unexpectedly. */
  readonly restarts: number;
  /** The last unexpected end. */
  readonly lastEnd: { readonly at: number; readonly reason: string } | null;
  /** The number of the last reload that has begun, and of the last that is done. */
  readonly reloadBegun: number;
  readonly reloadDone: number;
  readonly lastReload: ReloadOutcome | null;
  /** What a service without a console has last written to standard error. */
  readonly complaint: { readonly at: number; readonly line: string } | null;
}

/** A service that listens. */
export interface RunningService {
  readonly pid: number;
  readonly since: number;
  readonly urls: readonly string[];
}

/** The state that a supervisor keeps. One that cannot be written must not stop it. */
export class StateFile {
  readonly #pidfile: string;
  readonly #complain: (error: unknown) => void;
  #state: State;
  #complained = false;

  /**
   * @param pidfile Beside which it stands; it has to be held.
   * @param complain Told once when the state cannot be written, and again after it could.
   */
  constructor(pidfile: string, state: State, complain: (error: unknown) => void) {
    this.#pidfile = pidfile;
    this.#state = state;
    this.#complain = complain;
  }

  /** What is known now, whether or not it could be written. */
  get state(): State {
    return this.#state;
  }

  /** Takes over what has changed. */
  change(part: Partial<State>): void {
    this.#state = { ...this.#state, ...part };
    this.#attempt(() => write(this.#pidfile, this.#state));
  }

  /**
   * To be called now and then: what cleans up old files must not find it old, and one that was removed
   * is written again.
   */
  keep(): void {
    this.#attempt(() => {
      if (!touch(stateFile(this.#pidfile))) write(this.#pidfile, this.#state);
    });
  }

  #attempt(action: () => void): void {
    try {
      action();
      this.#complained = false;
    } catch (error) {
      if (!this.#complained) this.#complain(error);
      this.#complained = true;
      // Nobody may take what it says for the truth.
      drop(stateFile(this.#pidfile));
    }
  }
}

/** As a whole, so that no reader sees half of it. */
function write(pidfile: string, state: State): void {
  const path = stateFile(pidfile);
  // Made anew: what lies there may be a link.
  drop(`${path}.new`);
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(state), { createNew: true });
  // For everybody to read, whatever the umask says.
  Deno.chmodSync(`${path}.new`, 0o644);
  Deno.renameSync(`${path}.new`, path);
}

/** Whether it is there. */
function touch(path: string): boolean {
  const now = new Date();
  try {
    Deno.utimeSync(path, now, now);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function drop(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // What cannot be written either has been told.
  }
}

/** The state beside a pidfile; `null` when there is none that can be read and understood. */
export function readState(pidfile: string): State | null {
  try {
    const path = stateFile(pidfile);
    if (Deno.lstatSync(path).uid !== Deno.lstatSync(pidfile).uid) return null;
    const state: unknown = JSON.parse(readRegularText(path, { limit: FILE_LIMIT, links: false }));
    return isState(state) ? state : null;
  } catch {
    // Whatever the reason, who asks goes on without it and says so.
    return null;
  }
}

/** Another version may have written it, or another user where the pidfile's folder is open to others. */
function isState(value: unknown): value is State {
  if (typeof value !== "object" || value === null) return false;
  const { service, lastEnd, lastReload, complaint, ...rest } = value as State;
  return typeof rest.config === "string" && typeof rest.ownGroup === "boolean" &&
    [rest.pid, rest.drain, rest.since, rest.restarts, rest.reloadBegun, rest.reloadDone].every(
      Number.isFinite,
    ) &&
    isNullOr(
      service,
      ({ pid, since, urls }) => isTime(since) && typeof pid === "number" && areTexts(urls),
    ) &&
    isNullOr(lastEnd, ({ at, reason }) => isTime(at) && typeof reason === "string") &&
    isNullOr(lastReload, ({ ok, lines }) => typeof ok === "boolean" && areTexts(lines)) &&
    isNullOr(complaint, ({ at, line }) => isTime(at) && typeof line === "string");
}

function isNullOr<T extends object>(value: T | null, isValid: (value: T) => boolean): boolean {
  return value === null || (typeof value === "object" && isValid(value));
}

/** Whether it is a time in ms since 1970 that a `Date` can have. */
function isTime(value: unknown): boolean {
  return typeof value === "number" && !Number.isNaN(new Date(value).getTime());
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
