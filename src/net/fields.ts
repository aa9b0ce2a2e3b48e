/**
 * Header fields of HTTP (RFC 9110, section 5; RFC 9112, section 5), and the parts of their values: lists, parameters,
 * quoted strings. Pure.
 *
 * All of it is text that outsiders write. Each function looks at each character a constant number of times. None uses a
 * regular expression, which may backtrack, nor a hash table, whose keys an outsider could make collide.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** The most header fields of a message. Browsers send 20 to 40. A look-up compares with each of them. */
export const FIELD_LIMIT = 200;

/** One header field. */
export interface Field {
  /** The name in lower case. */
  readonly name: string;
  /** The value without the blanks around it. */
  readonly value: string;
}

/** The reason why header fields cannot be read. */
export type FieldsFault = "malformed" | "too many";

/** The header fields of one message, in the order in which they were sent. */
export class Fields {
  readonly #fields: readonly Field[];

  constructor(fields: readonly Field[]) {
    this.#fields = fields;
  }

  /**
   * Returns the value of a lower-case name; several are joined by commas (RFC 9110, section 5.3); `null` if there is
   * none.
   */
  get(name: string): string | null {
    // Called some ten times a request: no closure, and no list.
    let value: string | null = null;
    for (const field of this.#fields) {
      if (field.name !== name) continue;
      value = value === null ? field.value : `${value}, ${field.value}`;
    }
    return value;
  }

