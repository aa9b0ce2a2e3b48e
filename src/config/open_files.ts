/**
 * Open files: each connection takes one, and the runtime stops accepting when there are none left.
 *
 * @module
 */

import type { ServerType } from "./config.ts";

/** Connections that the runtime accepts before it tells of the first of them (Deno 2.9.6). */
const ACCEPTED_AT_ONCE = 128;

/**
 * Files that the service has open beside its connections: logs, ports, peers, what the runtime needs, and connections
 * that have been accepted and are about to be closed.
 */
export const OTHER_FILES = 100 + ACCEPTED_AT_ONCE;

/** The most that is reserved for admin servers: Phorge, peers and administrators are few. */
const ADMIN_RESERVED_MAX = 256;

/** The files that the servers of one type may take. */
export interface FileShare {
  /** Counts a connection; `false`: there is no file for it. */
  take(): boolean;
  /** Counts a connection that has been accepted all the same. It takes a file until it has closed. */
  force(): void;
  /** A connection has closed. */
  release(): void;
}

/**
 * Counts the connections of all servers of a process. The servers of each type have a part of the files that the others
 * cannot take: admin servers an eighth, client servers a half.
 */
export class OpenFiles {
  /** Connections at most. */
  readonly limit: number;
  readonly #shares: Readonly<Record<ServerType, Share>>;

  /** @param openFiles Files that the process may have open; `null`: it is not known how many. */
  constructor(openFiles: number | null) {
    this.limit = openFiles === null ? Number.MAX_SAFE_INTEGER : filesIn(openFiles);
    this.#shares = {
      admin: new Share(this, reservedForAdmin(this.limit)),
      client: new Share(this, Math.floor(this.limit / 2)),
    };
  }

  /** Connections now. */
  get used(): number {
    const { admin, client } = this.#shares;
    return admin.used + client.used;
  }

  /** Returns the share of the servers of a type. */
  share(type: ServerType): FileShare {
    return this.#shares[type];
  }

  /** Files that are free, without those that each share has still reserved. */
  get free(): number {
    const { admin, client } = this.#shares;
    return this.limit - Math.max(admin.used, admin.reserved) -
      Math.max(client.used, client.reserved);
  }
}

class Share implements FileShare {
  readonly #files: OpenFiles;
  readonly reserved: number;
  used = 0;

  constructor(files: OpenFiles, reserved: number) {
    this.#files = files;
    this.reserved = reserved;
  }

  take(): boolean {
    if (this.used >= this.reserved && this.#files.free < 1) return false;
    this.used++;
    return true;
  }

  force(): void {
    this.used++;
  }

  release(): void {
    this.used--;
  }
}

/** Returns the connections of browsers that so many open files are enough for, whatever connects to admin servers. */
export function connectionsIn(openFiles: number): number {
  const files = filesIn(openFiles);
  return files - reservedForAdmin(files);
}

/** Returns the fewest open files that are enough for so many connections of browsers. */
export function filesFor(connections: number): number {
  let files = OTHER_FILES + connections;
  for (let lacking = 1; lacking > 0;) {
    lacking = connections - connectionsIn(files);
    files += lacking;
  }
  return files;
}

function filesIn(openFiles: number): number {
  return Math.max(0, openFiles - OTHER_FILES);
}

function reservedForAdmin(files: number): number {
  return Math.min(ADMIN_RESERVED_MAX, Math.floor(files / 8));
}
