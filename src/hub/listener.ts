/**
 * A listener: one browser's connection, as the hub sees it.
 *
 * @module
 */

import type { Account, AccountHolder, Holding } from "../budget.ts";
import type { History } from "./history.ts";
import type { Encoded } from "./message.ts";
import { isSubscribed, type Topic, type TopicIndex } from "./topics.ts";

/** Bounds of what a listener may be subscribed to. */
export interface SubscriptionLimits {
  /** Topics at a time. */
  readonly subscriptions: number;
  /** Characters of one topic. */
  readonly topic: number;
}

/** The receiver of a listener's messages. */
export interface Sink {
  /** The connection, which holds what its listener is subscribed to. */
  readonly holder: AccountHolder;
  /** Queues a message; `false` when it cannot be (the connection is closing or too slow). */
  deliver(message: Encoded): boolean;
  /** Tells whether a replay may queue one more message. */
  hasRoom(): boolean;
}

/** The part of the instance that a listener needs. */
export interface ListenerHost {
  readonly name: string;
  readonly topics: TopicIndex<Listener>;
  readonly history: History;
  readonly account: Account;
  /** Returns the time of the hub's clock, in ms. */
  now(): number;
  left(listener: Listener): void;
}

/** Numbers of topics that were not subscribed to, by reason. */
export interface RefusedTopics {
  /** Topics that are too long, or too many for one listener. */
  readonly limit: number;
  /** Topics beyond what all listeners together may hold. */
  readonly memory: number;
}

/**
 * The state of a replay:
 *
 * - `done`: there is none, or no more of it.
 * - `full`: the sink has no room; {@linkcode Listener.resume} goes on when it has.
 * - `busy`: it has looked at much; other connections have their turn before {@linkcode Listener.resume}.
 */
export type ReplayState = "done" | "full" | "busy";

/** Bytes of memory that a subscription takes beside the topic's name, at most. */
const SUBSCRIPTION_BYTES = 192;

/** The number of topics from which on a listener has them in a set; a short list takes a quarter of the memory. */
const MANY = 16;

/** Topics of remembered messages that a replay looks at before other work has its turn: less than a millisecond. */
const SLICE = 4096;

/** A replay that goes on. */
interface Replay {
  /** The number of the next message. */
  next: number;
  /** The number behind the last one. Later messages are delivered when they are published. */
  readonly end: number;
  delivered: number;
  /** Messages of the instance that were forgotten before their turn. */
  missed: number;
}

/** The result of a replay. */
export type ReplayResult = Readonly<Pick<Replay, "delivered" | "missed">>;

/** A member of an instance, made by `Hub.join`. After {@linkcode leave} every call on it does nothing. */
export class Listener {
  /** A number that is unique among all listeners of the process, and grows. */
  readonly id: number;
  readonly sink: Sink;
  /** @internal The number of the last publication that was delivered to it; see `Hub.publish`. */
  handed = 0;
  readonly #home: ListenerHost;
  readonly #holding: Holding;
  #topics: readonly Topic<Listener>[] | Set<Topic<Listener>> = [];
  #here = true;
  #replay: Replay | null = null;
  /** The age of a replay that was asked for during another one. */
  #nextAgeMs: number | null = null;

  constructor(id: number, home: ListenerHost, sink: Sink) {
    this.id = id;
    this.sink = sink;
    this.#home = home;
    this.#holding = home.account.open(sink.holder);
  }

  /** Returns the name of the instance that it belongs to. */
  get instance(): string {
    return this.#home.name;
  }

  /** Returns its name in the log, as the original writes it. */
  toString(): string {
    return `Listener/${this.id}/${this.instance}`;
  }

  /** Tells whether a replay goes on. */
  get isReplaying(): boolean {
    return this.#replay !== null;
  }

  /** Returns the number of topics that it is subscribed to. */
  get subscriptions(): number {
    return this.#topics instanceof Set ? this.#topics.size : this.#topics.length;
  }

  /** Charges bytes to the listener until it leaves. `false`: there is no room. */
  hold(bytes: number): boolean {
    return this.#holding.set(this.#holding.bytes + bytes);
  }

