/**
 * The body of an HTTP/1.1 message (RFC 9112, sections 6 and 7): the end of a request's body, and the content in its
 * bytes. Pure.
 *
 * A length that two readers could take differently is refused, because it lets a request be smuggled past a proxy.
 *
 * @module
 */

import { decodeHead, parseFields } from "../net/fields.ts";
import { GrowingBuffer } from "../net/growing_buffer.ts";
import { BadRequest, type Head } from "./head.ts";

/** The end of a body: after so many bytes, or after its last chunk. `null`: the request has none. */
export type Framing = { readonly length: number } | "chunked" | null;

/** An error in the bytes of a body. The message is a sentence about it. */
export class MalformedBody extends Error {
  override readonly name = "MalformedBody";
}

/** Returns the framing that the head gives, and refuses a head that may not be. */
export function framingOf({ version, fields }: Head): Framing | BadRequest {
  const coding = fields.get("transfer-encoding");
  const length = fields.get("content-length");
  if (coding !== null) {
    if (length !== null) {
      return new BadRequest(400, "It has a Content-Length and a Transfer-Encoding");
    }
    if (version === "1.0") return new BadRequest(400, "It has a Transfer-Encoding in HTTP/1.0");
    // Only one field is allowed, as a second one, even an empty one, makes a list.
    if (coding.toLowerCase() === "chunked") return "chunked";
    // If the last coding is another one, readers disagree about the body's end (RFC 9112, section 6.3).
    const codings = fields.tokens("transfer-encoding");
    return codings.length > 1 && codings.indexOf("chunked") === codings.length - 1
      ? new BadRequest(501, "Its Transfer-Encoding has other codings than chunked")
      : new BadRequest(400, "Its Transfer-Encoding is not chunked alone");
  }
  if (length === null) return null;
  if (fields.count("content-length") > 1) {
    return new BadRequest(400, "It has more than one Content-Length");
  }
  if (!/^[0-9]+$/.test(length)) return new BadRequest(400, "Its Content-Length is no number");
  // A number with more digits than a `number` holds is over any limit.
  const bytes = Number(length);
  return bytes === 0 ? null : { length: bytes };
}

/** The most bytes of the extensions of all chunks of a body, and likewise of its trailer. */
const EXTENSION_LIMIT = 4096;

/** The most digits of a chunk's size: enough for more than 200 TB. */
const SIZE_DIGITS = 12;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
const DELETE = 0x7f;

/** The part of a body that comes next. */
type Part = "size" | "extension" | "size end" | "content" | "content CR" | "content LF" | "trailer";

/** Finds the content in the bytes of a body. Each byte costs the same, for pieces of any size. */
export class BodyDecoder {
  readonly #isChunked: boolean;
  #part: Part;
  /** The bytes that are left of the body, or of a chunk. */
  #left: number;
  #digits = 0;
  #extensionBytes = 0;
  readonly #trailer = new GrowingBuffer(EXTENSION_LIMIT);
  #isDone = false;

  constructor(framing: Exclude<Framing, null>) {
    this.#isChunked = framing === "chunked";
    this.#part = framing === "chunked" ? "size" : "content";
    this.#left = framing === "chunked" ? 0 : framing.length;
    this.#isDone = framing !== "chunked" && framing.length === 0;
  }

  /** Tells whether the body has come whole. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /**
   * Takes bytes of the body.
   *
   * @param content Receives each piece of the content, as a view.
   * @returns The number of bytes taken: all, or those up to the body's end.
   * @throws {MalformedBody} If they are malformed. Nothing can be read after that.
   */
  read(bytes: Uint8Array, content: (piece: Uint8Array) => void): number {
    let at = 0;
    while (at < bytes.length && !this.#isDone) {
      if (this.#part === "content") {
        const piece = bytes.subarray(at, at + Math.min(this.#left, bytes.length - at));
        this.#left -= piece.length;
        at += piece.length;
        content(piece);
        if (this.#left > 0) break;
        if (this.#isChunked) this.#part = "content CR";
        else this.#isDone = true;
      } else this.#take(bytes[at++] ?? 0);
    }
    return at;
  }

  /** Takes a byte that is not content. */
  #take(byte: number): void {
    switch (this.#part) {
      case "size":
        return this.#takeSize(byte);
      case "extension":
        if (byte === CR) this.#part = "size end";
        else if (byte < SPACE && byte !== TAB || byte === DELETE) {
          throw new MalformedBody("The extension of a chunk has control characters");
        } else if (++this.#extensionBytes > EXTENSION_LIMIT) {
          throw new MalformedBody(
            `Its chunks have more than ${EXTENSION_LIMIT} bytes of extensions`,
          );
        }
        return;
      case "size end":
        if (byte !== LF) throw new MalformedBody("The size of a chunk has a CR without LF");
        this.#part = this.#left === 0 ? "trailer" : "content";
        this.#digits = 0;
        return;
      case "content CR":
        if (byte !== CR) throw new MalformedBody("A chunk is longer than its size");
        this.#part = "content LF";
        return;
      case "content LF":
        if (byte !== LF) throw new MalformedBody("A chunk is longer than its size");
        this.#part = "size";
        return;
      default:
        this.#takeTrailer(byte);
    }
  }

  #takeSize(byte: number): void {
    const digit = valueOf(byte);
    if (digit !== null) {
      if (++this.#digits > SIZE_DIGITS) throw new MalformedBody("The size of a chunk is too long");
      this.#left = this.#left * 16 + digit;
    } else if (this.#digits === 0) throw new MalformedBody("A chunk has no size");
    else if (byte === SEMICOLON) this.#part = "extension";
    else if (byte === CR) this.#part = "size end";
    else throw new MalformedBody("The size of a chunk is no number");
  }

  /** Takes a byte of the fields after the last chunk. They are validated, and left out. */
  #takeTrailer(byte: number): void {
    const { length } = this.#trailer;
    if (byte < SPACE && byte !== TAB && byte !== CR && byte !== LF || byte === DELETE) {
      throw new MalformedBody("Its trailer has control characters");
    }
    if (length === EXTENSION_LIMIT) {
      throw new MalformedBody(`Its trailer has more than ${EXTENSION_LIMIT} bytes`);
    }
    const before = this.#trailer.bytes[length - 1];
    if (byte !== LF ? before === CR : before !== CR) {
      throw new MalformedBody("Its trailer has a CR or an LF alone");
    }
    this.#trailer.append(Uint8Array.of(byte));
    if (byte !== LF) return;
    const isEmptyLine = length === 1 || this.#trailer.bytes[length - 2] === LF;
    if (!isEmptyLine) return;
    const fields = parseFields(
      decodeHead(this.#trailer.bytes.subarray(0, Math.max(0, length - 3))),
    );
    this.#trailer.clear();
    if (typeof fields === "string") throw new MalformedBody("A line of its trailer is malformed");
    this.#isDone = true;
  }
}

/** Returns the value of a hexadecimal digit; `null` for another byte. */
function valueOf(byte: number): number | null {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : null;
}
