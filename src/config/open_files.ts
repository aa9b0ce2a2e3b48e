/**
 * How many connections open files are enough for, as each takes one.
 *
 * @module
 */

/** Files that the service has open beside its connections: logs, ports, peers, and what the runtime needs. */
export const OTHER_FILES = 100;

/** The connections that so many open files are enough for. */
export function connectionsIn(openFiles: number): number {
  return Math.max(0, openFiles - OTHER_FILES);
}
