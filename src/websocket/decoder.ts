/**
 * The decoder of WebSocket frames: RFC 6455, sections 5 to 8, for a server and for a client. Pure: bytes in, messages
 * out, however the network has cut them.
 *
 * The held bytes are bounded: one message up to the limit, and less than 140 bytes of an unfinished header or control
 * frame. All of them are copies, so that they keep no chunk of the network alive.
 *
 * @module
 */

import { freeBytes } from "../bytes.ts";
import { CONTROL_LIMIT, isCloseCode, OPCODE } from "./frame.ts";

/** The side that reads. A client masks its frames, a server does not (section 5.1). */
export type Role = "server" | "client";

/** A message or frame that arrived. */
export type Incoming =
  /** A whole message, joined from its fragments. A binary one is taken for UTF-8. */
  | { readonly type: "message"; readonly text: string }
  /** A ping or a pong; its payload is a part of the chunk that was decoded. */
  | { readonly type: "ping" | "pong"; readonly payload: Uint8Array }
  /** A frame of a message that has further frames. */
  | { readonly type: "fragment" }
  /** The peer's close frame; `code` is `null` when it gives none. Nothing is read after it. */
  | { readonly type: "close"; readonly code: number | null; readonly reason: string };

/** The error of a peer that broke the protocol: the connection must be failed with `code`. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** 1002: protocol error; 1007: text that is not UTF-8; 1009: message too big (section 7.4.1). */
  readonly code: 1002 | 1007 | 1009;

  constructor(code: 1002 | 1007 | 1009, message: string) {
    super(message);
    this.code = code;
  }
}

/** The content of a frame's header. */
interface Header {
  readonly final: boolean;
  readonly opcode: number;
  /** The size of the payload, in bytes. */
  readonly length: number;
  /** The offset of the payload; a client's mask, four bytes, stands before it. */
  readonly end: number;
}

const MASK_BYTES = 4;

const NOTHING = new Uint8Array(0);

/** The most bytes of memory of an unfinished message beside its own: a text is validated piece by piece. */
const UNFINISHED_BYTES = 1024;

// A byte order mark is kept: before JSON it makes the message invalid, as with the original.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes the bytes of one connection. */
export class Decoder {
  readonly #limit: () => number;
  readonly #role: Role;
  /** The received bytes of an unfinished header or control frame. */
  #start = NOTHING;
  /** The bytes of the current data frame's payload that have not come yet. */
  #missing = 0;
  /** True if the current data frame is the last one of its message. */
  #final = true;
  /** True if the current message is text. */
  #isText = true;
  /** The frame's four mask bytes as one number, the next one to use in the highest byte. */
  #mask = 0;
  /** The current message, once it does not come in one piece. */
  #message: UnfinishedMessage | null = null;
  #done = false;

  /**
   * @param limit Returns the most bytes of one message, over all its fragments; called for each part, as it may change.
   * @param role The side that reads.
   */
  constructor(limit: () => number, role: Role = "server") {
    this.#limit = limit;
    this.#role = role;
  }

  /** Frees the memory of an unfinished message. Nothing can be read any more. */
  free(): void {
    this.#done = true;
    this.#message?.free();
    this.#message = null;
  }

  /** Returns the bytes of memory of an unfinished message; 0 between messages. */
  get heldBytes(): number {
    return this.#message === null ? 0 : this.#message.room + UNFINISHED_BYTES;
  }

  /** Tells whether a message, a frame or a header has begun and has not come whole. */
  get isUnfinished(): boolean {
    return this.#message !== null || this.#missing > 0 || this.#start.length > 0;
  }

  /**
   * Reads received bytes, which may begin and end anywhere. After a close frame, an error, or when the caller stops
   * early, everything is ignored.
   *
   * @param chunk Is overwritten, as masks are removed in place.
   * @throws {ProtocolError} Once, when the peer has broken the protocol.
   */
  *decode(chunk: Uint8Array): Generator<Incoming, void> {
    if (this.#done) return;
    // It stays so if the loop ends early in any way.
    this.#done = true;
    const bytes = this.#start.length === 0 ? chunk : joined(this.#start, chunk);
    this.#start = NOTHING;
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#missing === 0) {
        const header = parseHeader(bytes, offset, this.#role);
        if (header !== null && !isControl(header)) this.#checkData(header);
        // A control frame is read in one piece, a data frame as it comes.
        const needed = header === null
          ? Infinity
          : header.end + (isControl(header) ? header.length : 0);
        if (header === null || bytes.length < needed) {
          // `slice` of a `Buffer` would be a view.
          this.#start = new Uint8Array(bytes.subarray(offset));
          break;
        }
        this.#mask = this.#role === "server" ? int32(bytes, header.end - MASK_BYTES) : 0;
        offset = header.end;
        if (isControl(header)) {
          const payload = this.#unmask(bytes.subarray(offset, needed));
          offset = needed;
          const incoming = control(header.opcode, payload);
          yield incoming;
          if (incoming.type === "close") return;
          continue;
        }
        this.#missing = header.length;
        this.#final = header.final;
        if (header.opcode !== OPCODE.continuation) this.#isText = header.opcode === OPCODE.text;
      }
      const part = this.#unmask(bytes.subarray(offset, offset + this.#missing));
      offset += part.length;
      this.#missing -= part.length;
      const text = this.#take(part);
      if (text !== null) yield { type: "message", text };
      else if (this.#missing === 0) yield { type: "fragment" };
    }
    this.#done = false;
  }

  /** Checks that a data frame is allowed here, and that its message may still grow by it. */
  #checkData({ opcode, length }: Header): void {
    if (opcode === OPCODE.continuation && this.#message === null) {
      throw new ProtocolError(1002, "it continued a message that it had not begun");
    }
    if (opcode !== OPCODE.continuation && this.#message !== null) {
      throw new ProtocolError(1002, "it began a message within another one");
    }
    const size = (this.#message?.size ?? 0) + length;
    const limit = this.#limit();
    if (size > limit) {
      throw new ProtocolError(1009, `it announced a message of ${size} bytes, over ${limit}`);
    }
  }

  /** Adds a piece to the current message. Returns the message when it is whole. */
  #take(part: Uint8Array): string | null {
    const whole = this.#final && this.#missing === 0;
    if (whole && this.#message === null) return decodeText(part, this.#isText);
    this.#message ??= new UnfinishedMessage(this.#isText);
    this.#message.append(part, this.#limit());
    if (!whole) return null;
    const text = this.#message.finish();
    this.#message = null;
    return text;
  }

  #unmask(payload: Uint8Array): Uint8Array {
    if (this.#role === "client") return payload;
    let mask = this.#mask;
    for (let index = 0; index < payload.length; index++) {
      // Only the lowest byte is kept.
      payload[index] = (payload[index] ?? 0) ^ (mask >>> 24);
      mask = mask << 8 | mask >>> 24;
    }
    this.#mask = mask;
    return payload;
  }
}

/** A message that does not come in one piece. */
class UnfinishedMessage {
  /** The bytes that have come. */
  size = 0;

