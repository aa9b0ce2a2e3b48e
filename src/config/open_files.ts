/**
 * Open files: each connection takes one, and the runtime stops accepting when there are none left.
 *
 * @module
 */

import type { Config, ServerType } from "./config.ts";

/** Connections that the runtime accepts before it reports the first of them, at however many ports (Deno 2.9.6). */
const ACCEPTED_AT_ONCE = 128;

/**
 * Files that are kept for the runtime: 22 of an idle service, and those that are open for a moment, such as a
 * certificate that is read.
 */
const RUNTIME_FILES = 50;

/**
 * Files that are kept for each server, peer and log. A server has its port and the watchdog's connection to it; a
 * peer has its connection and the look-up of its address; a log has its file and the next one during a rotation.
 */
const ENTRY_FILES = 2;

/** The fewest files that are kept for all of these. */
const KEPT_MIN = 100;

/** Files that are kept beside connections where there are few servers and peers. */
export const OTHER_FILES = KEPT_MIN + ACCEPTED_AT_ONCE;

/**
 * Returns the number of files that the service has open beside its connections: those of the runtime, of ports,
 * peers and logs, and of connections that have been accepted and are about to be closed.
 */
export function otherFiles(
  { servers, cluster, logs }: Pick<Config, "servers" | "cluster" | "logs">,
): number {
  const entries = servers.length + cluster.length + logs.length;
  return ACCEPTED_AT_ONCE + Math.max(KEPT_MIN, RUNTIME_FILES + ENTRY_FILES * entries);
}

/** The most files that are reserved for admin servers: Phorge, peers and administrators are few. */
const ADMIN_RESERVED_MAX = 256;

/** Connections of a server that can be ended for others. */
export interface Crowd {
  /** The number of connections that have not become something else. */
  readonly size: number;
  /** Ends the connection that can be spared most easily. Returns `false` if there is none. */
  thin(): boolean;
}

/** The files that one server may take. */
export interface FileShare {
  /** The connections that have these files; `null`: none can be ended for others. */
  crowd: Crowd | null;
  /** Counts a connection. Returns `false` if there is no file for it. */
  take(): boolean;
  /**
   * Ends a connection of the server with the most of them, for one that found no file. It closes later. Returns
   * `false` if there is none.
   */
  makeRoom(): boolean;
  /** Counts a connection that has been accepted all the same. It takes a file until it has closed. */
  force(): void;
  /** Gives back the file of a connection that has closed. */
  release(): void;
}

/**
 * Counts the connections of all servers of a process. Each server has a part of the files that the others cannot take:
 * an eighth of all is divided among the admin servers, a half among the client servers.
 */
export class OpenFiles {
  /** The most connections at a time. */
  readonly limit: number;
  readonly #reserves: Readonly<Record<ServerType, number>>;
  readonly #shares: Share[] = [];

  /**
   * @param openFiles Files that the process may have open; `null`: it is not known how many.
   * @param others The number that {@linkcode otherFiles} returns.
   */
  constructor(openFiles: number | null, others: number = OTHER_FILES) {
    this.limit = openFiles === null ? Number.MAX_SAFE_INTEGER : filesIn(openFiles, others);
    this.#reserves = { admin: reservedForAdmin(this.limit), client: Math.floor(this.limit / 2) };
  }

  /** Returns the number of connections now. */
  get used(): number {
    return this.#shares.reduce((sum, { used }) => sum + used, 0);
  }

  /** Returns the share of one more server of a type. Servers have their shares before they accept connections. */
  share(type: ServerType): FileShare {
    const share = new Share(this, type);
    this.#shares.push(share);
    return share;
  }

  /** @internal Returns the number of free files, without those that each share has still reserved. */
  get free(): number {
    return this.#shares.reduce(
      (free, { used, reserved }) => free - Math.max(used, reserved),
      this.limit,
    );
  }

  /** @internal Returns the number of files that each server of a type has reserved. */
  reserved(type: ServerType): number {
    return Math.floor(
      this.#reserves[type] / this.#shares.filter((share) => share.type === type).length,
    );
  }

  /** @internal Ends a connection for one of `share`. No other server loses its part. */
  makeRoom(share: Share): boolean {
    return this.#shares
      .filter((each) => each === share || each.exceeds)
      .sort((a, b) => b.crowdSize - a.crowdSize)
      .some((each) => each.thin());
  }
}

class Share implements FileShare {
  readonly #files: OpenFiles;
  readonly type: ServerType;
  crowd: Crowd | null = null;
  used = 0;
  /** Connections that were ended for others, and have not closed. */
  #ending = 0;

  constructor(files: OpenFiles, type: ServerType) {
    this.#files = files;
    this.type = type;
  }

  get reserved(): number {
    return this.#files.reserved(this.type);
  }

  /** Tells whether it keeps its part when one of its connections is ended. */
  get exceeds(): boolean {
    return this.used - this.#ending > this.reserved;
  }

  get crowdSize(): number {
    return this.crowd?.size ?? 0;
  }

  makeRoom(): boolean {
    return this.#files.makeRoom(this);
  }

  thin(): boolean {
    if (this.crowd?.thin() !== true) return false;
    this.#ending++;
    return true;
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
    this.#ending = Math.max(0, this.#ending - 1);
  }
}

/**
 * Returns the number of browsers' connections that so many open files are enough for, however many connections
 * admin servers have.
 *
 * @param others The number that {@linkcode otherFiles} returns.
 */
export function connectionsIn(openFiles: number, others: number): number {
  const files = filesIn(openFiles, others);
  return files - reservedForAdmin(files);
}

/** Returns the fewest open files that are enough for so many browsers' connections, beside `others`. */
export function filesFor(connections: number, others: number): number {
  let files = others + connections;
  for (let lacking = 1; lacking > 0;) {
    lacking = connections - connectionsIn(files, others);
    files += lacking;
  }
  return files;
}

function filesIn(openFiles: number, others: number): number {
  return Math.max(0, openFiles - others);
}

function reservedForAdmin(files: number): number {
  return Math.min(ADMIN_RESERVED_MAX, Math.floor(files / 8));
}
