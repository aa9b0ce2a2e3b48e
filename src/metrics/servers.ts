/**
 * What the servers of a configuration have done since the service began, in figures.
 *
 * @module
 */

import type { Distribution } from "./histogram.ts";

/** How often each kind has happened. */
export type Counts = Readonly<Record<string, number>>;

/** Of a client server: what its browsers have done, and how they are. */
export interface ClientFigures {
  readonly type: "client";
  /** Connections that did not become WebSockets, by reason. */
  readonly refused: Counts;
  /** WebSockets now, and how many there may be. */
  readonly connections: number;
  readonly connectionLimit: number;
  /** WebSockets that have been opened, and those that have ended, by reason. */
  readonly opened: number;
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

/** Of an admin server: what it has answered. */
export interface AdminFigures {
  readonly type: "admin";
  /** Requests that were turned away, by reason. */
  readonly refused: Counts;
  /** Messages that are being received or answered, and how many there may be. */
  readonly requests: number;
  readonly requestLimit: number;
  /** Bytes of messages that have been received whole. */
  readonly bytesIn: number;
  /** From a message's head to its receipt, in seconds. */
  readonly publishing: Distribution;
}
