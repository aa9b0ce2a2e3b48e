/**
 * What reads HTTP requests, for `tests/fuzz.ts`: the reader of heads, the framing and the decoder of bodies, behind each
 * other as in a connection. What they accept a second reader has to read alike.
 *
 * @module
 */

import { BodyDecoder, framingOf, MalformedBody } from "../../src/http/body.ts";
import { BadRequest, HEAD_LIMIT, HeadReader } from "../../src/http/head.ts";
import type { Random, Subject, Subjects } from "../fuzzing.ts";
import { concat, latin1, textOf } from "../pieces.ts";
import { type ReadRequest, type ReadRequests, readRequests } from "./reference.ts";

/** Counts the bytes that are copied from one place of the memory to another. */
class CopyCount {
  #bytes = 0;

  /** Counts what `work` copies. */
  during<T>(work: () => T): T {
    const { set } = Uint8Array.prototype;
    const count = (length: number) => this.#bytes += length;
    Uint8Array.prototype.set = function (source, offset) {
      count(source.length);
      set.call(this, source, offset);
    };
    try {
      return work();
    } finally {
      Uint8Array.prototype.set = set;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }
}

/** Bytes that may be copied for each that comes: into a buffer that doubles, twice for what is in chunks. */
const COPIES = 6;

/** Reads the requests in chunks as a connection does. */
export class RequestReader {
  readonly #heads = new HeadReader();
  readonly #requests: ReadRequest[] = [];
  #body: { readonly head: Omit<ReadRequest, "content">; readonly decoder: BodyDecoder } | null =
    null;
  #content = "";
  #refusal: number | null = null;

  /** What has come so far. */
  get read(): ReadRequests {
    return { requests: this.#requests, end: this.#refusal ?? this.#content };
  }

  /** Takes a chunk. Each step takes at least a byte of it. */
  take(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.#refusal === null;) {
      const rest = chunk.subarray(at);
      const taken = this.#body === null ? this.#takeHead(rest) : this.#takeBody(rest);
      if (taken <= 0 && this.#refusal === null) throw new Error("Nothing was taken");
      at += taken;
    }
  }

  #takeHead(bytes: Uint8Array): number {
    const result = this.#heads.read(bytes);
    if (result === null) return bytes.length;
    if (result instanceof BadRequest) return this.#refuse(result.status);
    const { head, end } = result;
    const framing = framingOf(head);
    if (framing instanceof BadRequest) return this.#refuse(framing.status);
    const { method, target, version } = head;
    if (framing === null) this.#requests.push({ method, target, version, content: "" });
    else this.#body = { head: { method, target, version }, decoder: new BodyDecoder(framing) };
    return end;
  }

  #takeBody(bytes: Uint8Array): number {
    const { head, decoder } = this.#body ?? missing();
    let taken: number;
    try {
      taken = decoder.read(bytes, (piece) => this.#content += textOf(piece));
    } catch (error) {
      if (!(error instanceof MalformedBody)) throw error;
      return this.#refuse(400);
    }
    if (decoder.isDone) {
      this.#requests.push({ ...head, content: this.#content });
      this.#body = null;
      this.#content = "";
    }
    return taken;
  }

  #refuse(status: number): number {
    this.#refusal = status;
    return 0;
  }

  /** Bytes of memory that it holds beside the requests. */
  get heldBytes(): number {
    return this.#heads.heldBytes;
  }
}

function missing(): never {
  throw new Error("There is no body");
}

/** What separates the parts of a request, or looks like it. */
const SIGNS = [...'\r\n \t\0\x7f\xff:;,+-_"\\', "\r\n", "\n\n", "\r\n\r\n", "\r\n ", "0x", "0000"];

const PARTS = [
  ...["A: b\r\n", "Host: y\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"],
  ...[
    "0\r\n\r\n",
    "\r\n0\r\n\r\n",
    "5\r\nHello\r\n",
    " chunked",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
  ],
  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
] as const;

class Requests implements Subject {
  readonly name = "reader of requests";

  make(random: Random): Uint8Array {
    if (random.once(20)) return random.bytes(random.below(100));
    return concat(...random.list(1 + random.below(4), () => anyRequest(random)));
  }

