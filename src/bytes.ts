/**
 * Bytes and the memory that they take.
 *
 * @module
 */

/** The number of bytes from which on it is worth the call. */
const WORTH_IT = 4096;

/**
 * Gives back at once the memory of bytes that are not needed any more. V8 would do so at its next garbage
 * collection: under a flood hundreds of MB later, as it counts buffers for little.
 *
 * Does nothing for a part of a buffer, as the rest of it may be in use, nor for few bytes.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < WORTH_IT || !(buffer instanceof ArrayBuffer)) return;
  if (buffer.byteLength === byteLength) buffer.transfer(0);
}
