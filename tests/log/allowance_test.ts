import { Allowance, Allowances } from "../../src/log/allowance.ts";
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

Deno.test("lines of one kind do not use up those of another, and are told by kind", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const told: Record<string, number> = {};
  const tell = (count: number, kind: string) => {
    told[kind] = count;
    if (Object.keys(told).length === 2) resolve();
  };
  const allowances = new Allowances(["a", "b"], tell, { lines: 2, periodMs: 30 });
  const kinds = ["a", "a", "a", "b", "a", "b", "b"] as const;
  assertEquals(kinds.map((kind) => allowances.take(kind)), [
    ...[true, true, false],
    ...[true, false, true, false],
  ]);
  const hold = setTimeout(() => {}, 10_000);
  await promise;
  clearTimeout(hold);
  assertEquals(told, { a: 2, b: 1 });
});