  /** Returns the bytes that are allocated for it. */
  get room(): number {
    return this.#bytes.length;
  }

  #bytes = NOTHING;
  /** Validates each piece of a text as it comes, so that bad text ends the connection early. */
  readonly #validator: TextDecoder | null;

  constructor(isText: boolean) {
    this.#validator = isText ? new TextDecoder("utf-8", { fatal: true }) : null;
  }

  /** @param limit The caller enforces it; never more than this is allocated ahead. */
  append(part: Uint8Array, limit: number): void {
    if (this.#validator) valid(() => this.#validator?.decode(part, { stream: true }));
    const size = this.size + part.length;
    if (size > this.#bytes.length) {
      const room = new Uint8Array(Math.max(size, Math.min(2 * this.#bytes.length, limit)));
      room.set(this.#bytes);
      this.free();
      this.#bytes = room;
    }
    this.#bytes.set(part, this.size);
    this.size = size;
  }

  finish(): string {
    if (this.#validator) valid(() => this.#validator?.decode());
    const text = lenient.decode(this.#bytes.subarray(0, this.size));
    this.free();
    return text;
  }

  /** Frees its memory. The message cannot be used any more. */
  free(): void {
    freeBytes(this.#bytes);
    this.#bytes = NOTHING;
  }
}

/** Returns the header at `offset`; `null` when it is not whole. */
function parseHeader(bytes: Uint8Array, offset: number, role: Role): Header | null {
  const first = bytes[offset];
  const second = bytes[offset + 1];
  if (first === undefined || second === undefined) return null;
  const final = (first & 0x80) !== 0;
  const opcode = first & 0x0f;
  const short = second & 0x7f;
  if ((first & 0x70) !== 0) throw new ProtocolError(1002, "it set a reserved bit");
  if ((opcode & 0x7) > 2) throw new ProtocolError(1002, `it used the reserved opcode ${opcode}`);
  const isMasked = (second & 0x80) !== 0;
  if (isMasked !== (role === "server")) {
    throw new ProtocolError(1002, `it sent a frame with${isMasked ? "" : "out"} a mask`);
  }
  if (opcode >= OPCODE.close) {
    if (!final) throw new ProtocolError(1002, "it fragmented a control frame");
    if (short > CONTROL_LIMIT) throw new ProtocolError(1002, "its control frame is too long");
  }
  const lengthSize = short < 126 ? 0 : short === 126 ? 2 : 8;
  const start = offset + 2 + lengthSize;
  if (bytes.length < start) return null;
  const length = lengthSize === 0 ? short : readLength(bytes, offset + 2, lengthSize);
  return { final, opcode, length, end: start + (isMasked ? MASK_BYTES : 0) };
}

function isControl({ opcode }: Header): boolean {
  return opcode >= OPCODE.close;
}

function int32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + offset, 4).getInt32(0);
}

function readLength(bytes: Uint8Array, offset: number, size: 2 | 8): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, size);
  // Rounded above 2^53, which is over every limit.
  const length = size === 2 ? view.getUint16(0) : Number(view.getBigUint64(0));
  if (size === 8 && view.getInt8(0) < 0) {
    throw new ProtocolError(1002, "its frame's length has the highest bit set");
  }
  if (length < (size === 2 ? 126 : 0x1_0000)) {
    throw new ProtocolError(1002, "it wrote a frame's length with more bytes than needed");
  }
  return length;
}

function control(opcode: number, payload: Uint8Array): Incoming {
  if (opcode === OPCODE.pong) return { type: "pong", payload };
  if (opcode === OPCODE.ping) return { type: "ping", payload };
  const [high, low] = payload;
  if (high === undefined) return { type: "close", code: null, reason: "" };
  if (low === undefined) throw new ProtocolError(1002, "its close frame holds half a code");
  const code = high << 8 | low;
  if (!isCloseCode(code)) throw new ProtocolError(1002, `it closed with the invalid code ${code}`);
  return { type: "close", code, reason: decodeText(payload.subarray(2), true) };
}

function decodeText(payload: Uint8Array, isText: boolean): string {
  return isText ? valid(() => strict.decode(payload)) : lenient.decode(payload);
}

function valid<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof TypeError) throw new ProtocolError(1007, "it sent text that is not UTF-8");
    throw error;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
