/**
 * Which messages have been here: the memory by which one that arrives twice is recognised, however
 * many ways lead through the cluster.
 *
 * It outlasts the history, as a peer may deliver what has waited there for as long as the history
 * lasts. Looking, adding and forgetting cost the same however much is remembered.
 *
 * @module
 */

/** How much is remembered, over all instances together. */
export interface SeenLimits {
  /** Age in ms. @default {120000} Twice that of a message that still waits for a peer. */
  readonly ageMs: number;
  /** Messages. @default {65536} */
  readonly messages: number;
  /** Characters of their ids and instances. @default {4194304} */
  readonly characters: number;
}

/** Defaults of {@linkcode SeenLimits}. */
export const DEFAULT_SEEN_LIMITS: SeenLimits = {
  ageMs: 120_000,
  messages: 65_536,
  characters: 4 * 1024 * 1024,
};

/** See the module. */
export class Seen {
  readonly #limits: SeenLimits;
  /** When each was seen, by instance and id; the oldest first, as a `Map` keeps the order. */
  readonly #times = new Map<string, number>();
  #characters = 0;

  constructor(limits: SeenLimits = DEFAULT_SEEN_LIMITS) {
    this.#limits = limits;
  }

  /** Number of messages remembered. */
  get size(): number {
    return this.#times.size;
  }

  /** Whether a message with this `uniqueID` is remembered. Only strings identify a message. */
  has(instance: string, uniqueID: unknown): boolean {
    return typeof uniqueID === "string" && this.#times.has(keyOf(instance, uniqueID));
  }

  /** Remembers a message that has no place yet, and forgets what that leaves no room for. */
  add(instance: string, uniqueID: unknown, now: number): void {
    if (typeof uniqueID !== "string") return;
    const key = keyOf(instance, uniqueID);
    this.#times.set(key, now);
    this.#characters += key.length;
    const { messages, characters } = this.#limits;
    this.#forget(() => this.#times.size > messages || this.#characters > characters);
  }

  /** Forgets everything that is too old at `now`. */
  expire(now: number): void {
    const since = now - this.#limits.ageMs;
    this.#forget((time) => time < since);
  }

  /** Forgets the oldest for as long as it has to go. */
  #forget(hasToGo: (time: number) => boolean): void {
    for (const [key, time] of this.#times) {
      if (!hasToGo(time)) return;
      this.#times.delete(key);
      this.#characters -= key.length;
    }
  }
}

/** One text for both, which no other two have in common. */
function keyOf(instance: string, uniqueID: string): string {
  return `${instance.length} ${instance}${uniqueID}`;
}
