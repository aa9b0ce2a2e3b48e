/**
 * Half an hour of a busy Phorge, as fast as the machine can: browsers come and go, honest and hostile,
 * messages small and large are posted, the configuration is reloaded. After each minute's worth it prints
 * what the service holds; what it holds may not grow.
 *
 * Ends with 0 when memory and counts are flat and every message arrived once, else with 1.
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { ConsoleData } from "../src/admin/console.ts";
import { sumOf } from "../src/metrics/families.ts";
import { Browser } from "../tests/acceptance/browser.ts";
import { publish, run, type Running } from "../tests/acceptance/server.ts";
import { Refused, requestWith, Wire } from "../tests/acceptance/wire.ts";

/** A minute of the Phorge that is played. */
const MINUTE = {
  /** Messages: 100 a second. */
  messages: 6000,
  /** Pages that are opened and left: 20 a second. */
  visits: 1200,
  /** Browsers that do not read. */
  stuck: 10,
  /** Pages of another site, and requests that are none. */
  refused: 100,
} as const;

/** Browsers that stay. */
const RESIDENTS = 500;

/** How many posts and visits go on at a time. */
const LANES = 8;

/**
 * By how much memory may be larger in the last quarter than in the quarter before. In the first half it grows:
 * what was published is remembered for two minutes, and so much of it comes in no other two minutes.
 */
const GROWTH = 1.1;

/** The same of the heap, which is found with its garbage. */
const HEAP_GROWTH = 1.5;

const ORIGIN = "https://phorge.example.com";
/** How long is waited for those who leave, and for what was posted last, in ms. */
const PATIENCE_MS = 30_000;

const INSTANCES = ["default", "acme", "widgets"] as const;

/** What the service holds after a minute. */
interface Held {
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly connections: number;
  readonly listeners: number;
  readonly subscriptions: number;
  readonly backlogBytes: number;
  readonly instances: number;
}

async function soak(minutes: number): Promise<boolean> {
  await using running = await run({
    servers: [
      { type: "client", keys: { "origins": [ORIGIN], "limit.backlog": "256KiB" } },
      { type: "admin" },
    ],
  });
  await using residents = new AsyncDisposableStack();
  const mail = new Mail();
  for (let index = 0; index < RESIDENTS; index++) {
    const topics = ["ALL", topicOf(index)];
    void read(residents.use(await open(running, topics, instanceOf(index))), index, mail);
  }
  const history: Held[] = [];
  const began = performance.now();
  print("minute   took  resident     heap  connections  subscriptions  instances  backlog");
  for (let minute = 1; minute <= minutes; minute++) {
    const started = performance.now();
    await play(running, mail);
    if (minute % 5 === 0) Deno.kill(running.process.pid, "SIGHUP");
    const held = await settle(running);
    history.push(held);
    const took = ((performance.now() - started) / 1000).toFixed(1);
    print(
      `${`${minute}`.padStart(6)}  ${took.padStart(4)}s  ${mebibytes(held.residentBytes)}  ` +
        `${mebibytes(held.heapBytes)}  ${`${held.connections}`.padStart(11)}  ` +
        `${`${held.subscriptions}`.padStart(13)}  ${`${held.instances}`.padStart(9)}  ` +
        `${`${held.backlogBytes}`.padStart(7)}`,
    );
  }
  await patiently(() => mail.missing === 0);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  print(`${mail.due} deliveries were due and ${mail.arrived} arrived, in ${seconds} s.`);
  return judge(history, mail, running);
}

/** Plays a minute. */
async function play(running: Running, mail: Mail): Promise<void> {
  await Promise.all([
    post(running, mail),
    inLanes(MINUTE.visits, (index) => visit(running, index)),
    inLanes(MINUTE.stuck, () => readNothing(running)),
    inLanes(MINUTE.refused, (index) => beRefused(running, index)),
  ]);
}

/** Posts a minute's messages: most for one browser, some for all of an instance, a few large ones. */
async function post({ admin }: Running, mail: Mail): Promise<void> {
  await inLanes(MINUTE.messages, async (index) => {
    const isForAll = index % 50 === 0;
    const resident = index % RESIDENTS;
    const uniqueID = crypto.randomUUID();
    for (const each of isForAll ? membersOf(instanceOf(resident)) : [resident]) {
      mail.expect(each, uniqueID);
    }
    await publish(admin, {
      type: "notification",
      key: `${index}`,
      subscribers: [isForAll ? "ALL" : topicOf(resident)],
      uniqueID,
      ...index % 300 === 7 ? { filler: "x".repeat(100_000) } : {},
    }, { instance: instanceOf(resident) });
  });
}

/** A page is opened, replays, hears what it hears, and is left; some vanish without a word. */
async function visit(running: Running, index: number): Promise<void> {
  const instance = index % 10 === 0 ? `made-up-${index}` : instanceOf(index);
  const topics = Array.from({ length: 5 }, (_, nth) => `PHID-PAGE-${index}-${nth}`);
  if (index % 4 === 0) {
    using wire = await Wire.open(running.client, topics, undefined, { Origin: ORIGIN });
    await wire.command("replay", { age: 60_000 });
    return;
  }
  await using browser = await open(running, topics, instance);
  browser.command("replay", { age: 60_000 });
  await browser.pong();
}

