/**
 * Open files: each connection takes one, and the runtime stops accepting when there are none left.
 *
 * @module
 */

/** Files that the service has open beside its connections: logs, ports, peers, and what the runtime needs. */
export const OTHER_FILES = 100;

/** Counts the connections of all client servers of a process. */
export class OpenFiles {
  /** Connections at most. */
  readonly limit: number;
  /** Connections now. */
  used = 0;

  /** @param openFiles Files that the process may have open; `null`: it is not known how many. */
  constructor(openFiles: number | null) {
    this.limit = openFiles === null ? Infinity : connectionsIn(openFiles);
  }
}

/** Returns the connections that so many open files are enough for. */
export function connectionsIn(openFiles: number): number {
  return Math.max(0, openFiles - OTHER_FILES);
}
