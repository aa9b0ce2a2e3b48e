/**
 * A client's side of the wire, written from RFC 6455 and without the code under test.
 *
 * @module
 */

import { concat, utf8 } from "../pieces.ts";
import { Decoder, type Incoming, ProtocolError, type Role } from "../../src/websocket/decoder.ts";

export { bytewise, concat, cut, latin1, utf8 } from "../pieces.ts";

/** The bytes of a text such as `"81 05"`. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.split(/\s+/).filter(Boolean), (byte) => parseInt(byte, 16));
}

/** A number of `size` bytes, the highest first. */
export function bigEndian(value: number | bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let left = BigInt(value);
  for (let index = size - 1; index >= 0; index--, left >>= 8n) bytes[index] = Number(left & 0xffn);
  return bytes;
}

/** What a frame has other than a whole text message would. */
export interface Peculiarities {
  readonly opcode?: number;
  readonly final?: boolean;
  /** The three reserved bits as they stand in the first byte, such as 0x40. */
  readonly reserved?: number;
  /** The mask; `null` sends none. */
  readonly key?: Uint8Array | null;
  /** The length that the header tells, where it is not the payload's. */
  readonly length?: number | bigint;
  /** Bytes that the length takes in the header: 0 (none of its own), 2 or 8. */
  readonly lengthSize?: 0 | 2 | 8;
}

const KEY = hex("37 fa 21 3d");

/** A frame of a client. */
export function frame(payload: Uint8Array | string, how: Peculiarities = {}): Uint8Array {
  const plain = typeof payload === "string" ? utf8(payload) : payload;
  const { opcode = 1, final = true, reserved = 0, key = KEY, length = plain.length } = how;
  const { lengthSize = length < 126 ? 0 : length < 65536 ? 2 : 8 } = how;
  const short = lengthSize === 0 ? Number(length) : lengthSize === 2 ? 126 : 127;
  const first = (final ? 0x80 : 0) | reserved | opcode;
  return concat(
    Uint8Array.of(first, (key === null ? 0 : 0x80) | short),
    bigEndian(length, lengthSize),
    key ?? new Uint8Array(0),
    key === null ? plain : masked(plain, key),
  );
}

/** Masks a payload, or takes the mask off (section 5.3). */
export function masked(payload: Uint8Array, key: Uint8Array): Uint8Array {
  return payload.map((byte, index) => byte ^ (key[index % 4] ?? 0));
}

/** A message in as many frames as it has parts; without its end if `whole` is `false`. */
export function fragments(
  parts: readonly (Uint8Array | string)[],
  opcode = 1,
  whole = true,
): Uint8Array {
  return concat(...parts.map((part, index) =>
    frame(part, {
      opcode: index === 0 ? opcode : 0,
      final: whole && index === parts.length - 1,
    })
  ));
}

/** The payload of a close frame, whatever the code. */
export function closing(code: number, reason: Uint8Array | string = ""): Uint8Array {
  const text = typeof reason === "string" ? utf8(reason) : reason;
  return concat(bigEndian(code, 2), text);
}

/** What a decoder has made of its input: everything in order, at last the error if there was one. */
export type Outcome = Incoming | { readonly type: "error"; readonly code: number };

/** Lets `decoder` read the chunks, which stay as they are, up to an error. */
export function decode(decoder: Decoder, chunks: Iterable<Uint8Array>): Outcome[] {
  const outcomes: Outcome[] = [];
  try {
    for (const chunk of chunks) {
      for (const incoming of decoder.decode(chunk.slice())) {
        // Each frame that is a part of a message; what counts here is what they come to.
        if (incoming.type !== "fragment") outcomes.push(incoming);
      }
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    outcomes.push({ type: "error", code: error.code });
  }
  return outcomes;
}

/** What a new decoder makes of the chunks. */
export function decoded(limit: number, chunks: Iterable<Uint8Array>, role?: Role): Outcome[] {
  return decode(new Decoder(() => limit, role), chunks);
}
