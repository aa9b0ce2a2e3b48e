import fc from "fast-check";
import { ChunkQueue } from "../../src/net/chunk_queue.ts";
import { assertEquals } from "../assert.ts";

Deno.test("chunks are taken in their order, and each counts until it has been", () => {
  const step = fc.oneof(fc.constantFrom("shift" as const, "take all" as const), fc.nat(2000));
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const queue = new ChunkQueue();
    const model: Uint8Array[] = [];
    for (const step of steps) {
      if (step === "shift") assertEquals(queue.shift(), model.shift());
      else if (step === "take all") assertEquals(queue.takeAll(), model.splice(0));
      else {
        const chunk = new Uint8Array(step);
        model.push(chunk);
        queue.push(chunk);
      }
      const bytes = model.reduce((sum, { length }) => sum + length + 512, 0);
      assertEquals([queue.size, queue.first, queue.bytes], [model.length, model[0], bytes]);
    }
  }));
});
