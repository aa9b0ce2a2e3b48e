import { Buffer } from "node:buffer";
import fc from "fast-check";
import { clientFrame, FrameError, FrameReader, type Received } from "../../src/reach/frames.ts";
import { Decoder } from "../../src/websocket/decoder.ts";
import { closePayload, frameSize, OPCODE, writeFrame } from "../../src/websocket/frame.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";

const encoder = new TextEncoder();

/** A frame as a server sends it. */
function serverFrame(opcode: number, payload: Uint8Array, isFinal: boolean = true): Uint8Array {
  const frame = new Uint8Array(frameSize(payload));
  writeFrame(frame, 0, opcode, payload);
  if (!isFinal) frame[0] = opcode;
  return frame;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** What a reader makes of bytes that come in pieces of this size. */
function readIn(size: number, bytes: Uint8Array): Received[] {
  const reader = new FrameReader();
  const received: Received[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    received.push(...reader.read(bytes.slice(at, at + size)));
  }
  return received;
}

/** What an action returns, and how many bytes it has put into arrays meanwhile. */
function counted<T>(action: () => T): [{ readonly copied: number }, T] {
  const { set } = Uint8Array.prototype;
  const { concat } = Buffer;
  let copied = 0;
  Uint8Array.prototype.set = function (source, offset) {
    copied += source.length;
    set.call(this, source, offset);
  };
  Buffer.concat = (list, size) => {
    copied += list.reduce((sum, { length }) => sum + length, 0);
    return concat(list, size);
  };
  try {
    const result = action();
    return [{ copied }, result];
  } finally {
    Uint8Array.prototype.set = set;
    Buffer.concat = concat;
  }
}

Deno.test("what a client writes, the server reads, whatever its length", () => {
  const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(65_535, 65_536));
  fc.assert(fc.property(lengths, (length) => {
    const text = "é".repeat(length / 2) + "x".repeat(length % 2);
    const frame = clientFrame(OPCODE.text, encoder.encode(text));
    assertEquals([...new Decoder(() => 1e6).decode(frame)], [{ type: "message", text }]);
  }));
});

Deno.test("what a server writes, the reader reads, however the network has cut it", () => {
  const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 200 }), { maxLength: 5 });
  fc.assert(fc.property(texts, fc.integer({ min: 1, max: 400 }), (texts, size) => {
    const bytes = joined(texts.map((text) => serverFrame(OPCODE.text, encoder.encode(text))));
    assertEquals(readIn(size, bytes), texts.map((text) => ({ type: "message" as const, text })));
  }));
});

Deno.test("a message in fragments is put together, with a ping between them", () => {
  const bytes = joined([
    serverFrame(OPCODE.text, encoder.encode("one "), false),
    serverFrame(OPCODE.ping, encoder.encode("?")),
    serverFrame(OPCODE.continuation, encoder.encode("message")),
  ]);
  assertEquals(readIn(1, bytes), [
    { type: "ping", payload: encoder.encode("?") },
    { type: "message", text: "one message" },
  ]);
});

Deno.test("a large message in many chunks is read, and copied once", () => {
  const text = "x".repeat(16 * 1024 * 1024);
  const frame = serverFrame(OPCODE.text, encoder.encode(text));
  const [{ copied }, received] = counted(() => readIn(65_536, frame));
  assertEquals(received.length, 1);
  const [message] = received;
  // Not by assertEquals: what differs would be shown.
  assert(message?.type === "message" && message.text === text, "the message came as it was sent");
  assert(copied < 1.1 * frame.length, `${copied} bytes were copied of ${frame.length}`);
});

Deno.test("many messages in one chunk are not copied for each other", () => {
  const bytes = joined(Array(20_000).fill(serverFrame(OPCODE.text, encoder.encode("a message"))));
  const [{ copied }, received] = counted(() => readIn(bytes.length, bytes));
  assertEquals(received.length, 20_000);
  assert(copied < 1.1 * bytes.length, `${copied} bytes were copied of ${bytes.length}`);
});

Deno.test("a message may have many fragments, and not any number", () => {
  const first = serverFrame(OPCODE.text, encoder.encode("x"), false);
  const next = serverFrame(OPCODE.continuation, encoder.encode("x"), false);
  const last = serverFrame(OPCODE.continuation, encoder.encode("x"));
  const whole = joined([first, ...Array(16_382).fill(next), last]);
  assertEquals(readIn(1000, whole), [{ type: "message", text: "x".repeat(16_384) }]);
  const endless = joined([first, ...Array(16_384).fill(next)]);
  assertThrows(() => readIn(1000, endless), FrameError, "in more than 16384 pieces");
});

Deno.test("a close frame tells its code and reason, or none", () => {
  assertEquals(readIn(99, serverFrame(OPCODE.close, closePayload(1001, "Bye"))), [
    { type: "close", code: 1001, reason: "Bye" },
  ]);
  assertEquals(readIn(99, serverFrame(OPCODE.close, new Uint8Array(0))), [
    { type: "close", code: null, reason: "" },
  ]);
});

Deno.test("what no server may send is refused with the reason", () => {
  const cases: [Uint8Array, string][] = [
    [clientFrame(OPCODE.text, encoder.encode("x")), "masks a frame"],
    [serverFrame(OPCODE.continuation, new Uint8Array(0)), "mixes the pieces"],
    [serverFrame(OPCODE.ping, new Uint8Array(0), false), "too long or in pieces"],
    [serverFrame(0x3, new Uint8Array(0)), "reserved opcode 3"],
    [new Uint8Array([0xc1, 0]), "reserved bit"],
    [new Uint8Array([0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]), "announces a frame of"],
  ];
  for (const [bytes, reason] of cases) {
    assertThrows(() => new FrameReader().read(bytes), FrameError, reason);
  }
});
