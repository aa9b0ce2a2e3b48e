/**
 * What a command tells the person who typed it.
 *
 * @module
 */

/** Prints a line to standard output. */
export function print(text: string): void {
  // deno-lint-ignore no-console -- standard output is where a command's answer goes
  attempt(() => console.log(text));
}

/**
 * Prints a line to standard output that somebody may have stopped to read, as `head` does.
 *
 * @returns Whether it could be written.
 */
export function emit(text: string): boolean {
  let bytes = new TextEncoder().encode(`${text}\n`);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    return true;
  } catch {
    return false;
  }
}

/** Prints a line to standard error. */
export function complain(text: string): void {
  // deno-lint-ignore no-console -- standard error is where a command's complaints go
  attempt(() => console.error(text));
}

/** A command does its work whether or not its output can be written, and has nowhere else to say so. */
function attempt(write: () => void): void {
  try {
    write();
  } catch {
    // A full disk under a redirection, or a reader that is gone.
  }
}
