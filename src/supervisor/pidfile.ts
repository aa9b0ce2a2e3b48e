/**
 * The pidfile: it holds the supervisor's process id, and the supervisor holds an exclusive lock on it.
 *
 * The kernel releases the lock however its holder ends. So a file without a lock is stale, whatever process
 * may have its number by now. A locked file names a supervisor: it is locked and filled under another name
 * first, and no other part of Aphlict locks it exclusively. Another user who may write its folder can lie; so
 * it belongs into a folder that only its user may write. A user who may read a file can lock it; so only its
 * user may read it.
 *
 * @module
 */

import { ExpectedError } from "../config/error.ts";
import { setTimeout as pause } from "node:timers/promises";
import { filesBeside, nextPidfile } from "../config/pidfile.ts";
import { messageOf } from "../text.ts";

/** The most attempts while another process changes the pidfile, and the time between them, in ms. */
const ATTEMPTS = 40;
const ATTEMPT_INTERVAL_MS = 25;

/** The bytes that are read of a pidfile. */
const PID_BYTES = 16;

/** The mode of a pidfile: only its user may read it, and so lock it. */
const MODE = 0o600;

/** A pidfile that cannot be used; the message says why and what to do. */
export class PidfileError extends ExpectedError {
  override readonly name = "PidfileError";
}

/** A pidfile that this process holds. */
export class Pidfile {
  readonly #path: string;
  #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Takes a pidfile and writes this process's id into it. A stale one is replaced.
   *
   * @returns `null` when a running supervisor holds it.
   * @throws {PidfileError} If it cannot be written.
   */
  static async take(path: string): Promise<Pidfile | null> {
    const file = await changing(path, (next) => put(path, next));
    return file && new Pidfile(path, file);
  }

