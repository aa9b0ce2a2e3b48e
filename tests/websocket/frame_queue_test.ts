import fc from "fast-check";
import { frameSize, OPCODE, writeFrame } from "../../src/websocket/frame.ts";
import { FrameQueue } from "../../src/websocket/frame_queue.ts";
import { assert, assertEquals } from "../assert.ts";
import { concat } from "./bytes.ts";

const LIMIT = 1000;

function framed(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(frameSize(payload));
  writeFrame(bytes, 0, OPCODE.text, payload);
  return bytes;
}

Deno.test("whatever is pushed comes out as frames in its order, in pieces, and leaves nothing", () => {
  const step = fc.oneof(fc.constant("take" as const), fc.nat(3 * LIMIT));
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const queue = new FrameQueue();
    const [pushed, taken]: [Uint8Array[], Uint8Array[]] = [[], []];
    const take = () => {
      const bytes = queue.take(LIMIT);
      if (bytes === null) return false;
      assert(bytes.length <= LIMIT || pushed.includes(bytes), "a large payload is not copied");
      taken.push(bytes);
      return true;
    };
    for (const [n, step] of steps.entries()) {
      if (step === "take") {
        take();
        continue;
      }
      const payload = new Uint8Array(step).fill(n);
      pushed.push(payload);
      queue.push(payload);
      assert(queue.bytes >= payload.length);
    }
    while (take());
    assertEquals(concat(...taken), concat(...pushed.map(framed)));
    assertEquals([queue.bytes, queue.isEmpty], [0, true]);
  }));
});

Deno.test("cleared, a queue keeps the rest of a frame whose header has been taken, and nothing else", () => {
  const queue = new FrameQueue();
  const large = new Uint8Array(5000);
  for (const payload of [large, new Uint8Array(10)]) queue.push(payload);
  assertEquals(queue.take(LIMIT)?.length, 4, "the header");
  queue.clear();
  assertEquals(queue.take(LIMIT), large);
  assertEquals([queue.take(LIMIT), queue.isEmpty], [null, true]);
  queue.push(new Uint8Array(10));
  queue.clear();
  assertEquals([queue.take(LIMIT), queue.isEmpty], [null, true]);
});

Deno.test("a message of nothing waits like any other", () => {
  const queue = new FrameQueue();
  queue.push(new Uint8Array(0));
  assertEquals([queue.isEmpty, queue.take(LIMIT)?.length, queue.isEmpty], [false, 2, true]);
});
