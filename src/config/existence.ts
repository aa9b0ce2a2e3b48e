/**
 * Whether there is something at a path.
 *
 * @module
 */

/** Tells whether a path leads somewhere. What cannot be looked at counts as there: the attempt to use it says why. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** Tells whether a path is a symbolic link. What cannot be looked at counts as none: the attempt to use it says why. */
export function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}
