/**
 * Reads the answers of an HTTP/1.1 server to requests that were sent one after the other (RFC 9112), from bytes in
 * pieces of any size. Pure.
 *
 * Everything is bounded: a head of {@linkcode ANSWER_HEAD_LIMIT} bytes, and a body.
 *
 * @module
 */

import type { Redact } from "../config/redaction.ts";
import { decodeHead, type Field, Fields, parseField, tokensOf } from "../net/fields.ts";
import { GrowingBuffer } from "../net/growing_buffer.ts";
import { flatCopy } from "../text.ts";
import { BodyDecoder, MalformedBody } from "./body.ts";

/** The most bytes of the status line and the header fields of an answer. */
export const ANSWER_HEAD_LIMIT = 16 * 1024;

/** The most bytes of the body of a peer's answer. A receipt has about 40. */
export const BODY_LIMIT = 64 * 1024;

/** The most characters that are kept of an answer's reason. */
const REASON_LENGTH = 60;

/** A whole answer. */
export interface Answer {
  readonly status: number;
  /** The text after the status, such as `Not Found`: the first 60 characters, in printable ASCII. */
  readonly reason: string;
  readonly body: string;
  /** True if the server takes no further request on the connection (RFC 9112, section 9.3). */
  readonly isLast: boolean;
}

/** An answer that cannot be used. The message is a clause that follows "it". */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
}

/** The part of an answer that comes next. */
type Part =
  | "status"
  | "header"
  /** Bytes of a body whose length is known. `chunks` ends with the last chunk, `rest` with the connection. */
  | "body"
  | "chunks"
  | "rest"
  | "done";

const LINE_FEED = 10;
const NOTHING = new Uint8Array(0);
const utf8 = new TextDecoder();

/** The options of an {@linkcode AnswerReader}. */
export interface AnswerReaderOptions {
  /** The most bytes of a body. @default {BODY_LIMIT} */
  readonly bodyLimit?: number;
  /** True if the request asked for another protocol. @default {false} */
  readonly mayUpgrade?: boolean;
}

/** Reads the answers on one connection. Each byte costs the same, for pieces of any size. */
export class AnswerReader {
  readonly #redact: Redact;
  #part: Part = "status";
  /** The beginning of a line whose end has not arrived. */
  readonly #line = new GrowingBuffer(ANSWER_HEAD_LIMIT);
  /** The bytes that are left for the lines of this answer. */
  #head = ANSWER_HEAD_LIMIT;
  #status = 0;
  #reason = "";
  #isLast = false;
  readonly #bodyLimit: number;
  readonly #mayUpgrade: boolean;
  #fields: Field[] = [];
  #chunks: BodyDecoder | null = null;
  /** The value of `Content-Length`. */
  #length: number | null = null;
  /** The bytes that are left of the body. */
  #left = 0;
  readonly #body: GrowingBuffer;
  #rest: Uint8Array = NOTHING;

  /** @param redact Applied to all text of an answer, before any of it is cut or read. */
  constructor(
    redact: Redact,
    { bodyLimit = BODY_LIMIT, mayUpgrade = false }: AnswerReaderOptions = {},
  ) {
    this.#redact = redact;
    this.#bodyLimit = bodyLimit;
    this.#mayUpgrade = mayUpgrade;
    this.#body = new GrowingBuffer(bodyLimit);
  }

