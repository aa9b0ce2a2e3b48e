/**
 * A handler of HTTP requests, in the shape that `Deno.serve` takes: a request in, a response out. Each engine runs it.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Socket as Stream } from "node:net";
import type { AccountHolder } from "../budget.ts";

/** The part of `Request` that handlers use. */
export interface HttpRequest {
  /** As it was sent: methods are case-sensitive. */
  readonly method: string;
  /** The URL, as the client sent it; it may be malformed. */
  readonly url: string;
  /** Looks a field up by its name in lower case. Several fields of a name are joined by commas. */
  readonly headers: Pick<Headers, "get" | "has">;
  /**
   * Resolves with the body when it has come whole. The bytes are valid until the handler has answered. A body that is
   * not asked for is not received, and its connection is closed behind the answer.
   * Whoever asks again gets the same.
   *
   * Rejects with a {@linkcode BodyError} of `reception.ts`.
   */
  bytes(): Promise<Uint8Array>;
}

/** The connection that a request came on. */
export interface RequestInfo {
  readonly remoteAddr: Remote;
  /**
   * The connection as the budget knows it, for a charge not to end the connection that it is for; `null` where the
   * engine cannot tell.
   */
  readonly holder: AccountHolder | null;
  /** Becomes something else than HTTP. */
  readonly upgrade: Upgrade;
}

/** The other end of a connection. */
export interface Remote {
  /** The address. */
  readonly hostname: string;
  readonly port: number;
}

/** The way in which an engine hands a connection over. */
export type Upgrade =
  | {
    readonly engine: "socket";
    /**
     * Answers 101 and hands the connection over, before it returns.
     *
     * @param headers Fields of the answer.
     * @param take Takes the connection over. Bytes that have come behind the request are its first.
     * @returns The response that the handler has to return.
     */
    take(headers: Readonly<Record<string, string>>, take: (taken: Taken) => StreamOwner): Response;
  }
  | {
    readonly engine: "serve";
    /** The runtime's request, for `Deno.upgradeWebSocket`. */
    readonly request: Request;
  };

/** A connection that is handed over. */
export interface Taken {
  readonly stream: Stream;
  readonly isTls: boolean;
}

/** The owner of a stream, which is told of its events. One set of event handlers serves all streams of a server. */
export interface StreamOwner {
  /** The stream has brought bytes. */
  data(chunk: Buffer): void;
  /** The stream takes more. */
  drained(): void;
  /** The peer sends no more. */
  ended(): void;
  /** The stream has failed; it closes next. */
  failed(error: Error): void;
  /** The stream is gone. */
  closed(): void;
}

/** Answers a request. The body of a response is text. */
export type Handler = (request: HttpRequest, info: RequestInfo) => Response | Promise<Response>;
