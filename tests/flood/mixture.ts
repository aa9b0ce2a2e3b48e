/**
 * A random mixture of all attacks against one service with its derived flags: kinds, sizes, numbers and
 * start times are drawn from a seed. In each round a fresh service has to keep what `attacks_test.ts` asks for.
 *
 *     deno task flood [--minutes N] [--seed N]
 *     deno task flood --attack C3 --scale 2 --seconds 60
 *
 * The second form runs one attack alone. It prints one line a round, and ends with 0 when all promises were
 * kept, else with 1.
 *
 * @module
 */

import * as fc from "fast-check";
import { parseArgs } from "node:util";
import { ANY_ATTACK, type Attack, attackNamed, ATTACKS } from "./attacks.ts";
import { run, type Running } from "../acceptance/server.ts";
import {
  type Endurance,
  endure,
  faultsOf,
  type Outcome,
  PHORGE_MS,
  type Promises,
  promisesOf,
  told,
} from "./withstand.ts";

/** How long a round attacks, in seconds. */
const ROUND_SECONDS = 20;

/** What the service's resident memory stays below in a mixture, in MB. */
const RESIDENT_MB = 700;

/** Connections that all attacks of a round may come to: the service has 20,000 files, honest ones included. */
const CONNECTIONS = 15_000;

/** What some attacks come to in connections, at a scale of 1; those to the admin port come to 2,000 together. */
const LARGE: Readonly<Record<string, number>> = { C3: 1000, H2: 18_000, M10: 5000, A9b: 1500 };

/** One attack of a mixture. */
interface Drawn {
  readonly attack: Attack;
  readonly scale: number;
  /** When it begins, in ms. */
  readonly startMs: number;
}

/** What a round is. */
interface Round {
  /** `limit.memory`; `null`: the default. */
  readonly memory: string | null;
  readonly drawn: readonly Drawn[];
}

const rounds: fc.Arbitrary<Round> = fc.record({
  memory: fc.constantFrom(null, null, "64MiB", "128MiB", "256MiB"),
  drawn: fc.array(
    fc.record({
      attack: fc.constantFrom(...ATTACKS),
      scale: fc.constantFrom(0.1, 0.25, 0.5, 1, 2),
      startMs: fc.integer({ min: 0, max: ROUND_SECONDS * 500 }),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});

/** Runs attacks beside each other. */
export async function mixed(
  running: Running,
  drawn: readonly Drawn[],
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(drawn.map(async ({ attack, scale, startMs }) => {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, startMs);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
    });
    if (!signal.aborted) await attack.run(running, scale, signal);
  }));
}

/** Leaves out what would take more connections than there are files. */
function affordable(drawn: readonly Drawn[]): Drawn[] {
  let left = CONNECTIONS;
  return drawn.map((each) => {
    const full = LARGE[each.attack.id] ?? 0;
    const scale = full * each.scale > left ? Math.max(0.01, left / full) : each.scale;
    left -= full * scale;
    return { ...each, scale };
  });
}

/** Prints a line, and says whether all was kept. */
async function judged(
  name: string,
  endurance: Endurance,
  promises: Promises,
  attack: (running: Running, signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  let outcome: Outcome;
  {
    await using running = await run(endurance.options);
    outcome = await endure(running, endurance, (signal) => attack(running, signal));
  }
  const faults = faultsOf(outcome, promises);
  print(`${faults.length === 0 ? "ok    " : "BROKEN"} ${name}: ${told(outcome)}`);
  for (const fault of faults) print(`       ${fault}`);
  return faults.length === 0;
}

async function mixture(minutes: number, seed: number): Promise<boolean> {
  const end = performance.now() + minutes * 60_000;
  let isKept = true;
  for (let number = seed; performance.now() < end; number++) {
    const [round] = fc.sample(rounds, { seed: number, numRuns: 1 });
    if (round === undefined) break;
    const drawn = affordable(round.drawn);
    const { memory } = round;
    const options = { ...ANY_ATTACK, keys: memory === null ? {} : { "limit.memory": memory } };
    const name = `seed ${number}: ` +
      drawn.map(({ attack, scale, startMs }) =>
        `${attack.id} x${Number(scale.toFixed(2))} at ${(startMs / 1000).toFixed(1)} s`
      ).join(", ") + (memory === null ? "" : `, limit.memory ${memory}`);
    const promises = { residentMB: RESIDENT_MB, newcomers: true, postMs: PHORGE_MS };
    const kept = await judged(
      name,
      { seconds: ROUND_SECONDS, options },
      promises,
      (running, signal) => mixed(running, drawn, signal),
    );
    isKept &&= kept;
  }
  return isKept;
}

/** Runs one attack alone. */
async function alone(attack: Attack, scale: number, seconds: number): Promise<boolean> {
  return await judged(
    `${attack.id} x${scale}`,
    { ...attack, seconds },
    promisesOf(attack, scale),
    (running, signal) => attack.run(running, scale, signal),
  );
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "10" },
      seed: { type: "string", default: `${Math.floor(Math.random() * 2 ** 31)}` },
      attack: { type: "string" },
      scale: { type: "string", default: "1" },
      seconds: { type: "string" },
    },
  });
  const isKept = values.attack === undefined
    ? await mixture(Number(values.minutes), Number(values.seed))
    : await alone(
      attackNamed(values.attack),
      Number(values.scale),
      Number(values.seconds ?? attackNamed(values.attack).seconds),
    );
  Deno.exit(isKept ? 0 : 1);
}
