/**
 * The opening handshake: RFC 6455, section 4.2, and of RFC 9112 what a server needs that answers one
 * request on a connection and then closes it. Pure: bytes in, an answer out.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { decodeHead, FIELD_LIMIT, type Fields, isToken, parseFields } from "../net/fields.ts";
import { GrowingBuffer } from "../net/growing_buffer.ts";
import { flatCopy } from "../text.ts";
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
    /**
     * A header's value by its name in lower case; several are joined by commas, as HTTP has it. The function
     * keeps the whole head alive, a value does not.
     */
    readonly header: (name: string) => string | null;
    readonly response: string;
    /** A copy of the bytes that have come behind the head. */
    readonly rest: Uint8Array;
  }
  /** It does not: `response` is sent and the connection closed. */
  | {
    readonly type: "answered";
    readonly response: string;
    /** Why it could not have the WebSocket that it asked for; `null` when it asked for none. */
    readonly fault: string | null;
  };

/** Reads the head of one connection's request. Each byte costs the same, whatever the chunks. */
export class HandshakeReader {
  readonly #otherwise: PlainAnswer;
  readonly #head = new GrowingBuffer(HEAD_LIMIT);
  #isEmpty = true;

  /** @param otherwise The answer to a request that does not ask for a WebSocket. */
  constructor(otherwise: PlainAnswer) {
    this.#otherwise = otherwise;
  }

  /** Tells whether nothing has come yet. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Bytes of memory that it holds for the head that is not whole yet. */
  get heldBytes(): number {
    return this.#head.heldBytes;
  }

