/**
 * What was published lately, to be replayed to browsers that reconnect.
 *
 * Each instance has a {@linkcode History} of its own, so that a replay never shows another
 * instance's messages. Together they share one {@linkcode HistoryStore}, which bounds what all of
 * them hold. Adding and forgetting cost the same however much is remembered.
 *
 * @module
 */

import type { Encoded, Message } from "./message.ts";

/** How much is remembered. */
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
   * UTF-8 bytes of encoded messages and {@linkcode ENTRY_OVERHEAD} for each, over all instances
   * together.
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

/** Bytes that a remembered message counts for beside its text: bookkeeping, an instance's share. */
export const ENTRY_OVERHEAD = 512;

/** One remembered message: what a replay needs of it, as the parsed whole may be far larger. */
export interface Remembered {
  readonly instance: string;
  readonly subscribers: readonly string[];
  readonly encoded: Encoded;
  /** When it was published, on the hub's clock, in ms. */
  readonly at: number;
  /** Fingerprint of the server that passed it on to us; `null`: it was posted here, or it is not known. */
  readonly from: string | null;
}

interface Entry extends Remembered {
  readonly history: History;
  older: Entry | null;
  newer: Entry | null;
}

/** The bounds and the order of all instances' histories. */
export class HistoryStore {
  readonly limits: HistoryLimits;
  #oldest: Entry | null = null;
  #newest: Entry | null = null;
  #bytes = 0;
  #size = 0;

  constructor(limits: HistoryLimits = DEFAULT_HISTORY_LIMITS) {
    this.limits = limits;
  }

  /** Messages that are remembered. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of all that is remembered, overhead included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets everything that is too old at `now`. */
  expire(now: number): void {
    const since = now - this.limits.ageMs;
    while (this.#oldest && this.#oldest.at < since) this.#oldest.history.forgetOldest();
  }

  /** What was published at `since` or later, of all instances, oldest first. */
  newest(since: number): Remembered[] {
    const found: Remembered[] = [];
    for (let entry = this.#newest; entry && entry.at >= since; entry = entry.older) {
      found.push(entry);
    }
    return found.reverse();
  }

  /** Called by {@linkcode History} alone. */
  link(entry: Entry): void {
    entry.older = this.#newest;
    if (this.#newest) this.#newest.newer = entry;
    else this.#oldest = entry;
    this.#newest = entry;
    this.#size++;
    this.#bytes += entry.encoded.bytes.length + ENTRY_OVERHEAD;
    // The oldest of all is also the oldest of its own instance, as both are in order of time.
    while (this.#oldest && this.#bytes > this.limits.bytes) this.#oldest.history.forgetOldest();
  }

  /** Called by {@linkcode History} alone. */
  unlink(entry: Entry): void {
    if (entry.older) entry.older.newer = entry.newer;
    else this.#oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else this.#newest = entry.older;
    this.#size--;
    this.#bytes -= entry.encoded.bytes.length + ENTRY_OVERHEAD;
  }
}

/** What one instance remembers, oldest first. */
export class History {
  /** The instance it belongs to. */
  readonly instance: string;
  readonly #store: HistoryStore;
  readonly #onEmpty: () => void;
  /** A ring that grows up to `limits.messages`; the oldest is at `#start`. */
  #ring: (Entry | undefined)[] = new Array(1);
  #start = 0;
  #size = 0;

  /** @param onEmpty Called when the last message has been forgotten. */
  constructor(instance: string, store: HistoryStore, onEmpty: () => void = () => {}) {
    this.instance = instance;
    this.#store = store;
    this.#onEmpty = onEmpty;
  }

  /** Number of messages. */
  get size(): number {
    return this.#size;
  }

  /** The oldest message, or `undefined` when nothing is remembered. */
  get oldest(): Remembered | undefined {
    return this.#ring[this.#start];
  }

  /** Remembers a message published at `now` and passed on by `from`, and forgets what that leaves no room for. */
  add(message: Message, encoded: Encoded, now: number, from: string | null = null): void {
    if (this.#size === this.#ring.length) this.#grow();
    const { subscribers } = message;
    const links = { history: this, older: null, newer: null };
    const entry: Entry = { instance: this.instance, subscribers, encoded, at: now, from, ...links };
    this.#ring[(this.#start + this.#size) % this.#ring.length] = entry;
    this.#size++;
    this.#store.link(entry);
    while (this.#size > this.#store.limits.messages) this.forgetOldest();
  }

  /** The messages that are not older than `ageMs` at `now`, nor than the limit, oldest first. */
  *recent(ageMs: number, now: number): Generator<Remembered> {
    const time = now - Math.min(ageMs, this.#store.limits.ageMs);
    for (let index = 0; index < this.#size; index++) {
      const entry = this.#ring[(this.#start + index) % this.#ring.length];
      if (entry && entry.at >= time) yield entry;
    }
  }

  /** Forgets the oldest message; nothing happens when there is none. */
  forgetOldest(): void {
    const entry = this.#ring[this.#start];
    if (!entry) return;
    this.#ring[this.#start] = undefined;
    this.#start = (this.#start + 1) % this.#ring.length;
    this.#size--;
    this.#store.unlink(entry);
    if (this.#size === 0) this.#onEmpty();
  }

  #grow(): void {
    const entries = [...this.#ring.slice(this.#start), ...this.#ring.slice(0, this.#start)];
    entries.length *= 2;
    this.#ring = entries;
    this.#start = 0;
  }
}
