/**
 * What waits for one peer: messages in order, each of which stays until the peer has taken it.
 *
 * Pure. Adding, taking and forgetting cost the same however many wait.
 *
 * @module
 */

/** A message on its way to one peer. */
export interface Relayed {
  readonly instance: string;
  /** JSON in UTF-8, with the list of servers that is meant for this peer. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** When this server got it, on a clock that never goes back, in ms. */
  readonly at: number;
  /**
   * Fingerprints of the other peers that have been told that this one gets it from us, and so do not
   * pass it on.
   */
  readonly told: readonly string[];
  /** Whether the peer has it already, and is only asked to pass it on. */
  readonly isHandover: boolean;
}

/** How much may wait. */
export interface QueueLimits {
  /** Messages. */
  readonly messages: number;
  /** Bytes of their bodies. */
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

  /** Bytes of the bodies of those that have been sent and not answered. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Adds a message at the end. @returns How many of the oldest had to go to make room. */
  push(message: Relayed): number {
    this.#waiting.push(message);
    this.#bytes += message.body.length;
    const { messages, bytes } = this.#limits;
    return this.#drop(() => this.size > messages || this.#bytes > bytes);
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
      this.#sent.push(message);
      this.#sentBytes += message.body.length;
    }
    return message;
  }

  /** The peer has answered the oldest of those that were sent: it is done with. */
  answered(): void {
    const message = this.#sent.shift();
    if (!message) return;
    this.#bytes -= message.body.length;
    this.#sentBytes -= message.body.length;
  }

  /** The connection is gone: what was sent and not answered is to be sent again, first. */
  rewind(): void {
    this.#waiting.splice(0, this.#start, ...this.#sent);
    this.#start = 0;
    this.#sent = [];
    this.#sentBytes = 0;
  }

  /** Forgets everything. */
  clear(): void {
    this.#sent = [];
    this.#waiting = [];
    this.#start = 0;
    this.#bytes = 0;
    this.#sentBytes = 0;
  }

  /** All messages whose delivery others rely on, in order; from now on they are told otherwise. */
  *takeBack(): Generator<Relayed> {
    for (const messages of [this.#sent, this.#waiting]) {
      for (const [index, message] of messages.entries()) {
        if (message === undefined || message.told.length === 0) continue;
        messages[index] = { ...message, told: [] };
        yield message;
      }
    }
  }

  #drop(hasToGo: (message: Relayed) => boolean): number {
    let dropped = 0;
    for (;;) {
      const oldest = this.#waiting[this.#start];
      if (!oldest || !hasToGo(oldest)) return dropped;
      this.#shift();
      this.#bytes -= oldest.body.length;
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
