/**
 * What waits for one peer: messages in order, each of which stays until the peer has taken it.
 *
 * Pure. Adding at the end, taking and forgetting cost the same however many wait; all else as much as
 * waits.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import type { Encoded } from "../hub/message.ts";

/**
 * What a message is to the peer that it is sent to.
 *
 * - `copy`: news.
 * - `handover`: it has it already, and is only asked to pass it on.
 */
export type RelayKind = "copy" | "handover";

/** A message on its way to one peer. */
export interface Relayed {
  readonly kind: RelayKind;
  readonly instance: string;
  readonly encoded: Pick<Encoded, "bytes" | "touchedBy">;
  /** Its `touched`, as it was published here. */
  readonly touched: readonly string[];
  /** Fingerprints of the other peers that get it from us, which the copy names so that this one need not. */
  readonly others: readonly string[];
  /** Whether the copies for those others name this peer in turn. */
  readonly isPromised: boolean;
  /** Since when it waits, on a clock that never goes back, in ms. */
  readonly at: number;
  /** Told when the peer has taken it, with the listeners that got it there; `null`: it does not say. */
  readonly onTaken?: (receivers: number | null) => void;
  /** Whether it has been sent: it may have arrived although no answer has. Set by the queue. */
  wasSent: boolean;
}

/** How much may wait. */
export interface QueueLimits {
  /** Messages. */
  readonly messages: number;
  /** Bytes of them, each as it is encoded. */
  readonly bytes: number;
  /** Age in ms. */
  readonly ageMs: number;
}

/** Defaults of {@linkcode QueueLimits}: what the history remembers, too. */
export const DEFAULT_QUEUE_LIMITS: QueueLimits = {
  messages: 4096,
  bytes: 8 * 1024 * 1024,
  ageMs: 60_000,
};

/** See the module. */
export class Queue {
  readonly #limits: QueueLimits;
  /** Those that the peer has been sent and has not answered, oldest first. */
  #sent: Relayed[] = [];
  readonly #waiting = new Fifo<Relayed>();
  #bytes = 0;
  #sentBytes = 0;

  constructor(limits: QueueLimits = DEFAULT_QUEUE_LIMITS) {
    this.#limits = limits;
  }

  /** Number of messages, with those that have been sent and not answered. */
  get size(): number {
    return this.#sent.length + this.#waiting.size;
  }

  /** Number of those that are copies, counted anew. */
  get copies(): number {
    return this.#all.filter(isCopy).length;
  }

  /** Bytes of those that have been sent and not answered. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Adds a message at the end. @returns How many copies had to go to make room. */
  push(message: Relayed): number {
    this.#waiting.push(message);
    return this.#makeRoomFor([message]);
  }

