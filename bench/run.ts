/**
 * Puts the same load on the Node.js Aphlict server, on another checkout of this project, and on this
 * one, in turn, and prints how they compare. `README.md` beside this file says how to read the result.
 *
 * Ends with 0 when every message reached exactly its listeners, 1 when not or when a server failed,
 * 2 when the benchmark cannot run as asked, 130 when interrupted.
 *
 * @module
 */

import { parseArgs } from "node:util";
import {
  buildLoadGenerator,
  findCheckout,
  firstLine,
  type KeyKind,
  measure,
  openFilesLimit,
  type Scenario,
  type Servers,
  SetupError,
} from "./measure.ts";
import { faultsOf, REFERENCES, report, type Run, type Side, type Summary } from "./report.ts";

const USAGE = `Usage: deno task bench [options]

  --original DIR   folder of a working Node.js Aphlict server, the one that holds
                   aphlict_server.js
  --before DIR     another checkout of this project, whose service is measured in the same way.
                   Without both, this server is measured alone
  --ours COMMAND   shell command to measure in place of "deno run ... main.ts serve", such as a
                   compiled executable. "--config FILE" is appended; it must stay one process
  --scenario A,B   broadcast1k, broadcast1k-b1, broadcast10k, targeted1k, targeted10k,
                   churn, paced, idle, idle-tls, handshakes-ec, handshakes-rsa, and single, pair, triple: a message through a cluster of
                   1, 2 or 3 servers (default: broadcast and targeted ones but -b1)
  --listeners N    as many listeners in place of the scenario's own, 1 to 25000
  --engine NAME    of the client server, socket or serve (default: socket)
  --rounds N       how often each server runs each scenario, 1 to 100 (default: 3)
  --seconds N      how long each run publishes, 1 to 600 (default: 20)
  --json FILE      write every run and every figure to FILE as well, in var/
  --help           print this
`;

/** Closed loop: at most `backlog` messages on their way, in at most `window` requests at a time. */
function publishing(scenario: string, window: number, backlog: number): readonly string[] {
  const bounds = ["--messages", "10000000", "--window", `${window}`, "--backlog", `${backlog}`];
  return ["--scenario", scenario, "--settle", "0.5", ...bounds];
}

/** Few listeners on each server, so that relaying is what costs. */
function cluster(servers: number): Scenario {
  const all = servers === 1 ? "one server alone" : `the first of ${servers} servers`;
  return {
    what: `each message is published to ${all} and goes to all`,
    servers,
    listeners: 10 * servers,
    load: publishing("broadcast", 16, 64),
    byDefault: false,
  };
}

/** As many as the server does, each on a connection of its own, with one request. */
function handshakes(tls: KeyKind): Scenario {
  const key = tls === "ec" ? "P-256" : "RSA";
  return {
    what: `they connect over TLS (${key}), ask for something and leave, so many at a time`,
    listeners: 16,
    load: ["--scenario", "handshakes"],
    tls,
    byDefault: false,
  };
}

/** A connection as a browser leaves it alone: 1.5 kB of cookies and five subscriptions. */
const IDLE = [
  ...["--scenario", "idle", "--rounds", "3", "--settle", "2", "--after-close", "2"],
  ...["--topics", "4", "--header", `Cookie: phsid=${"c".repeat(1_494)}`],
];

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  broadcast1k: {
    what: "each message to all",
    listeners: 1_000,
    load: [...publishing("broadcast", 4, 16), "--nap-us", "200"],
    byDefault: true,
  },
  broadcast10k: {
    what: "each message to all",
    listeners: 10_000,
    load: [...publishing("broadcast", 4, 4), "--nap-us", "200"],
    byDefault: true,
  },
  "broadcast1k-b1": {
    what: "each message to all, one message at a time",
    listeners: 1_000,
    load: [...publishing("broadcast", 1, 1), "--nap-us", "50"],
    byDefault: false,
  },
  targeted1k: {
    what: "each message to 3 random ones",
    listeners: 1_000,
    load: publishing("targeted", 16, 64),
    byDefault: true,
  },
  targeted10k: {
    what: "each message to 3 random ones",
    listeners: 10_000,
    load: publishing("targeted", 16, 64),
    byDefault: true,
  },
  churn: {
    what: "they connect, subscribe and leave, so many at a time",
    listeners: 64,
    load: ["--scenario", "churn", "--after-close", "1"],
    byDefault: false,
  },
  paced: {
    what: "50 messages a second to all, however long they take",
    listeners: 1_000,
    load: ["--scenario", "paced", "--rate", "50", "--messages", "10000000", "--settle", "0.5"],
    byDefault: false,
  },
  idle: {
    what: "they connect, stay silent and leave, three times",
    listeners: 10_000,
    load: IDLE,
    byDefault: false,
  },
  "idle-tls": {
    what: "they connect over TLS, stay silent and leave, three times",
    listeners: 2_000,
    load: IDLE,
    tls: "ec",
    byDefault: false,
  },
  "handshakes-ec": handshakes("ec"),
  "handshakes-rsa": handshakes("rsa"),
  single: cluster(1),
  pair: cluster(2),
  triple: cluster(3),
};

/** Files that a process opens beside one for each listener: publishers, logs, the runtime's own. */
const SPARE_FILES = 200;

