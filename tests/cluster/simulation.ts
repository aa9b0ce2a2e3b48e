/**
 * A cluster without sockets and without waiting: the real hub, cluster and peers on a virtual clock and a simulated
 * network, whose links a test cuts and whose servers it kills, freezes and slows down.
 *
 * Everything happens in the order of the virtual time, one event after the other, so that the same plan has the same
 * outcome each time.
 *
 * @module
 */

import type { Clock } from "../../src/clock.ts";
import type { Answer } from "../../src/http/answer.ts";
import { REFUSED } from "../../src/http/failure.ts";
import { Cluster } from "../../src/cluster/cluster.ts";
import { ConnectionClosed, ConnectionError } from "../../src/cluster/pipelined_connection.ts";
import { readReceipt } from "../../src/cluster/exchange.ts";
import type { Connect, PeerConnection } from "../../src/cluster/peer.ts";
import { ServerKey } from "../../src/cluster/proof.ts";
import type { PeerConfig } from "../../src/config/config.ts";
import { statusPage } from "../../src/admin/router.ts";
import { generateFingerprint } from "../../src/hub/fingerprint.ts";
import { CHALLENGE_HEADER, DELEGATE_HEADER, FINGERPRINT_HEADER } from "../../src/hub/headers.ts";
import { Hub } from "../../src/hub/hub.ts";
import { Encoded, parseMessage } from "../../src/hub/message.ts";
import type { PeerStatus } from "../../src/metrics/peer_status.ts";
import { CLIENT_LIMITS } from "../entries.ts";
import { join, makeSink } from "../hub/fixtures.ts";
import { VirtualClock } from "../virtual_clock.ts";

/** The time within which a connection is made, or the next answer comes, in ms; see `connection.ts`. */
const PATIENCE_MS = 5000;

/** The time within which each answer comes, in ms. */
const LATE_MS = 15_000;

/**
 * Kinds of a cut link:
 *
 * - `refused`: connections end, and new ones are refused.
 * - `silent`: nothing arrives any more, either way, until it is healed. Then it arrives late.
 * - `mute`: requests arrive, and answers do not until it is healed.
 */
export type Cut = "refused" | "silent" | "mute";

/** The way from one server to an address. */
class Link {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly connections = new Set<SimulatedConnection>();
  cut: Cut | null = null;
  /** Connections that were made, for an address of several servers. */
  made = 0;
  #held: { readonly isBack: boolean; readonly arrive: () => void }[] = [];

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  toward(arrive: () => void): void {
    this.#clock.after(this.#delayMs, () => this.#pass(false, arrive));
  }

  back(arrive: () => void): void {
    this.#clock.after(this.#delayMs, () => this.#pass(true, arrive));
  }

  heal(): void {
    this.cut = null;
    const held = this.#held;
    this.#held = [];
    for (const { arrive } of held) arrive();
  }

  interrupt(): void {
    for (const connection of this.connections) connection.interrupt();
  }

  #pass(isBack: boolean, arrive: () => void): void {
    if (this.cut === "silent" || this.cut === "mute" && isBack) this.#held.push({ isBack, arrive });
    else arrive();
  }
}

/** A request, read. */
export interface Request {
  readonly method: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

function readRequest(bytes: Uint8Array): Request {
  const text = new TextDecoder().decode(bytes);
  const end = text.indexOf("\r\n\r\n");
  const [line = "", ...fields] = text.slice(0, end).split("\r\n");
  const headers = fields.map((field): [string, string] => {
    const colon = field.indexOf(":");
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
  });
  return {
    method: line.slice(0, line.indexOf(" ")),
    headers: new Map(headers),
    body: text.slice(end + 4),
  };
}

/** A connection of one server's life to another one's. It gives up as the real one does. */
class SimulatedConnection implements PeerConnection {
  readonly #link: Link;
  readonly #near: Life;
  readonly far: Life;
  readonly #ended = Promise.withResolvers<ConnectionError | ConnectionClosed>();
  #onAnswer: (answer: Answer) => void = () => {};
  #isOver = false;
  /** Whether what is under way on it is lost. */
  #isCut = false;
  #sent: number[] = [];
  #heard = 0;
  #isWatching = false;
  answered = 0;
  /** When the server is done with what it has got. */
  busyUntil = 0;
  /** Whether the server takes no more requests on it. */
  isDone = false;

