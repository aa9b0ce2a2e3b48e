/**
 * The connections of a server that have not been upgraded, and the one of them that can be spared most easily.
 *
 * @module
 */

import type { Account } from "../budget.ts";
import { networkOf } from "../config/network.ts";
import { drawKey, KeyedHash } from "../keyed_hash.ts";
import { type Entry, KeyedMap } from "../keyed_map.ts";
import type { HttpLimits, HttpRefusal } from "./engine.ts";
import type { Remote } from "./handler.ts";

/**
 * The stage of a connection:
 * - `hello`: the ClientHello of a TLS client is awaited.
 * - `fresh`: a head is awaited, the first or one that has begun.
 * - `idle`: nothing has come since the last answer.
 * - `receiving`: the rest of a request's body is awaited.
 * - `busy`: a request is being answered.
 * - `ending`: nothing more is answered. Received bytes are thrown away, because closing a TCP connection with unread
 *   bytes would also throw away bytes that the client has not read yet.
 */
export type Stage = "hello" | "fresh" | "idle" | "receiving" | "busy" | "ending";

/** A connection that has not been upgraded. */
export interface OpenConnection {
  /** The other end. */
  readonly remote: Remote;
  /** Checks the timeouts. Called about once a second. */
  tick(): void;
  /** Ends it when the server stops, unless it is to be answered. */
  stop(): void;
  /** Destroys its stream at once. */
  drop(why?: string): void;
}

/** The parts of a server that each of its open connections uses. */
export interface OpenConnectionHost {
  readonly limits: HttpLimits;
  /** The account that connections are charged to. */
  readonly account: Account;
  /** A clock in ms. */
  readonly now: number;
  refused(remote: Remote, kind: HttpRefusal, reason: string): void;
  /** Reports that a connection has entered another stage; `null`: it has begun, or is gone. */
  staged(connection: OpenConnection, from: Stage | null, to: Stage | null): void;
}

/** The reasons that a connection may be refused for before TLS and behind it, as sentences for the log. */
export const REASONS = {
  slowest: "It was the slowest when memory was short",
  memory: "There is no memory for it",
  late: (headMs: number) => `It sent no whole request in ${headMs} ms`,
  tls: (reason: string) => `The TLS handshake failed: ${reason}`,
} as const;

/**
 * A network with more than this share of the connections gives up one of its own. So who connects in a loop takes no
 * more of the places than that from others.
 */
const CROWDED_SHARE = 1 / 4;

/** While those without a ClientHello are more than this share, they go before those that have sent one. */
const HELLO_SHARE = 1 / 4;

/**
 * While bodies are more than this share, they go before heads. So clients that send bodies slowly do not block new ones,
 * and clients that connect in a loop do not break off a body.
 */
const BODY_SHARE = 1 / 2;

/**
 * The connections of one server, until they are upgraded. To move one and to find one costs the same however many there
 * are.
 */
export class OpenConnections implements Iterable<OpenConnection> {
  readonly #all = new Stages();
  readonly #networks = new KeyedMap<Stages>(new KeyedHash(drawKey()));
  readonly #homes = new Map<OpenConnection, Entry<Stages>>();
  /** The networks by the number of their connections, and the most that one has. */
  readonly #bySize = new Map<number, Set<Stages>>();
  #most = 0;

  /** Returns the number of connections. */
  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<OpenConnection> {
    return this.in("hello", "fresh", "idle", "receiving", "busy", "ending").values();
  }

  /** Returns the connections in some stages, as a copy. */
  in(...stages: readonly Stage[]): OpenConnection[] {
    return stages.flatMap((stage) => [...this.#all.in(stage)]);
  }

  /**
   * Notes that one enters another stage.
   *
   * @param from `null`: it is new.
   * @param to `null`: it leaves. Whatever follows on that is ignored.
   */
  move(connection: OpenConnection, from: Stage | null, to: Stage | null): void {
    let network = this.#homes.get(connection);
    if (network === undefined) {
      if (from !== null) return;
      network = this.#networks.add(networkOf(connection.remote.hostname), new Stages());
      this.#homes.set(connection, network);
    }
    const { size } = network.value;
    this.#all.move(connection, from, to);
    network.value.move(connection, from, to);
    if (network.value.size !== size) this.#resized(network.value, size);
    if (to !== null) return;
    this.#homes.delete(connection);
    if (network.value.size === 0) this.#networks.delete(network.text);
  }

  /** Returns the one that can be spared most easily, and its stage; `null` if all are being answered. */
  get sparest(): readonly [OpenConnection, Stage] | null {
    const [largest] = this.#most > CROWDED_SHARE * this.size
      ? this.#bySize.get(this.#most) ?? []
      : [];
    return largest?.sparest ?? this.#all.sparest;
  }

  /** Notes that a network has one connection more or less than before. */
  #resized(network: Stages, before: number): void {
    const former = this.#bySize.get(before);
    former?.delete(network);
    if (former?.size === 0) this.#bySize.delete(before);
    const { size } = network;
    const same = this.#bySize.get(size);
    if (same !== undefined) same.add(network);
    else if (size > 0) this.#bySize.set(size, new Set([network]));
    if (size > this.#most || !this.#bySize.has(this.#most)) this.#most = size;
  }
}

/** Connections by stage. The one that is in a stage for longest comes first. */
class Stages {
  readonly #sets = new Map<Stage, Set<OpenConnection>>();
  size = 0;

  /** Returns those in a stage. */
  in(stage: Stage): Iterable<OpenConnection> {
    return this.#sets.get(stage) ?? [];
  }

  #count(stage: Stage): number {
    return this.#sets.get(stage)?.size ?? 0;
  }

  move(connection: OpenConnection, from: Stage | null, to: Stage | null): void {
    if (from === null) this.size++;
    else this.#sets.get(from)?.delete(connection);
    if (to === null) this.size--;
    else {
      const set = this.#sets.get(to);
      if (set === undefined) this.#sets.set(to, new Set([connection]));
      else set.add(connection);
    }
  }

  get sparest(): readonly [OpenConnection, Stage] | null {
    const stages: readonly Stage[] = [
      "ending",
      "idle",
      this.#slowest,
      "fresh",
      "receiving",
      "hello",
    ];
    for (const stage of stages) {
      const [oldest] = this.in(stage);
      if (oldest !== undefined) return [oldest, stage];
    }
    return null;
  }

  get #slowest(): Stage {
    if (this.#count("hello") > HELLO_SHARE * this.size) return "hello";
    return this.#count("receiving") > BODY_SHARE * this.size ? "receiving" : "fresh";
  }
}
