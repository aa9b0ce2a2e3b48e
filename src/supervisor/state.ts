/**
 * The supervisor's state, in a file beside its pidfile. `status`, `reload` and `check` read it, because the
 * supervisor has no port.
 *
 * @module
 */

import { stateFile } from "../config/pidfile.ts";
import { readRegularText } from "../config/regular_file.ts";
import { areTexts } from "../json.ts";
import type { ReloadOutcome } from "./channel.ts";

/** The most bytes of the state. The lines of a reload are the largest part. */
const FILE_LIMIT = 1024 * 1024;

/** The state of a supervisor. Times are in ms since 1970. */
export interface State {
  /** The supervisor's process id. The pidfile's lock tells whether it still runs. */
  readonly pid: number;
  /** The absolute path of the configuration file. */
  readonly config: string;
  /** True if its process group holds nothing but the supervisor and its children. */
  readonly ownGroup: boolean;
  /** The seconds over which a stop spreads the end of the browsers' connections. */
  readonly drain: number;
  /** The time at which the supervisor was started. */
  readonly since: number;
  /** The service that listens; `null` while there is none. */
  readonly service: RunningService | null;
  /** The number of restarts of the service after unexpected ends. */
  readonly restarts: number;
  /** The last unexpected end. */
  readonly lastEnd: { readonly at: number; readonly reason: string } | null;
  /** The numbers of the last reload that has begun, and of the last that is done. */
  readonly reloadBegun: number;
  readonly reloadDone: number;
  readonly lastReload: ReloadOutcome | null;
  /** The last line that a service without a console has written to standard error. */
  readonly complaint: { readonly at: number; readonly line: string } | null;
}

/** A service that listens. */
export interface RunningService {
  readonly pid: number;
  readonly since: number;
  readonly urls: readonly string[];
}

/** The state that a supervisor keeps. A state that cannot be written must not stop the supervisor. */
export class StateFile {
  readonly #pidfile: string;
  readonly #onFault: (error: unknown) => void;
  #state: State;
  #hasReported = false;

  /**
   * @param pidfile The pidfile beside which it stands. It has to be held.
   * @param complain Called once when the state cannot be written, and again only after it could.
   */
  constructor(pidfile: string, state: State, complain: (error: unknown) => void) {
    this.#pidfile = pidfile;
    this.#state = state;
    this.#onFault = complain;
  }

  /** Returns the current state, whether or not it could be written. */
  get state(): State {
    return this.#state;
  }

  /** Applies a change, and writes the state. */
  change(part: Partial<State>): void {
    this.#state = { ...this.#state, ...part };
    this.#attempt(() => write(this.#pidfile, this.#state));
  }

  /**
   * Keeps the file new for programs that remove old files, and writes it again if it was removed. To be
   * called now and then.
   */
  keep(): void {
    this.#attempt(() => {
      if (!touch(stateFile(this.#pidfile))) write(this.#pidfile, this.#state);
    });
  }

  #attempt(action: () => void): void {
    try {
      action();
      this.#hasReported = false;
    } catch (error) {
      if (!this.#hasReported) this.#onFault(error);
      this.#hasReported = true;
      // Readers must not take its old content for the truth.
      drop(stateFile(this.#pidfile));
    }
  }
}

/** Writes a state as a whole, so that no reader sees half of it. */
function write(pidfile: string, state: State): void {
  const path = stateFile(pidfile);
  // The file is created anew, because an old one may be a link.
  drop(`${path}.new`);
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(state), { createNew: true });
  // All users may read it, whatever the umask is.
  Deno.chmodSync(`${path}.new`, 0o644);
  Deno.renameSync(`${path}.new`, path);
}

/** Sets the times of a file to now, and tells whether it exists. */
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
    // It cannot be written either then, which is reported.
  }
}

/** Returns the state beside a pidfile; `null` when there is none that can be read and understood. */
export function readState(pidfile: string): State | null {
  try {
    const path = stateFile(pidfile);
    if (Deno.lstatSync(path).uid !== Deno.lstatSync(pidfile).uid) return null;
    const state: unknown = JSON.parse(readRegularText(path, { limit: FILE_LIMIT, links: false }));
    return isState(state) ? state : null;
  } catch {
    // Whatever the reason is, the caller goes on without it and says so.
    return null;
  }
}

/**
 * Tells whether a value is a state. Another version may have written it, or another user where the pidfile's
 * folder is open to others.
 */
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

/** Tells whether a value is a time in ms since 1970 that a `Date` can have. */
function isTime(value: unknown): boolean {
  return typeof value === "number" && !Number.isNaN(new Date(value).getTime());
}