  /** Returns the number of fields of a name. */
  count(name: string): number {
    let count = 0;
    for (const field of this.#fields) if (field.name === name) count++;
    return count;
  }

  /** Tells whether there is a field of a name. */
  has(name: string): boolean {
    for (const field of this.#fields) if (field.name === name) return true;
    return false;
  }

  /** Returns the members of all fields of a name whose value is a list of tokens; see {@linkcode tokensOf}. */
  tokens(name: string): string[] {
    const value = this.get(name);
    return value === null ? [] : tokensOf(value);
  }
}

/** Returns the text of a message's head, in which each byte is the character of its number (RFC 9110, section 5.5). */
export function decodeHead(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/**
 * Reads the lines of header fields, which are separated by CR LF.
 *
 * @param text The lines without the last one's end; `""` has no field.
 *
 * @example
 * ```ts
 * import { parseFields } from "./fields.ts";
 *
 * const fields = parseFields("Host: example.com\r\nConnection: keep-alive, Upgrade");
 * if (typeof fields !== "string") fields.tokens("connection"); // ["keep-alive", "upgrade"]
 * ```
 */
export function parseFields(text: string): Fields | FieldsFault {
  const fields: Field[] = [];
  for (let at = 0; at < text.length;) {
    if (fields.length >= FIELD_LIMIT) return "too many";
    const found = text.indexOf("\r\n", at);
    const end = found < 0 ? text.length : found;
    const field = parseField(text.slice(at, end));
    if (field === null) return "malformed";
    fields.push(field);
    at = end + 2;
  }
  return new Fields(fields);
}

/**
 * Reads the line of one header field, without its line break. Returns `null` for a malformed one: no colon, a name that
 * is no token, a blank before the colon or the name as in a folded line (RFC 9112, sections 5.1 and 5.2), or a CR, LF
 * or NUL in the value (RFC 9110, section 5.5).
 */
export function parseField(line: string): Field | null {
  const colon = line.indexOf(":");
  if (colon < 0) return null;
  const name = line.slice(0, colon);
  if (!isToken(name)) return null;
  if (["\r", "\n", "\0"].some((character) => line.includes(character, colon))) return null;
  return { name: name.toLowerCase(), value: trimmed(line.slice(colon + 1)) };
}

/** The characters of a token besides letters and digits (RFC 9110, section 5.6.2). */
const TOKEN_SIGNS = "!#$%&'*+-.^_`|~";

/** Tells whether a text is a token (RFC 9110, section 5.6.2), such as a method or a field's name. */
export function isToken(text: string): boolean {
  return text !== "" && consistsOf(text, TOKEN_SIGNS);
}

/** Tells whether a text, which may be empty, has no characters but letters and digits of ASCII and some signs. */
export function consistsOf(text: string, signs: string): boolean {
  for (let at = 0; at < text.length; at++) {
    if (!isAlphanumeric(text.charCodeAt(at)) && !signs.includes(text.charAt(at))) return false;
  }
  return true;
}

/** Returns a text without the spaces and tabs around it (RFC 9110, section 5.6.3). */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/**
 * Returns the members of a list of tokens in lower case. Empty ones are left out (RFC 9110, section 5.6.1.2).
 *
 * @example
 * ```ts
 * import { tokensOf } from "./fields.ts";
 *
 * tokensOf("keep-alive,, Upgrade"); // ["keep-alive", "upgrade"]
 * ```
 */
export function tokensOf(value: string): string[] {
  return value.toLowerCase().split(",").map(trimmed).filter((token) => token !== "");
}

/**
 * Returns the last parts of a value between separators outside quotes, in order and without the blanks around them.
 *
 * Quotes are paired from the end on, where the nearest proxy has written. So a quote that a client leaves open cannot
 * hide what follows it, and one that a proxy passes on in another parameter cannot add a part.
 *
 * @param limit The most parts that are returned.
 *
 * @example
 * ```ts
 * import { lastParts } from "./fields.ts";
 *
 * lastParts('for=192.0.2.7;host="a,b", for=192.0.2.8', ",", 32);
 * // ['for=192.0.2.7;host="a,b"', "for=192.0.2.8"]
 * ```
 */
export function lastParts(value: string, separator: "," | ";", limit: number): string[] {
  const parts: string[] = [];
  let end = value.length;
  let isQuoted = false;
  for (let at = end - 1; at >= 0 && parts.length < limit; at--) {
    const character = value.charAt(at);
    if (character === '"') {
      // The backslashes before a quote are skipped, so that each is counted once.
      const backslashes = backslashesBefore(value, at);
      if (backslashes % 2 === 0) isQuoted = !isQuoted;
      at -= backslashes;
    } else if (character === separator && !isQuoted) {
      parts.push(trimmed(value.slice(at + 1, end)));
      end = at;
    }
  }
  if (parts.length < limit) parts.push(trimmed(value.slice(0, end)));
  return parts.reverse();
}

/** Counts the backslashes right before an index. */
function backslashesBefore(value: string, at: number): number {
  let first = at;
  while (first > 0 && value.charAt(first - 1) === "\\") first--;
  return at - first;
}

/**
 * Reads a parameter, `name=value`, whose value may be quoted. The name is in lower case, and the blanks around the
 * equals sign are left out. Returns `null` for a malformed one: no name, or a quote or a blank in a value that is not
 * quoted as a whole.
 */
export function parseParameter(text: string): Field | null {
  const equals = text.indexOf("=");
  if (equals < 0) return null;
  const name = trimmed(text.slice(0, equals));
  if (!isToken(name)) return null;
  const written = trimmed(text.slice(equals + 1));
  const value = written.startsWith('"') ? unquoted(written) : isBare(written) ? written : null;
  return value === null ? null : { name: name.toLowerCase(), value };
}

/** Returns the content of a quoted string (RFC 9110, section 5.6.4); `null` when it is none. */
export function unquoted(text: string): string | null {
  const last = text.length - 1;
  if (last < 1 || text.charAt(0) !== '"' || text.charAt(last) !== '"') return null;
  let content = "";
  for (let at = 1; at < last; at++) {
    if (text.charAt(at) === '"') return null;
    // A backslash escapes the next character, which is not the closing quote.
    if (text.charAt(at) === "\\" && ++at === last) return null;
    content += text.charAt(at);
  }
  return content;
}

/** Tells whether a value has neither blanks nor quotes. */
function isBare(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    if (value.charAt(at) === '"' || isBlank(value.charCodeAt(at))) return false;
  }
  return true;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function isAlphanumeric(code: number): boolean {
  return code >= 0x61 && code <= 0x7a || code >= 0x41 && code <= 0x5a || isDigit(code);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