  /** Subscribes to topics. Repetitions are harmless. */
  subscribe(topics: readonly string[], limits: SubscriptionLimits): RefusedTopics {
    const refused = { limit: 0, memory: 0 };
    for (const name of topics) {
      // Making room for a topic may end this very listener.
      if (!this.#here) break;
      if (name.length > limits.topic) {
        refused.limit++;
        continue;
      }
      const topic = this.#home.topics.find(name);
      if (topic !== undefined && isSubscribed(topic, this)) continue;
      if (this.subscriptions >= limits.subscriptions) refused.limit++;
      else if (!this.hold(bytesOf(name))) refused.memory++;
      else this.#add(this.#home.topics.add(name, this));
    }
    return refused;
  }

  /** Unsubscribes from topics. Unknown ones are harmless. */
  unsubscribe(topics: readonly string[]): void {
    for (const name of topics) {
      const topic = this.#home.topics.find(name);
      if (topic === undefined || !isSubscribed(topic, this)) continue;
      this.#home.topics.remove(topic, this);
      this.#holding.set(this.#holding.bytes - bytesOf(name));
      if (this.#topics instanceof Set) this.#topics.delete(topic);
      else this.#topics = this.#topics.filter((each) => each !== topic);
    }
  }

  /**
   * Begins a replay of the remembered messages of the last `ageMs` ms that this listener is subscribed to.
   * {@linkcode resume} delivers it. While a replay goes on, a second one waits for its end. Of several that wait,
   * the longest counts.
   */
  replay(ageMs: number): void {
    if (!this.#here) return;
    if (this.#replay === null) this.#begin(ageMs);
    else this.#nextAgeMs = Math.max(this.#nextAgeMs ?? 0, ageMs);
  }

  /**
   * Goes on with a replay, oldest message first, as far as the sink has room.
   *
   * @param onEnd Called when the replay has come to its end.
   */
  resume(onEnd: (result: ReplayResult) => void): ReplayState {
    let left = SLICE;
    while (this.#here && this.#replay !== null) {
      const replay = this.#replay;
      if (replay.next < this.#home.history.first) {
        replay.missed += this.#home.history.first - replay.next;
        replay.next = this.#home.history.first;
      }
      const message = replay.next < replay.end ? this.#home.history.at(replay.next) : undefined;
      if (message === undefined) {
        this.#replay = null;
        onEnd(replay);
        if (this.#nextAgeMs !== null) this.#begin(this.#nextAgeMs);
        this.#nextAgeMs = null;
        continue;
      }
      if (!this.sink.hasRoom()) return "full";
      if (left <= 0) return "busy";
      left -= 1 + message.topics.length / 2;
      replay.next++;
      if (!this.#wants(message.topics)) continue;
      if (this.sink.deliver(message.encoded)) replay.delivered++;
      else this.#replay = null;
    }
    return "done";
  }

  /** Ends the membership: nothing is delivered any more. */
  leave(): void {
    if (!this.#here) return;
    this.#here = false;
    this.#replay = null;
    for (const topic of this.#topics) this.#home.topics.remove(topic, this);
    this.#topics = [];
    this.#holding.close();
    this.#home.left(this);
  }

  #add(topic: Topic<Listener>): void {
    if (this.#topics instanceof Set) this.#topics.add(topic);
    // A list that grows by itself has room for 17.
    else if (this.#topics.length < MANY) this.#topics = [...this.#topics, topic];
    else this.#topics = new Set([...this.#topics, topic]);
  }

  #begin(ageMs: number): void {
    const { history } = this.#home;
    const since = this.#home.now() - Math.min(ageMs, history.ageMs);
    // Times grow with the numbers, so the first one that is young enough is found by halving.
    let [first, end] = [history.first, history.next];
    while (first < end) {
      const middle = Math.floor((first + end) / 2);
      if ((history.at(middle)?.at ?? 0) < since) first = middle + 1;
      else end = middle;
    }
    this.#replay = { next: first, end: history.next, delivered: 0, missed: 0 };
  }

  #wants(hashes: Int32Array): boolean {
    for (let index = 0; index < hashes.length; index += 2) {
      const topic = this.#home.topics.findByHash(hashes[index] ?? 0, hashes[index + 1] ?? 0, null);
      if (topic !== undefined && isSubscribed(topic, this)) return true;
    }
    return false;
  }
}

function bytesOf(topic: string): number {
  return SUBSCRIPTION_BYTES + 2 * topic.length;
}