  constructor(link: Link, near: Life, far: Life) {
    this.#link = link;
    this.#near = near;
    this.far = far;
    link.connections.add(this);
  }

  get inFlight(): number {
    return this.#sent.length;
  }

  send(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#sent.push(this.#near.clock.now());
    if (!this.#isWatching) this.#watch();
    this.#link.toward(() => {
      if (!this.#isCut) this.far.receive(this, this.#near, readRequest(bytes));
    });
  }

  listen(onAnswer: (answer: Answer) => void): Promise<ConnectionError | ConnectionClosed> {
    this.#onAnswer = onAnswer;
    return this.#ended.promise;
  }

  close(): void {
    this.#end(new ConnectionClosed("It is not needed any more"));
  }

  /** The server answers. */
  answer(answer: Answer): void {
    this.isDone = answer.isLast;
    this.#link.back(() => {
      if (this.#isCut) return;
      this.#near.act(() => {
        if (this.#isOver) return;
        this.#sent.shift();
        this.answered++;
        this.#heard = this.#near.clock.now();
        try {
          this.#onAnswer(answer);
          if (answer.isLast) this.#end(new ConnectionClosed("It takes one request a connection"));
        } catch (error) {
          this.#ended.reject(error);
        }
      });
    });
  }

  /** The server is there no more. */
  reset(): void {
    this.#link.back(() => this.#near.act(() => this.#break()));
  }

  /** The link is: what is under way is lost. */
  interrupt(): void {
    this.#isCut = true;
    this.#near.act(() => this.#break());
  }

  #break(): void {
    const why = "breaks the connection off";
    const hasAnswered = this.answered > 0 || this.#sent.length === 0;
    this.#end(hasAnswered ? new ConnectionClosed(why) : new ConnectionError(why));
  }

  #watch(): void {
    if (this.#isOver) return;
    const now = this.#near.clock.now();
    const [oldest = now] = this.#sent;
    const patience = (this.#sent.length === 0 ? now : Math.max(oldest, this.#heard)) +
      PATIENCE_MS - now;
    const lateness = oldest + LATE_MS - now;
    this.#isWatching = true;
    if (patience > 0 && lateness > 0) {
      this.#near.clock.after(Math.min(patience, lateness), () => this.#watch());
    } else {
      const seconds = (patience > 0 ? LATE_MS : PATIENCE_MS) / 1000;
      this.#end(new ConnectionError(`does not answer within ${seconds} s`));
    }
  }

  #end(why: ConnectionError | ConnectionClosed): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#link.connections.delete(this);
    this.#ended.resolve(why);
  }
}

/** One process, from its start to its end. */
export abstract class Life {
  readonly site: number;
  readonly startedAt: number;
  /** When it was killed; `null`: it lives. */
  endedAt: number | null = null;
  /** Stands still while the process does. */
  readonly clock: Clock;
  /** The messages that its browser has got, in order, and when. */
  readonly got: { readonly n: number; readonly at: number }[] = [];
  /** Messages that were posted to it, handovers included. */
  posts = 0;
  /** Those of them that came before a test began to count. */
  postsBefore = 0;
  /** How long it takes over each request, in ms. */
  workMs = 0;
  readonly #world: Simulation;
  #isFrozen = false;
  #pending: (() => void)[] = [];

  abstract readonly fingerprint: string;

  constructor(world: Simulation, site: number) {
    const { clock } = world;
    this.#world = world;
    this.site = site;
    this.startedAt = clock.now();
    this.clock = {
      now: () => clock.now(),
      after: (ms, callback) => {
        let isCancelled = false;
        const cancel = clock.after(ms, () => this.act(() => isCancelled || callback()));
        return () => {
          isCancelled = true;
          cancel();
        };
      },
    };
  }

