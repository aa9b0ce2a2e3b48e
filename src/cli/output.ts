/**
 * What a command tells the person who typed it.
 *
 * @module
 */

/** Prints a line to standard output. */
export function print(text: string): void {
  // deno-lint-ignore no-console -- standard output is where a command's answer goes
  console.log(text);
}

/** Prints a line to standard error. */
export function complain(text: string): void {
  // deno-lint-ignore no-console -- standard error is where a command's complaints go
  console.error(text);
}
