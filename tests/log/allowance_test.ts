import { Allowance } from "../../src/log/allowance.ts";
import { assertEquals } from "../assert.ts";

/** An allowance whose periods are short, and what it tells next. */
function makeAllowance(): { allowance: Allowance; told: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<number>();
  return { allowance: new Allowance(resolve, { lines: 3, periodMs: 30 }), told: promise };
}

function take(allowance: Allowance, count: number): boolean[] {
  return Array.from({ length: count }, () => allowance.take());
}

Deno.test("an allowance lets the first lines through, and tells how many it left out", async () => {
  const { allowance, told } = makeAllowance();
  assertEquals(take(allowance, 5), [true, true, true, false, false]);
  const hold = setTimeout(() => {}, 10_000); // its own timer keeps nothing alive
  assertEquals(await told, 2);
  clearTimeout(hold);
});

Deno.test("an allowance lets lines through again in the next period", async () => {
  const { allowance, told } = makeAllowance();
  take(allowance, 4);
  const hold = setTimeout(() => {}, 10_000);
  await told;
  clearTimeout(hold);
  assertEquals(take(allowance, 3), [true, true, true]);
});
