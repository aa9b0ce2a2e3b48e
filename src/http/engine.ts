/**
 * An HTTP server, whichever engine runs it.
 *
 * @module
 */

import type { Budget } from "../budget.ts";
import type { FileShare } from "../config/open_files.ts";
import type { PemPair } from "../net/tls_trial.ts";
import type { WorkQueue } from "../work_queue.ts";
import type { Handler, Remote } from "./handler.ts";
import type { ReceptionLimits } from "./reception.ts";

/** Bounds of one server. Times are in ms. */
export interface HttpLimits extends ReceptionLimits {
  /** Connections that have not become something else; for one more the slowest is dropped. */
  readonly connections: number;
  /** From connecting, TLS included, or from the request's first byte, to the end of its head; then it is answered with 408. */
  readonly headMs: number;
  /** Between two requests; then the connection is closed. */
  readonly idleMs: number;
  /** A client that does not read its answer has as long. */
  readonly answerMs: number;
  /** A connection that is being closed has as long. */
  readonly closeMs: number;
}

/** Why a connection or a request did not get as far as the handler. */
export const HTTP_REFUSALS = [
  // There are no open files for one more.
  "files",
  // There is no memory for one more, or it was the slowest of those that had sent no request.
  "memory",
  // It was the slowest of too many.
  "handshakes",
  // It sent no whole request in time.
  "timeout",
  // TLS did not come about.
  "tls",
  // Its request is none.
  "malformed",
] as const;
export type HttpRefusal = typeof HTTP_REFUSALS[number];

/** Bytes that the connections of a server have carried, over all engines that it has run on. */
export interface HttpCounters {
  bytesIn: number;
  bytesOut: number;
}

/** The parts that a server is made of. */
export interface HttpServerOptions {
  /** Address or host name to bind. */
  readonly hostname: string;
  readonly port: number;
  /** `null`: plain text. */
  readonly tls: PemPair | null;
  /** Fields of every answer, whoever makes it, by name; no handler writes them. */
  readonly fields: Readonly<Record<string, string>>;
  readonly handler: Handler;
  /** Returns the response to a request whose handler has thrown. */
  onError(error: unknown): Response;
  /**
   * Decides on a connection before its first byte is read: `null`, or the response to all that it may ask. Over TLS
   * it is closed without one, as saying it would cost a handshake. The engine `serve` asks for each request.
   */
  screen(remote: Remote): Response | null;
  /** Asked whenever it matters, as they may change. */
  limits(): HttpLimits;
  /** The accounts of memory that connections and bodies are charged to. */
  readonly budget: Budget;
  /** The open files that connections may take. */
  readonly files: FileShare;
  /** Where requests wait for their turn, of all servers together. */
  readonly workQueue: WorkQueue;
  /** Absent: nobody asks. */
  readonly counters?: HttpCounters;
  /** Told of a connection that did not get as far as the handler. */
  refused(remoteAddress: string, kind: HttpRefusal, reason: string): void;
  /** Told what an administrator can put right: a sentence. */
  trouble(message: string): void;
}

/** A bound server. */
export interface HttpServer {
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
  renew?(tls: PemPair): void;
  /**
   * Gives the port up, for another server to be bound to it, and resolves when it is free: offered by an
   * engine that cannot {@linkcode renew}. Requests that have come are answered; a body that is being received has
   * 1 s. Connections that have become something else stay.
   */
  release?(): Promise<void>;
  /** Accepts no more, closes what waits, and gives up bodies that have not come whole. What has come is answered. */
  refuse(): void;
  /**
   * The same, and resolves when all has been answered that had come. Connections that have become something else are
   * left to whoever has taken them.
   *
   * @param graceMs It is not waited longer for that. What is not answered then is cut off, where the engine can.
   */
  shutdown(graceMs: number): Promise<void>;
}
