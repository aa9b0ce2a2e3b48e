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
   * Starts the close handshake. Does nothing when it has been started.
   *
   * @param code RFC 6455, section 7.4.
   * @param reason At most 123 bytes of UTF-8.
   */
  close(code: number, reason: string): void;
}

/** A message encoded once, to be sent to many sockets. */
export interface TextMessage {
  readonly text: string;
}

/** What a socket's owner does with what arrives. */
export interface SocketHandlers {
  /** A whole message. A binary one is taken for UTF-8 text. */
  message(text: string): void;
  /** The connection is gone, cleanly or not. Called once; nothing follows. */
  close(): void;
}

/** What a socket server does. */
export interface SocketServerOptions {
  /** Address or host name to bind. */
  readonly hostname: string;
  readonly port: number;
  /** PEM key and certificate chain; `null`: plain text. */
  readonly tls: { readonly key: string; readonly cert: string } | null;
  /** Takes over a new connection. */
  accept(socket: Socket): SocketHandlers;
  /** Told of a request that asked for a WebSocket and cannot have one. */
  refused(remoteAddress: string, reason: string): void;
  /** The answer to a request that does not ask for a WebSocket. */
  readonly otherwise: { readonly status: number; readonly body: string };
}

/** A bound server. */
export interface SocketServer {
  /**
   * Resolves after {@linkcode shutdown}; rejects when the server accepts no more on its own account,
   * as when the process has too many files open.
   */
  readonly finished: Promise<void>;
  /**
   * Accepts no more, closes every socket with 1001, and resolves when all are gone. It may never
   * resolve when a socket is stuck: the caller sets a deadline.
   */
  shutdown(): Promise<void>;
}
