/**
 * The pidfile: it holds the overseer's process id, and the overseer holds an exclusive lock on it.
 *
 * The kernel gives the lock back however its holder ends. So a file that nobody locks is stale,
 * whatever process may have its number by now, and one that is locked names a process that is ours.
 *
 * @module
 */

import { stateFiles } from "../config/pidfile.ts";

/** How often a lock is asked for that somebody may only be looking at, and the time between, in ms. */
const ATTEMPTS = 20;
const ATTEMPT_INTERVAL_MS = 25;

/** A pidfile that cannot be used; the message says why and what to do. */
export class PidfileError extends Error {
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
   * @returns `null` when a running overseer holds it.
   * @throws {PidfileError} If it cannot be written.
   */
  static async take(path: string): Promise<Pidfile | null> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, ATTEMPT_INTERVAL_MS));
      const file = lock(path);
      if (!file) continue;
      // A killed one's state would be taken for ours.
      for (const each of stateFiles(path)) remove(each);
      return new Pidfile(path, file);
    }
    return null;
  }

  /**
   * To be called now and then: what cleans up folders of old files must not find it old, and one that
   * was removed all the same is made again.
   *
   * @returns Whether it had to be made again.
   * @throws {PidfileError} If it cannot be made again.
   */
  keep(): boolean {
    if (isStill(this.#path, this.#file)) {
      const now = new Date();
      this.#file.utimeSync(now, now);
      return false;
    }
    const file = lock(this.#path);
    if (!file) throw new PidfileError(`Pidfile ${this.#path} is held by another overseer.`);
    this.#file.close();
    this.#file = file;
    return true;
  }

  /**
   * Removes it and what stands beside it. The lock stays until the process has ended or `close` is
   * called, so that who waits for it finds no process any more.
   */
  remove(): void {
    // One that somebody else has put in its place is theirs.
    if (isStill(this.#path, this.#file)) removeAll(this.#path);
  }

  /** Gives the lock back. */
  close(): void {
    this.#file.close();
  }
}

/** Opens, locks and fills a pidfile; `null` when somebody else has it, if only for a moment. */
function lock(path: string): Deno.FsFile | null {
  const file = open(path, { read: true, write: true, create: true, mode: 0o644 });
  try {
    // Its last holder may have removed it between the opening and the locking.
    if (file?.tryLockSync(true) && isStill(path, file)) {
      file.truncateSync();
      file.writeSync(new TextEncoder().encode(String(Deno.pid)));
      return file;
    }
  } catch (error) {
    file?.close();
    throw new PidfileError(explain(path, error));
  }
  file?.close();
  return null;
}

/**
 * The process that holds a pidfile; `null` when nobody does.
 *
 * @throws {PidfileError} If it cannot be looked at, or is locked by something that is no overseer.
 */
export function holderOf(path: string): number | null {
  const file = open(path, { read: true });
  if (!file) return null;
  try {
    if (file.tryLockSync(false)) return null;
    const text = Deno.readTextFileSync(path);
    const pid = /^\d{1,9}\s*$/.test(text) ? Number(text) : 0;
    if (pid > 1 || (pid === 1 && Deno.pid !== 1)) return pid;
    throw new PidfileError(
      `Pidfile ${path} is locked, but holds no process id. Find out who uses it (fuser ${path}).`,
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  } finally {
    file.close();
  }
}

/**
 * Resolves when nobody holds a pidfile any more; what a killed overseer has left of it is removed.
 * There is no limit of time: the caller sets one.
 *
 * @throws {PidfileError} If it cannot be looked at or removed.
 */
export async function released(path: string): Promise<void> {
  const file = open(path, { read: true });
  if (!file) return;
  try {
    await file.lock(true);
    // Somebody else may have made a new one meanwhile.
    if (isStill(path, file)) removeAll(path);
  } finally {
    file.close();
  }
}

function removeAll(path: string): void {
  for (const each of [...stateFiles(path), path]) remove(each);
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw new PidfileError(explain(path, error));
  }
}

/** `null` when there is none. */
function open(path: string, options: Deno.OpenOptions): Deno.FsFile | null {
  try {
    return Deno.openSync(path, options);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isMissing && !options.create) return null;
    throw new PidfileError(explain(path, error));
  }
}

function isStill(path: string, file: Deno.FsFile): boolean {
  try {
    const [now, then] = [Deno.statSync(path), file.statSync()];
    return now.ino === then.ino && now.dev === then.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
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
  return `${what}${error instanceof Error ? error.message : String(error)}. Change "pidfile".`;
}
