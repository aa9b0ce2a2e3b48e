/**
 * Gives parts of the service bytes that no client would send, until time is up. Says nothing about what is right, as the
 * tests do, but what must be true of any bytes: they do no more harm than one error, and mean the same however they are
 * cut.
 *
 * An input is made from its own seed.
 *
 * @module
 */

import { bytewise, concat, cut, utf8 } from "./pieces.ts";

/** Random numbers that a seed gives again (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to under `limit`. */
  below(limit: number): number {
    this.#state = this.#state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return Math.floor(((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32 * limit);
  }

  /** `true` once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(first: T, ...more: readonly T[]): T {
    return more[this.below(more.length + 1) - 1] ?? first;
  }

  list<T>(length: number, make: () => T): T[] {
    return Array.from({ length }, make);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from(this.list(length, () => this.below(256)));
  }
}

/** Something that is given bytes. */
export interface Subject {
  readonly name: string;
  make(random: Random): Uint8Array;
  /** Returns bytes that change the meaning of what they are put into, such as a length. */
  intrude(random: Random): Uint8Array;
  /** Returns what it makes of the chunks. Throws when that is not what may be. */
  run(chunks: readonly Uint8Array[]): unknown;
}

/** What is tried, one for each input. */
export type Subjects = readonly [Subject, ...Subject[]];

/** Breaks something. */
function mutated(bytes: Uint8Array, subject: Subject, random: Random): Uint8Array {
  const start = random.below(bytes.length + 1);
  const end = start + random.below(random.once(2) ? 4 : bytes.length - start + 1);
  const [before, middle, after] = [
    bytes.slice(0, start),
    bytes.slice(start, end),
    bytes.slice(end),
  ];
  switch (random.below(5)) {
    case 0: { // a flipped bit
      const flipped = bytes.slice();
      if (start < flipped.length) flipped[start] = (flipped[start] ?? 0) ^ 1 << random.below(8);
      return flipped;
    }
    case 1: // cut out, or off
      return concat(before, after);
    case 2: // duplicated
      return concat(before, middle, middle, after);
    case 3: // replaced
      return concat(before, random.bytes(middle.length), after);
    default:
      return concat(before, subject.intrude(random), after);
  }
}

/** Bytes up to which an input is also given byte by byte. */
const BYTEWISE = 1000;

/** What is wrong with how `subject` takes `bytes`; `null` if nothing is. */
function faultOf(subject: Subject, bytes: Uint8Array, places: readonly number[]): string | null {
  try {
    const whole = shown(subject.run([bytes]));
    const pieces = cut(bytes, places);
    const inPieces = shown(subject.run(pieces));
    if (inPieces !== whole) {
      const sizes = pieces.map(({ length }) => length).join("+");
      return `In one chunk it gives ${whole}\nand in chunks of ${sizes} ${inPieces}`;
    }
    if (bytes.length > BYTEWISE) return null;
    const byteByByte = shown(subject.run(bytewise(bytes)));
    return byteByByte === whole
      ? null
      : `In one chunk it gives ${whole}\nand one byte at a time ${byteByByte}`;
  } catch (error) {
    return error instanceof Error ? error.stack ?? error.message : String(error);
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, each) => each instanceof Uint8Array ? [...each].join() : each);
}

/** How long a smaller input is looked for that fails, in ms. */
const SHRINKING_MS = 5000;

/** As little of `bytes` as still fails, found by leaving out one piece after the other. */
function shrunk(subject: Subject, bytes: Uint8Array, places: readonly number[]): Uint8Array {
  const until = performance.now() + SHRINKING_MS;
  let least = bytes;
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    for (let start = 0; start < least.length && performance.now() < until;) {
      const less = concat(least.slice(0, start), least.slice(start + size));
      if (faultOf(subject, less, places) === null) start += size;
      else least = less;
    }
  }
  return least;
}

/** Rows of 16 bytes; `*` stands for rows that repeat the one before. */
function hexDump(bytes: Uint8Array): string {
  let dump = "";
  let last = "";
  for (let offset = 0; offset < bytes.length; offset += 16) {
    const row = [...bytes.subarray(offset, offset + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".");
    if (digits !== last) {
      dump += `${offset.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${text.join("")}\n`;
    } else if (!dump.endsWith("*\n")) {
      dump += "*\n";
    }
    last = digits;
  }
  return dump;
}

/** Tries the input of one seed. A text says what is wrong. */
export function tryOne(subjects: Subjects, seed: number): string | null {
  const random = new Random(seed);
  const subject = random.pick(...subjects);
  let bytes = subject.make(random);
  for (let mutations = random.below(4); mutations > 0; mutations--) {
    bytes = mutated(bytes, subject, random);
  }
  const places = random.list(random.below(8), () => random.below(2 ** 31));
  if (faultOf(subject, bytes, places) === null) return null;
  const least = shrunk(subject, bytes, places);
  return `The ${subject.name} fails with --seed ${seed}.\n${faultOf(subject, least, places)}\n` +
    `${least.length} of ${bytes.length} bytes are enough:\n${hexDump(least)}`;
}

/** How often the heap's lowest size is compared with that of the first time, in ms. */
const HEAP_INTERVAL_MS = 10_000;

/** How much more it may be, in bytes. */
const HEAP_GROWTH = 64 * 2 ** 20;

/** Notices when memory is held that should not be. */
class HeapWatch {
  #first: number | null = null;
  #lowest = Infinity;
  #since = performance.now();

  /** Called often. A text says what is wrong. */
  look(): string | null {
    const { heapUsed, external } = Deno.memoryUsage();
    this.#lowest = Math.min(this.#lowest, heapUsed + external);
    if (performance.now() < this.#since + HEAP_INTERVAL_MS) return null;
    const lowest = this.#lowest;
    this.#first ??= lowest;
    this.#lowest = Infinity;
    this.#since = performance.now();
    if (lowest < this.#first + HEAP_GROWTH) return null;
    return `The heap never was under ${lowest} bytes of late, at first ${this.#first}.\n`;
  }
}

/** Prints a text. */
export function print(text: string): void {
  let bytes = utf8(text);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}

/** Runs until time is up or something is wrong, and returns whether all was well. */
export function fuzz(subjects: Subjects, minutes: number, seed: number): boolean {
  const start = performance.now();
  const heap = new HeapWatch();
  let count = 0;
  let fault: string | null = null;
  while (fault === null && performance.now() < start + minutes * 60_000) {
    fault = tryOne(subjects, (seed + count) % 2 ** 32);
    count++;
    if (fault === null && count % 100 === 0) fault = heap.look();
  }
  const seconds = (performance.now() - start) / 1000;
  print(fault ?? "");
  print(`${count} inputs in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} per second\n`);
  return fault === null;
}
