/**
 * The interface of a WebSocket and its server for the rest of the program, the same for every engine.
 *
 * @module
 */

import type { AccountHolder, Budget } from "../budget.ts";
import type { FileShare } from "../config/open_files.ts";
import type { PemPair } from "../net/tls_trial.ts";
import type { Admission } from "./admission.ts";
import type { RefusalKind, SocketRules } from "./rules.ts";
import type { WorkShare } from "../work_queue.ts";
import { type Metrics, single } from "../metrics/families.ts";
import { Histogram, SECONDS } from "../metrics/histogram.ts";

/** One established connection. */
export interface Socket extends AccountHolder {
  /**
   * The address and port of the other end, such as `192.0.2.7:50122` or `[2001:db8::7]:50122`. Behind a proxy it starts
   * with the client's address, such as `192.0.2.7 via 127.0.0.1:50122`.
   */
  readonly remoteAddress: string;
  /** The bytes of memory of the messages that {@linkcode send} took and that have not gone to the kernel yet. */
  readonly queuedBytes: number;
  /** Queues one text message. Returns `false` when the socket is not open. */
  send(message: TextMessage): boolean;
  /**
   * Asks the peer to show that it has read all messages so far; {@linkcode SocketHandlers.confirmed} is called when it
   * has. A peer that does not show it in the idle timeout and the pong timeout together is dropped. What is sent and not
   * read takes memory of the kernel, which no program can see.
   *
   * @returns `false` if the engine cannot ask, or the socket is not open.
   */
  confirm(): boolean;
  /**
   * Starts the close handshake after the queued messages, once the owner has finished. Does nothing when it has been
   * started.
   *
   * @param code RFC 6455, section 7.4.
   * @param reason At most 123 bytes of UTF-8.
   */
  close(code: number, reason: string): void;
  /** Closes in the same way, but drops the queued messages: for a peer that does not read. */
  abort(code: number, reason: string): void;
}

/** A message encoded once, to be sent to many sockets. */
export interface TextMessage {
  readonly text: string;
  /** The text in UTF-8. */
  readonly bytes: Uint8Array;
}

/** The reasons why a socket has ended. */
export const ENDS = [
  // The peer closed it.
  "client",
  // This server closed it.
  "server",
  // The connection broke off.
  "lost",
  // The peer sent nothing, in spite of a ping.
  "silent",
  // It broke RFC 6455 (1002).
  "protocol",
  // It sent text that is not UTF-8 (1007).
  "encoding",
  // Its message was too long (1009).
  "size",
  // It sent too many bytes in a second (1008).
  "rate",
  // It did not finish a message in time (1008).
  "unfinished",
  // It held the most memory when memory was short (1013).
  "memory",
  // A bug of this server (1011).
  "failed",
] as const;
export type EndKind = typeof ENDS[number];

/** The methods of a socket's owner for its events. */
export interface SocketHandlers {
  /** Handles a whole message. A binary one is taken for UTF-8 text. */
  message(text: string): void;
  /** Handles a frame that is no whole message: a ping, a fragment, a pong that {@linkcode Socket.confirm} has not asked for. */
  frame(): void;
  /** Handles that the queue has gone to the kernel, after some of it had to wait. */
  drained(): void;
  /** Handles that the peer has read all that was sent before {@linkcode Socket.confirm}. */
  confirmed(): void;
  /**
   * Queues the last messages, before {@linkcode Socket.close} closes the socket.
   *
   * @param done To be called after the last messages are queued, at once if there are none. The socket does not wait
   * for it for ever.
   */
  finish(done: () => void): void;
  /**
   * Handles the end of the connection. Called once; nothing follows.
   *
   * @param fault The error of the peer, when the server ended the connection for it: part of a sentence.
   */
  close(kind: EndKind, fault: string | null): void;
}

/** The counters of a server, on any engine; counted over all engines that it has run on. */
export class SocketCounters {
  bytesIn = 0;
  bytesOut = 0;
  /** The time from the first message queued in a turn of the event loop until all of it was written, in seconds. */
  readonly writing = new Histogram(SECONDS);

  /** Returns the metric families of one server. */
  metrics(): Partial<Metrics> {
    return {
      aphlict_write_duration_seconds: single(this.writing.distribution),
      aphlict_received_bytes_total: single(this.bytesIn),
      aphlict_sent_bytes_total: single(this.bytesOut),
    };
  }
}

/** The answer to a request that does not ask for a WebSocket. */
export interface PlainAnswer {
  readonly status: number;
  readonly body: string;
}

/** The options of a socket server. */
export interface SocketServerOptions {
  /** The address or host name to bind. */
  readonly hostname: string;
  readonly port: number;
  /** The certificate and key; `null`: plain text. */
  readonly tls: PemPair | null;
  /** Returns the rules. Called for each use, as they may change. */
  rules(): SocketRules;
  /** The budget that the memory of connections is charged to. */
  readonly budget: Budget;
  /** The open files that connections may take. */
  readonly files: FileShare;
  /** The queue for slow work, of all client servers together. */
  readonly workQueue: WorkShare;
  /** The count of WebSockets, shared with all earlier servers at this endpoint, as their sockets stay open. */
  readonly admission: Admission;
  readonly counters: SocketCounters;
  /**
   * Takes over a new connection.
   *
   * @param path The path of the request that opened it, as it was sent, without the query. It is not to be kept: it may
   * keep the whole request alive.
   */
  accept(socket: Socket, path: string): SocketHandlers;
  /** Reports a connection that asked for a WebSocket and could not have one. */
  refused(remoteAddress: string, kind: RefusalKind, reason: string): void;
  /** Reports a problem that an administrator can fix, as a sentence. */
  warn(message: string): void;
  readonly fallback: PlainAnswer;
}

/** A bound server. */
export interface SocketServer {
  /**
   * Resolves after {@linkcode shutdown}; rejects when the server stops accepting by itself, as when the process has too
   * many files open.
   */
  readonly finished: Promise<void>;
  /** The number of open WebSockets. */
  readonly open: number;
  /** The queued bytes of all sockets. Each call asks each socket. */
  readonly queuedBytes: number;
  /**
   * Uses another certificate for new connections; open ones keep theirs. Absent when the engine cannot do it.
   *
   * @throws {Error} If the runtime cannot use it; the old one stays in use then.
   */
  renew?(tls: PemPair): void;
  /**
   * Gives the port up, for another server to be bound to it, and resolves when it is free. It is for an engine that
   * cannot {@linkcode renew}. Its sockets are closed with 1001.
   */
  release?(): Promise<void>;
  /** Accepts no more sockets from now on; open ones stay. */
  refuse(): void;
  /**
   * Accepts no more, closes every socket with 1001, and resolves when all are gone. It may never resolve when a socket
   * is stuck: the caller sets a deadline. A second call changes nothing.
   *
   * @param drainMs The time over which the sockets are closed, the first at once, the last at the end.
   */
  shutdown(drainMs: number): Promise<void>;
}