  get isAlive(): boolean {
    return this.endedAt === null;
  }

  get takesMessages(): boolean {
    return this.isAlive && !this.#isFrozen;
  }

  /** Numbers of the messages that its browser has got, in order. */
  get numbers(): number[] {
    return this.got.map(({ n }) => n);
  }

  /** Does something in the process, when it runs. */
  act(callback: () => void): void {
    if (!this.isAlive) return;
    if (this.#isFrozen) this.#pending.push(callback);
    else callback();
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const callback of this.#pending) this.#world.clock.after(0, () => this.act(callback));
    this.#pending = [];
  }

  /** Gets a request over a connection. */
  receive(connection: SimulatedConnection, from: Life, request: Request): void {
    if (!this.isAlive) return connection.reset();
    this.act(() => {
      const now = this.clock.now();
      connection.busyUntil = Math.max(now, connection.busyUntil) + this.workMs;
      const work = () => {
        if (request.method === "POST") {
          this.posts++;
          if (from.site === this.site) this.#world.selfPosts++;
        }
        const answer = connection.isDone ? null : this.handle(request);
        if (answer !== null) connection.answer(answer);
      };
      if (connection.busyUntil === now) work();
      else this.clock.after(connection.busyUntil - now, work);
    });
  }

  /** @returns `null`: it says nothing. */
  abstract handle(request: Request): Answer | null;

  /** The browser gets a message. */
  protected show(n: number): void {
    this.got.push({ n, at: this.clock.now() });
    this.#world.note(`message ${n} reaches the browser of ${this.site}`, n);
  }
}

/** A server of ours. */
export class Ours extends Life {
  readonly #key = new ServerKey();
  readonly fingerprint: string = this.#key.fingerprint;
  readonly hub: Hub;
  readonly cluster: Cluster;
  #isStopping = false;

  constructor(world: Simulation, site: number, ports: readonly number[]) {
    super(world, site);
    this.hub = new Hub({ fingerprint: this.fingerprint, now: () => this.clock.now() });
    const deliver = ({ text }: Encoded) => {
      this.show(JSON.parse(text).n);
      return true;
    };
    join(this.hub, makeSink({ deliver })).subscribe(["A"], CLIENT_LIMITS);
    this.cluster = new Cluster(ports.map(entryOf), this.hub, {
      key: this.#key,
      clock: this.clock,
      random: world.random,
      connect: world.connectFrom(this),
    });
    this.cluster.start();
  }

  peer(index: number): PeerStatus {
    const peer = this.cluster.status()[index];
    if (peer === undefined) throw new RangeError(`There is no entry ${index}`);
    return peer;
  }

  override get takesMessages(): boolean {
    return super.takesMessages && !this.#isStopping;
  }

  /** Stops as a service does; resolves when its process may end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.cluster.stop();
  }

  /** As the admin server does. */
  handle({ method, headers, body }: Request): Answer {
    if (this.#isStopping) return answerOf({}, { status: 503, isLast: true });
    if (method === "GET") {
      const fingerprint = headers.get(FINGERPRINT_HEADER);
      if (fingerprint !== undefined) this.cluster.heard(fingerprint);
      const proof = this.cluster.prove(headers.get(CHALLENGE_HEADER) ?? null);
      return answerOf(statusPage(this.hub.status("default"), this.cluster.status(), proof));
    }
    const publication = this.hub.publish("default", parseMessage(body));
    const { outcome } = publication;
    if (outcome === "published" || outcome === "touched" && headers.has(DELEGATE_HEADER)) {
      this.cluster.relay("default", publication);
    }
    return answerOf({ fingerprint: this.fingerprint });
  }
}

/**
 * A server of the original: it knows nothing of handovers, proofs and `uniqueID`, learns a peer's fingerprint from
 * its receipts, and loses what it cannot post at once.
 */
export class Original extends Life {
  readonly fingerprint: string = generateFingerprint();
  readonly #peers: { readonly port: number; fingerprint: string | null }[];
  readonly #connect: Connect;

