/**
 * The messages that were published lately, to be replayed to browsers that reconnect.
 *
 * Each instance has a {@linkcode History} of its own, so that a replay never shows another
 * instance's messages. Together they share one {@linkcode HistoryStore}, which bounds what all of
 * them hold. Adding and forgetting cost the same however much is remembered.
 *
 * @module
 */

import type { Account } from "../budget.ts";
import type { Encoded } from "./message.ts";

/** Bounds of the history. */
export interface HistoryLimits {
  /**
   * Messages per instance.
   * @default {4096} As the original.
   */
  readonly messages: number;
  /**
   * Age in ms.
   * @default {60000} As the original.
   */
  readonly ageMs: number;
  /**
   * Bytes of the histories of all instances together: see {@linkcode entryBytes}.
   * @default {16777216}
   */
  readonly bytes: number;
}

/** Defaults of {@linkcode HistoryLimits}. */
export const DEFAULT_HISTORY_LIMITS: HistoryLimits = {
  messages: 4096,
  ageMs: 60_000,
  bytes: 16 * 1024 * 1024,
};

/** Bytes that a remembered message takes beside its text and its topics, at most. */
const ENTRY_OVERHEAD = 768;

/** Bytes that a remembered message takes for each of its topics: a hash. */
const TOPIC_BYTES = 8;

/** The part of a remembered message that a replay needs, as the parsed whole may be far larger. */
export interface Remembered {
  readonly encoded: Encoded;
  /** The hashes of its topics, lower and upper half by turns. */
  readonly topics: Int32Array;
  /** The time of its publication, on the hub's clock, in ms. */
  readonly at: number;
}

/** Returns the bytes of memory that a remembered message takes. */
export function entryBytes({ encoded, topics }: Pick<Remembered, "encoded" | "topics">): number {
  return encoded.bytes.length + TOPIC_BYTES * topics.length / 2 + ENTRY_OVERHEAD;
}

interface Entry extends Remembered {
  readonly history: History;
  older: Entry | null;
  newer: Entry | null;
}

/** The bounds and the order of all instances' histories. */
export class HistoryStore {
  readonly limits: HistoryLimits;
  readonly #account: Account | null;
  #oldest: Entry | null = null;
  #newest: Entry | null = null;
  #bytes = 0;
  #size = 0;

  /** @param account The account that remembered messages are charged to; it has no more than its floor. */
  constructor(limits: HistoryLimits = DEFAULT_HISTORY_LIMITS, account: Account | null = null) {
    this.limits = limits;
    this.#account = account;
  }

  /** Returns the number of messages that are remembered. */
  get size(): number {
    return this.#size;
  }

  /** Returns the bytes of all that is remembered, overhead included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets everything that is too old at `now`. */
  expire(now: number): void {
    const since = now - this.limits.ageMs;
    while (this.#oldest && this.#oldest.at < since) this.#oldest.history.forgetOldest();
  }

  /** Adds an entry at the end. Called by {@linkcode History} alone. */
  link(entry: Entry): void {
    entry.older = this.#newest;
    if (this.#newest) this.#newest.newer = entry;
    else this.#oldest = entry;
    this.#newest = entry;
    this.#size++;
    this.#charge(entryBytes(entry));
    // The oldest of all is also the oldest of its own instance, as both are in order of time.
    const limit = Math.min(this.limits.bytes, this.#account?.floor ?? Infinity);
    while (this.#oldest && this.#bytes > limit) this.#oldest.history.forgetOldest();
  }

  /** Removes an entry. Called by {@linkcode History} alone. */
  unlink(entry: Entry): void {
    if (entry.older) entry.older.newer = entry.newer;
    else this.#oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else this.#newest = entry.older;
    this.#size--;
    this.#charge(-entryBytes(entry));
  }

  #charge(bytes: number): void {
    this.#bytes += bytes;
    this.#account?.adjust(bytes);
  }
}

/** Messages that one instance remembers, numbered in the order of time. */
export class History {
  readonly #store: HistoryStore;
  readonly #onEmpty: () => void;
  /** A ring that grows up to `limits.messages`; the oldest is at `#start`. */
  #ring: (Entry | undefined)[] = [];
  #start = 0;
  #size = 0;
  #forgotten = 0;

  /** @param onEmpty Called when the last message has been forgotten. */
  constructor(store: HistoryStore, onEmpty: () => void = () => {}) {
    this.#store = store;
    this.#onEmpty = onEmpty;
  }

  /** Returns the number of messages. */
  get size(): number {
    return this.#size;
  }

  /** Returns the oldest message, or `undefined` when nothing is remembered. */
  get oldest(): Remembered | undefined {
    return this.#ring[this.#start];
  }

  /** Returns the number of the oldest message; that of the next one, when nothing is remembered. */
  get first(): number {
    return this.#forgotten;
  }

  /** Returns the number that the next message gets. */
  get next(): number {
    return this.#forgotten + this.#size;
  }

  /** Remembers a message, and forgets the messages that it leaves no room for. */
  add(message: Remembered): void {
    if (this.#size === this.#ring.length) this.#grow();
    const links = { history: this, older: null, newer: null };
    const entry: Entry = { ...message, ...links };
    this.#ring[(this.#start + this.#size) % this.#ring.length] = entry;
    this.#size++;
    this.#store.link(entry);
    while (this.#size > this.#store.limits.messages) this.forgetOldest();
  }

  /** Returns the message of a number; `undefined` when it is not remembered. */
  at(number: number): Remembered | undefined {
    const index = number - this.#forgotten;
    if (index < 0 || index >= this.#size) return undefined;
    return this.#ring[(this.#start + index) % this.#ring.length];
  }

  /** Returns the age in ms beyond which nothing is remembered. */
  get ageMs(): number {
    return this.#store.limits.ageMs;
  }

  /** Forgets the oldest message, if there is one. */
  forgetOldest(): void {
    const entry = this.#ring[this.#start];
    if (!entry) return;
    this.#ring[this.#start] = undefined;
    this.#start = (this.#start + 1) % this.#ring.length;
    this.#size--;
    this.#forgotten++;
    this.#store.unlink(entry);
    if (this.#size === 0) this.#onEmpty();
  }

  #grow(): void {
    const entries = [...this.#ring.slice(this.#start), ...this.#ring.slice(0, this.#start)];
    entries.length = Math.max(1, 2 * entries.length);
    this.#ring = entries;
    this.#start = 0;
  }
}