  /**
   * Keeps the file new for programs that remove old files, and makes it again if it was removed all the
   * same. To be called now and then.
   *
   * @returns `kept`, `remade`, or `lost` to another supervisor.
   * @throws {PidfileError} If it cannot be made again.
   */
  async keep(): Promise<"kept" | "remade" | "lost"> {
    if (isStill(this.#path, this.#file)) {
      touch(this.#file);
      return "kept";
    }
    const file = await changing(this.#path, (next) => put(this.#path, next));
    if (!file) return "lost";
    this.#file.close();
    this.#file = file;
    return "remade";
  }

  /**
   * Removes it and the files beside it. The lock stays until the process has ended or `close` is called,
   * so that a process that waits for it finds no supervisor any more.
   */
  remove(): void {
    // A file that another process has put there is not removed.
    if (isStill(this.#path, this.#file)) removeAll(this.#path);
  }

  /** Releases the lock. */
  close(): void {
    this.#file.close();
  }
}

function touch(file: Deno.FsFile): void {
  const now = new Date();
  try {
    file.utimeSync(now, now);
  } catch {
    // The file belongs to another user by now, or cannot be changed. Its lock holds all the same.
  }
}

/** A running supervisor, according to its pidfile. The file is open until this is disposed of. */
export class PidfileHolder implements Disposable {
  /** The supervisor's process id. */
  readonly pid: number;
  /** The user id of the file's owner. */
  readonly uid: number | null;
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile, pid: number) {
    this.#path = path;
    this.#file = file;
    this.pid = pid;
    this.uid = file.statSync().uid;
  }

  /**
   * Finds the process that holds a pidfile; `null` when none does.
   *
   * @throws {PidfileError} If it cannot be examined, or is locked by something else than a supervisor.
   */
  static find(path: string): PidfileHolder | null {
    const file = open(path);
    if (!file) return null;
    let holder: PidfileHolder | null = null;
    try {
      if (file.tryLockSync(false)) return null;
      const bytes = new Uint8Array(PID_BYTES);
      const text = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
      if (!/^[1-9]\d{0,8}\s*$/.test(text)) {
        throw new PidfileError(
          `Pidfile ${path} is locked, but holds no process id. Find out who uses it (fuser ${path}).`,
        );
      }
      if (((file.statSync().mode ?? 0) & 0o077) !== 0) {
        throw new PidfileError(
          `Pidfile ${path} is locked, and others than its user can read it, so that any of them can have locked it. ` +
            `Take that right away (chmod 600 ${path}); if it still counts as locked then, find out by whom (fuser ${path}).`,
        );
      }
      holder = new PidfileHolder(path, file, Number(text));
      return holder;
    } finally {
      if (holder === null) file.close();
    }
  }

  /** Tells whether the file that was found is still held. */
  get isHeld(): boolean {
    if (!this.#file.tryLockSync(false)) return true;
    this.#file.unlockSync();
    return false;
  }

  /**
   * Resolves when the holder has ended, and removes the files that a killed one has left. There is no time
   * limit: the caller sets one, and may dispose of this meanwhile.
   *
   * @throws {PidfileError} If it cannot be removed.
   */
  async released(): Promise<void> {
    await this.#file.lock(false);
    this.#file.unlockSync();
    await removeStale(this.#path);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Returns the process id of the supervisor that holds a pidfile; `null` when none does.
 *
 * @throws {PidfileError} If it cannot be examined, or is locked by something else than a supervisor.
 */
export function holderOf(path: string): number | null {
  using holder = PidfileHolder.find(path);
  return holder?.pid ?? null;
}

/**
 * Removes a pidfile that no process holds, and the files beside it.
 *
 * @throws {PidfileError} If it cannot be examined or removed.
 */
export async function removeStale(path: string): Promise<void> {
  if (!mustBeFile(path)) return;
  await changing(path, (next) => {
    try {
      if (holderOf(path) === null) removeAll(path);
    } finally {
      remove(nextPidfile(path));
      next.close();
    }
  });
}

/**
 * Calls `change` while no other process changes a pidfile. `change` gets the file that may become the
 * next one, locked and open until `change` closes it.
 */
async function changing<T>(path: string, change: (next: Deno.FsFile) => T): Promise<T> {
  const name = nextPidfile(path);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await pause(ATTEMPT_INTERVAL_MS);
    const next = create(path, name);
    if (next === null) {
      removeUnlocked(name);
      continue;
    }
    // Before it was locked, another process may have taken it for that of a killed one.
    if (next.tryLockSync(true) && isStill(name, next)) return change(next);
    next.close();
  }
  throw new PidfileError(
    `Cannot use pidfile ${path}: somebody keeps ${name} locked. Find out who (fuser ${name}).`,
  );
}

/** Replaces a pidfile by the next one, unless a running supervisor holds it. */
function put(path: string, next: Deno.FsFile): Deno.FsFile | null {
  const name = nextPidfile(path);
  try {
    if (holderOf(path) === null) {
      const foreign = foreignContent(path);
      if (foreign !== null) throw new PidfileError(foreign);
      // The state of a killed supervisor would be taken for this one's.
      for (const each of statesOf(path)) remove(each);
      next.truncateSync();
      next.writeSync(new TextEncoder().encode(String(Deno.pid)));
      // Whatever the umask is.
      Deno.chmodSync(name, MODE);
      Deno.renameSync(name, path);
      return next;
    }
    remove(name);
    next.close();
    return null;
  } catch (error) {
    remove(name);
    next.close();
    throw error instanceof PidfileError ? error : new PidfileError(explain(path, error));
  }
}

/** Returns sentences that say that an Aphlict runs already, and what to do. */
export function alreadyRunning(pidfile: string, pid: number | null): string {
  const who = pid === null ? "" : ` (supervisor ${pid})`;
  return `Aphlict is already running${who}, as pidfile ${pidfile} tells. ` +
    "Use `aphlict restart` to restart it, or `aphlict reload` for a changed configuration. If it does not " +
    `run, somebody else has the file locked: fuser ${pidfile}`;
}

/** Returns sentences about a file that is no pidfile and would be replaced by one; `null` when there is none. */
export function foreignContent(path: string): string | null {
  using file = open(path);
  if (file === null) return null;
  const bytes = new Uint8Array(PID_BYTES + 1);
  const text = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  return text.length <= PID_BYTES && /^\d*\s*$/.test(text)
    ? null
    : `${path} holds something else than a process id, and would be replaced. Remove it, or change "pidfile".`;
}

function statesOf(path: string): string[] {
  return filesBeside(path).filter((each) => each !== nextPidfile(path));
}

/** Removes a pidfile and its state. The next pidfile is left to the process that has it locked. */
function removeAll(path: string): void {
  for (const each of [...statesOf(path), path]) remove(each);
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw new PidfileError(explain(path, error));
  }
}

/** Creates a file, through no link; `null` when the path exists already. */
function create(pidfile: string, path: string): Deno.FsFile | null {
  try {
    return Deno.openSync(path, { read: true, write: true, createNew: true, mode: MODE });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return null;
    throw new PidfileError(explain(pidfile, error));
  }
}

/** Removes a file that a killed process has left; a locked one is in use. */
function removeUnlocked(path: string): void {
  using file = open(path);
  if (file !== null && file.tryLockSync(true) && isStill(path, file)) remove(path);
}

/** Opens a pidfile; `null` when there is none. */
function open(path: string): Deno.FsFile | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (!mustBeFile(path)) return null;
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw new PidfileError(explain(path, error));
    }
    if (isStill(path, file)) return file;
    // It was replaced meanwhile.
    file.close();
  }
  throw new PidfileError(`Cannot use pidfile ${path}: it is replaced all the time.`);
}

/** Tells whether there is a file. Opening a pipe would wait for its other end, and a link may lead anywhere. */
function mustBeFile(path: string): boolean {
  const info = look(path);
  if (info === null || info.isFile) return info !== null;
  throw new PidfileError(
    `Cannot use pidfile ${path}: it is a folder, a link, a pipe or a device, and no file. Name a ` +
      'file as "pidfile".',
  );
}

function isStill(path: string, file: Deno.FsFile): boolean {
  const [now, then] = [look(path), file.statSync()];
  return now?.ino === then.ino && now.dev === then.dev;
}

function look(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw new PidfileError(explain(path, error));
  }
}

function explain(path: string, error: unknown): string {
  const what = `Cannot use pidfile ${path}: `;
  if (error instanceof Deno.errors.NotFound) {
    return `${what}its folder does not exist. Create it, or change "pidfile".`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${what}permission denied. Let the user that runs Aphlict write it and its folder, or ` +
      'change "pidfile".';
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `${what}the process was started without the permission. Start it with bin/aphlict.`;
  }
  return `${what}${messageOf(error)}. Change "pidfile".`;
}
