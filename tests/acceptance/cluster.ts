/**
 * Several servers that list each other, each a process of its own, and what happens to them.
 *
 * @module
 */

import { concat, frame } from "../websocket/bytes.ts";
import { Browser } from "./browser.ts";
import { Link } from "./link.ts";
import type { PeerStatus } from "../../src/metrics/peer_status.ts";
import { freePorts } from "./ports.ts";
import { type PeerEntry, publish, run, type Running, status } from "./server.ts";
import { until } from "./until.ts";
import { Wire } from "./wire.ts";

/** For each server, by number, the servers that its `cluster` lists. */
export type Topology = readonly (readonly number[])[];

/** Each lists all others. */
export function mesh(size: number): Topology {
  const all = Array.from({ length: size }, (_, index) => index);
  return all.map((index) => all.filter((other) => other !== index));
}

/** Each lists all, and itself, as in a file that is the same on every server. */
export function meshWithSelf(size: number): Topology {
  return mesh(size).map((others, index) => [index, ...others]);
}

/** Where a server stands: its ports, and what its configuration says of the others. */
export interface Place {
  readonly ports: readonly [client: number, admin: number];
  readonly peers: readonly PeerEntry[];
}

/** A running server, ours or an original. */
export type Member =
  & Pick<Running, "process" | "client" | "admin" | "log" | "folder">
  & AsyncDisposable;

/** Starts a server, and resolves when it listens. */
export type Start = (place: Place) => Promise<Member>;

/** Starts one of ours. */
export function ours({ ports, peers }: Place): Promise<Member> {
  return run({ ports, cluster: () => peers });
}

/** What the status page of one of ours says of its peers. */
export async function peersOf(admin: number): Promise<readonly PeerStatus[]> {
  const { cluster } = await status(admin) as { cluster?: readonly PeerStatus[] };
  if (cluster === undefined) throw new Error(`The status page at ${admin} has no cluster`);
  return cluster;
}

/** How a cluster is made. */
export interface ClusterOptions {
  /** What runs at each number. @default {ours} */
  readonly kinds?: readonly Start[];
  /** Pairs of servers whose ways to each other can be cut. */
  readonly links?: readonly (readonly [number, number])[];
}

/** How a message is published. */
export interface PublishOptions {
  /** The servers to try, in this order, until one takes it. @default {[0]} */
  readonly at?: readonly number[];
  readonly instance?: string;
}

interface Seat {
  readonly start: Start;
  readonly place: Place;
  /** The numbers of `place.peers`. */
  readonly listed: readonly number[];
  /** `null` when it was killed. */
  member: Member | null;
}

/** How often in a row the counters must be the same before nothing is taken to be under way. */
const QUIET_LOOKS = 6;

/** Servers around each other. Dispose of it: they are killed. */
export class Cluster implements AsyncDisposable {
  readonly #seats: readonly Seat[];
  readonly #links: ReadonlyMap<string, Link>;

  private constructor(seats: readonly Seat[], links: ReadonlyMap<string, Link>) {
    this.#seats = seats;
    this.#links = links;
  }

