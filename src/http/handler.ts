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
  /** The method as it was sent: methods are case-sensitive. */
  readonly method: string;
  /** The URL, as the client sent it; it may be malformed. */
  readonly url: string;
  /** The header fields. A field is found by its name in lower case; several of a name are joined by commas. */
  readonly headers: Pick<Headers, "get" | "has">;
  /**
   * Resolves with the body when it has come whole. The bytes are valid until the handler has answered. A further call
   * returns the same. A body that is not asked for is not received, and its connection is closed after the answer.
   *
   * Rejects with a {@linkcode BodyError} of `reception.ts`.
   */
  bytes(): Promise<Uint8Array>;
}

/** The connection that a request came on. */
export interface RequestInfo {
  readonly remoteAddr: Remote;
  /**
   * The connection as the budget knows it, so that a charge does not end the connection that it is for; `null` if the
   * engine does not know it.
   */
  readonly holder: AccountHolder | null;
  /** The way to upgrade the connection to another protocol. */
  readonly upgrade: Upgrade;
}

/** The other end of a connection. */
export interface Remote {
  /** The address. */
  readonly hostname: string;
  readonly port: number;
}

/** The method by which an engine upgrades a connection. */
export type Upgrade =
  | {
    readonly engine: "socket";
    /**
     * Answers 101 and gives the connection to its new owner, before it returns.
     *
     * @param headers Fields of the answer.
     * @param take Takes the connection over. Bytes that came after the request are its first.
     * @returns The response that the handler has to return.
     */
    take(headers: Readonly<Record<string, string>>, take: (taken: Taken) => StreamOwner): Response;
  }
  | {
    readonly engine: "serve";
    /** The runtime's request, for `Deno.upgradeWebSocket`. */
    readonly request: Request;
  };

/** A connection that has been upgraded. */
export interface Taken {
  readonly stream: Stream;
  readonly isTls: boolean;
}

/** The owner of a stream, which handles its events. One set of event handlers serves all streams of a server. */
export interface StreamOwner {
  /** Handles received bytes. */
  data(chunk: Buffer): void;
  /** Handles that the stream takes more. */
  drained(): void;
  /** Handles that the peer sends no more. */
  ended(): void;
  /** Handles an error of the stream, which closes next. */
  failed(error: Error): void;
  /** Handles the close of the stream. */
  closed(): void;
}

/** A function that answers a request. The body of a response is text. */
export type Handler = (request: HttpRequest, info: RequestInfo) => Response | Promise<Response>;