  /**
   * Adds messages among those that wait, each where its time has it; of two of the same time, the one
   * that is added comes behind. A copy takes the place of one of the same message that waits.
   *
   * @returns How many copies had to go to make room.
   */
  insert(messages: readonly Relayed[]): number {
    // What was sent once stands first, whenever it came.
    if (messages.length === 0) return 0;
    const copies = new Set(messages.filter(isCopy).map(({ encoded }) => encoded));
    const waiting = this.#waiting.all.filter((message) => {
      if (!isCopy(message) || !copies.has(message.encoded)) return true;
      this.#bytes -= message.encoded.bytes.length;
      return false;
    });
    this.#waiting.replace([...waiting, ...messages].sort((a, b) => a.at - b.at));
    return this.#makeRoomFor(messages);
  }

  /** Drops what is too old at `now` and not on its way. @returns How many copies. */
  expire(now: number): number {
    const since = now - this.#limits.ageMs;
    return this.#drop(({ at }) => at < since);
  }

  /** The next message, which counts as sent from now on; `undefined` when none waits. */
  take(): Relayed | undefined {
    const message = this.#waiting.shift();
    if (message) {
      message.wasSent = true;
      this.#sent.push(message);
      this.#sentBytes += message.encoded.bytes.length;
    }
    return message;
  }

  /** The peer has answered the oldest of those that were sent, which is done with. */
  answered(): Relayed | undefined {
    const message = this.#sent.shift();
    if (!message) return undefined;
    this.#bytes -= message.encoded.bytes.length;
    this.#sentBytes -= message.encoded.bytes.length;
    return message;
  }

  /** The connection is gone: what was sent and not answered is to be sent again, first. */
  rewind(): void {
    if (this.#sent.length > 0) this.#waiting.replace(this.#all);
    this.#sent = [];
    this.#sentBytes = 0;
  }

  /** All messages in order; none are left. */
  takeAll(): Relayed[] {
    this.rewind();
    const all = this.#all;
    this.clear();
    return all;
  }

  /** Forgets everything. */
  clear(): void {
    this.#sent = [];
    this.#waiting.replace([]);
    this.#bytes = 0;
    this.#sentBytes = 0;
  }

  /** The messages that others have been told this peer gets, in order; each is given once. */
  takeBack(): Relayed[] {
    const promised: Relayed[] = [];
    const release = (message: Relayed) => {
      if (!message.isPromised) return [message];
      promised.push(message);
      return [{ ...message, isPromised: false }];
    };
    this.#sent = this.#sent.flatMap(release);
    this.#changeEach(release);
    return promised;
  }

  /**
   * Has the messages that were never sent name a server no more, as it does not get them from us.
   *
   * @returns Those that did, as they are encoded.
   */
  withdraw(fingerprint: string): Set<Relayed["encoded"]> {
    const withdrawn = new Set<Relayed["encoded"]>();
    this.#changeEach((message) => {
      if (!message.others.includes(fingerprint) || message.wasSent) return [message];
      withdrawn.add(message.encoded);
      return [{ ...message, others: message.others.filter((other) => other !== fingerprint) }];
    });
    return withdrawn;
  }

  /**
   * Has the copies that wait name their receiver no more, as they were to name others only. One that does is
   * taken for known there.
   *
   * @param fingerprint The receiver's.
   */
  readdress(fingerprint: string): void {
    this.#changeEach((message) => [withoutReceiver(message, fingerprint)]);
  }

  /** The copies that it has not acknowledged, for another peer: nobody has been told that this one gets them. */
  copyAll(): Relayed[] {
    return this.#all.filter(isCopy)
      .map((message) => ({ ...message, isPromised: false, wasSent: false }));
  }

  get #all(): Relayed[] {
    return [...this.#sent, ...this.#waiting.all];
  }

  #changeEach(change: (message: Relayed) => readonly Relayed[]): void {
    this.#waiting.replace(this.#waiting.all.flatMap(change));
  }

  #makeRoomFor(added: readonly Relayed[]): number {
    this.#bytes += added.reduce((sum, { encoded }) => sum + encoded.bytes.length, 0);
    const { messages, bytes } = this.#limits;
    return this.#drop(() => this.size > messages || this.#bytes > bytes);
  }

  /** Drops the oldest of those that wait, for as long as they have to go. @returns How many copies. */
  #drop(hasToGo: (message: Relayed) => boolean): number {
    let copies = 0;
    for (let { first } = this.#waiting; first && hasToGo(first); { first } = this.#waiting) {
      this.#waiting.shift();
      this.#bytes -= first.encoded.bytes.length;
      if (isCopy(first)) copies++;
    }
    return copies;
  }
}

function isCopy({ kind }: Relayed): boolean {
  return kind === "copy";
}

/** A copy without the receiver's own fingerprint among those of the others. */
export function withoutReceiver(message: Relayed, fingerprint: string): Relayed {
  return isCopy(message) && message.others.includes(fingerprint)
    ? { ...message, others: message.others.filter((other) => other !== fingerprint) }
    : message;
}
