/**
 * The decoder of WebSocket frames, for `tests/fuzz.ts`.
 *
 * @module
 */

import { Decoder } from "../../src/websocket/decoder.ts";
import type { Random, Subject, Subjects } from "../fuzzing.ts";
import {
  bigEndian,
  closing,
  concat,
  cut,
  decode,
  fragments,
  frame,
  type Outcome,
  utf8,
} from "./bytes.ts";

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

  /** A length, or what is taken for one. */
  intrude(random: Random): Uint8Array {
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
    return concat(Uint8Array.of(size === 2 ? 0xfe : 0xff), bigEndian(length, size));
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

/** The decoder with several limits of a message. */
export const SUBJECTS: Subjects = [
  new DecoderSubject(0),
  new DecoderSubject(30),
  new DecoderSubject(70_000),
];
