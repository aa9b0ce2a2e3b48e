/**
 * The files of the supervisor: its pidfile, and what stands beside it.
 *
 * @module
 */

/** Where the supervisor writes what it knows, for `status`, `reload` and others to read. */
export function stateFile(pidfile: string): string {
  return `${pidfile}.state`;
}

/** A pidfile until it is whole; whoever locks it is the only one to change the pidfile. */
export function nextPidfile(pidfile: string): string {
  return `${pidfile}.new`;
}

/** What is written beside a pidfile. */
export function filesBeside(pidfile: string): string[] {
  const state = stateFile(pidfile);
  return [state, `${state}.new`, nextPidfile(pidfile)];
}
