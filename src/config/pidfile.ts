/**
 * The files of the supervisor: its pidfile, and those beside it.
 *
 * @module
 */

/** Returns the file that the supervisor writes its state into, for `status`, `reload` and others to read. */
export function stateFile(pidfile: string): string {
  return `${pidfile}.state`;
}

/** Returns the file of a pidfile that is not whole yet. Only the process that locks it may change the pidfile. */
export function nextPidfile(pidfile: string): string {
  return `${pidfile}.new`;
}

/** Returns the files that are written beside a pidfile. */
export function filesBeside(pidfile: string): string[] {
  const state = stateFile(pidfile);
  return [state, `${state}.new`, nextPidfile(pidfile)];
}