  constructor(world: Simulation, site: number, ports: readonly number[]) {
    super(world, site);
    this.#peers = ports.map((port) => ({ port, fingerprint: null }));
    this.#connect = world.connectFrom(this);
  }

  handle({ method, body }: Request): Answer {
    if (method === "GET") return answerOf({ instance: "default", version: 7 });
    const { touched, members } = parseMessage(body);
    if (!touched.includes(this.fingerprint)) {
      this.show(JSON.parse(body).n);
      const all = [...touched, this.fingerprint];
      const { bytes } = new Encoded(members, all);
      for (const peer of this.#peers) {
        if (peer.fingerprint === null || !all.includes(peer.fingerprint)) {
          void this.#post(peer, bytes);
        }
      }
    }
    return answerOf({ fingerprint: this.fingerprint });
  }

  async #post(peer: { readonly port: number; fingerprint: string | null }, body: Uint8Array) {
    const { hostname, port } = { hostname: "simulated", port: peer.port };
    const stop = new AbortController();
    try {
      const connection = await this.#connect({ hostname, port, tls: null }, stop.signal, String);
      const head = new TextEncoder().encode("POST /?instance=default HTTP/1.1\r\n\r\n");
      connection.send(new Uint8Array([...head, ...body]));
      await connection.listen((answer) => {
        const reading = readReceipt(answer);
        if ("fingerprint" in reading) peer.fingerprint = reading.fingerprint;
        connection.close();
      });
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
    }
  }
}

/** What a server that a test writes answers; `null`: nothing. */
export type Script = (request: Request, life: Scripted) => Answer | null;

/** A server that does what a test says. */
export class Scripted extends Life {
  readonly fingerprint: string;
  script: Script;
  /** Numbers of the messages that it has answered with a receipt, in order. */
  readonly taken: number[] = [];

  constructor(world: Simulation, site: number, script: Script) {
    super(world, site);
    this.script = script;
    this.fingerprint = `scripted${site}`;
  }

  handle(request: Request): Answer | null {
    return this.script(request, this);
  }
}

/** Takes each message, and shows a status page as the original does. */
export function taking({ method, body }: Request, life: Scripted): Answer {
  if (method === "GET") return answerOf({ version: 7 });
  life.taken.push(JSON.parse(body).n);
  return answerOf({ fingerprint: life.fingerprint });
}

/** What shows a fingerprint, its own or another's. */
export interface Showing {
  readonly fingerprint: string;
  /** Answers a challenge. @default {() => null} As what has no key. */
  readonly prove?: (challenge: string | null) => string | null;
  /** Whether its receipts alone have the fingerprint, as those of an original. @default {false} */
  readonly asOriginal?: boolean;
  /** Whether each connection takes one request. @default {false} */
  readonly once?: boolean;
  /** Whether it shows its status page. @default {true} */
  readonly showsStatus?: boolean;
}

/**
 * Takes each message, and shows a fingerprint. A message that names it is taken for one that it has, as every server
 * does.
 *
 * @param delivered Gets the number of each message that it has delivered.
 */
export function showing(
  { fingerprint, prove = () => null, asOriginal = false, once = false, showsStatus = true }:
    Showing,
  delivered: number[] = [],
): Script {
  return ({ method, headers, body }, life) => {
    const more = { isLast: once };
    if (method === "POST") {
      const { n, touched } = JSON.parse(body);
      if (!touched.includes(fingerprint)) delivered.push(n);
      life.taken.push(n);
      return answerOf({ fingerprint }, more);
    }
    if (!showsStatus) return answerOf("", { ...more, status: 403 });
    const proof = prove(headers.get(CHALLENGE_HEADER) ?? null);
    const page = { version: 7, ...asOriginal ? {} : { fingerprint }, ...proof && { proof } };
    return answerOf(page, more);
  };
}

/** An answer of JSON. */
export function answerOf(body: unknown, more: Partial<Answer> = {}): Answer {
  return { status: 200, reason: "OK", body: JSON.stringify(body), isLast: false, ...more };
}

function entryOf(port: number): PeerConfig {
  return { host: "127.0.0.1", port, protocol: "http", ca: null, token: null };
}

/** How a simulation is set up. */
export interface SimulationOptions {
  /** For each server, the ports that its list has. The port of a server is its number, unless it is moved. */
  readonly lists: readonly (readonly number[])[];
  /** Servers of the original; the others are ours. @default {[]} */
  readonly originals?: readonly number[];
  /** What other servers do, by their numbers. @default {new Map()} */
  readonly scripts?: ReadonlyMap<number, Script>;
  /** Time from one server to another, by their numbers, in ms. @default {() => 1} */
  readonly delayMs?: (from: number, to: number) => number;
  /** @default {1} */
  readonly seed?: number;
}

/** A line of the history; `n`: it is about this message. */
interface Note {
  readonly text: string;
  readonly n: number | null;
}

/** A cluster and its network. */
export class Simulation {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: () => number;
  /** Messages that a server has posted to itself. */
  selfPosts = 0;
  /** All lives of each server, in order. */
  readonly lives: readonly Life[][];
  /** The server that has acknowledged each message, and when. */
  readonly taken = new Map<number, { readonly by: Life; readonly at: number }>();
  readonly #options: SimulationOptions;
  readonly #links = new Map<string, Link>();
  /** The servers at each port that was moved. */
  readonly #routes = new Map<number, readonly number[]>();
  readonly #notes: Note[] = [];

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.random = drawing(options.seed ?? 1);
    this.lives = options.lists.map(() => []);
    for (const site of options.lists.keys()) this.start(site);
  }

