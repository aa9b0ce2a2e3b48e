/**
 * Strings that V8 gives one hash, so that a table with them as keys takes time in the square of their number.
 *
 * Two kinds are known for V8 15.0 (Deno 2.9.6). The hash of an integer-like string is its value, cut to 24
 * bits. The hash of any other string is rapidhash with a seed and three secrets. These are written when the
 * runtime's snapshot is made, and are therefore the same in every process of one binary. A string of 11 bytes
 * whose first four and last four are the second secret multiplies its other half by zero: all such strings
 * have one hash.
 *
 * @module
 */

/** Bytes of the seed and of the three secrets that follow it. */
const WORD = 8;

/** A larger mapping is not the read-only heap. */
const MAPPING_LIMIT = 64_000_000;

/** Characters between the first four and the last four. */
const FREE = 3;

/** Bytes with four bits set: rapidhash's secrets consist of them. */
const BALANCED = Uint8Array.from({ length: 256 }, (_, byte) => bitsOf(BigInt(byte)) === 4 ? 1 : 0);

/** Topics that a hash table mistakes for each other, from `first` on: `1000000000 + k * 65536`. */
export function integerLike(count: number, first: number): string[] {
  // From the 50,000th on they would be no array index any more: the next ones collide among themselves.
  return Array.from({ length: count }, (_, index) => {
    const k = first + index;
    return `${1_000_000_000 + k % 50_000 * 65_536 + Math.floor(k / 50_000)}`;
  });
}

/** Strings with one hash, from number `first` on; `null` where the runtime's secret is not to be found. */
export function colliding(count: number, first: number): string[] | null {
  const secret = secondSecret();
  if (secret === null) return null;
  const [head, tail] = [characters(secret >> 32n), characters(secret & 0xffffffffn)];
  return Array.from({ length: count }, (_, index) => {
    const free = (first + index).toString(36).padStart(FREE, "0");
    return `${head}${free}${tail}`;
  });
}

/** A number of 32 bits as characters below U+0100, the lowest byte first. */
function characters(value: bigint): string {
  return [0n, 8n, 16n, 24n].map((shift) => String.fromCharCode(Number(value >> shift & 0xffn)))
    .join("");
}

/** The second of rapidhash's secrets in this process, read out of its own memory. */
function secondSecret(): bigint | null {
  let maps: string;
  try {
    maps = Deno.readTextFileSync("/proc/self/maps");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  using memory = Deno.openSync("/proc/self/mem");
  for (const line of maps.split("\n")) {
    const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ 0\s*$/.exec(line) ?? [];
    const start = parseInt(from, 16);
    const size = parseInt(to, 16) - start;
    if (!(size <= MAPPING_LIMIT)) continue;
    const bytes = new Uint8Array(size);
    try {
      memory.seekSync(start, Deno.SeekMode.Start);
      for (let read = 0; read < size;) {
        const count = memory.readSync(bytes.subarray(read));
        if (count === null) break;
        read += count;
      }
    } catch {
      // A guard page, or one that is gone.
      continue;
    }
    const secret = findSecret(bytes);
    if (secret !== null) return secret;
  }
  return null;
}

/** The second of three words whose bytes have four bits each, and which differ in 32 bits each. */
function findSecret(bytes: Uint8Array): bigint | null {
  const view = new DataView(bytes.buffer);
  const length = 3 * WORD;
  for (let offset = 0; offset + length <= bytes.length; offset += 4) {
    let last = length - 1;
    while (last >= 0 && BALANCED[bytes[offset + last] ?? 0] === 1) last--;
    if (last >= 0) continue;
    const [a, b, c] = [0, 1, 2].map((word) => view.getBigUint64(offset + word * WORD, true));
    if (a === undefined || b === undefined || c === undefined) continue;
    if ([a ^ b, a ^ c, b ^ c].every((each) => bitsOf(each) === 32)) return b;
  }
  return null;
}

function bitsOf(value: bigint): number {
  return value.toString(2).replaceAll("0", "").length;
}
