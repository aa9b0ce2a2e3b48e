/**
 * Parts that the configuration files of the tests are made of.
 *
 * @module
 */

export const CLIENT = `{"type": "client", "port": 22280}`;
export const ADMIN = `{"type": "admin", "port": 22281}`;

/** A file with these servers. */
export function servers(...entries: string[]): string {
  return `{"servers": [${entries.join(", ")}], "pidfile": "aphlict.pid"}`;
}

/** A file with a client and an admin server, and these keys. */
export function keys(text: string, pidfile = `"aphlict.pid"`): string {
  return `{"servers": [${CLIENT}, ${ADMIN}], "pidfile": ${pidfile}, ${text}}`;
}

/** A file whose second server, an admin server, has these keys. */
export function admin(text: string): string {
  return servers(CLIENT, `{"type": "admin", "port": 22281, ${text}}`);
}

/** A file that is refused. */
export interface InvalidFile {
  /** Completes "Validation refuses ...". */
  readonly what: string;
  readonly text: string;
  /** Each problem's JSON path, and its message or a part of it that tells it from others. */
  readonly problems: readonly (readonly [path: string, message: string])[];
}

export const USE_PORT = "Use a whole number from 1 to 65535.";
export const USE_HOST = "Use an IPv4 address, an IPv6 address or a host name.";
export const USE_PATH = "Use the path of a file in quotes.";
export const NO_COMMA = "Choose a path without commas, line breaks and NUL: " +
  "Deno's permission flags separate paths by commas and have no way to escape one.";