  get size(): number {
    return this.lives.length;
  }

  /** The last life of a server. */
  life(site: number): Life {
    const life = this.lives[site]?.at(-1);
    if (life === undefined) throw new RangeError(`There is no server ${site}`);
    return life;
  }

  /** The same, of one of ours. */
  ours(site: number): Ours {
    const life = this.life(site);
    if (!(life instanceof Ours)) throw new TypeError(`Server ${site} is an original`);
    return life;
  }

  /** The same, of one that a test writes. */
  scripted(site: number): Scripted {
    const life = this.life(site);
    if (!(life instanceof Scripted)) throw new TypeError(`Server ${site} has no script`);
    return life;
  }

  /** What a server's list says of another one. */
  peer(site: number, port: number): PeerStatus {
    return this.ours(site).peer(this.#options.lists[site]?.indexOf(port) ?? -1);
  }

  /** Lets time pass. */
  advance(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }

  /** Lets time pass until something holds. */
  async until(holds: () => boolean, limitMs = 120_000): Promise<void> {
    const end = this.clock.now() + limitMs;
    while (!holds()) {
      if (this.clock.now() >= end) throw this.broken(`That did not come within ${limitMs} ms`);
      await this.advance(10);
    }
  }

  /** Publishes as Phorge does: at a server, or at the next one that takes it. */
  publish(n: number, site: number, more: Record<string, unknown> = {}): void {
    const body = JSON.stringify({ subscribers: ["A"], uniqueID: `u${n}`, n, ...more });
    for (const offset of this.lives.keys()) {
      const life = this.life((site + offset) % this.size);
      if (!life.takesMessages) continue;
      this.note(`${life.site} takes message ${n}`, n);
      life.handle({ method: "POST", headers: new Map(), body });
      this.taken.set(n, { by: life, at: this.clock.now() });
      return;
    }
  }

  start(site: number): void {
    const ports = this.#options.lists[site] ?? [];
    this.note(`${site} starts`);
    const script = this.#options.scripts?.get(site);
    const Kind = this.#options.originals?.includes(site) ? Original : Ours;
    this.lives[site]?.push(
      script === undefined ? new Kind(this, site, ports) : new Scripted(this, site, script),
    );
  }

  /** Ends a server at once; the system still sends what its process has written. */
  kill(site: number): void {
    const life = this.life(site);
    if (!life.isAlive) return;
    this.note(`${site} is killed`);
    this.#end(life);
  }

  /** Stops a server as an administrator does, and starts it again. */
  async stopAndStart(site: number): Promise<void> {
    this.note(`${site} is stopped`);
    await this.ours(site).stop();
    this.#end(this.life(site));
    this.start(site);
  }

  #end(life: Life): void {
    life.endedAt = this.clock.now();
    for (const { connections } of this.#links.values()) {
      for (const connection of connections) if (connection.far === life) connection.reset();
    }
  }

