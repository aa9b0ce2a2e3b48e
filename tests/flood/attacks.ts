/**
 * The attacks that took the service down, each at the size that worked. The clients of an attack run in
 * processes of their own (`attacker.ts`), with a low priority, as others' machines would.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { freePorts } from "../acceptance/ports.ts";
import { peerAt, type Running, type RunOptions } from "../acceptance/server.ts";

/** One attack. */
export interface Attack {
  /** The name in the issue that reports it, with a letter for a variant. */
  readonly id: string;
  /** What follows on "the service withstands". */
  readonly name: string;
  /** What the service is run with. */
  readonly options: RunOptions;
  /** How long it goes on, in seconds. */
  readonly seconds: number;
  /** What the service's resident memory stays below, in MB. */
  readonly residentMB: number;
  /** Browsers that connect during the attack, and must not notice it. @default {0} */
  readonly crowd?: number;
  /** The time within which posts are answered, in ms. @default {1000} */
  readonly postMs?: number;
  /** How often the servers refuse it at least, by reason: so the attack has taken place. @default {} */
  readonly refuses?: Readonly<Record<string, number>>;
  /** Whether the service has no files left for newcomers at this scale, and lets them in only afterwards. */
  readonly exhaustsFiles?: (scale: number) => boolean;
  /** The scale at which it goes on together with all others. @default {1} */
  readonly amongAll?: number;
  /**
   * Attacks until `signal` says stop.
   *
   * @param scale 1: the size that worked.
   */
  run(running: Running, scale: number, signal: AbortSignal): Promise<void>;
}

/** An attack's bad peers listen here: twice the size is two of them. */
const PEERS = freePorts(2);

/** A part of an attack is a process, which has 20,000 files where the tests run. */
const ATTACKER = fileURLToPath(new URL("attacker.ts", import.meta.url));

const PLAIN: RunOptions = {};

/** A client server with some keys. */
function clientWith(keys: Readonly<Record<string, unknown>>): RunOptions {
  return { servers: [{ type: "client", keys }, { type: "admin" }] };
}

/** The file in {@linkcode RunOptions.files} with the authority that has signed the admin server's certificate. */
export const AUTHORITY_FILE = "ca.crt";

/** Keys take a second to make, for which only those wait who use them. */
const certificates = once((): Record<string, string> => {
  const authority = makeAuthority("the administrator");
  const { key, cert } = makeCertificate(authority);
  return { [AUTHORITY_FILE]: authority.cert, "server.key": key, "server.crt": cert };
});

/** An admin server with room for 1,024 connections, which are the fewest. */
const SMALL = { type: "admin", keys: { "limit.requests": 512 } } as const;

/** An admin server that answers the honest and all attackers but those of A5. */
const ALLOWING = { type: "admin", keys: { allow: ["127.0.0.0/16"] } } as const;

const SMALL_PLAIN: RunOptions = { servers: [{ type: "client" }, SMALL] };

/** An admin server with TLS. */
const TLS: RunOptions = {
  servers: [{ type: "client" }, { ...SMALL, tls: { key: "server.key", cert: "server.crt" } }],
  get files() {
    return certificates();
  },
};

const BAD_PEERS: NonNullable<RunOptions["cluster"]> = () => PEERS.map((port) => peerAt(port));

/** What an attack is, without how it is run. */
type Row = Omit<Attack, "run"> & {
  /** Processes that its clients are divided among. @default {1} */
  readonly parts?: (scale: number) => number;
};