  /** Returns the header fields of the last answer, as they were sent. */
  get fields(): Fields {
    return new Fields(this.#fields);
  }

  /** Returns the bytes after an answer that changes the protocol, as a view. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /**
   * Takes received bytes, and returns the answers that they complete, in order. The caller may reuse the bytes
   * afterwards.
   *
   * @throws {AnswerError} If it is no answer, or longer than allowed. Nothing can be read after that.
   */
  push(bytes: Uint8Array): Answer[] {
    const answers: Answer[] = [];
    for (let at = 0; at < bytes.length;) {
      at += this.#part === "status" || this.#part === "header"
        ? this.#takeLine(bytes.subarray(at))
        : this.#takeBody(bytes.subarray(at));
      if (this.#part !== "done") continue;
      const answer = this.#finish();
      answers.push(answer);
      if (answer.status !== 101) continue;
      this.#rest = bytes.subarray(at);
      break;
    }
    return answers;
  }

  /**
   * Handles the end of the connection.
   *
   * @returns The answer that ends with the connection, if there is one of that kind.
   * @throws {AnswerError} If the connection broke off within an answer.
   */
  end(): Answer | null {
    if (this.#part === "rest") return this.#finish();
    if (this.#part === "status" && this.#line.length === 0) return null;
    throw new AnswerError("broke off within its answer");
  }

  /** @returns The number of bytes taken: a line, or the beginning of one. */
  #takeLine(bytes: Uint8Array): number {
    const end = bytes.indexOf(LINE_FEED);
    const taken = end < 0 ? bytes.length : end + 1;
    this.#head -= taken;
    if (this.#head < 0) {
      throw new AnswerError(`sent more than ${ANSWER_HEAD_LIMIT} bytes of headers`);
    }
    const part = bytes.subarray(0, taken);
    if (end < 0) this.#line.append(part);
    else this.#readLine(this.#endLine(part));
    return taken;
  }

  /** Returns the line that ends with `part`, without its line break. */
  #endLine(part: Uint8Array): string {
    let bytes = part;
    if (this.#line.length > 0) {
      this.#line.append(part);
      bytes = this.#line.bytes;
    }
    const line = decodeHead(bytes);
    this.#line.clear();
    return line.slice(0, line.endsWith("\r\n") ? -2 : -1);
  }

  #readLine(line: string): void {
    if (this.#part === "status") this.#begin(line);
    else if (line === "") this.#endHeaders();
    else this.#takeHeader(line);
  }

  #begin(line: string): void {
    const minor = line.startsWith("HTTP/1.1 ") ? 1 : line.startsWith("HTTP/1.0 ") ? 0 : null;
    const status = line.slice(9, 12);
    const rest = line.slice(12);
    if (
      minor === null || !/^[1-5][0-9]{2}$/.test(status) || rest !== "" && !rest.startsWith(" ") ||
      rest.includes("\r")
    ) throw new AnswerError("does not answer in HTTP/1.1");
    this.#status = Number(status);
    // A copy, as the reason is kept with the peer, and the line is not.
    const reason = this.#redact(rest.slice(1)).slice(0, REASON_LENGTH);
    this.#reason = flatCopy(reason.replace(/[^ -~]/g, "?"));
    this.#isLast = minor === 0;
    this.#fields = [];
    this.#part = "header";
  }

  #takeHeader(line: string): void {
    const field = parseField(line);
    if (field === null) throw new AnswerError("sent a header that is none");
    this.#fields.push(field);
    const { name, value } = field;
    switch (name) {
      case "content-length":
        if (!/^\d{1,15}$/.test(value) || (this.#length ?? Number(value)) !== Number(value)) {
          throw new AnswerError("sent a Content-Length that is none");
        }
        this.#length = Number(value);
        break;
      case "transfer-encoding":
        if (value.toLowerCase() !== "chunked" || this.#chunks !== null) {
          throw new AnswerError("sent a Transfer-Encoding other than chunked");
        }
        this.#chunks = new BodyDecoder("chunked");
        break;
      case "connection": {
        const options = tokensOf(value);
        if (options.includes("close")) this.#isLast = true;
        else if (options.includes("keep-alive")) this.#isLast = false;
        break;
      }
    }
  }

  #endHeaders(): void {
    if (this.#status === 101) {
      if (!this.#mayUpgrade) throw new AnswerError("changes the protocol unasked");
      this.#isLast = true;
      this.#part = "done";
      return;
    }
    // The final answer is still to come (RFC 9110, section 15.2), and its limit counts these bytes as well.
    if (this.#status < 200) return this.#reset();
    if (this.#status === 204 || this.#status === 304) this.#part = "done";
    else if (this.#chunks !== null) this.#part = "chunks";
    else if (this.#length === null) {
      this.#isLast = true;
      this.#part = "rest";
    } else {
      // A body that is too long is refused before it has arrived.
      this.#check(this.#length);
      this.#left = this.#length;
      this.#part = this.#length === 0 ? "done" : "body";
    }
  }

  #check(more: number): void {
    if (this.#body.length + more <= this.#bodyLimit) return;
    throw new AnswerError(`sent more than the ${this.#bodyLimit} bytes that an answer may have`);
  }

  /** @returns The number of bytes taken. */
  #takeBody(bytes: Uint8Array): number {
    if (this.#chunks !== null) return this.#takeChunks(bytes, this.#chunks);
    const taken = this.#part === "rest" ? bytes.length : Math.min(this.#left, bytes.length);
    this.#append(bytes.subarray(0, taken));
    if (this.#part === "body") {
      this.#left -= taken;
      if (this.#left === 0) this.#part = "done";
    }
    return taken;
  }

  #takeChunks(bytes: Uint8Array, chunks: BodyDecoder): number {
    try {
      const taken = chunks.read(bytes, (piece) => this.#append(piece));
      if (chunks.isDone) this.#part = "done";
      return taken;
    } catch (error) {
      if (!(error instanceof MalformedBody)) throw error;
      throw new AnswerError(`sent a body that cannot be read: ${error.message}`);
    }
  }

  #append(bytes: Uint8Array): void {
    this.#check(bytes.length);
    this.#body.append(bytes);
  }

  #finish(): Answer {
    const answer = {
      status: this.#status,
      reason: this.#reason,
      body: this.#redact(utf8.decode(this.#body.bytes)),
      isLast: this.#isLast,
    };
    this.#reset();
    this.#head = ANSWER_HEAD_LIMIT;
    return answer;
  }

  #reset(): void {
    this.#part = "status";
    this.#isLast = false;
    this.#chunks = null;
    this.#length = null;
    this.#body.clear();
  }
}
