/**
 * Gives the decoder what no client would send, until time is up. Says nothing about
 * what is right, as the tests do, but what must be true of any bytes: they do no more harm than one
 * error, and mean the same however they are cut.
 *
 *     deno run tests/websocket/fuzz.ts [--minutes N] [--seed S]
 *
 * Ends with 0 when all was well, 1 when not, 2 when the options are wrong. An input is made from its
 * own seed: the one that is printed with a failure makes it the first input of the next run.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Decoder } from "../../src/websocket/decoder.ts";
import {
  bigEndian,
  bytewise,
  closing,
  concat,
  cut,
  decode,
  fragments,
  frame,
  type Outcome,
  utf8,
} from "./bytes.ts";

/** Random numbers that a seed gives again (mulberry32). */
class Random {
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
interface Subject {
  readonly name: string;
  make(random: Random): Uint8Array;
  /** What it makes of the chunks. Throws when that is not what may be. */
  run(chunks: readonly Uint8Array[]): unknown;
}

class DecoderSubject implements Subject {
  readonly name: string;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
    this.name = `decoder with a limit of ${limit}`;
  }

  make(random: Random): Uint8Array {
    if (random.once(10)) return random.bytes(random.below(100));
    return concat(...random.list(1 + random.below(5), () => anyMessage(random)));
  }

  run(chunks: readonly Uint8Array[]): readonly Outcome[] {
    const decoder = new Decoder(() => this.#limit);
    const outcomes = decode(decoder, chunks);
    for (const [index, outcome] of outcomes.entries()) {
      const over = outcome.type === "error" || outcome.type === "close";
      if (over && index < outcomes.length - 1) throw new Error(`It went on after ${outcome.type}`);
      if (over && decode(decoder, [frame("")]).length > 0) throw new Error("It is not dead");
      if (outcome.type === "message" && outcome.text.length > this.#limit) {
        throw new Error(`A message has ${outcome.text.length} characters`);
      }
    }
    return outcomes;
  }
}

/** Frames that are right, but for too long ones and bad text. */
function anyMessage(random: Random): Uint8Array {
  const key = random.bytes(4);
  switch (random.below(6)) {
    case 0:
      return frame(random.bytes(random.below(126)), { opcode: random.pick(9, 10), key });
    case 1:
      if (random.once(2)) return frame(closing(random.pick(1000, 1001, 3000, 4999)), { opcode: 8 });
      return frame(random.bytes(random.below(4)), { opcode: 8, key });
    case 2:
      return frame("x".repeat(random.pick(0, 125, 126, 65_535, 65_536)), { key });
  }
  const text = random.once(4) ? random.bytes(random.below(40)) : utf8(
    random.list(random.below(30), () => random.pick("a", "é", "€", "😀", "\ufeff")).join(""),
  );
  const places = random.list(random.below(4), () => random.below(256));
  return fragments(cut(text, places), random.pick(1, 2), !random.once(10));
}

const SUBJECTS = [
  new DecoderSubject(0),
  new DecoderSubject(30),
  new DecoderSubject(70_000),
] as const;

/** Breaks something. */
function mutated(bytes: Uint8Array, random: Random): Uint8Array {
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
    default: { // a length, or what is taken for one
      const length = random.pick<number | bigint>(
        0,
        1,
        125,
        126,
        65_535,
        65_536,
        2 ** 33,
        2n ** 63n - 1n,
        2n ** 63n,
      );
      const size = random.pick(2, 8);
      const inserted = concat(Uint8Array.of(size === 2 ? 0xfe : 0xff), bigEndian(length, size));
      return concat(before, inserted, after);
    }
  }
}

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
    if (bytes.length > 1000) return null;
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

function print(text: string): void {
  let bytes = utf8(text);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}

/** Tries the input of one seed. A text says what is wrong. */
function tryOne(seed: number): string | null {
  const random = new Random(seed);
  const subject = random.pick(...SUBJECTS);
  let bytes = subject.make(random);
  for (let mutations = random.below(4); mutations > 0; mutations--) bytes = mutated(bytes, random);
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

/** Runs until time is up or something is wrong, and returns whether all was well. */
function fuzz(minutes: number, seed: number): boolean {
  print(`--seed ${seed}\n`);
  const start = performance.now();
  const heap = new HeapWatch();
  let count = 0;
  let fault: string | null = null;
  while (fault === null && performance.now() < start + minutes * 60_000) {
    fault = tryOne((seed + count) % 2 ** 32);
    count++;
    if (fault === null && count % 100 === 0) fault = heap.look();
  }
  const seconds = (performance.now() - start) / 1000;
  print(fault ?? "");
  print(`${count} inputs in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} per second\n`);
  return fault === null;
}

function options(): { readonly minutes: number; readonly seed: number } | null {
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: { minutes: { type: "string", default: "1" }, seed: { type: "string" } },
    });
    const minutes = Number(values.minutes);
    const seed = Number(values.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]);
    return minutes > 0 && Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32
      ? { minutes, seed }
      : null;
  } catch {
    return null;
  }
}

const chosen = options();
if (chosen === null) {
  print("Usage: deno run tests/websocket/fuzz.ts [--minutes N] [--seed S, from 0 to 4294967295]\n");
  Deno.exit(2);
}
Deno.exit(fuzz(chosen.minutes, chosen.seed) ? 0 : 1);
