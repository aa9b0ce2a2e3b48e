/**
 * A second reader of HTTP requests, written from RFC 9112 without the code under test and in another way: it has all the
 * bytes at once, as a text, and looks at it with regular expressions. It is slow, and holds everything.
 *
 * It has the same limits, and refuses what the engine refuses on purpose (docs/decisions/0016-http-engine.md).
 *
 * @module
 */

/** A request with the content of its body. */
export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly content: string;
}

/** The requests in some bytes, and how they end. */
export interface ReadRequests {
  readonly requests: readonly ReadRequest[];
  /**
   * - A number: what follows is refused with this status.
   * - A text: more is to come; it is the content so far of a body that has begun.
   */
  readonly end: number | string;
}

const HEAD_LIMIT = 16_384;
const FIELD_LIMIT = 200;
const EXTENSION_LIMIT = 4096;

/** A CR or LF alone, or another control character but TAB. A CR at the end may be followed by its LF. */
// deno-lint-ignore no-control-regex -- they are what is looked for
const FORBIDDEN = /\r(?!\n|$)|(?<!\r)\n|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([^ \\t]+) (HTTP/[0-9]\\.[0-9])$`);
const FIELD_LINE = new RegExp(`^(${TOKEN}):[ \\t]*(.*?)[ \\t]*$`);
const HOST = /^[A-Za-z0-9\-._~%!$&'()*+,;=:[\]]*$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,12})(?:;([\t -~\x80-\xff]*))?$/;

/** A part of a {@linkcode CHUNK_LINE}, with a part of its end. */
const CHUNK_LINE_BEGUN = /^(?:[0-9A-Fa-f]{1,12}(?:;([\t -~\x80-\xff]*))?\r?)?$/;

type Field = readonly [name: string, value: string];

/** A refusal. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`${status}`);
    this.status = status;
  }
}

/** More is to come. */
class Open extends Error {
  readonly content: string;

  constructor(content: string) {
    super(content);
    this.content = content;
  }
}

/** Reads all requests in a text, each of whose characters is a byte. */
export function readRequests(text: string): ReadRequests {
  const requests: ReadRequest[] = [];
  try {
    for (let rest = text;;) {
      const { length, ...head } = readHead(rest);
      rest = rest.slice(length);
      const body = readBody(head, rest);
      rest = rest.slice(body.length);
      const { method, target, version } = head;
      requests.push({ method, target, version, content: body.content });
    }
  } catch (error) {
    if (error instanceof Refusal) return { requests, end: error.status };
    if (error instanceof Open) return { requests, end: error.content };
    throw error;
  }
}

interface Head {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly Field[];
}

function readHead(text: string): Head & { readonly length: number } {
  const emptyLines = /^(?:\r\n)*/.exec(text)?.[0].length ?? 0;
  const found = text.indexOf("\r\n\r\n", emptyLines);
  const length = found < 0 ? Infinity : found + 4;
  const { index: forbidden = Infinity, 0: what = "" } = FORBIDDEN.exec(text) ?? {};
  // A CR alone is only found out by the byte behind it.
  const noticed = what === "\r" ? forbidden + 1 : forbidden;
  if (noticed < Math.min(length, HEAD_LIMIT)) throw new Refusal(400);
  if (length > HEAD_LIMIT && text.length >= HEAD_LIMIT) throw new Refusal(431);
  if (length === Infinity) throw new Open("");
  const [requestLine = "", ...lines] = text.slice(emptyLines, found).split("\r\n");
  return { ...readRequestLine(requestLine), fields: readHeadFields(requestLine, lines), length };
}

function readRequestLine(line: string): Omit<Head, "fields"> {
  const [, method = "", target = "", protocol = ""] = REQUEST_LINE.exec(line) ?? [];
  const isTarget = /^\/|^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(target) ||
    target === "*" && method === "OPTIONS" || method === "CONNECT";
  if (!isTarget || method === "") throw new Refusal(400);
  if (!protocol.startsWith("HTTP/1.")) throw new Refusal(505);
  return { method, target, version: protocol === "HTTP/1.0" ? "1.0" : "1.1" };
}

function readHeadFields(requestLine: string, lines: readonly string[]): readonly Field[] {
  const fields = readFields(lines);
  const hosts = fields.filter(([name]) => name === "host");
  if (hosts.length === 0 && requestLine.endsWith("HTTP/1.0")) return fields;
  if (hosts.length !== 1 || !HOST.test(hosts[0]?.[1] ?? "")) throw new Refusal(400);
  return fields;
}

function readFields(lines: readonly string[]): readonly Field[] {
  return lines.map((line, index): Field => {
    if (index >= FIELD_LIMIT) throw new Refusal(431);
    const [, name, value = ""] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined) throw new Refusal(400);
    return [name.toLowerCase(), value];
  });
}

interface Body {
  readonly content: string;
  /** Bytes that it takes, with what is no content. */
  readonly length: number;
}

function readBody({ version, fields }: Head, text: string): Body {
  const valuesOf = (wanted: string) =>
    fields.filter(([name]) => name === wanted).map(([, value]) => value);
  const [codings, lengths] = [valuesOf("transfer-encoding"), valuesOf("content-length")];
  if (codings.length > 0) {
    if (lengths.length > 0 || version === "1.0") throw new Refusal(400);
    if (codings.length === 1 && codings[0]?.toLowerCase() === "chunked") return readChunks(text);
    const list = codings.join(",").toLowerCase().split(",")
      .map((each) => each.replace(/^[ \t]+|[ \t]+$/g, "")).filter((each) => each !== "");
    const isLast = list.at(-1) === "chunked" && list.length > 1 &&
      !list.slice(0, -1).includes("chunked");
    throw new Refusal(isLast ? 501 : 400);
  }
  if (lengths.length === 0) return { content: "", length: 0 };
  if (lengths.length > 1 || !/^\d+$/.test(lengths[0] ?? "")) throw new Refusal(400);
  const length = Number(lengths[0]);
  if (text.length < length) throw new Open(text);
  return { content: text.slice(0, length), length };
}

function readChunks(text: string): Body {
  let content = "";
  let extensions = 0;
  for (let at = 0;;) {
    const end = text.indexOf("\r\n", at);
    const line = text.slice(at, end < 0 ? undefined : end);
    const match = (end < 0 ? CHUNK_LINE_BEGUN : CHUNK_LINE).exec(line);
    extensions += (match?.[end < 0 ? 1 : 2] ?? "").length;
    if (match === null || extensions > EXTENSION_LIMIT) throw new Refusal(400);
    if (end < 0) throw new Open(content);
    const size = parseInt(match[1] ?? "", 16);
    at = end + 2;
    if (size === 0) return { content, length: at + trailerLength(text.slice(at), content) };
    content += text.slice(at, at + size);
    if (text.length < at + size) throw new Open(content);
    at += size;
    const behind = text.slice(at, at + 2);
    if (!"\r\n".startsWith(behind)) throw new Refusal(400);
    if (behind.length < 2) throw new Open(content);
    at += 2;
  }
}

function trailerLength(text: string, content: string): number {
  const found = text.startsWith("\r\n") ? 0 : text.indexOf("\r\n\r\n") + 2;
  const isWhole = text.startsWith("\r\n") || found > 1;
  const length = isWhole ? found + 2 : Infinity;
  const { index: forbidden = Infinity, 0: what = "" } = FORBIDDEN.exec(text) ?? {};
  const noticed = what === "\r" ? forbidden + 1 : forbidden;
  if (noticed < length || length > EXTENSION_LIMIT && text.length > EXTENSION_LIMIT) {
    throw new Refusal(400);
  }
  if (!isWhole) throw new Open(content);
  try {
    readFields(found === 0 ? [] : text.slice(0, found - 2).split("\r\n"));
  } catch {
    throw new Refusal(400);
  }
  return length;
}