/** Subscribes to everything and reads nothing, until the service ends it. */
async function readNothing(running: Running): Promise<void> {
  using wire = await Wire.open(running.client, ["FLOOD"], undefined, { Origin: ORIGIN });
  const filler = "x".repeat(200_000);
  for (let sent = 0; sent < 40; sent++) {
    await publish(running.admin, { subscribers: ["FLOOD"], filler });
  }
  await wire.closed();
}

async function beRefused({ client }: Running, index: number): Promise<void> {
  using wire = await Wire.connect(client);
  const isForeign = index % 2 === 0;
  await wire.send(
    isForeign ? requestWith({ Origin: "https://evil.example.net" }) : "NONSENSE\r\n\r\n",
  );
  const head = await wire.head();
  if (!/^HTTP\/1\.1 40[03] /.test(head)) throw new Refused(head);
}

/** Waits until those who left are gone, and looks at what is held. */
async function settle(running: Running): Promise<Held> {
  let held = await look(running);
  await patiently(async () => {
    held = await look(running);
    return held.connections === RESIDENTS;
  });
  return held;
}

/** Waits for what should come about; what does not is a fault that {@linkcode judge} finds. */
async function patiently(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!await condition() && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function look({ admin }: Running): Promise<Held> {
  const response = await fetch(`http://127.0.0.1:${admin}/console/data/`);
  const { now }: ConsoleData = await response.json();
  const { metrics } = now;
  return {
    residentBytes: sumOf(metrics.process_resident_memory_bytes),
    heapBytes: sumOf(metrics.aphlict_heap_bytes),
    listeners: sumOf(metrics.aphlict_listeners),
    subscriptions: sumOf(metrics.aphlict_subscriptions),
    instances: sumOf(metrics.aphlict_instances),
    connections: sumOf(metrics.aphlict_connections),
    backlogBytes: sumOf(metrics.aphlict_backlog_bytes),
  };
}

/** What was held in the third quarter of the time is what may be held in the last. */
function judge(history: readonly Held[], mail: Mail, running: Running): boolean {
  const settled = history.slice(Math.floor(history.length / 2));
  const middle = Math.floor(settled.length / 2);
  const grows = (growth: number, of: (held: Held) => number) =>
    Math.max(...settled.slice(middle).map(of)) >
      growth * Math.max(...settled.slice(0, middle).map(of));
  const last = settled.at(-1);
  const faults = [
    ...grows(GROWTH, ({ residentBytes }) => residentBytes) ? ["Resident memory grew."] : [],
    ...grows(HEAP_GROWTH, ({ heapBytes }) => heapBytes) ? ["The heap grew."] : [],
    ...last?.listeners === RESIDENTS ? [] : ["Listeners are left."],
    ...last?.subscriptions === 2 * RESIDENTS ? [] : ["Subscriptions are left."],
    ...last?.instances === INSTANCES.length ? [] : ["Instances are left."],
    ...last?.backlogBytes === 0 ? [] : ["A backlog is left."],
    ...mail.missing === 0 ? [] : [`${mail.missing} messages did not arrive.`],
    ...mail.strange === 0 ? [] : [`${mail.strange} arrived twice, or where they should not.`],
    ...running.log().includes("ERROR") ? ["The log has errors."] : [],
  ];
  print(faults.length === 0 ? "Flat." : faults.join(" "));
  return faults.length === 0;
}

/** Each delivery that is due, until it has been made. */
class Mail {
  readonly #due = new Set<string>();
  due = 0;
  arrived = 0;
  /** What nobody expected, or not any more. */
  strange = 0;

  get missing(): number {
    return this.#due.size;
  }

  /** A message is about to be posted that a resident is to get. */
  expect(resident: number, message: string): void {
    this.due++;
    this.#due.add(`${resident} ${message}`);
  }

  take(resident: number, message: string): void {
    this.arrived++;
    if (!this.#due.delete(`${resident} ${message}`)) this.strange++;
  }
}

function open({ client }: Running, topics: readonly string[], instance: string): Promise<Browser> {
  return Browser.open(client, { path: `/~${instance}/`, topics, origin: ORIGIN });
}

/** Takes what arrives at a resident's browser, for as long as it is open. */
async function read(browser: Browser, resident: number, mail: Mail): Promise<void> {
  let isOpen = true;
  browser.closed.then(() => isOpen = false);
  while (isOpen) {
    for (const text of browser.taken()) mail.take(resident, JSON.parse(text).uniqueID);
    await browser.arrival();
  }
}

/** Calls `work` so many times, {@linkcode LANES} at a time. */
async function inLanes(times: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < times) await work(next++);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

function topicOf(resident: number): string {
  return `PHID-USER-${resident}`;
}

function instanceOf(index: number): string {
  return INSTANCES[index % INSTANCES.length] ?? "default";
}

/** Residents of an instance. */
function membersOf(instance: string): number[] {
  return Array.from({ length: RESIDENTS }, (_, index) => index)
    .filter((index) => instanceOf(index) === instance);
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MiB`.padStart(8);
}

function print(text: string): void {
  // deno-lint-ignore no-console -- what it has measured goes to standard output
  console.log(text);
}

const { values } = parseArgs({ options: { minutes: { type: "string", default: "30" } } });
const minutes = Number(values.minutes);
if (!Number.isInteger(minutes) || minutes < 4) {
  throw new TypeError("--minutes takes a whole number from 4 on");
}
Deno.exit(await soak(minutes) ? 0 : 1);
