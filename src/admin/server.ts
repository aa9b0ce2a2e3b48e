/**
 * The admin server: Phorge and peers publish here, administrators look at how it is.
 *
 * @module
 */

import type { FileShare } from "../config/open_files.ts";
import type { HttpLimits, HttpServer, HttpServerOptions } from "../http/engine.ts";
import type { PemPair } from "../net/tls_trial.ts";
import type { Handler } from "../http/handler.ts";
import type { WorkQueue } from "../work_queue.ts";
import { answerFault, Desk, type DeskOptions } from "./desk.ts";

/** The time that a server which ends waits for requests, in ms. */
const GRACE_MS = 1000;

/** Connections at a time, at least: Phorge opens one for a message, a peer and an administrator one for all. */
const CONNECTIONS = 1024;

/** From connecting, or from a request's first byte, to the end of its head, in ms. */
const HEAD_MS = 10_000;

/** The time that a body may take, in ms. Phorge waits for an answer for 2 s, and peers for 15 s. */
const BODY_MS = 30_000;

/** Between two requests, in ms. Peers ask each 15 s. */
const IDLE_MS = 75_000;

/** The time for a client to read its answer, in ms. */
const ANSWER_MS = 30_000;

/** The time that a connection may take to close, in ms. */
const CLOSE_MS = 3000;

/**
 * On every answer, for a page of another site that has a browser ask: it gets nothing to read, and nothing is taken
 * for a script or a style that does not say that it is one.
 */
const FIELDS = {
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
} as const;

/** Where and how to listen. */
export interface AdminServerOptions {
  /** Binds the HTTP server below. */
  engine(options: HttpServerOptions): Promise<HttpServer>;
  /** Address or host name to bind. */
  readonly hostname: string;
  readonly port: number;
  /** `null`: plain text. */
  readonly tls: PemPair | null;
  /** The open files that connections may take. */
  readonly files: FileShare;
  /** Where requests wait for their turn, of all servers together. */
  readonly workQueue: WorkQueue;
}

/** A bound server. */
export interface AdminServer extends Pick<HttpServer, "finished" | "renew" | "release"> {
  /** Accepts no more, and refuses each message that has not been published yet with 503. */
  refuse(): void;
  /** The same, and resolves when everything has been answered, or after 1 s. */
  shutdown(): Promise<void>;
}

/**
 * Binds an admin server.
 *
 * @throws {Error} What the engine throws when it cannot bind or the certificate is no good.
 */
export async function listenAdmin(
  options: DeskOptions,
  { engine, ...address }: AdminServerOptions,
): Promise<AdminServer> {
  const desk = new Desk(options);
  const handler: Handler = (request, { remoteAddr }) => desk.answer(request, remoteAddr);
  const http = await engine({
    ...address,
    budget: options.budget,
    fields: FIELDS,
    handler,
    onError: answerFault,
    screen: (remoteAddr) => desk.screen(remoteAddr),
    limits: () => limitsOf(options.rules().limits),
    refused: (remoteAddress, kind, reason) => desk.refused(remoteAddress, kind, reason),
    trouble: options.trouble,
  });
  const refuse = () => {
    desk.isStopping = true;
    http.refuse();
  };
  const { renew, release } = http;
  return {
    finished: http.finished,
    ...renew && { renew: (tls) => renew.call(http, tls) },
    ...release && { release: () => release.call(http) },
    refuse,
    async shutdown() {
      refuse();
      await http.shutdown(GRACE_MS);
    },
  };
}

function limitsOf({ message, requests }: ReturnType<DeskOptions["rules"]>["limits"]): HttpLimits {
  return {
    bodyBytes: message,
    bodies: requests,
    bodyMs: BODY_MS,
    // Each message that may be received at a time has a connection.
    connections: Math.max(CONNECTIONS, 2 * requests),
    headMs: HEAD_MS,
    idleMs: IDLE_MS,
    answerMs: ANSWER_MS,
    closeMs: CLOSE_MS,
  };
}
