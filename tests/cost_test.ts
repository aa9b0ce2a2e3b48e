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

Deno.test("everything is charged at least at its real cost, and no subscription at more than five times", async () => {
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
  for (const { what, real, charged } of costs) {
    assert(real <= TOLERANCE * charged, `${what}: ${real} bytes, charged ${charged}`);
    assert(charged <= 5 * real, `${what}: ${real} bytes, charged ${charged}`);
  }
});