interface Options extends Servers {
  readonly scenarios: readonly (Scenario & { readonly name: string })[];
  readonly rounds: number;
  readonly seconds: number;
  readonly json: string | null;
}

function parseOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      original: { type: "string" },
      before: { type: "string" },
      ours: { type: "string" },
      scenario: { type: "string" },
      listeners: { type: "string" },
      engine: { type: "string", default: "socket" },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "20" },
      json: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return "help";
  const all = new Map(Object.entries(SCENARIOS));
  const listeners = values.listeners === undefined
    ? {}
    : { listeners: wholeNumber("--listeners", values.listeners, 25_000) };
  if (values.engine !== "socket" && values.engine !== "serve") {
    throw new SetupError(`--engine "${values.engine}" is neither socket nor serve.`);
  }
  const names = values.scenario?.split(",") ??
    [...all.keys()].filter((name) => all.get(name)?.byDefault);
  return {
    original: values.original ?? null,
    before: values.before ?? null,
    ours: values.ours ?? null,
    engine: values.engine,
    scenarios: names.map((name) => {
      const scenario = all.get(name);
      if (scenario !== undefined) return { name, ...scenario, ...listeners };
      const known = [...all.keys()].join(", ");
      throw new SetupError(`Unknown scenario "${name}". Choose from ${known}.`);
    }),
    rounds: wholeNumber("--rounds", values.rounds, 100),
    seconds: wholeNumber("--seconds", values.seconds, 600),
    json: values.json ?? null,
  };
}

function wholeNumber(option: string, value: string, max: number): number {
  const number = /^\d+$/.test(value) ? Number(value) : 0;
  if (number >= 1 && number <= max) return number;
  throw new SetupError(`${option} "${value}" is not a whole number from 1 to ${max}.`);
}

async function checkOpenFiles(options: Options, signal: AbortSignal): Promise<void> {
  const limit = await openFilesLimit(signal);
  for (const { name, listeners } of options.scenarios) {
    const needed = listeners + SPARE_FILES;
    if (limit >= needed) continue;
    throw new SetupError(
      `Scenario "${name}" needs ${needed} open files in one process, but this host allows ${limit} ` +
        `("ulimit -Hn"). Raise that limit or name smaller scenarios with --scenario.`,
    );
  }
}

/** Runs everything that `asked` holds, prints the tables, and returns whether all was well. */
async function compare(asked: Options, signal: AbortSignal): Promise<boolean> {
  await checkOpenFiles(asked, signal);
  const before = asked.before === null ? null : await findCheckout(asked.before, signal);
  const options = { ...asked, before };
  await buildLoadGenerator(signal);
  const { original, json, rounds, seconds } = options;
  const sides: Side[] = [...REFERENCES.filter((side) => options[side] !== null), "ours"];
  const host = {
    cpus: navigator.hardwareConcurrency,
    deno: Deno.version.deno,
    node: original === null ? null : await firstLine(["node", "--version"], signal),
  };
  const runs: Run[] = [];
  const summaries: Summary[] = [];
  const save = async () => {
    if (json === null) return;
    const all = { date: new Date().toISOString(), host, rounds, seconds, summaries, runs };
    await Deno.writeTextFile(json, JSON.stringify(all, null, 2) + "\n").catch((error: Error) => {
      throw new SetupError(
        `Cannot write "${json}": ${error.message}. The task may write in var/ alone: name a file there.`,
      );
    });
  };
  await save(); // a file that cannot be written is better known now than at the end
  if (sides.length === 1) {
    print(
      "Measuring this server alone: with neither --original nor --before there is nothing to " +
        "compare it with.\n\n",
    );
  }
  for (const scenario of options.scenarios) {
    const { name, what, listeners } = scenario;
    const these: Run[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const side of sides) {
        progress(`${name}, round ${round} of ${rounds}: ${side}\n`);
        these.push(
          await measure({ scenario: name, round, side }, scenario, options, seconds, signal),
        );
      }
    }
    const table = report(name, `${name}, ${listeners} listeners: ${what}`, these);
    print(table.text + "\n");
    runs.push(...these);
    summaries.push(...table.summaries);
    await save();
  }
  const bad = runs.filter((run) => faultsOf(run).length > 0);
  if (bad.length === 0) return true;
  progress(`FAILED: ${bad.length} of ${runs.length} runs broke the rules, see above. `);
  progress("Speed counts only when every message reaches exactly its listeners.\n");
  return false;
}

async function main(args: string[]): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupt.abort());
  }
  try {
    const options = parseOptions(args);
    if (options === "help") {
      print(USAGE);
      return 0;
    }
    return await compare(options, interrupt.signal) ? 0 : 1;
  } catch (error) {
    if (interrupt.signal.aborted) {
      progress("Interrupted: the server that ran was ended and its files were removed.\n");
      return 130;
    }
    const isUsage = error instanceof TypeError && "code" in error; // from parseArgs
    progress(`${error instanceof Error ? error.message : error}\n`);
    if (isUsage) progress(`\n${USAGE}`);
    return isUsage || error instanceof SetupError ? 2 : 1;
  }
}

/** What the reader came for. */
function print(text: string): void {
  write(Deno.stdout, text);
}

/** How it is going, and what went wrong. */
function progress(text: string): void {
  write(Deno.stderr, text);
}

function write(stream: typeof Deno.stdout, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
