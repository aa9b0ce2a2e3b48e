/**
 * The head of an HTTP/1.1 request (RFC 9112, sections 2 to 5), from bytes in pieces of any size. Pure.
 *
 * A head that two readers could take differently is refused, as one of them may be a proxy before this server: a CR or
 * an LF alone, a folded line, a blank before a colon, a second `Host`.
 *
 * @module
 */

import {
  consistsOf,
  decodeHead,
  FIELD_LIMIT,
  type Fields,
  isToken,
  parseFields,
} from "../net/fields.ts";
import { GrowingBuffer } from "../net/growing_buffer.ts";

/**
 * The most bytes of a request's head: the same as for Node.js and a default nginx. A longer head is answered with 431.
 */
export const HEAD_LIMIT = 16 * 1024;

/** The head of a request. */
export interface Head {
  readonly method: string;
  /** The target as it was sent. */
  readonly target: string;
  readonly version: "1.0" | "1.1";
  readonly fields: Fields;
}

/** A request that cannot be served, before its handler has seen it. */
export class BadRequest {
  readonly status: number;
  /** A sentence about the request, for the log. */
  readonly reason: string;

  constructor(status: number, reason: string) {
    this.status = status;
    this.reason = reason;
  }
}

/** A head, and the offset after it in the chunk that has completed it. */
export interface ReadHead {
  readonly head: Head;
  readonly end: number;
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DELETE = 0x7f;

/** The bytes of the last line's end and of the empty line after it. */
const END = 4;

/** Reads one head after the other. Each byte costs the same, for chunks of any size. */
export class HeadReader {
  /** The beginning of a head whose end has not come. */
  readonly #begun = new GrowingBuffer(HEAD_LIMIT);
  /** The bytes of this head that have come, with the empty lines before it. */
  #length = 0;
  /** True from the first line on. Empty lines before it are skipped (RFC 9112, section 2.2). */
  #hasBegun = false;
  /** The state of the line. True if the byte before was a CR; true if the line has a byte before that. */
  #isAfterCr = false;
  #isInLine = false;

  /** Tells whether nothing of the next head has come. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Returns the bytes of memory that it holds. */
  get heldBytes(): number {
    return this.#begun.heldBytes;
  }

