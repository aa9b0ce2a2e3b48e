/**
 * The memory of messages that have been here. It recognises a message that arrives twice, however many ways lead
 * through the cluster.
 *
 * It outlasts the history, as a peer may deliver a message that has waited there for as long as the history lasts.
 * Looking, adding and forgetting cost the same however much is remembered, and whatever its identifiers are. Its
 * memory is taken once, 24 bytes for each message that fits.
 *
 * It remembers a hash of 64 bits of each identifier. So a full memory takes one in 2^48 new messages for a known
 * one.
 *
 * @module
 */

import type { KeyedHash } from "../keyed_hash.ts";

/** Bounds of what is remembered, over all instances together. */
export interface SeenLimits {
  /** Age in ms. @default {120000} Twice that of a message that still waits for a peer. */
  readonly ageMs: number;
  /** Messages, a power of two. @default {65536} */
  readonly messages: number;
}

/** Defaults of {@linkcode SeenLimits}. */
const DEFAULT_SEEN_LIMITS: SeenLimits = { ageMs: 120_000, messages: 65_536 };

/** The index of no message. */
const NONE = -1;

/**
 * A ring of messages, the oldest at `#oldest`, and a hash table over it in which each message names the next one of
 * its bucket. A `Map` would walk past all removed entries each time that the oldest is asked for.
 */
export class Seen {
  readonly #hash: KeyedHash;
  readonly #limits: SeenLimits;
  /** The first message of each bucket. */
  readonly #buckets: Int32Array;
  readonly #next: Int32Array;
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  readonly #times: Float64Array;
  #oldest = 0;
  #size = 0;

  /** @throws {RangeError} If the number of messages is no power of two. */
  constructor(hash: KeyedHash, limits: SeenLimits = DEFAULT_SEEN_LIMITS) {
    const { messages } = limits;
    if (messages < 1 || (messages & (messages - 1)) !== 0) {
      throw new RangeError(`${messages} messages are no power of two`);
    }
    this.#hash = hash;
    this.#limits = limits;
    this.#buckets = new Int32Array(messages).fill(NONE);
    this.#next = new Int32Array(messages);
    this.#low = new Int32Array(messages);
    this.#high = new Int32Array(messages);
    this.#times = new Float64Array(messages);
  }

  /** Returns the number of messages that are remembered. */
  get size(): number {
    return this.#size;
  }

  /** Tells whether a message with this `uniqueID` is remembered; one without is not. */
  has(instance: string, uniqueID: string | null): boolean {
    if (uniqueID === null) return false;
    this.#digest(instance, uniqueID);
    const { low, high } = this.#hash;
    for (let at = this.#first(low); at !== NONE; at = this.#next[at] ?? NONE) {
      if (this.#low[at] === low && this.#high[at] === high) return true;
    }
    return false;
  }

  /** Remembers a message that is not remembered, and forgets the oldest when there is no more room. */
  add(instance: string, uniqueID: string | null, now: number): void {
    if (uniqueID === null) return;
    if (this.#size === this.#limits.messages) this.#forgetOldest();
    this.#digest(instance, uniqueID);
    const { low, high } = this.#hash;
    const at = (this.#oldest + this.#size) & (this.#limits.messages - 1);
    this.#low[at] = low;
    this.#high[at] = high;
    this.#times[at] = now;
    this.#next[at] = this.#first(low);
    this.#buckets[this.#bucketOf(low)] = at;
    this.#size++;
  }

  /** Forgets everything that is too old at `now`. */
  expire(now: number): void {
    const since = now - this.#limits.ageMs;
    while (this.#size > 0 && (this.#times[this.#oldest] ?? 0) < since) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const oldest = this.#oldest;
    const bucket = this.#bucketOf(this.#low[oldest] ?? 0);
    let at = this.#buckets[bucket] ?? NONE;
    if (at === oldest) {
      this.#buckets[bucket] = this.#next[oldest] ?? NONE;
    } else {
      while (this.#next[at] !== oldest) at = this.#next[at] ?? NONE;
      this.#next[at] = this.#next[oldest] ?? NONE;
    }
    this.#oldest = (oldest + 1) & (this.#limits.messages - 1);
    this.#size--;
  }

  #first(low: number): number {
    return this.#buckets[this.#bucketOf(low)] ?? NONE;
  }

  #bucketOf(low: number): number {
    return low & (this.#limits.messages - 1);
  }

  /** Hashes one text for both, which no other two have in common. */
  #digest(instance: string, uniqueID: string): void {
    this.#hash.digest(`${instance.length} ${instance}${uniqueID}`);
  }
}
