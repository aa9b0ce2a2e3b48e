/**
 * The inverted index: which listeners want a topic. It makes publishing cost the number of
 * receivers, not the number of connected listeners.
 *
 * @module
 */

/** Listeners by topic. A topic that nobody wants takes no memory. */
export class TopicIndex<Listener> {
  readonly #listeners = new Map<string, Set<Listener>>();
  #subscriptions = 0;

  /** Number of topics that somebody wants. */
  get size(): number {
    return this.#listeners.size;
  }

  /** Number of wishes: a listener that wants two topics counts twice. */
  get subscriptions(): number {
    return this.#subscriptions;
  }

  /** From now on `listener` wants `topic`. A repetition changes nothing. */
  add(topic: string, listener: Listener): void {
    const listeners = this.#listeners.get(topic);
    if (listeners?.has(listener)) return;
    this.#subscriptions++;
    if (listeners) listeners.add(listener);
    else this.#listeners.set(topic, new Set([listener]));
  }

  /** `listener` no longer wants `topic`; one that never did changes nothing. */
  remove(topic: string, listener: Listener): void {
    const listeners = this.#listeners.get(topic);
    if (!listeners?.delete(listener)) return;
    this.#subscriptions--;
    if (listeners.size === 0) this.#listeners.delete(topic);
  }

  /** Each listener that wants one or more of `topics`, once. */
  receivers(topics: readonly string[]): ReadonlySet<Listener> {
    const wanted = new Set<Set<Listener>>();
    for (const topic of topics) {
      const listeners = this.#listeners.get(topic);
      if (listeners) wanted.add(listeners);
    }
    const [first = new Set<Listener>()] = wanted;
    if (wanted.size <= 1) return first;
    const union = new Set<Listener>();
    for (const listeners of wanted) {
      for (const listener of listeners) union.add(listener);
    }
    return union;
  }
}
