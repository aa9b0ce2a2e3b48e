/**
 * A hash of text that outsiders cannot aim at.
 *
 * V8 hashes strings with a seed that is the same in every process of this runtime, and strings of digits by their
 * value. So a stranger can compute ahead which strings collide in a `Map`, a `Set` or an object. Text from outside
 * becomes a key only behind this hash, whose own key is drawn at the start of the process. See
 * docs/decisions/0014-keyed-hash.md.
 *
 * @module
 */

/** The secret part of a hash: two words of 32 random bits. */
export type HashKey = readonly [number, number];

/** Draws a key from the runtime's source of random bytes. */
export function drawKey(): HashKey {
  const [first = 0, second = 0] = crypto.getRandomValues(new Uint32Array(2));
  return [first, second];
}

/**
 * HalfSipHash-2-4 with 64 bits of output over a text's UTF-16 code units, each in little endian
 * (J.-P. Aumasson, D. J. Bernstein: SipHash, 2012; and its reference code for 32-bit words).
 *
 * The result is in two fields instead of being returned, so that hashing makes no garbage.
 *
 * @example
 * ```ts
 * const hash = new KeyedHash(drawKey());
 * hash.digest("PHID-USER-example");
 * table.find(hash.low, hash.high);
 * ```
 */
export class KeyedHash {
  /** The lower 32 bits of the last {@linkcode digest}, signed. */
  low = 0;
  /** The upper 32 bits of the last {@linkcode digest}, signed. */
  high = 0;
  readonly #first: number;
  readonly #second: number;

  constructor([first, second]: HashKey) {
    this.#first = first | 0;
    this.#second = second | 0;
  }

  /** Hashes a text into {@linkcode low} and {@linkcode high}, in linear time: 3.5 ns a code unit. */
  digest(text: string): void {
    const { length } = text;
    let v0 = this.#first;
    let v1 = this.#second ^ 0xee;
    let v2 = this.#first ^ 0x6c796765;
    let v3 = this.#second ^ 0x74656462;
    const words = length >>> 1;
    // The last word holds what is left of the text, and its length in bytes, which is twice that of the text.
    const last = (length & 0x7f) << 25 | ((length & 1) === 1 ? text.charCodeAt(length - 1) : 0);
    for (let index = 0; index <= words + 8; index++) {
      let word = 0;
      if (index < words) {
        word = text.charCodeAt(2 * index) | text.charCodeAt(2 * index + 1) << 16;
      } else if (index === words) {
        word = last;
      } else if (index === words + 1) {
        v2 ^= 0xee;
      } else if (index === words + 5) {
        this.low = v1 ^ v3;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      // Two rounds for a word; behind the words one round for each further step.
      for (let round = index <= words ? 2 : 1; round > 0; round--) {
        v0 = v0 + v1 | 0;
        v1 = (v1 << 5 | v1 >>> 27) ^ v0;
        v0 = v0 << 16 | v0 >>> 16;
        v2 = v2 + v3 | 0;
        v3 = (v3 << 8 | v3 >>> 24) ^ v2;
        v0 = v0 + v3 | 0;
        v3 = (v3 << 7 | v3 >>> 25) ^ v0;
        v2 = v2 + v1 | 0;
        v1 = (v1 << 13 | v1 >>> 19) ^ v2;
        v2 = v2 << 16 | v2 >>> 16;
      }
      v0 ^= word;
    }
    this.high = v1 ^ v3;
  }
}
