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
 * - `offer`: it is likely to have got it from a server that is gone. It is sent before all else, as it is
 *   older; and when there is no room for everything, offers go first, the oldest of them before others.
 */
export type Kind = "copy" | "handover" | "offer";

/** A message on its way to one peer. */
export interface Relayed {
  readonly kind: Kind;
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
  readonly #offers = new Lane();
  readonly #waiting = new Lane();
  /** In the order in which they are sent, and make room. */
  readonly #lanes = [this.#offers, this.#waiting];
  #bytes = 0;
  #sentBytes = 0;

  constructor(limits: QueueLimits = DEFAULT_QUEUE_LIMITS) {
    this.#limits = limits;
  }

  /** Number of messages, with those that have been sent and not answered. */
  get size(): number {
    return this.#sent.length + this.#offers.size + this.#waiting.size;
  }

  /** Number of those that are copies, counted anew. */
  get copies(): number {
    return this.#all.filter(isCopy).length;
  }

  /** Bytes of those that have been sent and not answered. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Whether an offer waits. */
  get hasOffers(): boolean {
    return this.#offers.size > 0;
  }

  /** Adds a message at the end. @returns How many copies had to go to make room. */
  push(message: Relayed): number {
    this.#laneOf(message).push(message);
    return this.#makeRoomFor([message]);
  }

  /**
   * Adds messages among those that wait, each where its time has it; of two of the same time, the one
   * that is added comes behind. A copy takes the place of one of the same message that waits.
   *
   * @returns How many copies had to go to make room.
   */
  insert(messages: readonly Relayed[]): number {
    const copies = new Set(messages.filter(isCopy).map(({ encoded }) => encoded));
    this.#waiting.replace((message) => {
      if (!isCopy(message) || !copies.has(message.encoded)) return [message];
      this.#bytes -= message.encoded.bytes.length;
      return [];
    });
    for (const lane of this.#lanes) lane.insert(this.#thoseOf(lane, messages));
    return this.#makeRoomFor(messages);
  }

  /** Drops what is too old at `now` and not on its way. @returns How many copies. */
  expire(now: number): number {
    const since = now - this.#limits.ageMs;
    return this.#drop(({ at }) => at < since);
  }

  /** The next message, which counts as sent from now on; `undefined` when none waits. */
  take(): Relayed | undefined {
    const message = this.#offers.shift() ?? this.#waiting.shift();
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
    for (const lane of this.#lanes) lane.unshift(this.#thoseOf(lane, this.#sent));
    this.#sent = [];
    this.#sentBytes = 0;
  }

  /** All messages, the offers first, each in order; none are left. */
  takeAll(): Relayed[] {
    this.rewind();
    const all = this.#all;
    this.clear();
    return all;
  }

  /** Forgets the offers that are not on their way. */
  forgetOffers(): void {
    this.#drop(() => true, [this.#offers]);
  }

  /** Forgets everything. */
  clear(): void {
    this.#sent = [];
    for (const lane of this.#lanes) lane.clear();
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
    this.#waiting.replace(release);
    return promised;
  }

  /**
   * Has the messages that were never sent name a server no more, as it does not get them from us.
   *
   * @returns Those that did, as they are encoded.
   */
  withdraw(fingerprint: string): Set<Relayed["encoded"]> {
    const withdrawn = new Set<Relayed["encoded"]>();
    this.#waiting.replace((message) => {
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
    this.#waiting.replace((message) => [withoutReceiver(message, fingerprint)]);
  }

  /** The copies that it has not acknowledged, for another peer: nobody has been told that this one gets them. */
  copyAll(): Relayed[] {
    return this.#all.filter(isCopy)
      .map((message) => ({ ...message, isPromised: false, wasSent: false }));
  }

  get #all(): Relayed[] {
    return [...this.#sent, ...this.#offers.all, ...this.#waiting.all];
  }

  #laneOf({ kind }: Relayed): Lane {
    return kind === "offer" ? this.#offers : this.#waiting;
  }

  #thoseOf(lane: Lane, messages: readonly Relayed[]): Relayed[] {
    return messages.filter((message) => this.#laneOf(message) === lane);
  }

  #makeRoomFor(added: readonly Relayed[]): number {
    this.#bytes += added.reduce((sum, { encoded }) => sum + encoded.bytes.length, 0);
    const { messages, bytes } = this.#limits;
    return this.#drop(() => this.size > messages || this.#bytes > bytes);
  }

  /** Drops the oldest of each lane for as long as they have to go. @returns How many copies. */
  #drop(hasToGo: (message: Relayed) => boolean, lanes: readonly Lane[] = this.#lanes): number {
    let copies = 0;
    for (const lane of lanes) {
      for (let { oldest } = lane; oldest && hasToGo(oldest); { oldest } = lane) {
        lane.shift();
        this.#bytes -= oldest.encoded.bytes.length;
        if (isCopy(oldest)) copies++;
      }
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

/** Messages that wait behind each other, the oldest first. */
class Lane {
  readonly #messages = new Fifo<Relayed>();

  get size(): number {
    return this.#messages.size;
  }

  get oldest(): Relayed | undefined {
    return this.#messages.first;
  }

  get all(): Relayed[] {
    return this.#messages.all;
  }

  push(message: Relayed): void {
    this.#messages.push(message);
  }

  unshift(messages: readonly Relayed[]): void {
    this.#messages.replace([...messages, ...this.all]);
  }

  insert(messages: readonly Relayed[]): void {
    if (messages.length === 0) return;
    this.#messages.replace([...this.all, ...messages].sort((a, b) => a.at - b.at));
  }

  replace(by: (message: Relayed) => readonly Relayed[]): void {
    this.#messages.replace(this.all.flatMap(by));
  }

  clear(): void {
    this.#messages.replace([]);
  }

  shift(): Relayed | undefined {
    return this.#messages.shift();
  }
}
