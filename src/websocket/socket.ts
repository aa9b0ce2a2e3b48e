/**
 * What the rest of the program knows of a WebSocket, whichever engine runs it.
 *
 * @module
 */

import type { AccountHolder, Budget } from "../budget.ts";
import type { FileShare } from "../config/open_files.ts";
import type { PemPair } from "../net/tls_trial.ts";
import type { Admission } from "./admission.ts";
import type { RefusalKind, SocketRules } from "./rules.ts";
import type { WorkQueue } from "../work_queue.ts";
import { type Metrics, single } from "../metrics/families.ts";
import { Histogram, SECONDS } from "../metrics/histogram.ts";

/** One established connection. */
export interface Socket extends AccountHolder {
  /**
   * Address and port of the other end, such as `192.0.2.7:50122` or `[2001:db8::7]:50122`; behind a proxy
   * the client's address, such as `192.0.2.7 via 127.0.0.1:50122`.
   */
  readonly remoteAddress: string;
  /** Bytes of memory that the messages take which were handed to {@linkcode send} and have not gone to the kernel yet. */
  readonly queuedBytes: number;
  /** Queues one text message; `false` when the socket is not open. */
  send(message: TextMessage): boolean;
  /**
   * Starts the close handshake behind what is queued, once the owner has finished. Does nothing when it has been
   * started.
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

/** Why a socket has ended. */
export const ENDS = [
  // The peer closed it.
  "client",
  // This server closed it.
  "server",
  // The connection broke off.
  "lost",
  // Nothing came from it, in spite of a ping.
  "silent",
  // It broke RFC 6455 (1002).
  "protocol",
  // It sent text that is no UTF-8 (1007).
  "encoding",
  // Its message was too long (1009).
  "size",
  // It sent too many bytes in a second (1008).
  "rate",
  // It did not finish a message in time (1008).
  "unfinished",
  // It held the most when memory was short (1013).
  "memory",
  // A mistake of ours (1011).
  "failed",
] as const;
export type EndKind = typeof ENDS[number];

/** What a socket's owner does with what arrives. */
export interface SocketHandlers {
  /** A whole message. A binary one is taken for UTF-8 text. */
  message(text: string): void;
  /** A frame that is no whole message: a ping, a pong, a fragment. */
  frame(): void;
  /** What was queued has gone to the kernel, after some of it had to wait. */
  drained(): void;
  /**
   * The socket is about to be closed by {@linkcode Socket.close}.
   *
   * @param done Is to be called when what is still to be queued has been, at once if there is nothing. The socket
   * does not wait for it for ever.
   */
  finish(done: () => void): void;
  /**
   * The connection is over. Called once; nothing follows.
   *
   * @param fault What the peer did wrong, when the server ended it for that: part of a sentence.
   */
  close(kind: EndKind, fault: string | null): void;
}

/** What a server has done, on whatever engine; counted over all engines that it has run on. */
export class SocketCounters {
  bytesIn = 0;
  bytesOut = 0;
  /** From the first message queued in a turn of the event loop until all of it was written, in seconds. */
  readonly writing = new Histogram(SECONDS);

  /** Returns the families of one server. */
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

/** What a socket server does. */
export interface SocketServerOptions {
  /** Address or host name to bind. */
  readonly hostname: string;
  readonly port: number;
  /** `null`: plain text. */
  readonly tls: PemPair | null;
  /** Asked whenever it matters, as they may change. */
  rules(): SocketRules;
  /** What connections make the process hold is charged to it. */
  readonly budget: Budget;
  /** The open files that connections may take. */
  readonly files: FileShare;
  /** Where work waits that takes long, of all servers together. */
  readonly workQueue: WorkQueue;
  /** Who has a WebSocket: of all that were bound in the place of this one, as their sockets go on. */
  readonly admission: Admission;
  readonly counters: SocketCounters;
  /**
   * Takes over a new connection.
   *
   * @param path Of the request that opened it, as it was sent, without the query. It is not to be kept: it may
   * keep the whole request alive.
   */
  accept(socket: Socket, path: string): SocketHandlers;
  /** Told of a connection that wanted to be a WebSocket and could not. */
  refused(remoteAddress: string, kind: RefusalKind, reason: string): void;
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
  /** WebSockets now. */
  readonly open: number;
  /** Bytes that wait for all of them. Costs a look at each. */
  readonly queuedBytes: number;
  /**
   * Uses another certificate for connections that are made from now on; the others stay. Absent when
   * the engine cannot.
   *
   * @throws {Error} If the runtime cannot use it; the old one stays in use then.
   */
  renew?(tls: PemPair): void;
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
