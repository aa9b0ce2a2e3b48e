/**
 * The rules for which request gets a WebSocket, and the limits for clients.
 *
 * @module
 */

import { HTTP_REFUSALS } from "../http/engine.ts";
import type { Networks } from "../config/network.ts";
import type { Origins } from "../config/origin.ts";

/** The limits for a client. Times are in ms. */
export interface SocketLimits {
  /** The most bytes of one message, over all its fragments; more ends the connection with 1009. */
  readonly messageBytes: number;
  /** The most bytes that a client may send in a second; more ends the connection with 1008. */
  readonly bytesPerSecond: number;
  /** The most WebSockets at a time; one more is answered with 503. */
  readonly connections: number;
  /** The most WebSockets at a time from one address; one more is answered with 429. 0: any number. */
  readonly address: number;
  /** The most connections that have not sent their request yet; for one more the oldest is dropped. */
  readonly handshakes: number;
  /** The longest time from connecting to the end of the request, TLS included; then it is answered with 408. */
  readonly handshakeMs: number;
  /** The longest time from a message's first byte to its last. */
  readonly messageMs: number;
  /** The idle timeout: a client that has sent no byte for this long is sent a ping. */
  readonly idleMs: number;
  /** The pong timeout: a client that sends nothing for this long after a ping is dropped. */
  readonly pongMs: number;
  /** The longest time for closing a connection before it is dropped. */
  readonly closeMs: number;
}

/** The rules of one server. */
export interface SocketRules {
  /** The origins that may connect; `null`: any. */
  readonly origins: Origins | null;
  /** The proxies that may name a client's address. */
  readonly proxies: Networks;
  readonly limits: SocketLimits;
}

/** The reasons why a connection did not become a WebSocket. */
export const REFUSALS = [
  // Its origin is not in `origins`.
  "origin",
  // Its address has the most connections that it may have.
  "address",
  // The server has the most connections that it may have.
  "connections",
  // No WebSocket can be made of its request: "malformed".
  ...HTTP_REFUSALS,
] as const;
export type RefusalKind = typeof REFUSALS[number];
