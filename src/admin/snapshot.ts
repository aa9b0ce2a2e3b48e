/**
 * How the service is at one moment, as plain data: what the metrics, the console page and `aphlict top` show.
 *
 * @module
 */

import type { AccountStatus } from "../budget.ts";
import type { Overview } from "../hub/hub.ts";
import type { PeerStatus } from "../metrics/peer.ts";
import type { AdminFigures, ClientFigures } from "../metrics/servers.ts";

/** See the module. Counters begin with the service. */
export interface Snapshot {
  /** Of Aphlict. */
  readonly version: string;
  /** Of Deno. */
  readonly deno: string;
  readonly fingerprint: string;
  /** Since the epoch, in ms. */
  readonly at: number;
  readonly uptimeMs: number;
  /** How often the supervisor has started the service again; `null` when it runs without one. */
  readonly restarts: number | null;
  /** Internal errors: defects of the program, which the log has. */
  readonly internalErrors: number;
  /** Whether every server is bound and the service is not stopping. */
  readonly ready: boolean;
  readonly servers: readonly ServerSnapshot[];
  readonly hub: Overview;
  /** In the order of the configuration. */
  readonly peers: readonly PeerStatus[];
  readonly memory: MemorySnapshot;
  readonly process: ProcessSnapshot;
  readonly log: LogSnapshot;
}

/** How one server of the configuration is. */
export type ServerSnapshot = ClientServerSnapshot | AdminServerSnapshot;

interface ServerBasics {
  /** Such as `wss://0.0.0.0:22280/`. */
  readonly url: string;
  /** Whether it is bound now. */
  readonly listening: boolean;
  readonly certificate: CertificateSnapshot | null;
}

export type ClientServerSnapshot = ServerBasics & ClientFigures;
export type AdminServerSnapshot = ServerBasics & AdminFigures;

/** A certificate in use. */
export interface CertificateSnapshot {
  readonly file: string;
  /** Since the epoch, in ms. */
  readonly expires: number;
}

/** Memory that outsiders make the service hold. */
export interface MemorySnapshot {
  /** Bytes at most, of all accounts together. */
  readonly limit: number;
  /** Bytes that the host or the container grants; `null` when that is not known. */
  readonly granted: number | null;
  /** By account: bytes, charges that were refused, and holders that were ended. */
  readonly accounts: Readonly<Record<string, AccountStatus>>;
}

/** How the process is. */
export interface ProcessSnapshot {
  /** Since the epoch, in ms. */
  readonly startedAt: number;
  /** CPU time that it has taken since, in ms. */
  readonly cpuMs: number;
  readonly heapBytes: number;
  readonly heapLimitBytes: number;
  /** Outside of the heap: what waits to be written, above all. */
  readonly externalBytes: number;
  readonly residentBytes: number;
  /** How late the event loop was at the worst in the last 5 s, in ms. */
  readonly lagMs: number;
  /** Files that the process may have open; `null` when it was not told. */
  readonly openFiles: number | null;
  /** The connections that those are enough for; `null` when it was not told. */
  readonly openFilesHold: number | null;
}

/** What is missing in the log. */
export interface LogSnapshot {
  /** Lines left out because there were too many of their kind. */
  readonly leftOut: number;
  /** Lines that could not be written to a file. */
  readonly lost: number;
}
