/**
 * JSON from outside, read without V8's `JSON.parse`. V8 looks up every key, and every text of up to ten characters,
 * in a table whose hash is no secret (see `keyed_hash.ts`). So chosen keys make the table slow for the whole
 * process. Here a text is walked once, and the wanted parts of it are cut out.
 *
 * @module
 */

/** The error of a text that is no JSON (RFC 8259), or more than is read here; the message says where, or what. */
export class JsonError extends Error {
  override readonly name = "JsonError";
}

/** One member of an object. */
export interface Member {
  readonly name: string;
  /** Position of the name in the text, at its first quote. */
  readonly nameStart: number;
  /** Position of the value. */
  readonly start: number;
  /** Position behind the value. */
  readonly end: number;
}

/** Bounds of {@linkcode readMembers}. */
export interface MemberLimits {
  /** Members of the object itself. */
  readonly members: number;
  /** Lists and objects within each other. */
  readonly depth: number;
}

/**
 * Reads the members of the object that a text is, in their order; a name may come more than once. The whole
 * text is checked. Costs time in proportion to its length.
 *
 * @returns `null` if the text is JSON, but no object.
 * @throws {JsonError} If the text is no JSON, or beyond the limits.
 */
export function readMembers(text: string, limits: MemberLimits): Member[] | null {
  const reader = new Reader(text, limits.depth);
  let at = reader.space(0);
  if (text.charCodeAt(at) !== BRACE_OPEN) {
    reader.finish(reader.value(at));
    return null;
  }
  const members: Member[] = [];
  at = reader.space(at + 1);
  if (text.charCodeAt(at) === BRACE_CLOSE) {
    reader.finish(at + 1);
    return members;
  }
  for (;;) {
    if (members.length === limits.members) {
      throw new JsonError(`it has more than ${limits.members} keys`);
    }
    const nameStart = at;
    const nameEnd = reader.string(at);
    const start = reader.colon(nameEnd);
    const end = reader.value(start);
    members.push({ name: stringAt(text, nameStart, nameEnd), nameStart, start, end });
    at = reader.space(end);
    if (text.charCodeAt(at) === BRACE_CLOSE) break;
    at = reader.space(reader.comma(at));
  }
  reader.finish(at + 1);
  return members;
}

/** Returns the last member of this name, as `JSON.parse` does for an object with a name twice. */
export function memberOf(members: readonly Member[], name: string): Member | undefined {
  return members.findLast((member) => member.name === name);
}

/** Returns the text that a member's value is; `undefined` if it is none. */
export function stringOf(text: string, member: Member | undefined): string | undefined {
  if (member === undefined || text.charCodeAt(member.start) !== QUOTE) return undefined;
  return stringAt(text, member.start, member.end);
}

/** Returns the texts that a member's value is a list of; `undefined` if it is something else. */
export function stringsOf(text: string, member: Member | undefined): string[] | undefined {
  if (member === undefined || text.charCodeAt(member.start) !== BRACKET_OPEN) return undefined;
  // The list has been checked: between texts there are commas and spaces, unless it has other values.
  const strings: string[] = [];
  for (let at = member.start + 1; at < member.end - 1;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      strings.push(stringAt(text, at, end));
      at = end;
    } else if (code === COMMA || isSpace(code)) at++;
    else return undefined;
  }
  return strings;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/** The meanings of characters behind a backslash; four digits follow `u`. */
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const ESCAPE_CODES = '"\\/bfnrt';

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || code >= 0x41 && code <= 0x46 || code >= 0x61 && code <= 0x66;
}

/** Returns the end of the checked string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) {
    at += code === BACKSLASH ? 2 : 1;
  }
  return at + 1;
}

/** Returns the text of the checked string between `start` and `end`, quotes included. */
function stringAt(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  let escape = raw.indexOf("\\");
  if (escape < 0) return raw;
  const parts: string[] = [];
  let at = 0;
  for (; escape >= 0; escape = raw.indexOf("\\", at)) {
    parts.push(raw.slice(at, escape));
    const letter = raw.charAt(escape + 1);
    if (letter === "u") {
      parts.push(String.fromCharCode(parseInt(raw.slice(escape + 2, escape + 6), 16)));
      at = escape + 6;
    } else {
      parts.push(ESCAPES[letter] ?? "");
      at = escape + 2;
    }
  }
  parts.push(raw.slice(at));
  return parts.join("");
}

