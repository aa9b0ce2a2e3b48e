/**
 * How the service is at one moment, as plain data: what the metrics, the console page and `aphlict top` show.
 *
 * @module
 */

import type { ServerType } from "../config/config.ts";
import type { Overview } from "../hub/hub.ts";
import type { Distribution } from "../metrics/histogram.ts";
import type { PeerStatus } from "../metrics/peer.ts";

/** How often each kind has happened. */
export type Counts = Readonly<Record<string, number>>;

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
  /** How often the overseer has started the service again; `null` when it runs without one. */
  readonly restarts: number | null;
  /** Whether every server is bound and the service is not stopping. */
  readonly ready: boolean;
  readonly servers: readonly ServerSnapshot[];
  readonly hub: Overview;
  /** In the order of the configuration. */
  readonly peers: readonly PeerStatus[];
  readonly process: ProcessSnapshot;
  readonly log: LogSnapshot;
}

/** How one server of the configuration is. */
export type ServerSnapshot = ClientServerSnapshot | AdminServerSnapshot;

interface ServerBasics {
  readonly type: ServerType;
  /** Such as `wss://0.0.0.0:22280/`. */
  readonly url: string;
  /** Whether it is bound now. */
  readonly listening: boolean;
  readonly certificate: CertificateSnapshot | null;
  /** What it has turned away, by reason. */
  readonly refused: Counts;
}

/** A certificate in use. */
export interface CertificateSnapshot {
  readonly file: string;
  /** Since the epoch, in ms. */
  readonly expires: number;
}

/** How a client server is. */
export interface ClientServerSnapshot extends ServerBasics {
  readonly type: "client";
  /** WebSockets now, and how many there may be. */
  readonly connections: number;
  readonly connectionLimit: number;
  /** WebSockets that have been opened. */
  readonly opened: number;
  /** Those that have ended, by reason. */
  readonly ended: Counts;
  /** Messages of browsers, and what of them was ignored, by reason. */
  readonly messages: number;
  readonly ignored: Counts;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that wait for browsers to read. */
  readonly backlogBytes: number;
  /** From queued to written, in seconds. */
  readonly writing: Distribution;
}

/** How an admin server is. */
export interface AdminServerSnapshot extends ServerBasics {
  readonly type: "admin";
  /** Requests that are being received or answered, and how many there may be. */
  readonly requests: number;
  readonly requestLimit: number;
  /** Bytes of messages that have been received whole. */
  readonly bytesIn: number;
  /** From a message's first byte to its receipt, in seconds. */
  readonly publishing: Distribution;
}

/** How the process is. */
export interface ProcessSnapshot {
  readonly heapBytes: number;
  readonly heapLimitBytes: number;
  /** Outside of the heap: what waits to be written, above all. */
  readonly externalBytes: number;
  readonly residentBytes: number;
  /** How late the event loop was at the worst in the last 5 s, in ms. */
  readonly lagMs: number;
  /** Files that the process may have open; `null` when it was not told. */
  readonly openFiles: number | null;
}

/** What is missing in the log. */
export interface LogSnapshot {
  /** Lines left out because there were too many of their kind. */
  readonly leftOut: number;
  /** Lines that could not be written to a file. */
  readonly lost: number;
}
