/**
 * Bytes and the memory that they take.
 *
 * @module
 */

/**
 * Gives the memory of bytes back at once, which are of no use any more. V8 would do so when it next collects
 * garbage: under a flood hundreds of MB later, as it counts buffers for little.
 *
 * Does nothing for a part of a buffer, as the rest of it may be in use.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (byteLength === 0 || !(buffer instanceof ArrayBuffer)) return;
  if (buffer.byteLength === byteLength) buffer.transfer(0);
}
