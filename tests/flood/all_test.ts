/**
 * Every attack on the client port at once, for two minutes, against one service with its derived flags. Those on the
 * admin port are tried one at a time: all of them together take more CPU time than a machine of two cores has beside the
 * service.
 */

import { ANY_ATTACK, ATTACKS } from "./attacks.ts";
import { run } from "../acceptance/server.ts";
import { endure, faultsOf, PHORGE_MS, told } from "./withstand.ts";

const SECONDS = 120;

/** What the service's resident memory stays below, in MB. */
const RESIDENT_MB = 700;

Deno.test("the service withstands all attacks on the client port at once, for two minutes", async () => {
  await using running = await run(ANY_ATTACK);
  const endurance = { seconds: SECONDS, options: ANY_ATTACK };
  const outcome = await endure(running, endurance, async (signal) => {
    const attacks = ATTACKS.filter(({ id }) => !id.startsWith("A"));
    await Promise.all(attacks.map(({ amongAll = 1, run }) => run(running, amongAll, signal)));
  });
  const promises = { residentMB: RESIDENT_MB, newcomers: true, postMs: PHORGE_MS };
  const faults = faultsOf(outcome, promises);
  if (faults.length > 0) throw new Error(`${faults.join("; ")}\n${told(outcome)}`);
});
