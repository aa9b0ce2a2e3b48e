/**
 * A service under attack from other processes, and an honest browser, Phorge and a peer in a process of their
 * own that must not notice.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { Browser } from "../acceptance/browser.ts";
import { type Attack, AUTHORITY_FILE } from "./attacks.ts";
import type { Experience } from "./honest.ts";
import { Process } from "../acceptance/process.ts";
import { type AdminEndpoint, pageOf, Phorge, type Posting } from "../acceptance/poster.ts";
import { run, type Running, type RunOptions } from "../acceptance/server.ts";

/** The honest browser's answers: 99 of 100 come within this time, in ms, */
const P99_MS = 500;
/** and all within this one. */
const SLOWEST_MS = 2000;

/** Phorge's posts and a peer's are answered within this time, in ms, but where an attack says otherwise. */
const POST_MS = 1000;

/** The time after which Phorge gives up (its `PhabricatorNotificationServerRef`), in ms. */
export const PHORGE_MS = 2000;

/** A newcomer has connected, subscribed and heard a message within this time, in ms. */
const NEWCOMER_MS = 2000;

/** How long the service may take to be as before, in ms. */
const RECOVERY_MS = 15_000;

/** What the log says when the service cannot accept, and binds its port again. */
const NO_FILES = "too many open files";

/** What the log stays below, in bytes: each reason has 30 lines a minute. */
const LOG_BYTES = 200_000;

const MB = 1_000_000;

const HONEST = fileURLToPath(new URL("honest.ts", import.meta.url));

/** What there is to say about a service under attack. */
export interface Outcome {
  /** `null`: it could not tell. */
  readonly experience: Experience | null;
  readonly isAlive: boolean;
  /** Listeners of the default instance at the end, without the attackers, */
  readonly active: unknown;
  /** and how many they are to be: the honest browser, and the crowd. */
  readonly expected: number;
  /** How long a newcomer took afterwards, in ms; `null`: it did not hear the message. */
  readonly newcomerMs: number | null;
  /** Lines of the log that no attack may bring about. */
  readonly errors: readonly string[];
  readonly logBytes: number;
  /** Requests and connections that the servers have refused, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/** What a service is held to. */
export interface Promises {
  readonly residentMB: number;
  /** Whether newcomers have to get in during the attack, and not only afterwards. */
  readonly newcomers: boolean;
  /** The time within which posts are answered, in ms. */
  readonly postMs: number;
  /** See {@linkcode Attack}. */
  readonly refuses?: Attack["refuses"];
}

/** What an attack is endured with. */
export interface Endurance extends Pick<Attack, "seconds"> {
  readonly options: RunOptions;
  /** Browsers that connect during the attack. @default {0} */
  readonly crowd?: number;
}

/** Faults that a busy machine brings about as well: something was late, or the attackers were too slow. */
const LATENESS = /^(p99|an answer took|a post of|a newcomer took|only \d+ were refused)/;

/** The most attempts of an attack whose faults are {@linkcode LATENESS} alone. */
const ATTEMPTS = 2;

/** Declares a test: a service withstands an attack of a size. */
export function withstands(attack: Attack, scale: 1 | 2): void {
  const size = scale === 1 ? "" : ", and twice as much";
  Deno.test(`the service withstands ${attack.name}${size} (${attack.id})`, async () => {
    const late: string[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await using running = await run(attack.options);
      const outcome = await endure(
        running,
        attack,
        (signal) => attack.run(running, scale, signal),
      );
      const faults = faultsOf(outcome, promisesOf(attack, scale));
      if (faults.length === 0) return;
      late.push(`${faults.join("; ")}\n${told(outcome)}`);
      if (!faults.every((fault) => LATENESS.test(fault))) break;
    }
    throw new Error(late.join("\n"));
  });
}

/** Returns what a service is held to under one attack alone. */
export function promisesOf(attack: Attack, scale: number): Promises {
  const { residentMB, exhaustsFiles, postMs = POST_MS, refuses } = attack;
  return { residentMB, newcomers: !exhaustsFiles?.(scale), postMs, refuses };
}

/** Lets a service and an honest browser endure an attack. */
export async function endure(
  running: Running,
  { seconds, options, crowd = 0 }: Endurance,
  attack: (signal: AbortSignal) => Promise<void>,
): Promise<Outcome> {
  const admin = { port: running.admin, authority: options.files?.[AUTHORITY_FILE] ?? null };
  const expected = 1 + crowd;
  await using honest = await browse(running, admin, crowd);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), seconds * 1000);
  void running.process.ended().then(() => stop.abort());
  // It may be over earlier, as that of 61 messages.
  await attack(stop.signal).finally(() => clearTimeout(timer));
  const count = async () => JSON.parse(await pageOf(admin, "/status/"))["clients.active"];
  const active = await settled(running, expected, count);
  const newcomerMs = await newcomer(running, admin);
  const experience = await lastWords(honest);
  const metrics = await timely(pageOf(admin, "/metrics/"));
  return {
    experience,
    isAlive: !running.process.hasEnded,
    active,
    expected,
    newcomerMs,
    errors: errorsOf(running),
    logBytes: running.log().length,
    refused: refusedIn(metrics ?? ""),
  };
}

