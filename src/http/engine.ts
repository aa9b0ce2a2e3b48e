/**
 * The interface of an HTTP server, the same for every engine.
 *
 * @module
 */

import type { Budget } from "../budget.ts";
import type { FileShare } from "../config/open_files.ts";
import type { PemPair } from "../net/tls_trial.ts";
import type { WorkShare } from "../work_queue.ts";
import type { Handler, Remote } from "./handler.ts";
import type { ReceptionLimits } from "./reception.ts";

/** The limits of one server. Times are in ms. */
export interface HttpLimits extends ReceptionLimits {
  /** The most connections that are not upgraded; for one more the slowest is dropped. */
  readonly connections: number;
  /**
   * The time for a request's head, from connecting, TLS included, or from its first byte; then it is answered with 408.
   */
  readonly headMs: number;
  /** The idle timeout between two requests; then the connection is closed. */
  readonly idleMs: number;
  /** The time that a client has to read its answer. */
  readonly answerMs: number;
  /** The time that a connection has to close. */
  readonly closeMs: number;
}

/** The reasons why a connection or a request did not reach the handler. */
export const HTTP_REFUSALS = [
  // There is no open file for it.
  "files",
  // There is no memory for it, or it was the slowest of those that had sent no request.
  "memory",
  // It was the slowest of too many connections.
  "handshakes",
  // It sent no whole request in time.
  "timeout",
  // Its TLS handshake failed.
  "tls",
  // Its request is malformed.
  "malformed",
] as const;
export type HttpRefusal = typeof HTTP_REFUSALS[number];

/** The bytes received and sent by the connections of a server, over all engines that it has run on. */
export interface HttpCounters {
  bytesIn: number;
  bytesOut: number;
}

/** The options of a server. */
export interface HttpServerOptions {
  /** The address or host name to bind. */
  readonly hostname: string;
  readonly port: number;
  /** The certificate and key; `null`: plain text. */
  readonly tls: PemPair | null;
  /** The fields of every answer, by name; no handler writes them. */
  readonly fields: Readonly<Record<string, string>>;
  readonly handler: Handler;
  /** Returns the response to a request whose handler has thrown. */
  onError(error: unknown): Response;
  /**
   * Decides on a connection before its first byte is read. Returns `null`, or the response to all its requests. Over
   * TLS the connection is closed without one, as sending it would cost a handshake. The engine `serve` calls this for
   * each request.
   */
  screen(remote: Remote): Response | null;
  /** Returns the limits. Called for each use, as they may change. */
  limits(): HttpLimits;
  /** The accounts of memory that connections and bodies are charged to. */
  readonly budget: Budget;
  /** The open files that connections may take. */
  readonly files: FileShare;
  /** The queue in which requests wait for their turn, of all servers of a kind together. */
  readonly workQueue: WorkShare;
  /** The counters to add to; absent: bytes are not counted. */
  readonly counters?: HttpCounters;
  /** Reports a connection that did not reach the handler. */
  refused(remoteAddress: string, kind: HttpRefusal, reason: string): void;
  /** Reports a problem that an administrator can fix, as a sentence. */
  warn(message: string): void;
}

/** A bound server. */
export interface HttpServer {
  /**
   * Resolves after {@linkcode shutdown}; rejects when the server stops accepting by itself, as when the process has too
   * many files open.
   */
  readonly finished: Promise<void>;
  /**
   * Uses another certificate for new connections; open ones keep theirs. Absent when the engine cannot do it.
   *
   * @throws {Error} If the runtime cannot use it; the old one stays in use then.
   */
  renew?(tls: PemPair): void;
  /**
   * Gives the port up, for another server to be bound to it, and resolves when it is free. It is for an engine that
   * cannot {@linkcode renew}. Received requests are answered; a body that is being received has 1 s. Upgraded
   * connections stay.
   */
  release?(): Promise<void>;
  /** Accepts no more, closes waiting connections, and gives up unfinished bodies. Received requests are answered. */
  refuse(): void;
  /**
   * Does the same as {@linkcode refuse}, and resolves when all received requests are answered. Upgraded connections are
   * left to their owners.
   *
   * @param graceMs The longest wait. Requests that are not answered then are cut off, if the engine can do it.
   */
  shutdown(graceMs: number): Promise<void>;
}
