import fc from "fast-check";
import { GrowingBuffer } from "../../src/net/growing_buffer.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";

Deno.test("a growing buffer holds what was appended, whatever the pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 }), (pieces) => {
      const buffer = new GrowingBuffer(1200);
      const all = pieces.flatMap((piece) => [...piece]);
      for (const piece of pieces) {
        const copy = piece.slice();
        buffer.append(copy);
        copy.fill(0);
      }
      assertEquals([...buffer.bytes], all);
      assertEquals(buffer.length, all.length);
      assert(buffer.heldBytes <= 2 * all.length, `${buffer.heldBytes} for ${all.length}`);
    }),
  );
});

Deno.test("a growing buffer never holds more than its limit", () => {
  const buffer = new GrowingBuffer(100);
  for (let count = 0; count < 100; count++) buffer.append(Uint8Array.of(count));
  assertEquals(buffer.heldBytes, 100);
  assertThrows(() => buffer.append(Uint8Array.of(1)), RangeError, "More than 100 bytes");
  assertEquals(buffer.length, 100);
});

Deno.test("a growing buffer that is cleared holds nothing, and can be used again", () => {
  const buffer = new GrowingBuffer(100);
  buffer.append(new Uint8Array(60));
  buffer.clear();
  assertEquals([buffer.length, buffer.heldBytes], [0, 0]);
  buffer.append(Uint8Array.of(1, 2));
  assertEquals([...buffer.bytes], [1, 2]);
});
