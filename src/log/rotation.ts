/**
 * The names of a log file's rotated files: `PATH.1` is the newest, `PATH.2` the one before, and so on.
 *
 * @module
 */

/**
 * Gives the file and its rotated files the next name each, up to the first name that is free. When
 * none is free, the oldest file is replaced. The last file is renamed first, so that a crash in
 * between leaves a free name and loses no file, and the next rotation goes no further than that name.
 *
 * @param names The file itself, then its rotated names, newest first.
 * @returns A function that takes the renaming back; a replaced file stays lost. It throws as this does.
 * @throws {Error} The errors of `Deno.lstatSync` and `Deno.renameSync`. Files renamed until then stay so.
 */
export function shift(names: readonly string[]): () => void {
  const free = names.findIndex((name, index) => index > 0 && !isTaken(name));
  const moved = free === -1 ? names : names.slice(0, free + 1);
  renameEach(moved.toReversed());
  return () => renameEach(moved);
}

/** Gives each file the name before its own, the first one first. */
function renameEach(names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    const next = names[index + 1];
    if (next !== undefined) rename(next, name);
  }
}

/** Tells whether a name is taken, even if by a link that leads nowhere. */
function isTaken(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}

/** Renames a file. One that another process has just removed leaves a free name. */
function rename(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