/** Walks a text. Each method takes the position at which something begins, and returns the one behind its end. */
class Reader {
  readonly #text: string;
  readonly #depth: number;

  constructor(text: string, depth: number) {
    this.#text = text;
    this.#depth = depth;
  }

  space(at: number): number {
    while (isSpace(this.#text.charCodeAt(at))) at++;
    return at;
  }

  colon(at: number): number {
    at = this.space(at);
    if (this.#text.charCodeAt(at) !== COLON) this.fail(at);
    return this.space(at + 1);
  }

  comma(at: number): number {
    if (this.#text.charCodeAt(at) !== COMMA) this.fail(at);
    return at + 1;
  }

  finish(at: number): void {
    at = this.space(at);
    if (at < this.#text.length) this.fail(at);
  }

  /** Walks any value. Nested values are walked in one loop, as a stack of calls would have an end. */
  value(at: number): number {
    /** The brackets that are open, as the codes of those that close them. */
    const open: number[] = [];
    for (;;) {
      const code = this.#text.charCodeAt(at);
      if (code === BRACE_OPEN || code === BRACKET_OPEN) {
        // The object around the value counts as well.
        if (open.length + 2 > this.#depth) throw new JsonError("it is nested too deeply");
        const close = code === BRACE_OPEN ? BRACE_CLOSE : BRACKET_CLOSE;
        open.push(close);
        at = this.space(at + 1);
        if (this.#text.charCodeAt(at) !== close) {
          if (close === BRACE_CLOSE) at = this.colon(this.string(at));
          continue;
        }
      } else {
        at = this.#scalar(at, code);
        if (open.length === 0) return at;
        at = this.space(at);
      }
      // A value has ended, or an empty bracket is at its end.
      while (open.length > 0 && this.#text.charCodeAt(at) === open.at(-1)) {
        open.pop();
        at++;
        if (open.length === 0) return at;
        at = this.space(at);
      }
      at = this.space(this.comma(at));
      if (open.at(-1) === BRACE_CLOSE) at = this.colon(this.string(at));
    }
  }

  string(at: number): number {
    const text = this.#text;
    if (text.charCodeAt(at) !== QUOTE) this.fail(at);
    for (at++;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) return at + 1;
      // NaN, at the end of the text, is not greater than anything.
      if (!(code >= 0x20)) this.fail(at);
      at += code === BACKSLASH ? this.#escape(at + 1) : 1;
    }
  }

  /** @returns The number of characters of an escape, the backslash before `at` included. */
  #escape(at: number): number {
    const text = this.#text;
    if (text.charAt(at) !== "u") {
      if (at >= text.length || !ESCAPE_CODES.includes(text.charAt(at))) this.fail(at);
      return 2;
    }
    for (let digit = 1; digit <= 4; digit++) {
      if (!isHexDigit(text.charCodeAt(at + digit))) this.fail(at + digit);
    }
    return 6;
  }

  #scalar(at: number, code: number): number {
    if (code === QUOTE) return this.string(at);
    for (const word of ["true", "false", "null"]) {
      if (this.#text.startsWith(word, at)) return at + word.length;
    }
    return this.#number(at);
  }

  #number(at: number): number {
    const text = this.#text;
    if (text.charAt(at) === "-") at++;
    // No other digit follows a leading zero.
    at = text.charAt(at) === "0" ? at + 1 : this.#digits(at);
    if (text.charAt(at) === ".") at = this.#digits(at + 1);
    if (text.charAt(at) === "e" || text.charAt(at) === "E") {
      const sign = text.charAt(at + 1);
      at = this.#digits(sign === "+" || sign === "-" ? at + 2 : at + 1);
    }
    return at;
  }

  #digits(at: number): number {
    if (!isDigit(this.#text.charCodeAt(at))) this.fail(at);
    while (isDigit(this.#text.charCodeAt(at))) at++;
    return at;
  }

  fail(at: number): never {
    throw new JsonError(
      at >= this.#text.length ? "it breaks off" : `there is something else at character ${at + 1}`,
    );
  }
}
