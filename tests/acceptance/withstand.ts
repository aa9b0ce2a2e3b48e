/**
 * A service under attack from other processes, and an honest browser in a process of its own that must not
 * notice.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { Browser } from "./browser.ts";
import type { Attack } from "./flood.ts";
import type { Experience } from "./flood_honest.ts";
import { Process } from "./process.ts";
import { publish, run, type Running, status } from "./server.ts";

/** The honest browser's answers: 99 of 100 come within this time, in ms, */
const P99_MS = 500;
/** and all within this one. */
const SLOWEST_MS = 2000;

/** A newcomer has connected, subscribed and heard a message within this time, in ms. */
const NEWCOMER_MS = 2000;

/** How long the service may take to be as before, in ms. */
const RECOVERY_MS = 15_000;

/** What the log says when the service cannot accept, and binds its port again. */
const NO_FILES = "too many open files";

const MB = 1_000_000;

const HONEST = fileURLToPath(new URL("flood_honest.ts", import.meta.url));

/** What there is to say about a service under attack. */
export interface Outcome {
  /** `null`: it could not tell. */
  readonly experience: Experience | null;
  readonly isAlive: boolean;
  /** Listeners of the default instance at the end, without the attackers; the honest browser is one. */
  readonly active: unknown;
  /** How long a newcomer took afterwards, in ms; `null`: it did not hear the message. */
  readonly newcomerMs: number | null;
  /** Lines of the log that no attack may bring about. */
  readonly errors: readonly string[];
}

/** What a service is held to. */
export interface Promises {
  readonly residentMB: number;
  /** Whether newcomers have to get in during the attack, and not only afterwards. */
  readonly newcomers: boolean;
}

/** Declares a test: a service withstands an attack of a size. */
export function withstands(attack: Attack, scale: 1 | 2): void {
  const size = scale === 1 ? "" : ", and twice as much";
  Deno.test(`the service withstands ${attack.name}${size} (${attack.id})`, async () => {
    await using running = await run(attack.options);
    const outcome = await endure(
      running,
      attack.seconds,
      (signal) => attack.run(running, scale, signal),
    );
    const faults = faultsOf(outcome, {
      residentMB: attack.residentMB,
      newcomers: !attack.exhaustsFiles?.(scale),
    });
    if (faults.length > 0) throw new Error(`${faults.join("; ")}\n${told(outcome)}`);
  });
}

/** Lets a service and an honest browser endure an attack. */
export async function endure(
  running: Running,
  seconds: number,
  attack: (signal: AbortSignal) => Promise<void>,
): Promise<Outcome> {
  await using honest = await browse(running);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), seconds * 1000);
  void running.process.ended().then(() => stop.abort());
  // It may be over earlier, as that of 61 messages.
  await attack(stop.signal).finally(() => clearTimeout(timer));
  const count = async () => (await status(running.admin))["clients.active"];
  const active = await settled(running, count);
  const newcomerMs = await newcomer(running);
  const experience = await lastWords(honest);
  return {
    experience,
    isAlive: !running.process.hasEnded,
    active,
    newcomerMs,
    errors: errorsOf(running),
  };
}

