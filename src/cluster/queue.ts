/**
 * The messages that wait for one peer, in order. Each stays until the peer has taken it.
 *
 * Pure. Adding at the end, taking and forgetting cost the same however many wait. All else costs as much as waits.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import type { Encoded } from "../hub/message.ts";

/**
 * The kind of a message for the peer that it is sent to.
 *
 * - `copy`: a new message.
 * - `handover`: the peer has it already, and is only asked to relay it.
 */
export type RelayKind = "copy" | "handover";

/** A message on its way to one peer. */
export interface Relayed {
  readonly kind: RelayKind;
  readonly instance: string;
  readonly encoded: Pick<Encoded, "bytes" | "touchedBy">;
  /** Its `touched`, as it was published here. */
  readonly touched: readonly string[];
  /** Fingerprints of the other peers that this server sends it; the copy names them, so that this peer need not. */
  readonly others: readonly string[];
  /** True if the copies for those others name this peer in turn. */
  readonly isPromised: boolean;
  /** The time since which it waits, on a clock that never goes back, in ms. */
  readonly at: number;
  /** Called when the peer has taken it, with the number of listeners that got it there; `null`: not known. */
  readonly onTaken?: (receivers: number | null) => void;
  /** True if it has been sent: it may have arrived although no answer has. Set by the queue. */
  wasSent: boolean;
}

/** Limits of the messages that wait. */
export interface QueueLimits {
  /** Messages. */
  readonly messages: number;
  /** Bytes of them, each as it is encoded. */
  readonly bytes: number;
  /** Age in ms. */
  readonly ageMs: number;
}

/** Defaults of {@linkcode QueueLimits}: messages and age as in the history. */
export const DEFAULT_QUEUE_LIMITS: QueueLimits = {
  messages: 4096,
  bytes: 8 * 1024 * 1024,
  ageMs: 60_000,
};

/** The queue of one peer. */
export class Queue {
  readonly #limits: QueueLimits;
  /** Messages that have been sent and not answered, oldest first. */
  #sent: Relayed[] = [];
  readonly #waiting = new Fifo<Relayed>();
  #bytes = 0;
  #sentBytes = 0;

  constructor(limits: QueueLimits = DEFAULT_QUEUE_LIMITS) {
    this.#limits = limits;
  }

  /** Returns the number of messages, with those that have been sent and not answered. */
  get size(): number {
    return this.#sent.length + this.#waiting.size;
  }

  /** Returns the number of copies among them, counted at each call. */
  get copies(): number {
    return this.#all.filter(isCopy).length;
  }

  /** Returns the bytes of the messages that have been sent and not answered. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Adds a message at the end. @returns The number of copies that had to go to make room. */
  push(message: Relayed): number {
    this.#waiting.push(message);
    return this.#makeRoomFor([message]);
  }

  /**
   * Adds messages among those that wait, in the order of time. Of two of the same time, the added one comes behind.
   * A copy replaces a waiting copy of the same message.
   *
   * @returns The number of copies that had to go to make room.
   */
  insert(messages: readonly Relayed[]): number {
    // Messages that were sent once stand first, whatever their time.
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

  /** Drops the messages that are too old at `now` and not in flight. @returns The number of copies. */
  expire(now: number): number {
    const since = now - this.#limits.ageMs;
    return this.#drop(({ at }) => at < since);
  }

  /** Returns the next message, which counts as sent from now on; `undefined` when none waits. */
  take(): Relayed | undefined {
    const message = this.#waiting.shift();
    if (message) {
      message.wasSent = true;
      this.#sent.push(message);
      this.#sentBytes += message.encoded.bytes.length;
    }
    return message;
  }

  /** Removes and returns the oldest message that was sent, as the peer has answered it. */
  answered(): Relayed | undefined {
    const message = this.#sent.shift();
    if (!message) return undefined;
    this.#bytes -= message.encoded.bytes.length;
    this.#sentBytes -= message.encoded.bytes.length;
    return message;
  }

  /** Puts the messages that were sent and not answered in front again, as the connection is gone. */
  rewind(): void {
    if (this.#sent.length > 0) this.#waiting.replace(this.#all);
    this.#sent = [];
    this.#sentBytes = 0;
  }

  /** Removes and returns all messages, in order. */
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

  /** Returns the messages that others have been told this peer gets, in order, each once. */
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
   * Removes a server from the messages that were never sent, as it does not get them from this one.
   *
   * @returns The messages that named it, as they are encoded.
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
   * Removes the receiver from the copies that wait, as they were to name others only. The receiver takes a copy
   * that names it for known.
   *
   * @param fingerprint That of the receiver.
   */
  readdress(fingerprint: string): void {
    this.#changeEach((message) => [withoutReceiver(message, fingerprint)]);
  }

  /** Returns the copies without an acknowledgement, for another peer: no server was told that that one gets them. */
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

  /** Drops the oldest of the waiting messages, for as long as they have to go. @returns The number of copies. */
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

/** Returns a copy without the receiver's own fingerprint among those of the others. */
export function withoutReceiver(message: Relayed, fingerprint: string): Relayed {
  return isCopy(message) && message.others.includes(fingerprint)
    ? { ...message, others: message.others.filter((other) => other !== fingerprint) }
    : message;
}