/** What a service has not kept, in words with figures; nothing when all is well. */
export function faultsOf(
  outcome: Outcome,
  { residentMB, newcomers, postMs, refuses = {} }: Promises,
): string[] {
  const {
    experience,
    isAlive,
    active,
    expected,
    newcomerMs,
    errors,
    logBytes,
    refused,
  } = outcome;
  if (!isAlive) {
    return [`It is dead${experience ? `, of ${megabytes(experience.residentBytes)} MB` : ""}`];
  }
  if (experience === null) return ["The honest browser could not tell what it met"];
  const { pings, pongs, p99, slowest, published, heard, residentBytes, faults, unpublished } =
    experience;
  // Where files run out the log has to say so.
  const unexpected = newcomers ? errors : errors.filter((line) => !line.includes(NO_FILES));
  const slowestNewcomer = Math.max(0, ...experience.newcomers);
  return [
    fault(pongs < pings, `${pings - pongs} of ${pings} pings were not answered`),
    fault(p99 > P99_MS, `p99 of the answers is ${p99} ms, more than ${P99_MS}`),
    fault(slowest > SLOWEST_MS, `an answer took ${slowest} ms, more than ${SLOWEST_MS}`),
    fault(heard < published, `${published - heard} of ${published} messages were not heard`),
    fault(unpublished.length > 0, `messages were not taken: ${unpublished.join(", ")}`),
    slowPost("Phorge", experience.phorge, postMs),
    slowPost("a peer", experience.peer, postMs),
    fault(
      experience.crowd !== expected - 1,
      `${experience.crowd} of a crowd of ${expected - 1} connected and stayed`,
    ),
    fault(
      newcomers && experience.refused.length > 0,
      `newcomers did not get in: ${experience.refused.join(", ")}`,
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
    fault(active !== expected, `afterwards there are ${active} listeners, not ${expected}`),
    fault(newcomerMs === null, "afterwards a newcomer did not get in"),
    fault(
      newcomerMs !== null && newcomerMs > NEWCOMER_MS,
      `afterwards a newcomer took ${newcomerMs} ms, more than ${NEWCOMER_MS}`,
    ),
    fault(unexpected.length > 0, `the log has ${unexpected.length} errors: ${unexpected[0]}`),
    fault(logBytes > LOG_BYTES, `the log has ${logBytes} bytes, more than ${LOG_BYTES}`),
    // An attack that does not take place shows nothing.
    ...Object.entries(refuses).map(([reason, least]) => {
      const count = refused[reason] ?? 0;
      return fault(count < least, `only ${count} were refused by ${reason}, not ${least}`);
    }),
  ].filter((each) => each !== null);
}

/** The figures in one line. */
export function told(
  { experience, isAlive, active, newcomerMs, logBytes, refused }: Outcome,
): string {
  const end = isAlive ? `alive, ${active} active, newcomer afterwards ${newcomerMs} ms` : "DEAD";
  if (experience === null) return end;
  const { pings, pongs, p50, p99, slowest, heard, published, newcomers } = experience;
  const notIn = experience.refused.length > 0 ? `, not in: ${experience.refused.join()}` : "";
  const reasons = Object.entries(refused).filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${count}`);
  return `${end}; ${pongs}/${pings} pongs, p50 ${p50} p99 ${p99} slowest ${slowest} ms; ` +
    `${heard}/${published} heard; ${toldPosts("Phorge", experience.phorge)}; ` +
    `${toldPosts("peer", experience.peer)}; ${newcomers.length} newcomers in, slowest ` +
    `${Math.max(0, ...newcomers)} ms${notIn}; ` +
    `status ${experience.slowestStatus} ms; up to ${experience.mostActive} active, ${
      megabytes(experience.residentBytes)
    } MB; log ${Math.round(logBytes / 1000)} kB; refused: ${reasons.join(", ") || "none"}`;
}

function toldPosts(who: string, { posts, p99, slowest, connections }: Posting): string {
  return `${who} ${posts} posts on ${connections} connections, p99 ${p99} slowest ${slowest} ms`;
}

function slowPost(who: string, { slowest }: Posting, postMs: number): string | null {
  return fault(slowest > postMs, `a post of ${who} took ${slowest} ms, more than ${postMs}`);
}

function fault(isSo: boolean, text: string): string | null {
  return isSo ? text : null;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / MB);
}

/** Starts the honest browser, and resolves when it is connected. */
async function browse(
  { client, process, folder }: Running,
  { port, authority }: AdminEndpoint,
  crowd: number,
): Promise<Process> {
  const honest = new Process(Deno.execPath(), [
    "run",
    "--allow-all",
    HONEST,
    `--client=${client}`,
    `--admin=${port}`,
    `--pid=${process.pid}`,
    `--crowd=${crowd}`,
    ...authority === null ? [] : [`--authority=${folder}/${AUTHORITY_FILE}`],
  ]);
  await honest.line(/^ready$/);
  return honest;
}

/** Ends the honest browser, and resolves with what it has met; `null` when it does not tell. */
async function lastWords(honest: Process): Promise<Experience | null> {
  honest.kill("SIGTERM");
  return await honest.line(/^\{/).then(JSON.parse, () => null);
}

/** The number of listeners when they are as many as expected, or when it takes too long. */
async function settled(
  { process }: Running,
  expected: number,
  count: () => Promise<unknown>,
): Promise<unknown> {
  const limit = performance.now() + RECOVERY_MS;
  for (;;) {
    const active = process.hasEnded ? null : await timely(count());
    if (active === expected || process.hasEnded || performance.now() > limit) return active;
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
async function newcomer(
  { client, process }: Running,
  admin: AdminEndpoint,
): Promise<number | null> {
  const limit = performance.now() + RECOVERY_MS;
  let took: number | null = null;
  while (!process.hasEnded && (took === null || took > NEWCOMER_MS) && performance.now() < limit) {
    const started = performance.now();
    took = await timely((async () => {
      await using browser = await Browser.open(client, { topics: ["AFTERWARDS"] });
      await new Phorge(admin).post({ subscribers: ["AFTERWARDS"] });
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

/** Reads from the page of metrics what the servers have refused, by reason. */
function refusedIn(metrics: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, labels = "", count] of metrics.matchAll(REFUSED)) {
    const [, reason = ""] = /reason="(\w+)"/.exec(labels) ?? [];
    counts[reason] = (counts[reason] ?? 0) + Number(count);
  }
  return counts;
}

const REFUSED = /^aphlict_refused_(?:requests|connections)_total\{([^}]*)\} (\d+)$/gm;