/** What a service has not kept, in words with figures; nothing when all is well. */
export function faultsOf(outcome: Outcome, { residentMB, newcomers }: Promises): string[] {
  const { experience, isAlive, active, newcomerMs, errors } = outcome;
  if (!isAlive) {
    return [`It is dead${experience ? `, of ${megabytes(experience.residentBytes)} MB` : ""}`];
  }
  if (experience === null) return ["The honest browser could not tell what it met"];
  const { pings, pongs, p99, slowest, published, heard, residentBytes, faults, refused } =
    experience;
  // Where files run out the log has to say so.
  const unexpected = newcomers ? errors : errors.filter((line) => !line.includes(NO_FILES));
  const slowestNewcomer = Math.max(0, ...experience.newcomers);
  return [
    fault(pongs < pings, `${pings - pongs} of ${pings} pings were not answered`),
    fault(p99 > P99_MS, `p99 of the answers is ${p99} ms, more than ${P99_MS}`),
    fault(slowest > SLOWEST_MS, `an answer took ${slowest} ms, more than ${SLOWEST_MS}`),
    fault(heard < published, `${published - heard} of ${published} messages were not heard`),
    fault(
      newcomers && refused.length > 0,
      `newcomers did not get in: ${refused.join(", ")}`,
    ),
    fault(
      newcomers && slowestNewcomer > NEWCOMER_MS,
      `a newcomer took ${slowestNewcomer} ms, more than ${NEWCOMER_MS}`,
    ),
    fault(
      residentBytes > residentMB * MB,
      `it takes ${megabytes(residentBytes)} MB, more than ${residentMB}`,
    ),
    fault(newcomers && faults.length > 0, `the honest browser met: ${faults.join(", ")}`),
    fault(active !== 1, `afterwards there are ${active} listeners, not 1`),
    fault(newcomerMs === null, "afterwards a newcomer did not get in"),
    fault(
      newcomerMs !== null && newcomerMs > NEWCOMER_MS,
      `afterwards a newcomer took ${newcomerMs} ms, more than ${NEWCOMER_MS}`,
    ),
    fault(unexpected.length > 0, `the log has ${unexpected.length} errors: ${unexpected[0]}`),
  ].filter((each) => each !== null);
}

/** The figures in one line. */
export function told({ experience, isAlive, active, newcomerMs }: Outcome): string {
  const end = isAlive ? `alive, ${active} active, newcomer afterwards ${newcomerMs} ms` : "DEAD";
  if (experience === null) return end;
  const { pings, pongs, p50, p99, slowest, heard, published, newcomers, refused } = experience;
  return `${end}; ${pongs}/${pings} pongs, p50 ${p50} p99 ${p99} slowest ${slowest} ms; ` +
    `${heard}/${published} heard; ${newcomers.length} newcomers in, slowest ` +
    `${Math.max(0, ...newcomers)} ms${refused.length > 0 ? `, not in: ${refused.join()}` : ""}; ` +
    `status ${experience.slowestStatus} ms; up to ${experience.mostActive} active, ${
      megabytes(experience.residentBytes)
    } MB`;
}

function fault(isSo: boolean, text: string): string | null {
  return isSo ? text : null;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / MB);
}

/** Starts the honest browser, and resolves when it is connected. */
async function browse({ client, admin, process }: Running): Promise<Process> {
  const honest = new Process(Deno.execPath(), [
    "run",
    "--allow-all",
    HONEST,
    `--client=${client}`,
    `--admin=${admin}`,
    `--pid=${process.pid}`,
  ]);
  await honest.line(/^ready$/);
  return honest;
}

/** Ends the honest browser, and resolves with what it has met; `null` when it does not tell. */
async function lastWords(honest: Process): Promise<Experience | null> {
  honest.kill("SIGTERM");
  return await honest.line(/^\{/).then(JSON.parse, () => null);
}

/** The number of listeners when the honest one is the only one, or when it takes too long. */
async function settled({ process }: Running, count: () => Promise<unknown>): Promise<unknown> {
  const limit = performance.now() + RECOVERY_MS;
  for (;;) {
    const active = process.hasEnded ? null : await timely(count());
    if (active === 1 || process.hasEnded || performance.now() > limit) return active;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Its result; `null` when it fails or takes too long. */
async function timely<T>(work: Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), RECOVERY_MS);
  try {
    return await Promise.race([work.catch(() => null), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * How long a browser takes to connect, subscribe and hear a message, in ms, as soon as the service is as
 * before; `null`: it did not get in in time.
 */
async function newcomer({ client, admin, process }: Running): Promise<number | null> {
  const limit = performance.now() + RECOVERY_MS;
  let took: number | null = null;
  while (!process.hasEnded && (took === null || took > NEWCOMER_MS) && performance.now() < limit) {
    const started = performance.now();
    took = await timely((async () => {
      await using browser = await Browser.open(client, { topics: ["AFTERWARDS"] });
      await publish(admin, { subscribers: ["AFTERWARDS"] });
      await browser.next();
      return Math.round(performance.now() - started);
    })());
  }
  return took;
}

/** Lines that are errors. */
function errorsOf(running: Running): string[] {
  return running.log().split("\n").filter((line) => /ERROR|Unexpected/.test(line))
    .map((line) => line.slice(0, 300));
}
