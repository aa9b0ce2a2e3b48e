/**
 * The accounts charge at least what the heap pays: measured in a process of its own, after a forced collection.
 */

import { fileURLToPath } from "node:url";
import { assert } from "./assert.ts";

/** By how much a measurement may exceed what is charged: the heap grows in pages. */
const TOLERANCE = 1.05;

interface Cost {
  readonly what: string;
  /** Bytes for each. */
  readonly real: number;
  readonly charged: number;
}

/** Measures in a process of its own, and returns what is charged wrongly. */
async function faults(): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--v8-flags=--expose-gc,--max-semi-space-size=8,--heap-growing-percent=50",
      fileURLToPath(new URL("cost.ts", import.meta.url)),
    ],
  }).output();
  assert(code === 0, new TextDecoder().decode(stderr));
  const costs: Cost[] = JSON.parse(new TextDecoder().decode(stdout));
  assert(costs.length > 10, `${costs.length}`);
  return costs.filter(({ real, charged }) => real > TOLERANCE * charged || charged > 5 * real)
    .map(({ what, real, charged }) => `${what}: ${real} bytes, charged ${charged}`);
}

Deno.test("everything is charged at least at its real cost, and no subscription at more than five times", async () => {
  const first = await faults();
  if (first.length === 0) return;
  // What the other threads of a busy process free late counts as less than nothing: a fault is one that stays.
  const names = (list: readonly string[]) => list.map((each) => each.split(":")[0]);
  const again = await faults();
  const stay = again.filter((each) => names(first).includes(each.split(":")[0]));
  assert(stay.length === 0, stay.join("; "));
});