const ROWS: readonly Row[] = [
  {
    id: "C1",
    name: "80 connections that send 110 kB of empty pings at once",
    options: PLAIN,
    seconds: 10,
    residentMB: 300,
  },
  {
    id: "C2a",
    name: "257 connections with 4,096 short topics each",
    options: PLAIN,
    seconds: 12,
    residentMB: 450,
  },
  {
    id: "C2b",
    name: "199 connections of one address, out of 200, with 4,096 topics of 256 characters",
    options: clientWith({ "limit.address": 200 }),
    seconds: 15,
    residentMB: 450,
  },
  {
    id: "C3",
    name: "1,000 connections that ask for 90 pongs a second and do not read",
    options: PLAIN,
    seconds: 15,
    residentMB: 300,
    parts: () => 2,
  },
  {
    id: "C3b",
    name: "250 connections that do not read and ask for thousands of small messages",
    options: PLAIN,
    seconds: 15,
    residentMB: 300,
    parts: () => 2,
  },
  {
    id: "C4",
    name: "12 connections with topics that are integers with one hash",
    options: PLAIN,
    seconds: 10,
    residentMB: 300,
  },
  {
    id: "C4b",
    name: "12 connections with topics whose hashes collide",
    options: PLAIN,
    seconds: 10,
    residentMB: 300,
  },
  {
    id: "C5",
    name: "25 connections with an object a second whose keys collide",
    options: PLAIN,
    seconds: 10,
    residentMB: 300,
  },
  {
    id: "H1",
    name: "200 replays of different parts of a history of 10 MB that nobody reads",
    options: PLAIN,
    seconds: 12,
    residentMB: 450,
    parts: () => 2,
  },
  {
    id: "H2",
    name: "18,000 connections with heads of 8 KiB and a long path",
    options: { openFiles: 20_000 },
    seconds: 15,
    // An idle connection takes at most 10 kB.
    residentMB: 300,
    parts: (scale) => Math.ceil(scale) + 1,
    // The ends of 20,000 connections at once keep a post waiting for 0.6 to 0.9 s, on a slower machine for longer.
    postMs: 2000,
    // `limit.connections` is 50,000, but the files of the service's process end before.
    exhaustsFiles: (scale) => scale > 1,
    // With the others there are enough for a third of it.
    amongAll: 0.33,
  },
  {
    id: "M4",
    name: "61 messages of 1 MiB for tiny subscribers, with a small heap",
    options: { ...clientWith({ "limit.connections": 1000 }), keys: { "memory.hint": 64 } },
    seconds: 15,
    residentMB: 300,
  },
  {
    id: "M5",
    name: "a peer that answers with a header of 16,000 spaces",
    options: { cluster: BAD_PEERS },
    seconds: 10,
    residentMB: 250,
  },
  {
    id: "M10",
    name: "5,000 unfinished messages of 64 KiB",
    options: PLAIN,
    seconds: 15,
    residentMB: 400,
    parts: () => 2,
  },
  {
    id: "L3",
    name: "400 handshakes a second with 7,700 spaces in Forwarded",
    options: clientWith({ proxies: ["127.0.0.1"] }),
    seconds: 10,
    residentMB: 300,
  },
];