  /** Starts the servers, and waits until each of ours has reached all that it lists. */
  static async start(topology: Topology, options: ClusterOptions = {}): Promise<Cluster> {
    const { kinds = [], links: pairs = [] } = options;
    const ways = pairs.flatMap(([a, b]) => [[a, b], [b, a]] as const);
    const ports = freePorts(2 * topology.length + ways.length);
    const portOf = (index: number) => ports[index] ?? 0;
    const places = topology.map((_, index) => [portOf(2 * index), portOf(2 * index + 1)] as const);
    const links = new Map<string, Link>();
    for (const [index, [from, to]] of ways.entries()) {
      const link = new Link(portOf(2 * topology.length + index), places[to]?.[1] ?? 0);
      links.set(wayOf(from, to), link);
    }
    const seats = places.map((ports, index): Seat => {
      const listed = topology[index] ?? [];
      const peers = listed.map((other): PeerEntry => ({
        host: "127.0.0.1",
        port: links.get(wayOf(index, other))?.port ?? places[other]?.[1] ?? 0,
        protocol: "http",
      }));
      return { start: kinds[index] ?? ours, place: { ports, peers }, listed, member: null };
    });
    const cluster = new Cluster(seats, links);
    try {
      const started = await Promise.allSettled(seats.map((_, index) => cluster.restart(index)));
      for (const outcome of started) if (outcome.status === "rejected") throw outcome.reason;
      await cluster.connected();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** Number of servers, dead ones included. */
  get size(): number {
    return this.#seats.length;
  }

  /** The server of that number, which must run. */
  server(index: number): Member {
    const { member } = this.#seat(index);
    if (member === null) throw new Error(`Server ${index} was killed`);
    return member;
  }

  /** Ends a server, as a power failure does or as an administrator does. */
  async kill(index: number, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const seat = this.#seat(index);
    const { member } = seat;
    seat.member = null;
    if (member === null) return;
    if (signal === "SIGTERM") {
      member.process.kill(signal);
      await member.process.ended();
    }
    await member[Symbol.asyncDispose]();
  }

  /** Starts a server that was killed, with the same configuration. */
  async restart(index: number): Promise<void> {
    const seat = this.#seat(index);
    seat.member = await seat.start(seat.place);
  }

  /** Cuts both ways between two servers. */
  cut(a: number, b: number): void {
    this.#link(a, b).cut();
    this.#link(b, a).cut();
  }

  /** Mends what was cut. */
  heal(a: number, b: number): void {
    this.#link(a, b).heal();
    this.#link(b, a).heal();
  }

  /** Opens a browser at a server. */
  browser(index: number, topics: readonly string[] = ["A"], path = "/"): Promise<Browser> {
    return Browser.open(this.server(index).client, { topics, path });
  }

  /** Opens a browser at each server. */
  async browsers(topics?: readonly string[], path?: string): Promise<Browsers> {
    const all = this.#seats.map((_, index) => this.browser(index, topics, path));
    return new Browsers(await Promise.all(all));
  }

  /** Publishes as Phorge does. Returns the number of the server that has taken the message. */
  async publish(message: unknown, options: PublishOptions = {}): Promise<number> {
    const { at = [0], ...more } = options;
    let failure: unknown;
    for (const index of at) {
      const [, admin] = this.#seat(index).place.ports;
      try {
        await publish(admin, message, more);
        return index;
      } catch (error) {
        failure = error;
      }
    }
    throw new Error(`None of ${at} took the message`, { cause: failure });
  }

  /** What a server of ours says of its peers. */
  peers(index: number): Promise<readonly PeerStatus[]> {
    return peersOf(this.server(index).admin);
  }

  /** What a server of ours says of another one, which it lists. */
  async peer(index: number, other: number): Promise<PeerStatus> {
    const found = (await this.peers(index))[this.#seat(index).listed.indexOf(other)];
    if (!found) throw new Error(`Server ${index} does not list ${other}`);
    return found;
  }

  /** Waits until a server of ours finds another one, which it lists, down. */
  async findsDown(index: number, other: number, limitMs?: number): Promise<void> {
    await until(async () => (await this.peer(index, other)).state === "down", limitMs);
  }

  /** Waits until each server of ours that runs has reached all that it lists, as they are now. */
  async connected(): Promise<void> {
    const running = this.#running();
    await until(async () => {
      const pages = await Promise.all(running.map(({ member }) => status(member.admin)));
      const now = new Map(
        running.map(({ index }, place) => [index, pages[place]?.["fingerprint"]] as const),
      );
      return running.every(({ start, listed, index }, place) => {
        if (start !== ours) return true;
        const peers = (pages[place]?.["cluster"] ?? []) as readonly PeerStatus[];
        return listed.every((other, entry) => {
          const { state, fingerprint } = peers[entry] ?? { state: "unknown", fingerprint: null };
          if (other === index) return state === "self";
          // An original tells its fingerprint to those alone who send it a message.
          return state === "up" &&
            (this.#seat(other).start !== ours || fingerprint === now.get(other));
        });
      });
    });
  }

  /**
   * Waits until nothing is under way between the servers any more, and returns how many messages all
   * that run have been posted, by Phorge and by each other.
   */
  async settled(): Promise<number> {
    let last = -1;
    let looks = 0;
    await until(async () => {
      const { posted, queued } = await this.#traffic();
      looks = queued === 0 && posted === last ? looks + 1 : 0;
      last = posted;
      return looks === QUIET_LOOKS;
    });
    return last;
  }

  /** Publishes, and returns how many messages the servers have posted to each other for it. */
  async relays(publications: number, publishing: () => Promise<unknown>): Promise<number> {
    const before = await this.settled();
    await publishing();
    return await this.settled() - before - publications;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#seats.map((_, index) => this.kill(index)));
    await Promise.all([...this.#links.values()].map((link) => link[Symbol.asyncDispose]()));
  }

  /** What has been posted to those that run, and what waits to be. */
  async #traffic(): Promise<{ readonly posted: number; readonly queued: number }> {
    const running = this.#running();
    const pages = await Promise.all(running.map(({ member }) => status(member.admin)));
    let posted = 0;
    let queued = 0;
    for (const [place, { listed }] of running.entries()) {
      posted += pages[place]?.["messages.in"] as number;
      const peers = (pages[place]?.["cluster"] ?? []) as readonly PeerStatus[];
      for (const [entry, peer] of peers.entries()) {
        if (this.#seat(listed[entry] ?? -1).member !== null) queued += peer.queued;
      }
    }
    return { posted, queued };
  }

  #running(): (Seat & { readonly index: number; readonly member: Member })[] {
    return this.#seats.flatMap((seat, index) =>
      seat.member === null ? [] : [{ ...seat, index, member: seat.member }]
    );
  }

  #seat(index: number): Seat {
    const seat = this.#seats[index];
    if (!seat) throw new Error(`There is no server ${index}`);
    return seat;
  }

  #link(from: number, to: number): Link {
    const link = this.#links.get(wayOf(from, to));
    if (!link) throw new Error(`The way ${wayOf(from, to)} cannot be cut`);
    return link;
  }
}

function wayOf(from: number, to: number): string {
  return `${from}>${to}`;
}

/** A browser at each server of a cluster. Dispose of it: they are closed. */
export class Browsers implements AsyncDisposable {
  readonly all: readonly Browser[];

  constructor(all: readonly Browser[]) {
    this.all = all;
  }

  /** The numbers of the messages that each has got since it was last asked. */
  async numbers(): Promise<number[][]> {
    return await Promise.all(this.all.map(async (browser) => numbers(await browser.all())));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((browser) => browser[Symbol.asyncDispose]()));
  }
}

/** What Phorge posts for a story, with a number to know it by. */
export function story(n: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  const key = String(n);
  return { key, type: "notification", subscribers: ["A"], uniqueID: `unique-${n}`, n, ...more };
}

/** The numbers of stories, as browsers have got them. */
export function numbers(texts: readonly string[]): number[] {
  return texts.map((text) => JSON.parse(text).n);
}

/** The numbers from `start` up to, but not including, `end`. */
export function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

/** Stories by number. */
export function sorted(all: readonly number[]): number[] {
  return all.toSorted((a, b) => a - b);
}

/** The same for each of the browsers. */
export function each<T>(count: number, value: T): T[] {
  return Array(count).fill(value);
}

/** Connects as a browser does that was there before: nothing can come between the two commands. */
export async function reconnect(port: number): Promise<Wire> {
  const wire = await Wire.open(port, []);
  const commands = [{ command: "subscribe", data: ["A"] }, { command: "replay", data: {} }];
  await wire.send(concat(...commands.map((command) => frame(JSON.stringify(command)))));
  return wire;
}

/** Everything that the server has sent so far. */
export async function everything(wire: Wire): Promise<string[]> {
  await wire.command("ping");
  const texts: string[] = [];
  for (;;) {
    const text = await wire.text();
    if (text === '{"type":"pong"}') return texts;
    texts.push(text);
  }
}

/** How a {@linkcode Stream} publishes. */
export interface StreamOptions {
  /** The pause after each message, in ms. @default {10} */
  readonly everyMs?: number;
  /** How many are published at the same time. @default {1} */
  readonly lanes?: number;
}

/** Publishes story after story until it is stopped. Dispose of it: it is stopped. */
export class Stream implements AsyncDisposable {
  readonly #publish: (n: number) => Promise<unknown>;
  readonly #everyMs: number;
  readonly #lanes: Promise<unknown>;
  #next = 0;
  #published = 0;
  #slowestMs = 0;
  #stopped = false;

  constructor(publish: (n: number) => Promise<unknown>, options: StreamOptions = {}) {
    this.#publish = publish;
    this.#everyMs = options.everyMs ?? 10;
    this.#lanes = Promise.all(range(0, options.lanes ?? 1).map(() => this.#run()));
    // Whoever stops it is told; until then it is nobody's.
    this.#lanes.catch(() => {});
  }

  /** How many stories a server has taken: with one lane, those with a lower number. */
  get published(): number {
    return this.#published;
  }

  /** How long the slowest of them took, in ms. */
  get slowestMs(): number {
    return this.#slowestMs;
  }

  /** Waits until this many more have been published. */
  async more(count: number): Promise<void> {
    const goal = this.#published + count;
    await Promise.race([
      until(() => this.#published >= goal || this.#stopped),
      // Rejects when publishing fails.
      this.#lanes,
    ]);
  }

  /** Ends it, and returns how many were published. Rejects when one was not. */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#lanes;
    return this.#published;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#lanes.catch(() => {});
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const started = performance.now();
      await this.#publish(this.#next++);
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - started);
      this.#published++;
      await new Promise((resolve) => setTimeout(resolve, this.#everyMs));
    }
  }
}
