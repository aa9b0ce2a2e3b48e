/**
 * The opening handshake: RFC 6455, section 4.2. Pure: it takes a request and returns the result.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { HttpRequest } from "../http/handler.ts";
import { schemeLength } from "../http/head.ts";
import { tokensOf } from "../net/fields.ts";
import { flatCopy } from "../text.ts";

/** A request that cannot have the WebSocket that it asks for. */
export interface Fault {
  readonly type: "fault";
  readonly status: 400 | 426 | 501;
  /** A sentence about the request, for the log. */
  readonly reason: string;
  /** Fields of the answer. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The result of a handshake. */
export type Handshake =
  /** No WebSocket. */
  | { readonly type: "none" }
  | Fault
  /** A WebSocket. */
  | {
    readonly type: "accepted";
    /** The path of the request as it was sent, without the query: a copy. */
    readonly path: string;
    /** Fields of the answer. */
    readonly headers: Readonly<Record<string, string>>;
  };

/**
 * Reads the request for a WebSocket. HTTP/1.0 is accepted, as the original does, because it is the default of nginx.
 */
export function readHandshake(request: HttpRequest): Handshake {
  const { headers } = request;
  if (!tokens(headers, "upgrade").includes("websocket")) return { type: "none" };
  const key = headers.get("sec-websocket-key");
  if (!tokens(headers, "connection").includes("upgrade")) {
    // The header is ignored then (RFC 9110, section 7.8). A load balancer's check sends such a request, and so does a
    // proxy that is not configured to pass `Connection` on.
    return key === null
      ? { type: "none" }
      : fault(501, "Its Connection header does not say Upgrade: a proxy may not pass it on");
  }
  const reason = faultOf(request, key ?? "");
  if (reason !== null) return fault(400, reason);
  if (headers.get("sec-websocket-version") !== "13") {
    return fault(426, "Its WebSocket version is not 13", {
      "Upgrade": "websocket",
      "Connection": "Upgrade",
      "Sec-WebSocket-Version": "13",
    });
  }
  return {
    type: "accepted",
    path: pathOf(request.url),
    headers: {
      "Upgrade": "websocket",
      "Connection": "Upgrade",
      "Sec-WebSocket-Accept": acceptKey(key ?? ""),
    },
  };
}

/** Returns the fault of a request that asks for a WebSocket (RFC 6455, section 4.2.1), except its version. */
function faultOf({ method, headers }: HttpRequest, key: string): string | null {
  if (method !== "GET") return `Its method is ${method}, not GET`;
  if (!isKey(key)) return "It does not have one key of 16 bytes";
  // The bytes after the head belong to the WebSocket. A body would be taken for them.
  if (headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0") {
    return "It has a body";
  }
  return null;
}

function fault(
  status: Fault["status"],
  reason: string,
  headers: Readonly<Record<string, string>> = {},
): Fault {
  return { type: "fault", status, reason, headers };
}

function tokens(headers: HttpRequest["headers"], name: string): string[] {
  return tokensOf(headers.get(name) ?? "");
}

/**
 * Returns the path of a request's target or URL as the client sent it. It is a copy that keeps neither alive. `URL`
 * would resolve `..`, escape characters, and throw on input of a hostile client.
 */
export function pathOf(target: string): string {
  const scheme = schemeLength(target);
  // An authority ends where a path begins.
  const start = scheme === 0 ? 0 : endBefore(target, scheme, "/?#");
  return flatCopy(target.slice(start, endBefore(target, start, "?#")));
}

/** Returns the index of the first of `characters` from `start` on; the length of the text if there is none. */
function endBefore(text: string, start: number, characters: string): number {
  let at = start;
  while (at < text.length && !characters.includes(text.charAt(at))) at++;
  return at;
}

/** Tells whether a `Sec-WebSocket-Key` holds 16 bytes (RFC 6455, section 4.1). */
function isKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{22}==$/.test(key);
}

/** Returns the `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2, step 5.4). */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}
