import fc from "fast-check";
import { Fifo } from "../src/fifo.ts";
import { assertEquals } from "./assert.ts";

Deno.test("a queue gives items back in the order in which they came, as a list would", () => {
  // Enough of each to come past the place where it moves what is left.
  const step = fc.oneof(
    fc.record({ what: fc.constant("push" as const), count: fc.nat(3000) }),
    fc.record({ what: fc.constant("shift" as const), count: fc.nat(3000) }),
    fc.record({ what: fc.constant("replace" as const), count: fc.nat(5) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const queue = new Fifo<number>();
    let model: number[] = [];
    let next = 0;
    const look = () => {
      assertEquals([queue.size, queue.first], [model.length, model[0]]);
      assertEquals([queue.at(1), queue.at(model.length)], [model[1], undefined]);
    };
    for (const { what, count } of steps) {
      if (what === "replace") {
        model = Array.from({ length: count }, () => next++);
        queue.replace([...model]);
      }
      for (let done = 0; what !== "replace" && done < count; done++) {
        if (what === "push") {
          model.push(next);
          queue.push(next++);
        } else assertEquals(queue.shift(), model.shift());
      }
      look();
      assertEquals(queue.all, model);
    }
  }));
});
