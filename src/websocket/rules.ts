/**
 * Who may have a WebSocket, and what clients are held to.
 *
 * @module
 */

import { HTTP_REFUSALS } from "../http/engine.ts";
import type { Networks } from "../config/network.ts";
import type { Origins } from "../config/origin.ts";

/** What a client may take. Times are in ms. */
export interface SocketLimits {
  /** Bytes of one message, whatever its fragments; more ends the connection with 1009. */
  readonly messageBytes: number;
  /** Bytes that a client may send in a second; more ends the connection with 1008. */
  readonly bytesPerSecond: number;
  /** WebSockets at a time; one more is answered with 503. */
  readonly connections: number;
  /** WebSockets at a time from one address; one more is answered with 429. 0: any number. */
  readonly address: number;
  /** Connections that have not sent their request yet; for one more the oldest is dropped. */
  readonly handshakes: number;
  /** From connecting to the end of the request, TLS included; then it is answered with 408. */
  readonly handshakeMs: number;
  /** From a message's first byte to its last. */
  readonly messageMs: number;
  /** After this long without a byte from it a client is sent a ping. */
  readonly idleMs: number;
  /** A client that has been sent a ping and is silent for this much longer is dropped. */
  readonly pongMs: number;
  /** How long a connection that is being closed may take before it is dropped. */
  readonly closeMs: number;
}

/** Who is served, and how much of it. */
export interface SocketRules {
  /** Who may connect; `null`: whoever comes. */
  readonly origins: Origins | null;
  /** Whose word on a client's address is believed. */
  readonly proxies: Networks;
  readonly limits: SocketLimits;
}

/** Why a connection did not become a WebSocket. */
export const REFUSALS = [
  // `origins` does not have its origin.
  "origin",
  // Its address has as many as it may have.
  "address",
  // There are as many as there may be.
  "connections",
  // Besides its request may be none that a WebSocket can be made of: "malformed".
  ...HTTP_REFUSALS,
] as const;
export type RefusalKind = typeof REFUSALS[number];
