/**
 * A server's fingerprint, by which the servers of a cluster tell each other, and themselves, apart.
 *
 * @module
 */

import { flatCopy } from "../text.ts";

const ALPHABET = "23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
const LENGTH = 16;

/**
 * Returns a new fingerprint, in the form that the original generates at each start: {@linkcode LENGTH} characters
 * without those that are easily confused (Phorge's `AphlictPeerList.js`).
 *
 * @param random Fills an array with random bytes; `crypto.getRandomValues` outside tests.
 */
export function generateFingerprint(
  random: (bytes: Uint8Array<ArrayBuffer>) => void = (bytes) => crypto.getRandomValues(bytes),
): string {
  // Bytes past the last whole multiple of the alphabet would favour its first characters.
  const fair = 256 - (256 % ALPHABET.length);
  const bytes = new Uint8Array(LENGTH);
  let fingerprint = "";
  while (fingerprint.length < LENGTH) {
    random(bytes);
    for (const byte of bytes) {
      if (byte < fair && fingerprint.length < LENGTH) {
        fingerprint += ALPHABET.charAt(byte % ALPHABET.length);
      }
    }
  }
  return fingerprint;
}

/** Characters of another server's fingerprint at most. */
export const FINGERPRINT_LIMIT = 64;

/**
 * Returns the fingerprint that another server tells, if it can be one: 1 to {@linkcode FINGERPRINT_LIMIT}
 * characters of printable ASCII, as it is shown to people and goes into messages. The result keeps no text alive
 * that it was a part of.
 */
export function asFingerprint(value: unknown): string | null {
  return typeof value === "string" && /^[!-~]{1,64}$/.test(value) ? flatCopy(value) : null;
}
