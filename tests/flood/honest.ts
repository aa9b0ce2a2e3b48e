/**
 * An honest browser, Phorge and a peer beside an attack: a process of its own, so that what it measures is
 * the service's and not the attackers'. It prints `ready`, goes on until `SIGTERM`, and prints what it has
 * met as JSON (`Experience`).
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Browser } from "../acceptance/browser.ts";
import {
  type AdminEndpoint,
  KeptPoster,
  pageOf,
  Phorge,
  type Posting,
} from "../acceptance/poster.ts";

/** What an honest browser has met. Times are in ms. */
export interface Experience {
  /** Pings that were sent, and answered. */
  readonly pings: number;
  readonly pongs: number;
  readonly p50: number;
  readonly p99: number;
  readonly slowest: number;
  /** Messages of Phorge and of a peer that were answered with 200, and those of them that arrived. */
  readonly published: number;
  readonly heard: number;
  /** What Phorge and the peer have met when they posted. */
  readonly phorge: Posting;
  readonly peer: Posting;
  /** Why a message was not answered with 200, in words. */
  readonly unpublished: readonly string[];
  /** Browsers of the crowd that connected during the attack, heard a message, and stayed. */
  readonly crowd: number;
  /** How long each newcomer took to connect, subscribe and hear a message. */
  readonly newcomers: readonly number[];
  readonly slowestStatus: number;
  /** The largest resident memory of the service, in bytes. */
  readonly residentBytes: number;
  /** The most listeners that the default instance had: whether the attackers were there. */
  readonly mostActive: number;
  /** What went wrong, in words. */
  readonly faults: readonly string[];
  /** What newcomers met, in words. */
  readonly refused: readonly string[];
}

const PING_MS = 50;
const PHORGE_MS = 100;
const PEER_MS = 250;
const NEWCOMER_MS = 1500;
const STATUS_MS = 250;
const MEMORY_MS = 100;

/** Of 20 messages these are long, the others are short: a chunk of 60 kB may hold much work. */
const FILLERS: Readonly<Record<number, string>> = {
  0: "x".repeat(2000),
  5: "x".repeat(2000),
  10: "x".repeat(20_000),
  15: "x".repeat(60_000),
};

/** When the crowd comes, after the beginning, in ms. */
const CROWD_MS = 2000;

/** A newcomer that has heard nothing for so long gives up. */
const NEWCOMER_LIMIT_MS = 5000;

/** How long answers are waited for at the end. */
const LAST_MS = 5000;

/** It is told when to end. */
const NEVER_MS = 2 ** 31 - 1;

const PONG = '{"type":"pong"}';

