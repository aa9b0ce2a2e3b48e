/**
 * The opening handshake: RFC 6455, section 4.2, and of RFC 9112 what a server needs that answers one
 * request on a connection and then closes it. Pure: bytes in, an answer out.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { PlainAnswer } from "./socket.ts";

/** Bytes that a request's head may have; a longer one is answered with 431. */
export const HEAD_LIMIT = 8 * 1024;

/** What became of a request. */
export type Handshake =
  /** It becomes a WebSocket once `response` has been sent. */
  | {
    readonly type: "accepted";
    /** The path of the request as it was sent, without the query. */
    readonly path: string;
    /** A header's value by its name in lower case; several are joined by commas, as HTTP has it. */
    readonly header: (name: string) => string | null;
    readonly response: string;
    /** What has come behind the head. */
    readonly rest: Uint8Array;
  }
  /** It does not: `response` is sent and the connection closed. */
  | {
    readonly type: "answered";
    readonly response: string;
    /** Why it could not have the WebSocket that it asked for; `null` when it asked for none. */
    readonly fault: string | null;
  };

const NOTHING = new Uint8Array(0);

/** Reads the head of one connection's request. */
export class HandshakeReader {
  readonly #otherwise: PlainAnswer;
  #head: Uint8Array = NOTHING;

  /** @param otherwise The answer to a request that does not ask for a WebSocket. */
  constructor(otherwise: PlainAnswer) {
    this.#otherwise = otherwise;
  }

  /** Whether nothing has come yet. */
  get isEmpty(): boolean {
    return this.#head.length === 0;
  }

  /** Bytes of memory that it holds. */
  get heldBytes(): number {
    return this.#head.length;
  }

  /** Takes what the network has brought. `null` until the head is whole. */
  read(chunk: Uint8Array): Handshake | null {
    const seen = this.#head.length;
    const bytes = Buffer.concat([this.#head, chunk]);
    const end = bytes.indexOf("\r\n\r\n", Math.max(0, seen - 3));
    const length = end < 0 ? bytes.length : end;
    // Looked at before all has come: a TLS hello on a plain port, say, has no end to wait for.
    const fresh = bytes.toString("latin1", seen, Math.min(length, HEAD_LIMIT));
    if (/[^\t\r\n\x20-\x7e\x80-\xff]/.test(fresh)) {
      return refuse(400, "It is no HTTP request: its head has control characters");
    }
    if (end < 0 ? length >= HEAD_LIMIT : length > HEAD_LIMIT - 4) {
      return refuse(431, `Its head is longer than ${HEAD_LIMIT} bytes`);
    }
    this.#head = bytes;
    if (end < 0) return null;
    return answer(bytes.toString("latin1", 0, end), bytes.subarray(end + 4), this.#otherwise);
  }
}

/** The answer to a head that took too long. */
export function timedOut(): string {
  return respond(408);
}

/** The answer to a client that is not to have a WebSocket, or not now. */
export function refused(status: 403 | 429 | 503): string {
  return respond(status, status === 403 ? {} : { "Retry-After": "10" });
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly version: "1.0" | "1.1";
  /** Values by name in lower case; those of a name that came more than once are all here. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
}

function answer(head: string, rest: Uint8Array, otherwise: PlainAnswer): Handshake {
  const request = parseHead(head);
  if (typeof request === "string") return refuse(400, request);
  if (!tokens(request, "upgrade").includes("websocket")) {
    const { status, body } = otherwise;
    return {
      type: "answered",
      response: respond(status, {}, body, request.method !== "HEAD"),
      fault: null,
    };
  }
  const fault = faultOf(request);
  if (fault !== null) return refuse(400, fault);
  const version = request.headers.get("sec-websocket-version") ?? [];
  if (version.join() !== "13") {
    return refuse(426, "Its WebSocket version is not 13", {
      "Upgrade": "websocket",
      "Sec-WebSocket-Version": "13",
    });
  }
  const [key = ""] = request.headers.get("sec-websocket-key") ?? [];
  const response = "HTTP/1.1 101 Switching Protocols\r\n" +
    "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`;
  const header = (name: string) => request.headers.get(name)?.join(", ") ?? null;
  return { type: "accepted", path: request.path, header, response, rest };
}

/** What a request that asks for a WebSocket has wrong (RFC 6455, section 4.2.1), but its version. */
function faultOf({ method, version, headers }: Request): string | null {
  if (method !== "GET") return `Its method is ${method}, not GET`;
  if (version !== "1.1") return "It speaks HTTP/1.0";
  if (headers.get("host")?.length !== 1) return "It does not have one Host header";
  if (!tokens({ headers }, "connection").includes("upgrade")) {
    return "Its Connection header does not say Upgrade";
  }
  const keys = headers.get("sec-websocket-key") ?? [];
  if (keys.length !== 1 || !isKey(keys[0] ?? "")) {
    return "It does not have one key of 16 bytes";
  }
  // What follows the head is the WebSocket's. A body would be taken for it.
  if (
    headers.has("transfer-encoding") ||
    (headers.get("content-length") ?? ["0"]).join() !== "0"
  ) {
    return "It has a body";
  }
  return null;
}

/** The head without its last line's end. A text says what is malformed. */
function parseHead(head: string): Request | string {
  const [first = "", ...lines] = head.split("\r\n");
  const request = /^([!#$%&'*+.^_`|~\w-]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(1\.[01])$/.exec(first);
  if (request === null) return "Its request line is malformed";
  const [, method = "", target = "", version] = request;
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    // Neither a space before the colon nor a folded line (RFC 9112, sections 5.1 and 5.2).
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name) || /[\r\n]/.test(line)) {
      return "A line of its head is malformed";
    }
    const value = trimmed(line.slice(colon + 1));
    const key = name.toLowerCase();
    const values = headers.get(key);
    if (values) values.push(value);
    else headers.set(key, [value]);
  }
  return { method, path: pathOf(target), version: version === "1.0" ? "1.0" : "1.1", headers };
}

/** A header's value without the spaces and tabs around it. Linear, as a regular expression is not. */
function trimmed(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && " \t".includes(value.charAt(start))) start++;
  while (end > start && " \t".includes(value.charAt(end - 1))) end--;
  return value.slice(start, end);
}

/**
 * The path of a request's target or URL as the client sent it. `URL` would resolve `..` and escape
 * characters, and throws on what a hostile client sends.
 */
export function pathOf(target: string): string {
  return /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(target)?.[1] ?? "";
}

/** The members of a header that is a list, in lower case. */
function tokens({ headers }: Pick<Request, "headers">, name: string): string[] {
  const values = headers.get(name) ?? [];
  return values.flatMap((value) => value.split(",")).map((token) => token.trim().toLowerCase());
}

/** Whether a `Sec-WebSocket-Key` holds 16 bytes (RFC 6455, section 4.1). */
export function isKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{22}==$/.test(key);
}

/** RFC 6455, section 4.2.2, step 5.4. */
function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  408: "Request Timeout",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  503: "Service Unavailable",
};

function refuse(status: number, fault: string, headers: Record<string, string> = {}): Handshake {
  return { type: "answered", response: respond(status, headers), fault };
}

/** A response after which the connection is closed. It has no Content-Type. */
function respond(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body = "",
  withBody = true,
): string {
  const all = {
    "Date": new Date().toUTCString(),
    "Content-Length": `${Buffer.byteLength(body)}`,
    "Connection": "Upgrade" in headers ? "Upgrade, close" : "close",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n${lines.join("")}\r\n` +
    (withBody ? body : "");
}