/** Rows of the admin port. What is refused shows that the attack has taken place. */
const ADMIN_ROWS: readonly Row[] = [
  {
    id: "A1",
    name: "1,500 silent connections to the admin port",
    options: SMALL_PLAIN,
    seconds: 6,
    residentMB: 300,
    refuses: { handshakes: 1000 },
  },
  {
    id: "A2",
    name: "1,500 connections to the admin port with half a head, half of them with 15 kB",
    options: SMALL_PLAIN,
    seconds: 6,
    residentMB: 300,
    refuses: { handshakes: 1000 },
  },
  {
    id: "A3",
    name: "1,500 posts with half a body of 64 KiB, of 1 MiB, and in chunks",
    options: SMALL_PLAIN,
    seconds: 6,
    residentMB: 300,
    refuses: { busy: 1000 },
  },
  {
    id: "A4",
    name: "2,000 connections to the admin port that are kept alive and ask for the status page",
    options: SMALL_PLAIN,
    seconds: 6,
    residentMB: 300,
  },
  {
    id: "A5",
    name: '300 clients outside "allow" that connect to the admin port in a loop',
    options: { servers: [{ type: "client" }, ALLOWING] },
    seconds: 6,
    residentMB: 300,
    refuses: { forbidden: 1000 },
  },
  {
    id: "A6",
    name: "1,500 posts of a byte a second",
    options: SMALL_PLAIN,
    seconds: 6,
    residentMB: 300,
    refuses: { busy: 300 },
  },
  {
    id: "A7",
    name: "3,000 connections to the admin port with 60 kB of half a header",
    options: PLAIN,
    seconds: 6,
    residentMB: 300,
    refuses: { malformed: 1000 },
  },
  {
    id: "A8",
    name: "500 clients that pipeline requests for the live page and the metrics and do not read",
    options: PLAIN,
    seconds: 6,
    // What connections without a request hold may be a quarter of the budget.
    residentMB: 450,
  },
  {
    id: "A9a",
    name: "1,500 connections to the admin port while 300 browsers connect, with 1,024 open files",
    options: { openFiles: 1024 },
    seconds: 6,
    residentMB: 300,
    crowd: 300,
    refuses: { files: 1000 },
  },
  {
    id: "A9b",
    name: "1,500 connections to the client port while Phorge posts, with 1,024 open files",
    options: { openFiles: 1024 },
    seconds: 6,
    residentMB: 300,
    refuses: { files: 500 },
    exhaustsFiles: () => true,
  },
  {
    id: "A10",
    name: "1,100 connections to the admin port that begin TLS and stop",
    options: TLS,
    seconds: 6,
    residentMB: 300,
    refuses: { handshakes: 1000 },
  },
  {
    id: "A11",
    name:
      "4,500 connections to both ports that send nothing, half a head or half a body, with 32 MiB",
    options: { keys: { "limit.memory": "32MiB" } },
    seconds: 6,
    residentMB: 250,
    refuses: { memory: 1000 },
  },
  {
    id: "A12",
    name: "1,500 connections to each port, silent or with half a request, with 1,024 open files",
    options: { openFiles: 1024 },
    seconds: 6,
    residentMB: 300,
    refuses: { files: 1000 },
    exhaustsFiles: () => true,
  },
  {
    id: "A13",
    name: "1,500 connections of twenty addresses to the admin port with half a head",
    options: SMALL_PLAIN,
    seconds: 6,
    residentMB: 300,
    refuses: { handshakes: 1000 },
  },
  {
    id: "A14",
    name: "1,500 connections of Phorge's own address to the admin port with half a head",
    options: SMALL_PLAIN,
    seconds: 6,
    residentMB: 300,
    refuses: { handshakes: 1000 },
  },
];

/** All attacks. */
export const ATTACKS: readonly Attack[] = [...ROWS, ...ADMIN_ROWS].map((row) => ({
  ...row,
  run: (running, scale, signal) => attack(row, running, scale, signal),
}));

/** One service that each of {@linkcode ATTACKS} can be tried on. */
export const ANY_ATTACK: RunOptions = {
  servers: [{ type: "client", keys: { proxies: ["127.0.0.1"] } }, ALLOWING],
  cluster: BAD_PEERS,
};

/** The attack with this name. */
export function attackNamed(id: string): Attack {
  const found = ATTACKS.find((each) => each.id === id);
  if (!found) {
    throw new Error(`There is no attack ${id}: ${ATTACKS.map(({ id }) => id).join(", ")}`);
  }
  return found;
}

async function attack(
  { id, parts = () => 1 }: Row,
  running: Running,
  scale: number,
  signal: AbortSignal,
): Promise<void> {
  const count = parts(scale);
  const peers = PEERS.slice(0, Math.ceil(scale)).flatMap((port) => ["--peer", `${port}`]);
  const attackers = Array.from({ length: count }, (_, part) =>
    new Deno.Command("nice", {
      args: [
        "-n",
        "10",
        Deno.execPath(),
        "run",
        "--allow-all",
        ATTACKER,
        `--attack=${id}`,
        `--client=${running.client}`,
        `--admin=${running.admin}`,
        `--scale=${scale}`,
        `--part=${part}`,
        `--parts=${count}`,
        ...peers,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn());
  const stop = () => attackers.forEach(kill);
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  const outputs = await Promise.all(attackers.map((attacker) => attacker.output()));
  signal.removeEventListener("abort", stop);
  for (const { signal: killed, success, stderr } of outputs) {
    // An attack that does not take place shows nothing.
    if (!success && killed === null) throw new Error(`${id}: ${new TextDecoder().decode(stderr)}`);
  }
}

/** Makes something when it is asked for, and only once. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

function kill(attacker: Deno.ChildProcess): void {
  try {
    attacker.kill("SIGKILL");
  } catch (error) {
    // It has ended already.
    if (!(error instanceof TypeError)) throw error;
  }
}
