/**
 * What the rest of the program knows of a WebSocket, whichever engine runs it.
 *
 * @module
 */

/** One established connection. */
export interface Socket {
  /** Address and port of the other end, such as `192.0.2.7:50122` or `[2001:db8::7]:50122`. */
  readonly remoteAddress: string;
  /** The path of the request that opened it, as it was sent, without the query. */
  readonly path: string;
  /** Bytes handed to {@linkcode send} that have not gone to the kernel yet. */
  readonly queuedBytes: number;
  /** Queues one text message; `false` when the socket is not open. */
  send(message: TextMessage): boolean;
  /**
   * Starts the close handshake behind what is queued. Does nothing when it has been started.
   *
   * @param code RFC 6455, section 7.4.
   * @param reason At most 123 bytes of UTF-8.
   */
  close(code: number, reason: string): void;
  /** The same, but drops what is queued: for a peer that does not read. */
  abort(code: number, reason: string): void;
}

/** A message encoded once, to be sent to many sockets. */
export interface TextMessage {
  readonly text: string;
  /** The text in UTF-8. */
  readonly bytes: Uint8Array;
}

/** What a socket's owner does with what arrives. */
export interface SocketHandlers {
  /** A whole message. A binary one is taken for UTF-8 text. */
  message(text: string): void;
  /**
   * The connection is over. Called once; nothing follows.
   *
   * @param fault What the peer did wrong, when the server ended it for that: part of a sentence.
   */
  close(fault: string | null): void;
}

/** What a client may take. Times are in ms. */
export interface SocketLimits {
  /** Bytes of one message, whatever its fragments; more ends the connection with 1009. */
  readonly messageBytes: number;
  /** Bytes that a client may send in a second; more ends the connection with 1008. */
  readonly bytesPerSecond: number;
  /** WebSockets at a time; one more is answered with 503. */
  readonly connections: number;
  /** Connections that have not sent their request yet; for one more the oldest is dropped. */
  readonly handshakes: number;
  /** From connecting to the end of the request, TLS included; then it is answered with 408. */
  readonly handshakeMs: number;
  /** After this long without a byte from it a client is sent a ping. */
  readonly silenceMs: number;
  /** A client that has been sent a ping and is silent for this much longer is dropped. */
  readonly answerMs: number;
  /** How long a connection that is being closed may take before it is dropped. */
  readonly closeMs: number;
}

/** No honest browser meets these. */
export const DEFAULT_LIMITS: SocketLimits = {
  messageBytes: 64 * 1024,
  bytesPerSecond: 128 * 1024,
  connections: 50_000,
  handshakes: 4096,
  handshakeMs: 10_000,
  silenceMs: 60_000,
  answerMs: 30_000,
  closeMs: 3_000,
};

/** PEM key and certificate chain. */
export interface TlsPair {
  readonly key: string;
  readonly cert: string;
}

/** The answer to a request that does not ask for a WebSocket. */
export interface PlainAnswer {
  readonly status: number;
  readonly body: string;
}

/** What a socket server does. */
export interface SocketServerOptions {
  /** Address or host name to bind. */
  readonly hostname: string;
  readonly port: number;
  /** `null`: plain text. */
  readonly tls: TlsPair | null;
  readonly limits: SocketLimits;
  /** Takes over a new connection. */
  accept(socket: Socket): SocketHandlers;
  /** Told of a connection that wanted to be a WebSocket and could not. */
  refused(remoteAddress: string, reason: string): void;
  /** Told what an administrator can put right: a sentence. */
  trouble(message: string): void;
  readonly otherwise: PlainAnswer;
}

/** A bound server. */
export interface SocketServer {
  /**
   * Resolves after {@linkcode shutdown}; rejects when the server accepts no more on its own account,
   * as when the process has too many files open.
   */
  readonly finished: Promise<void>;
  /**
   * Uses another certificate for connections that are made from now on; the others stay. Absent when
   * the engine cannot.
   *
   * @throws {Error} If the runtime cannot use it; the old one stays in use then.
   */
  renew?(tls: TlsPair): void;
  /**
   * Gives the port up, for another server to be bound to it, and resolves when it is free: what an
   * engine offers that cannot {@linkcode renew}. Its sockets are closed with 1001.
   */
  release?(): Promise<void>;
  /** Takes no more sockets from now on; those that there are stay. */
  refuse(): void;
  /**
   * Takes no more, closes every socket with 1001, and resolves when all are gone. It may never
   * resolve when a socket is stuck: the caller sets a deadline. A second call changes nothing.
   *
   * @param drainMs Over how long the sockets are closed, the first at once, the last at the end.
   */
  shutdown(drainMs: number): Promise<void>;
}
