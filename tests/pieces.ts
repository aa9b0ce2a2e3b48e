/**
 * Bytes of texts, and the pieces that they may arrive in.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** Returns the bytes of a text in UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Returns the bytes of a text whose characters are all below U+0100. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** Returns the text of bytes, in which each byte is the character of its number. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Returns the bytes of all parts, one behind the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((size, { length }) => size + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Returns one piece for each byte. */
export function bytewise(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

/** Returns the same bytes, cut at each of `places`, which may be any numbers. */
export function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array<ArrayBuffer>[] {
  const sorted = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  // A copy each, in memory that is a piece's own.
  return [0, ...sorted].map((from, index) => new Uint8Array(bytes.subarray(from, sorted[index])));
}

/** Bytes up to which a text is cut at every place. */
const EVERY_PLACE = 600;

/** How far apart the places are at which a longer one is cut. */
const STEP = 499;

/** Bytes at both ends of a longer one that are cut at every place. */
const ENDS = 8;

/**
 * Yields the ways in which a table's input is given: whole, byte by byte, and in two pieces cut at every place; at some
 * places only when it is long.
 */
export function* waysToCut(
  bytes: Uint8Array,
): Generator<{ readonly how: string; readonly pieces: Uint8Array<ArrayBuffer>[] }> {
  yield { how: "in one piece", pieces: [new Uint8Array(bytes)] };
  yield { how: "byte by byte", pieces: bytewise(bytes) };
  const { length } = bytes;
  for (let place = 1; place < length;) {
    yield { how: `cut at ${place}`, pieces: cut(bytes, [place]) };
    const isDense = length <= EVERY_PLACE || place < ENDS || place >= length - ENDS;
    place = isDense ? place + 1 : Math.max(place + 1, Math.min(place + STEP, length - ENDS));
  }
}
