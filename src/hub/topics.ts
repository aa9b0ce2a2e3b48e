/**
 * The inverted index: which listeners are subscribed to a topic. It makes publishing cost the number of
 * receivers, not the number of connected listeners.
 *
 * @module
 */

import type { KeyedHash } from "../keyed_hash.ts";
import { type Entry, KeyedMap } from "../keyed_map.ts";

/** A topic with subscriptions: its one listener, or all of its listeners. */
export type Topic<Listener> = Entry<Listener | Set<Listener>>;

/** Listeners by topic. A topic without listeners takes no memory. */
export class TopicIndex<Listener extends object> {
  readonly #topics: KeyedMap<Listener | Set<Listener>>;
  #subscriptions = 0;

  constructor(hash: KeyedHash) {
    this.#topics = new KeyedMap(hash);
  }

  /** Returns the number of topics that have listeners. */
  get size(): number {
    return this.#topics.size;
  }

  /** Returns the number of subscriptions: a listener with two topics counts twice. */
  get subscriptions(): number {
    return this.#subscriptions;
  }

  /** Returns the topic of this name, if it has listeners. */
  find(name: string): Topic<Listener> | undefined {
    return this.#topics.find(name);
  }

  /** Returns the number of listeners of a topic. Costs the same however many there are. */
  count(name: string): number {
    const topic = this.find(name);
    return topic === undefined ? 0 : topic.value instanceof Set ? topic.value.size : 1;
  }

  /** Returns the topic with this hash, see {@linkcode KeyedMap.findByHash}. */
  findByHash(low: number, high: number, name: string | null): Topic<Listener> | undefined {
    return this.#topics.findByHash(low, high, name);
  }

  /** Subscribes a listener that is not subscribed to this topic. */
  add(name: string, listener: Listener): Topic<Listener> {
    const { size } = this.#topics;
    const topic = this.#topics.add(name, listener);
    if (this.#topics.size === size) {
      // Most topics have one listener, for which a set would take four times the memory.
      if (topic.value instanceof Set) topic.value.add(listener);
      else topic.value = new Set([topic.value, listener]);
    }
    this.#subscriptions++;
    return topic;
  }

  /** Unsubscribes a listener that is subscribed to this topic. */
  remove(topic: Topic<Listener>, listener: Listener): void {
    this.#subscriptions--;
    if (topic.value instanceof Set) {
      topic.value.delete(listener);
      const [other] = topic.value;
      if (topic.value.size > 1) return;
      if (other !== undefined) {
        topic.value = other;
        return;
      }
    }
    this.#topics.delete(topic.text);
  }
}

/** Tells whether a listener is subscribed to a topic. */
export function isSubscribed<Listener extends object>(
  { value }: Topic<Listener>,
  listener: Listener,
): boolean {
  return value instanceof Set ? value.has(listener) : value === listener;
}
