import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Batch } from "../../src/websocket/batch.ts";
import { Outbox } from "../../src/websocket/outbox.ts";
import { assertEquals, assertStrictEquals } from "../assert.ts";
import { concat, frame, hex, utf8 } from "./bytes.ts";

const TEXT = 1;
const BINARY = 2;
const [A, B, C] = [utf8("a"), utf8("b"), utf8("c")];

type Frame = readonly [opcode: number, payload: Uint8Array];

/** Queues frames one after the other, as a socket does. */
function queue(outbox: Outbox, first: Frame, ...more: readonly Frame[]): Batch {
  return more.reduce((batch, frame) => batch.with(...frame), outbox.first(...first));
}

function onTheWire([opcode, payload]: Frame): Uint8Array {
  return frame(payload, { opcode, key: null });
}

Deno.test("a batch holds its frames in order", () => {
  const batch = new Batch(TEXT, A).with(BINARY, B).with(TEXT, C);
  assertEquals(new Uint8Array(batch.bytes), hex("81 01 61 82 01 62 81 01 63"));
});

Deno.test("a batch that has grown still holds what it held before", () => {
  const short = new Batch(TEXT, A).with(TEXT, B);
  const long = short.with(TEXT, C);
  assertEquals(new Uint8Array(long.bytes), hex("81 01 61 81 01 62 81 01 63"));
  assertEquals(new Uint8Array(short.bytes), hex("81 01 61 81 01 62"));
});

Deno.test("a batch makes its bytes once", () => {
  const batch = new Batch(TEXT, A).with(TEXT, B);
  assertStrictEquals(batch.bytes, batch.bytes);
});

Deno.test("sockets that queue the same messages share one batch and its bytes", () => {
  const outbox = new Outbox();
  const batches = Array.from(
    { length: 3 },
    () => queue(outbox, [TEXT, A], [TEXT, B], [TEXT, C]),
  );
  assertStrictEquals(batches[1], batches[0]);
  assertStrictEquals(batches[2]?.bytes, batches[0]?.bytes);
});

Deno.test("sockets that queue the same messages in turn share one batch", () => {
  const outbox = new Outbox();
  let [one, other] = [outbox.first(TEXT, A), outbox.first(TEXT, A)];
  for (const payload of [B, C, A, A]) {
    one = one.with(TEXT, payload);
    other = other.with(TEXT, payload);
    assertStrictEquals(one, other);
  }
});

Deno.test("sockets that queue different messages get each its own", () => {
  const outbox = new Outbox();
  const frames = [[TEXT, A], [TEXT, B], [TEXT, C]] as const;
  const all = frames.flatMap((one) => [
    { sent: [one], batch: queue(outbox, one) },
    ...frames.map((two) => ({ sent: [one, two], batch: queue(outbox, one, two) })),
  ]);
  for (const { sent, batch } of all) {
    assertEquals(new Uint8Array(batch.bytes), concat(...sent.map(onTheWire)));
  }
});

Deno.test("payloads that are only equal are not shared", () => {
  const outbox = new Outbox();
  assertEquals(outbox.first(TEXT, A) === outbox.first(TEXT, A.slice()), false);
});

Deno.test("the same payload with another opcode is another frame", () => {
  const outbox = new Outbox();
  const text = outbox.first(TEXT, A);
  const binary = outbox.first(BINARY, A);
  assertEquals(new Uint8Array(text.bytes), hex("81 01 61"));
  assertEquals(new Uint8Array(binary.bytes), hex("82 01 61"));
  assertEquals(new Uint8Array(text.with(TEXT, B).bytes), hex("81 01 61 81 01 62"));
  assertEquals(new Uint8Array(text.with(BINARY, B).bytes), hex("81 01 61 82 01 62"));
});

Deno.test("a batch ends with its last payload and opcode only", () => {
  const batch = new Batch(TEXT, A).with(TEXT, B);
  const ends = [[TEXT, B], [BINARY, B], [TEXT, A], [TEXT, B.slice()]] as const;
  assertEquals(ends.map(([opcode, payload]) => batch.endsWith(opcode, payload)), [
    true,
    false,
    false,
    false,
  ]);
});

Deno.test("for any sockets, bytes and size are those of their frames one after the other", () => {
  // Few payloads, so that sockets have beginnings in common.
  const payloads = [hex(""), A, B, new Uint8Array(126).fill(7), new Uint8Array(65_536).fill(8)];
  const anyFrame = fc.tuple(fc.constantFrom(TEXT, BINARY, 8, 10), fc.constantFrom(...payloads));
  const sequence = fc.tuple(anyFrame, fc.array(anyFrame, { maxLength: 5 }));
  fc.assert(fc.property(fc.array(sequence, { maxLength: 6 }), (sequences) => {
    const outbox = new Outbox();
    const all = sequences.map(([first, more]) => ({
      expected: concat(...[first, ...more].map(onTheWire)),
      batch: queue(outbox, first, ...more),
    }));
    for (const { expected, batch } of all) {
      assertEquals(batch.size, expected.length);
      assertEquals(Buffer.compare(batch.bytes, expected), 0);
    }
  }));
});
