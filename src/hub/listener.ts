/**
 * A listener: one browser's connection, as the hub sees it.
 *
 * @module
 */

import type { History } from "./history.ts";
import type { Encoded } from "./message.ts";
import type { TopicIndex } from "./topics.ts";

/** What a listener may be subscribed to. */
export interface SubscriptionLimits {
  /** Topics at a time. */
  readonly subscriptions: number;
  /** Characters of one topic. */
  readonly topic: number;
}

/** Where a listener's messages go. */
export interface Sink {
  /** Queues a message; `false` when it cannot be (the connection is closing or too slow). */
  deliver(message: Encoded): boolean;
}

/** What a listener needs of the instance it belongs to. */
export interface Home {
  readonly name: string;
  readonly topics: TopicIndex<Listener>;
  readonly history: History;
  /** The hub's clock, in ms. */
  now(): number;
  left(listener: Listener): void;
}

/** Made by `Hub.join`. After {@linkcode leave} every call on it does nothing. */
export class Listener {
  /** Unique among all listeners of the process; grows. */
  readonly id: number;
  readonly sink: Sink;
  readonly #home: Home;
  readonly #subscriptions = new Set<string>();
  #here = true;

  constructor(id: number, home: Home, sink: Sink) {
    this.id = id;
    this.sink = sink;
    this.#home = home;
  }

  /** The instance it belongs to. */
  get instance(): string {
    return this.#home.name;
  }

  /** How it is named in the log, as the original names it. */
  toString(): string {
    return `Listener/${this.id}/${this.instance}`;
  }

  /**
   * Subscribes to topics. Repetitions are harmless.
   *
   * @returns How many topics were refused, being too long or too many.
   */
  subscribe(topics: readonly string[], limits: SubscriptionLimits): number {
    if (!this.#here) return 0;
    let refused = 0;
    for (const topic of topics) {
      if (this.#subscriptions.has(topic)) continue;
      if (topic.length > limits.topic || this.#subscriptions.size >= limits.subscriptions) {
        refused++;
        continue;
      }
      this.#subscriptions.add(topic);
      this.#home.topics.add(topic, this);
    }
    return refused;
  }

  /** Unsubscribes from topics. Unknown ones are harmless. */
  unsubscribe(topics: readonly string[]): void {
    for (const topic of topics) {
      if (this.#subscriptions.delete(topic)) this.#home.topics.remove(topic, this);
    }
  }

  /**
   * Delivers what the instance remembers of the last `ageMs` ms and this listener is subscribed to,
   * oldest first. Stops when the sink takes no more.
   *
   * @returns How many messages were delivered.
   */
  replay(ageMs: number): number {
    if (!this.#here || this.#subscriptions.size === 0) return 0;
    let delivered = 0;
    for (const { subscribers, encoded } of this.#home.history.recent(ageMs, this.#home.now())) {
      if (!subscribers.some((topic) => this.#subscriptions.has(topic))) continue;
      if (!this.sink.deliver(encoded)) break;
      delivered++;
    }
    return delivered;
  }

  /** Ends the membership: nothing is delivered any more. */
  leave(): void {
    if (!this.#here) return;
    this.#here = false;
    for (const topic of this.#subscriptions) this.#home.topics.remove(topic, this);
    this.#subscriptions.clear();
    this.#home.left(this);
  }
}