  /**
   * Takes a chunk that the network has brought, of which it keeps nothing alive. Nothing is read after the
   * result.
   *
   * @returns `null` until the head is whole.
   */
  read(chunk: Uint8Array): Handshake | null {
    const seen = this.#head.length;
    this.#isEmpty &&= chunk.length === 0;
    // A head ends within the limit, or is too long.
    this.#head.append(chunk.subarray(0, HEAD_LIMIT - seen));
    const end = endOf(this.#head.bytes, seen);
    if (end === null && this.#head.length < HEAD_LIMIT) return null;
    const head = typeof end === "number"
      ? decodeHead(this.#head.bytes.subarray(0, end - HEAD_END))
      : "";
    this.#head.clear();
    if (end === null) return refuse(431, `Its head is longer than ${HEAD_LIMIT} bytes`);
    if (end === "control") {
      return refuse(400, "It is no HTTP request: its head has control characters");
    }
    // A copy: a part of the chunk would keep the network's whole buffer alive.
    return answer(head, new Uint8Array(chunk.subarray(end - seen)), this.#otherwise);
  }
}

/** Bytes of the empty line that ends a head, and of the end of the line before it. */
const HEAD_END = 4;

const TAB = 0x09;
const CR = 0x0d;
const LF = 0x0a;

/**
 * Looks through the bytes of a head from `seen` on.
 *
 * @returns The place behind the head's end, `null` if it has not come. Or that a control character stands
 * before it: a TLS hello on a plain port, say, has no end to wait for.
 */
function endOf(bytes: Uint8Array, seen: number): number | "control" | null {
  for (let at = seen; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x20 && byte !== 0x7f) continue;
    if (byte === LF && bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) {
      return at + 1;
    }
    if (byte !== TAB && byte !== LF && byte !== CR) return "control";
  }
  return null;
}

/** The answer to a head that took too long. */
export function timedOut(): string {
  return respond(408);
}

/** The answer to a request that an error of the program keeps from being read. */
export function failed(): string {
  return respond(500);
}

/** The answer to a client that is not to have a WebSocket, or not now. */
export function refused(status: 403 | 429 | 503): string {
  return respond(status, status === 403 ? {} : { "Retry-After": "10" });
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly version: "1.0" | "1.1";
  readonly fields: Fields;
}

function answer(head: string, rest: Uint8Array, otherwise: PlainAnswer): Handshake {
  const lineEnd = head.indexOf("\r\n");
  const line = parseRequestLine(lineEnd < 0 ? head : head.slice(0, lineEnd));
  if (line === null) return refuse(400, "Its request line is malformed");
  const fields = parseFields(lineEnd < 0 ? "" : head.slice(lineEnd + 2));
  if (fields === "malformed") return refuse(400, "A line of its head is malformed");
  if (fields === "too many") return refuse(431, `Its head has more than ${FIELD_LIMIT} fields`);
  const request = { ...line, fields };
  if (!fields.tokens("upgrade").includes("websocket")) {
    const { status, body } = otherwise;
    return {
      type: "answered",
      response: respond(status, {}, body, request.method !== "HEAD"),
      fault: null,
    };
  }
  const fault = faultOf(request);
  if (fault !== null) return refuse(400, fault);
  if (fields.value("sec-websocket-version") !== "13") {
    return refuse(426, "Its WebSocket version is not 13", {
      "Upgrade": "websocket",
      "Sec-WebSocket-Version": "13",
    });
  }
  const response = "HTTP/1.1 101 Switching Protocols\r\n" +
    "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${acceptKey(fields.value("sec-websocket-key") ?? "")}\r\n\r\n`;
  const header = (name: string) => {
    const value = fields.value(name);
    return value === null ? null : flatCopy(value);
  };
  return { type: "accepted", path: request.path, header, response, rest };
}

/** What a request that asks for a WebSocket has wrong (RFC 6455, section 4.2.1), but its version. */
function faultOf({ method, version, fields }: Request): string | null {
  if (method !== "GET") return `Its method is ${method}, not GET`;
  if (version !== "1.1") return "It speaks HTTP/1.0";
  if (fields.values("host").length !== 1) return "It does not have one Host header";
  if (!fields.tokens("connection").includes("upgrade")) {
    return "Its Connection header does not say Upgrade";
  }
  if (!isKey(fields.value("sec-websocket-key") ?? "")) {
    return "It does not have one key of 16 bytes";
  }
  // What follows the head is the WebSocket's. A body would be taken for it.
  if (fields.has("transfer-encoding") || (fields.value("content-length") ?? "0") !== "0") {
    return "It has a body";
  }
  return null;
}

/** Reads a request line (RFC 9112, section 3); `null` for a malformed one. */
function parseRequestLine(line: string): Omit<Request, "fields"> | null {
  const first = line.indexOf(" ");
  const second = line.indexOf(" ", first + 1);
  if (first < 0 || second < 0) return null;
  const method = line.slice(0, first);
  const target = line.slice(first + 1, second);
  const protocol = line.slice(second + 1);
  const version = protocol === "HTTP/1.1" ? "1.1" : protocol === "HTTP/1.0" ? "1.0" : null;
  if (version === null || !isToken(method) || !isTarget(target)) return null;
  return { method, path: pathOf(target), version };
}

/** Tells whether a request's target has no blank or line break. The head has no other control character. */
function isTarget(target: string): boolean {
  for (let at = 0; at < target.length; at++) {
    if (target.charCodeAt(at) <= 0x20) return false;
  }
  return target !== "";
}

/**
 * The path of a request's target or URL as the client sent it, as a copy that keeps neither alive. `URL` would
 * resolve `..` and escape characters, and throws on what a hostile client sends.
 */
export function pathOf(target: string): string {
  const scheme = schemeLength(target);
  // An authority ends where a path begins.
  const start = scheme === 0 ? 0 : endBefore(target, scheme, "/?#");
  return flatCopy(target.slice(start, endBefore(target, start, "?#")));
}

/** The length of the scheme of a URL with its `://`; 0 if there is none (RFC 3986, section 3.1). */
function schemeLength(target: string): number {
  const colon = target.indexOf(":");
  if (colon < 1 || !target.startsWith("://", colon)) return 0;
  for (let at = 0; at < colon; at++) {
    const code = target.charCodeAt(at) | 0x20;
    const isLetter = code >= 0x61 && code <= 0x7a;
    if (!isLetter && (at === 0 || !"0123456789+-.".includes(target.charAt(at)))) return 0;
  }
  return colon + 3;
}

/** The place of the first of some characters from `start` on; the length of the text if there is none. */
function endBefore(text: string, start: number, characters: string): number {
  let at = start;
  while (at < text.length && !characters.includes(text.charAt(at))) at++;
  return at;
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
  500: "Internal Server Error",
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