/** Does something again and again until `signal` says stop; a fault is noted, and ends nothing. */
async function every(
  ms: number,
  signal: AbortSignal,
  faults: string[],
  work: () => Promise<void> | void,
): Promise<void> {
  while (!signal.aborted) {
    const started = performance.now();
    try {
      await work();
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    }
    await sleep(Math.max(0, ms - (performance.now() - started)), signal);
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/** Rejects when it takes too long. */
async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} took more than ${ms} ms`)), ms);
  work.catch(() => {});
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Connects as another browser does, and hears a message. */
async function newcomer(client: number, admin: AdminEndpoint, number: number): Promise<number> {
  const topic = `NEWCOMER-${number}`;
  const started = performance.now();
  const meeting = (async () => {
    const browser = await Browser.open(client, { topics: [topic] });
    try {
      await new Phorge(admin).post({ subscribers: [topic], number });
      await browser.next();
      return performance.now() - started;
    } finally {
      void browser[Symbol.asyncDispose]();
    }
  })();
  return await within(NEWCOMER_LIMIT_MS, "a newcomer", meeting);
}

function residentBytes(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) * 1024;
}

/** What is met, and who meets it. */
interface Meeting {
  readonly client: number;
  readonly admin: AdminEndpoint;
  /** The service's process. */
  readonly pid: number;
  /** Browsers that connect during the attack. */
  readonly crowd: number;
}

/** Browsers that connect during an attack and stay. */
class Crowd {
  readonly #opened: Promise<PromiseSettledResult<Browser>[]>;

  constructor(client: number, count: number) {
    this.#opened = this.#open(client, count);
  }

  async #open(client: number, count: number): Promise<PromiseSettledResult<Browser>[]> {
    if (count === 0) return [];
    await sleep(CROWD_MS);
    return await Promise.allSettled(
      Array.from({ length: count }, () => Browser.open(client, { topics: ["CROWD"] })),
    );
  }

  /** Resolves with the number of those who hear a message. */
  async heard(admin: AdminEndpoint, faults: string[]): Promise<number> {
    const opened = await this.#opened;
    if (opened.length === 0) return 0;
    await new Phorge(admin).post({ subscribers: ["CROWD"] });
    const heard = await Promise.allSettled(opened.map(async (each) => {
      if (each.status === "rejected") throw each.reason;
      await within(LAST_MS, "a message for the crowd", each.value.next());
    }));
    const failed = heard.filter((each) => each.status === "rejected");
    faults.push(...failed.map(({ reason }) => `one of the crowd: ${reason.message}`));
    return heard.length - failed.length;
  }
}

async function meet({ client, admin, pid, crowd: size }: Meeting): Promise<Experience> {
  const faults: string[] = [];
  const refused: string[] = [];
  const unpublished: string[] = [];
  const latencies: number[] = [];
  const newcomers: number[] = [];
  const [sent, unheard] = [[] as number[], new Set<number>()];
  let [pings, posts, published, slowestStatus, resident, count, mostActive] = [0, 0, 0, 0, 0, 0, 0];
  const stop = new AbortController();
  const honest = await Browser.open(client, { topics: ["HONEST"] });
  let isOver = false;
  void honest.closed.then(({ code, reason }) => {
    if (!isOver) faults.push(`it was disconnected: ${code} ${reason}`);
  });
  const listening = (async () => {
    for (;;) {
      const text = await honest.next();
      if (text === PONG) latencies.push(performance.now() - (sent.shift() ?? 0));
      else if (!unheard.delete(JSON.parse(text).number)) faults.push("it heard a message twice");
    }
  })().catch(() => {});
  const phorge = new Phorge(admin);
  using peer = new KeptPoster(admin);
  /** Messages that were not answered with 200. They may arrive all the same. */
  const unpromised = new Set<number>();
  const publish = async (poster: Phorge | KeptPoster) => {
    const number = posts++;
    const filler = FILLERS[number % 20] ?? "";
    unheard.add(number);
    try {
      await poster.post({ subscribers: ["HONEST"], uniqueID: `${pid}-${number}`, number, filler });
      published++;
    } catch (error) {
      unpromised.add(number);
      throw error;
    }
  };
  const lost = () => [...unheard].filter((number) => !unpromised.has(number)).length;
  const crowd = new Crowd(client, size);
  Deno.addSignalListener("SIGTERM", () => stop.abort());
  print("ready");
  const { signal } = stop;
  const work = Promise.all([
    every(PING_MS, signal, faults, () => {
      sent.push(performance.now());
      pings++;
      honest.command("ping");
    }),
    every(PHORGE_MS, signal, unpublished, () => publish(phorge)),
    every(PEER_MS, signal, unpublished, () => publish(peer)),
    every(NEWCOMER_MS, signal, refused, async () => {
      newcomers.push(await newcomer(client, admin, count++));
    }),
    every(STATUS_MS, signal, faults, async () => {
      const started = performance.now();
      const page = JSON.parse(await pageOf(admin, "/status/", LAST_MS));
      mostActive = Math.max(mostActive, Number(page["clients.active"]));
      slowestStatus = Math.max(slowestStatus, performance.now() - started);
    }),
    every(MEMORY_MS, signal, faults, () => {
      resident = Math.max(resident, residentBytes(pid));
    }),
  ]);
  await sleep(NEVER_MS, signal);
  await work;
  const last = performance.now() + LAST_MS;
  while ((sent.length > 0 || lost() > 0) && performance.now() < last) await sleep(20);
  const heardByCrowd = await crowd.heard(admin, faults);
  isOver = true;
  // What is still awaited has taken this long at least.
  const all = [...latencies, ...sent.map((at) => performance.now() - at)].sort((a, b) => a - b);
  const quantile = (share: number) =>
    Math.round(all[Math.min(all.length - 1, Math.floor(share * all.length))] ?? 0);
  void listening;
  return {
    pings,
    pongs: latencies.length,
    p50: quantile(0.5),
    p99: quantile(0.99),
    slowest: quantile(1),
    published,
    heard: published - lost(),
    phorge: phorge.posting,
    peer: peer.posting,
    unpublished: counted(unpublished),
    crowd: heardByCrowd,
    newcomers: newcomers.map((ms) => Math.round(ms)),
    slowestStatus: Math.round(slowestStatus),
    residentBytes: resident,
    mostActive,
    faults: counted(faults),
    refused: counted(refused),
  };
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Each once, with its number. */
function counted(texts: readonly string[]): string[] {
  const counts = Map.groupBy(texts, (text) => text);
  return [...counts].slice(0, 10).map(([text, all]) => `${all.length} times: ${text}`);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      client: { type: "string", default: "" },
      admin: { type: "string", default: "" },
      authority: { type: "string" },
      pid: { type: "string", default: "" },
      crowd: { type: "string", default: "0" },
    },
  });
  globalThis.addEventListener("unhandledrejection", (event) => event.preventDefault());
  const authority = values.authority ? Deno.readTextFileSync(values.authority) : null;
  const experience = await meet({
    client: Number(values.client),
    admin: { port: Number(values.admin), authority },
    pid: Number(values.pid),
    crowd: Number(values.crowd),
  });
  print(JSON.stringify(experience));
  Deno.exit();
}