  intrude(random: Random): Uint8Array {
    if (random.once(10)) return latin1("x".repeat(random.pick(1, 5000, HEAD_LIMIT)));
    return latin1(random.pick(...PARTS, ...SIGNS));
  }

  run(chunks: readonly Uint8Array[]): ReadRequests {
    const size = chunks.reduce((sum, { length }) => sum + length, 0);
    const reader = new RequestReader();
    const copies = new CopyCount();
    copies.during(() => {
      for (const chunk of chunks) {
        reader.take(chunk);
        if (reader.heldBytes > HEAD_LIMIT) throw new Error(`It holds ${reader.heldBytes} bytes`);
      }
    });
    if (copies.bytes > COPIES * size) {
      throw new Error(`It copied ${copies.bytes} bytes for ${size}`);
    }
    const { read } = reader;
    if (chunks.length === 1) compare(read, readRequests(textOf(concat(...chunks))));
    return read;
  }
}

function compare(read: ReadRequests, expected: ReadRequests): void {
  const [one, other] = [JSON.stringify(read), JSON.stringify(expected)];
  if (one !== other) throw new Error(`It reads ${one},\nthe reference ${other}`);
}

/** A request that is mostly right. */
function anyRequest(random: Random): Uint8Array {
  const isChunked = random.once(2);
  const content = random.once(3)
    ? random.bytes(random.below(40))
    : latin1(random.pick("", "Hello", "0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  const fields = [
    "Host: x",
    random.pick("A: b", "Accept:", "Connection: close", "X-Y:\t z \t", "Expect: 100-continue"),
    isChunked
      ? random.pick("Transfer-Encoding: chunked", "transfer-encoding:CHUNKED")
      : `Content-Length: ${random.once(20) ? "0" : ""}${content.length}`,
  ];
  if (random.once(10)) fields.push(random.pick(...FURTHER));
  if (random.once(15)) fields.push(`X: ${"x".repeat(random.pick(100, HEAD_LIMIT - 120))}`);
  if (random.once(25)) fields.push(...random.list(190 + random.below(20), () => "B: c"));
  if (random.once(20)) fields.splice(random.below(fields.length), 1);
  fields.sort(() => random.below(3) - 1);
  const line = random.once(4) ? random.pick(...LINES) : "POST /a?b HTTP/1.1";
  const emptyLines = "\r\n".repeat(random.once(5) ? random.below(3) : 0);
  const head = latin1(`${emptyLines}${[line, ...fields, "", ""].join("\r\n")}`);
  return concat(head, isChunked ? chunked(content, random) : content);
}

const LINES = [
  "GET / HTTP/1.1",
  "HEAD http://x/ HTTP/1.0",
  "OPTIONS * HTTP/1.1",
  "CONNECT x:1 HTTP/1.1",
  "get /\xff HTTP/1.9",
  "PUT a://b HTTP/2.0",
  "GET  / HTTP/1.1",
  "GET /",
] as const;

const FURTHER = [
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip",
  "Transfer-Encoding:",
  "Host: y",
  "Host: a b",
  " folded",
  "A : b",
  "A",
  "",
] as const;

/** A content in chunks, with extensions and a trailer at times. */
function chunked(content: Uint8Array, random: Random): Uint8Array {
  const parts: Uint8Array[] = [];
  const extension = () =>
    random.once(4)
      ? `;${random.pick("", "x", 'x="y;z"', "x=\xff", "y".repeat(random.pick(10, 1400, 4096)))}`
      : "";
  for (let at = 0; at < content.length;) {
    const size = 1 + random.below(content.length - at);
    const digits = size.toString(16).padStart(random.pick(1, 2, 12), "0");
    parts.push(
      latin1(`${random.once(2) ? digits : digits.toUpperCase()}${extension()}\r\n`),
      content.subarray(at, at + size),
      latin1("\r\n"),
    );
    at += size;
  }
  const trailer = random.once(4)
    ? `${
      random.pick("A: b", "A:", "A : b", " A: b", `A: ${"x".repeat(random.pick(9, 4087, 4088))}`)
    }\r\n`
    : "";
  return concat(...parts, latin1(`0${extension()}\r\n${trailer}\r\n`));
}

/** All that reads bytes of clients before a handler does. */
export const SUBJECTS: Subjects = [new Requests()];
