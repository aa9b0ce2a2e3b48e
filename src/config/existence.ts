/**
 * Checks whether a path exists, and whether it is a symbolic link.
 *
 * @module
 */

/** Tells whether a path leads to something. One that cannot be looked at does: the attempt to use it says why. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** Tells whether a path is a symbolic link. One that cannot be looked at is none: the attempt to use it says why. */
export function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}