  /**
   * Takes a chunk, and keeps no part of it alive.
   *
   * @returns `null` until the head is whole. Nothing can be read after a {@linkcode BadRequest}.
   */
  read(chunk: Uint8Array): ReadHead | BadRequest | null {
    let start = 0;
    const limit = Math.min(chunk.length, HEAD_LIMIT - this.#length);
    for (let at = 0; at < limit; at++) {
      const byte = chunk[at] ?? 0;
      if (this.#isAfterCr) {
        if (byte !== LF) return new BadRequest(400, "Its head has a CR without LF");
        this.#isAfterCr = false;
        if (this.#isInLine) this.#isInLine = false;
        else if (this.#hasBegun) return this.#finish(chunk.subarray(start, at + 1), at + 1);
        else start = at + 1;
      } else if (byte === CR) this.#isAfterCr = true;
      else if (byte === LF) return new BadRequest(400, "Its head has an LF without CR");
      else if (byte < SPACE && byte !== TAB || byte === DELETE) {
        return new BadRequest(400, "It is no HTTP request: its head has control characters");
      } else {
        this.#hasBegun = true;
        this.#isInLine = true;
      }
    }
    if (limit < chunk.length || this.#length + limit === HEAD_LIMIT) {
      return new BadRequest(431, `Its head is longer than ${HEAD_LIMIT} bytes`);
    }
    this.#length += chunk.length;
    if (this.#hasBegun) this.#begun.append(chunk.subarray(start));
    return null;
  }

  /** Frees the held bytes. Nothing is read after that. */
  clear(): void {
    this.#begun.clear();
  }

  #finish(last: Uint8Array, end: number): ReadHead | BadRequest {
    let bytes = last;
    if (this.#begun.length > 0) {
      this.#begun.append(last);
      bytes = this.#begun.bytes;
    }
    const text = decodeHead(bytes.subarray(0, bytes.length - END));
    this.#begun.clear();
    this.#length = 0;
    this.#hasBegun = false;
    const head = parseHead(text);
    return head instanceof BadRequest ? head : { head, end };
  }
}

/** Reads the text of a head, without the end of its last line. */
function parseHead(text: string): Head | BadRequest {
  const lineEnd = text.indexOf("\r\n");
  const line = parseRequestLine(lineEnd < 0 ? text : text.slice(0, lineEnd));
  if (line instanceof BadRequest) return line;
  const fields = parseFields(lineEnd < 0 ? "" : text.slice(lineEnd + 2));
  if (fields === "malformed") return new BadRequest(400, "A line of its head is malformed");
  if (fields === "too many") {
    return new BadRequest(431, `Its head has more than ${FIELD_LIMIT} fields`);
  }
  const head = { ...line, fields };
  return hostFault(head) ?? head;
}

/** Reads a request line (RFC 9112, section 3). */
function parseRequestLine(line: string): Omit<Head, "fields"> | BadRequest {
  const malformed = new BadRequest(400, "Its request line is malformed");
  const first = line.indexOf(" ");
  const second = line.indexOf(" ", first + 1);
  if (first < 0 || second < 0) return malformed;
  const method = line.slice(0, first);
  const target = line.slice(first + 1, second);
  const protocol = line.slice(second + 1);
  if (!isToken(method) || !isTarget(method, target)) return malformed;
  if (!/^HTTP\/[0-9]\.[0-9]$/.test(protocol)) return malformed;
  if (!protocol.startsWith("HTTP/1.")) return new BadRequest(505, `It speaks ${protocol}`);
  // A later minor version is read as the latest that is known (RFC 9110, section 2.5).
  return { method, target, version: protocol.endsWith("0") ? "1.0" : "1.1" };
}

/**
 * Tells whether a target is of a form that an origin server accepts (RFC 9112, section 3.2): a path, a whole URL, or
 * `*` of OPTIONS. The head has no control character but TAB.
 */
function isTarget(method: string, target: string): boolean {
  if (target.includes("\t")) return false;
  return target.startsWith("/") || schemeLength(target) > 0 ||
    target === "*" && method === "OPTIONS" || method === "CONNECT" && target !== "";
}

/** Returns the fault of the `Host` field. One is required (RFC 9112, section 3.2), except in HTTP/1.0. */
function hostFault({ version, fields }: Head): BadRequest | null {
  const count = fields.count("host");
  if (count > 1 || count === 0 && version !== "1.0") {
    return new BadRequest(400, "It does not have one Host header");
  }
  const host = fields.get("host");
  return host === null || consistsOf(host, HOST_SIGNS)
    ? null
    : new BadRequest(400, "Its Host header is malformed");
}

/** The characters of a host with its port besides letters and digits (RFC 3986, section 3.2.2). */
const HOST_SIGNS = "-._~%!$&'()*+,;=:[]";

/**
 * Returns the URL that a request is for (RFC 9112, section 3.3). It has not been parsed: `URL.parse` may find it
 * malformed.
 *
 * @param scheme The scheme of the connection.
 * @param local The address and port of this server: the host of a request that names none.
 */
export function requestUrl(
  { target, fields }: Head,
  scheme: "http" | "https",
  local: string,
): string {
  if (schemeLength(target) > 0) return target;
  const path = target.startsWith("/") ? target : "/";
  return `${scheme}://${fields.get("host") || local}${path}`;
}

/** Returns the length of the scheme of a URL with its `://`; 0 if there is none (RFC 3986, section 3.1). */
export function schemeLength(target: string): number {
  const colon = target.indexOf(":");
  if (colon < 1 || !target.startsWith("://", colon)) return 0;
  for (let at = 0; at < colon; at++) {
    const code = target.charCodeAt(at) | 0x20;
    const isLetter = code >= 0x61 && code <= 0x7a;
    if (!isLetter && (at === 0 || !"0123456789+-.".includes(target.charAt(at)))) return 0;
  }
  return colon + 3;
}
