/**
 * The files of the overseer: its pidfile, and what stands beside it.
 *
 * @module
 */

/** Where the overseer writes what it knows, for `status`, `reload` and others to read. */
export function stateFile(pidfile: string): string {
  return `${pidfile}.state`;
}

/** What is written beside a pidfile: the state, and the next state until it is whole. */
export function stateFiles(pidfile: string): string[] {
  return [stateFile(pidfile), `${stateFile(pidfile)}.new`];
}
