/**
 * What a server takes from outside, as the configuration may change it. No honest browser, Phorge or peer
 * meets the defaults.
 *
 * @module
 */

/** Of a client server: what browsers may do. */
export interface ClientLimits {
  /** `limit.connections`: WebSockets at a time. */
  readonly connections: number;
  /** `limit.address`: WebSockets at a time from one address, or one IPv6 network of 64 bits; 0: any number. */
  readonly address: number;
  /** `limit.subscriptions`: topics that one listener may be subscribed to. */
  readonly subscriptions: number;
  /** `limit.topic`: characters of one topic. A PHID has about 30. */
  readonly topic: number;
  /** `limit.message`: bytes of one message, whatever its fragments. */
  readonly message: number;
  /** `limit.commands`: commands of one listener in a second, with {@linkcode BURST} seconds' at once. */
  readonly commands: number;
  /** `limit.backlog`: bytes that may wait for one slow listener. */
  readonly backlog: number;
  /** `timeout.handshake`: seconds from connecting to the end of the request. */
  readonly handshake: number;
  /** `timeout.idle`: seconds without a byte after which a listener is sent a ping. */
  readonly idle: number;
}

/** Of an admin server: what Phorge and peers may do. */
export interface AdminLimits {
  /** `limit.message`: bytes of one posted message. */
  readonly message: number;
  /** `limit.requests`: messages that are being received or answered at a time. */
  readonly requests: number;
}

/** What a client server is held to unless its entry says otherwise. */
export const CLIENT_LIMITS: ClientLimits = {
  connections: 50_000,
  address: 0,
  subscriptions: 512,
  topic: 256,
  message: 64 * 1024,
  commands: 100,
  backlog: 1024 * 1024,
  handshake: 10,
  idle: 60,
};

/** What an admin server is held to unless its entry says otherwise. */
export const ADMIN_LIMITS: AdminLimits = { message: 1024 * 1024, requests: 1000 };

/** A listener that was quiet may send this many seconds' worth of `limit.commands` at once. */
export const BURST = 2;