  /** Starts a server again that was killed. */
  restart(site: number): void {
    if (!this.life(site).isAlive) this.start(site);
  }

  freeze(site: number): void {
    this.note(`${site} hangs`);
    this.life(site).freeze();
  }

  thaw(site: number): void {
    this.note(`${site} goes on`);
    this.life(site).thaw();
  }

  slow(site: number, workMs: number): void {
    this.note(`${site} takes ${workMs} ms a request`);
    this.life(site).workMs = workMs;
  }

  /** Cuts the way from a server to a port. */
  cut(from: number, port: number, how: Cut): void {
    this.note(`${from} to ${port} is ${how}`);
    const link = this.#link(from, port);
    if (link.cut !== null) link.heal();
    link.cut = how;
    if (how === "refused") link.interrupt();
  }

  heal(from: number, port: number): void {
    const link = this.#link(from, port);
    if (link.cut === null) return;
    this.note(`${from} to ${port} is healed`);
    link.heal();
  }

  /** Ends the connections from a server to a port. */
  interrupt(from: number, port: number): void {
    this.#link(from, port).interrupt();
  }

  /** Has a port lead to other servers, each connection to the next one; what is connected stays. */
  route(port: number, ...sites: readonly number[]): void {
    this.#routes.set(port, sites);
  }

  /** Everything works again. */
  heals(): void {
    for (const [way, link] of this.#links) {
      if (link.cut !== null) this.note(`${way} is healed`);
      link.heal();
    }
    for (const site of this.lives.keys()) {
      this.restart(site);
      if (!this.life(site).takesMessages) this.thaw(site);
      this.life(site).workMs = 0;
    }
  }

  /** Connections that a server has made to a port. */
  connections(from: number, port: number): number {
    return this.#link(from, port).made;
  }

  /** Connects for a process. */
  connectFrom(near: Life): Connect {
    return (address, stop) => {
      const { promise, resolve, reject } = Promise.withResolvers<PeerConnection>();
      const link = this.#link(near.site, address.port);
      const fail = (why: string) => reject(new ConnectionError(why));
      const cancel = near.clock.after(
        PATIENCE_MS,
        () => fail(`cannot be reached within ${PATIENCE_MS / 1000} s`),
      );
      stop.addEventListener("abort", () => fail("is not needed any more"));
      link.toward(() => {
        const sites = this.#routes.get(address.port) ?? [address.port];
        const far = this.life(sites[link.made++ % sites.length] ?? 0);
        const isRefused = link.cut === "refused" || !far.isAlive;
        link.back(() =>
          near.act(() => {
            cancel();
            if (isRefused) fail(REFUSED);
            else resolve(new SimulatedConnection(link, near, far));
          })
        );
      });
      return promise;
    };
  }

  /** Adds a line to the history. */
  note(text: string, n: number | null = null): void {
    this.#notes.push({ text: `${(this.clock.now() / 1000).toFixed(3)} s: ${text}`, n });
  }

  /** Returns an error that tells the history, and of the messages those that it is about. */
  broken(what: string, ...about: readonly number[]): Error {
    const lines = this.#notes.filter(({ n }) => n === null || about.includes(n))
      .map(({ text }) => `  ${text}`);
    return new Error(
      `${what}\n${lines.join("\n")}\n  ${(this.clock.now() / 1000).toFixed(3)} s: end`,
    );
  }

  #link(from: number, port: number): Link {
    const way = `${from} to ${port}`;
    const link = this.#links.get(way) ??
      new Link(this.clock, this.#options.delayMs?.(from, port) ?? 1);
    this.#links.set(way, link);
    return link;
  }
}

/** Returns a generator of numbers from 0 up to 1 (mulberry32). */
function drawing(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6D2B79F5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
