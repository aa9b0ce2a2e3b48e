/**
 * What waits for one peer: messages in order, each of which stays until the peer has taken it.
 *
 * Pure. Adding, taking and forgetting cost the same however many wait.
 *
 * @module
 */

import type { Encoded } from "../hub/message.ts";

/** A message on its way to one peer. */
export interface Relayed {
  readonly instance: string;
  readonly encoded: Pick<Encoded, "bytes" | "touchedBy">;
  /** Its `touched`, as it was published here. */
  readonly touched: readonly string[];
  /** Fingerprints of the other peers that get it from us, which the copy names so that this one need not. */
  readonly others: readonly string[];
  /** Whether the copies for those others name this peer in turn. */
  readonly isPromised: boolean;
  /** Whether the peer has it already, and is only asked to pass it on. */
  readonly isHandover: boolean;
  /** When this server got it, on a clock that never goes back, in ms. */
  readonly at: number;
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
  /** Those behind them; what lies before `#start` is gone. */
  #waiting: (Relayed | undefined)[] = [];
  #start = 0;
  #bytes = 0;
  #sentBytes = 0;

  constructor(limits: QueueLimits = DEFAULT_QUEUE_LIMITS) {
    this.#limits = limits;
  }

  /** Number of messages, with those that have been sent and not answered. */
  get size(): number {
    return this.#sent.length + this.waiting;
  }

  /** Number of messages that have not been sent. */
  get waiting(): number {
    return this.#waiting.length - this.#start;
  }

  /** Bytes of those that have been sent and not answered. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Adds a message at the end. @returns How many of the oldest had to go to make room. */
  push(message: Relayed): number {
    this.#waiting.push(message);
    return this.#makeRoomFor([message]);
  }

  /**
   * Adds messages that are older than those that wait, before them.
   *
   * @returns How many of the oldest had to go to make room.
   */
  putFirst(messages: readonly Relayed[]): number {
    this.#waiting.splice(0, this.#start, ...messages);
    this.#start = 0;
    return this.#makeRoomFor(messages);
  }

  /** Drops what is too old at `now` and not on its way. @returns How many. */
  expire(now: number): number {
    const since = now - this.#limits.ageMs;
    return this.#drop(({ at }) => at < since);
  }

  /** The next message, which counts as sent from now on; `undefined` when none waits. */
  take(): Relayed | undefined {
    const message = this.#shift();
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
    this.#waiting.splice(0, this.#start, ...this.#sent);
    this.#start = 0;
    this.#sent = [];
    this.#sentBytes = 0;
  }

  /** Whether a message can be added without another one having to go. */
  hasRoomFor({ encoded }: Relayed): boolean {
    const { messages, bytes } = this.#limits;
    return this.size < messages && this.#bytes + encoded.bytes.length <= bytes;
  }

  /** All messages, in order; none are left. */
  takeAll(): Relayed[] {
    this.rewind();
    const all = this.#waiting.filter((message) => message !== undefined);
    this.clear();
    return all;
  }

  /** Forgets everything. */
  clear(): void {
    this.#sent = [];
    this.#waiting = [];
    this.#start = 0;
    this.#bytes = 0;
    this.#sentBytes = 0;
  }

  /** The messages that others have been told this peer gets, in order; each is given once. */
  takeBack(): Relayed[] {
    const promised: Relayed[] = [];
    for (const messages of [this.#sent, this.#waiting]) {
      for (const [index, message] of messages.entries()) {
        if (!message?.isPromised) continue;
        messages[index] = { ...message, isPromised: false };
        promised.push(message);
      }
    }
    return promised;
  }

  /**
   * Has the messages that were never sent name a server no more, as it does not get them from us.
   *
   * @returns Those that did, as they are encoded.
   */
  withdraw(fingerprint: string): Set<Relayed["encoded"]> {
    const withdrawn = new Set<Relayed["encoded"]>();
    for (const [index, message] of this.#waiting.entries()) {
      if (!message?.others.includes(fingerprint) || message.wasSent) continue;
      const others = message.others.filter((other) => other !== fingerprint);
      this.#waiting[index] = { ...message, others };
      withdrawn.add(message.encoded);
    }
    return withdrawn;
  }

  #makeRoomFor(added: readonly Relayed[]): number {
    this.#bytes += added.reduce((sum, { encoded }) => sum + encoded.bytes.length, 0);
    const { messages, bytes } = this.#limits;
    return this.#drop(() => this.size > messages || this.#bytes > bytes);
  }

  #drop(hasToGo: (message: Relayed) => boolean): number {
    let dropped = 0;
    for (;;) {
      const oldest = this.#waiting[this.#start];
      if (!oldest || !hasToGo(oldest)) return dropped;
      this.#shift();
      this.#bytes -= oldest.encoded.bytes.length;
      dropped++;
    }
  }

  #shift(): Relayed | undefined {
    const message = this.#waiting[this.#start];
    if (!message) return undefined;
    this.#waiting[this.#start++] = undefined;
    // Keeps the part that is gone from growing, at a cost that is shared by those who were in it.
    if (this.#start > 1024 && this.#start * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#start);
      this.#start = 0;
    }
    return message;
  }
}
