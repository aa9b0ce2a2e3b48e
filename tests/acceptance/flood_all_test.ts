/**
 * Every attack at once, for two minutes, against one service with its derived flags.
 */

import { ANY_ATTACK, ATTACKS } from "./flood.ts";
import { run } from "./server.ts";
import { endure, faultsOf, told } from "./withstand.ts";

const SECONDS = 120;

/** What the service's resident memory stays below, in MB. */
const RESIDENT_MB = 700;

Deno.test("the service withstands all attacks at once, for two minutes", async () => {
  await using running = await run(ANY_ATTACK);
  const endurance = { seconds: SECONDS, options: ANY_ATTACK };
  const outcome = await endure(running, endurance, async (signal) => {
    await Promise.all(ATTACKS.map(({ amongAll = 1, run }) => run(running, amongAll, signal)));
  });
  const faults = faultsOf(outcome, { residentMB: RESIDENT_MB, newcomers: true });
  if (faults.length > 0) throw new Error(`${faults.join("; ")}\n${told(outcome)}`);
});
