/**
 * A client of a TLS server that has connected, until it has sent its ClientHello (RFC 8446, section 4.1.2). TLS is begun
 * only then, and when it is its network's turn: it takes 30 KiB of memory, and with an RSA key of 2,048 bits 0.9 ms of
 * CPU time. Clients that send nothing, or a part of a ClientHello, get neither.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Socket as Stream } from "node:net";
import type { AccountHolder, Holding } from "../budget.ts";
import { freeBytes } from "../bytes.ts";
import { CONNECTION_BYTES } from "../config/memory.ts";
import { GrowingBuffer } from "../net/growing_buffer.ts";
import type { HttpRefusal } from "./engine.ts";
import type { FairQueue, FairWorker } from "./fair_queue.ts";
import type { Remote, StreamOwner } from "./handler.ts";
import { type OpenConnection, type OpenConnectionHost, REASONS } from "./open_connections.ts";

/** The bytes of a record's header: its type, a version, and the length of the rest (RFC 8446, section 5.1). */
const RECORD_HEADER_BYTES = 5;

/** The type of a record that holds a part of the handshake. */
const HANDSHAKE = 22;

/** The most bytes of a record behind its header. */
const RECORD_BYTES = 2 ** 14;

/** The bytes before a message of the handshake: its type, and its length (RFC 8446, section 4). */
const MESSAGE_HEADER_BYTES = 4;

/** The type of a ClientHello. */
const CLIENT_HELLO = 1;

/**
 * The most bytes that are taken before TLS: a client sends no more than its ClientHello before it has an answer. The
 * stream gives up to 64 KiB at once.
 */
const LIMIT = 96 * 1024;

/** The parts of the server that a client uses until TLS is begun. */
export interface TlsHelloHost extends OpenConnectionHost {
  /** The queue in which clients wait for TLS to be begun. */
  readonly handshakes: FairQueue;
  /**
   * Begins TLS with a stream that has the ClientHello to read. The stream has another owner from then on.
   *
   * @param since The time when the client connected, and later by what it has waited for its turn.
   */
  beginTls(stream: Stream, remote: Remote, since: number): void;
}

/** One client, until TLS is begun with it. */
export class TlsHello implements StreamOwner, AccountHolder, FairWorker, OpenConnection {
  readonly #host: TlsHelloHost;
  readonly #stream: Stream;
  readonly remote: Remote;
  readonly #holding: Holding;
  readonly #since: number;
  readonly #reader = new HelloReader();
  /** The bytes that have come. */
  readonly #begun = new GrowingBuffer(LIMIT);
  /** `fresh`: it waits for its turn. `null`: it is over. */
  #stage: "hello" | "fresh" | null = "hello";
  /** The time since when it waits for its turn. */
  #queuedAt = 0;

  constructor(host: TlsHelloHost, stream: Stream, remote: Remote) {
    this.#host = host;
    this.#stream = stream;
    this.remote = remote;
    this.#since = host.now;
    this.#holding = host.account.open(this);
  }

  /** Tells whether nothing is to be done for it any more. */
  get isOver(): boolean {
    return this.#stage === null || this.#stream.destroyed;
  }

  /** Charges its memory, or ends it. Called once, after construction. */
  begin(): void {
    this.#host.staged(this, null, "hello");
    this.#charge();
  }

  /** Keeps received bytes, until the ClientHello is whole, and while it waits for its turn. */
  data(chunk: Buffer): void {
    if (this.#stage === null) return;
    if (this.#begun.length + chunk.length > LIMIT) {
      return this.#refuse("tls", "It sent more than a ClientHello before its TLS handshake");
    }
    this.#begun.append(chunk);
    freeBytes(chunk);
    const isFirst = this.#stage === "hello";
    if (isFirst && this.#reader.isWhole(this.#begun.bytes)) {
      this.#queuedAt = this.#host.now;
      this.#enter("fresh");
    }
    this.#charge();
    if (isFirst && this.#stage === "fresh") this.#host.handshakes.add(this.remote.hostname, this);
  }

  /** Begins TLS, when the work queue calls. */
  work(): void {
    if (this.isOver) return;
    // Only now: what came to a stream that is paused would be a second chunk. If TLS fails at the first, the runtime ends
    // with an error at the second (Deno 2.9.6, see docs/upstream.md).
    this.#stream.pause();
    this.#stream.unshift(Buffer.from(this.#begun.bytes));
    const waited = this.#host.now - this.#queuedAt;
    this.#forget();
    this.#host.beginTls(this.#stream, this.remote, this.#since + waited);
  }

  /** Checks the timeout. Called about once a second. */
  tick(): void {
    const { headMs } = this.#host.limits;
    if (this.#stage !== "hello" || this.#host.now - this.#since < headMs) return;
    this.#refuse("timeout", REASONS.late(headMs));
  }

  /** Ends it, as memory is short; see {@linkcode AccountHolder}. */
  evict(): void {
    this.#refuse("memory", REASONS.slowest);
  }

  /** Ends it, as the server stops. */
  stop(): void {
    this.drop();
  }

  /** Destroys the stream at once. */
  drop(): void {
    this.#forget();
    this.#stream.destroy();
  }

  /** Does nothing, as nothing is sent. */
  drained(): void {}

  /** Handles that the client sends no more. */
  ended(): void {
    this.#breakOff();
    this.#stream.destroy();
  }

  /** Does nothing: the stream closes next. */
  failed(): void {}

  /** Handles the close of the stream. */
  closed(): void {
    this.#breakOff();
  }

  /** Reports a handshake that was begun. A client that connects and sends nothing, as health checks do, gets no log line. */
  #breakOff(): void {
    if (this.#stage === null) return;
    if (this.#begun.length > 0) {
      this.#host.refused(this.remote, "tls", REASONS.tls("it was broken off"));
    }
    this.#forget();
  }

  #charge(): void {
    const bytes = CONNECTION_BYTES.plain + this.#begun.heldBytes;
    // That it waits for its turn is no fault of the client.
    if (this.#holding.set(bytes, this.#stage === "fresh")) return;
    this.#refuse("memory", REASONS.memory);
  }

  #refuse(kind: HttpRefusal, reason: string): void {
    this.#host.refused(this.remote, kind, reason);
    this.drop();
  }

  #enter(stage: "fresh" | null): void {
    if (this.#stage === stage) return;
    this.#host.staged(this, this.#stage, stage);
    this.#stage = stage;
  }

  #forget(): void {
    this.#enter(null);
    this.#begun.clear();
    this.#holding.close();
  }
}

/** Finds the end of a ClientHello, which may be in several records. Each record is looked at once. */
class HelloReader {
  /** The place of the record that is not whole yet. */
  #at = 0;
  /** The bytes of the message in the records before it, and the first of them. */
  #length = 0;
  readonly #header: number[] = [];

  /**
   * Tells whether bytes hold a whole ClientHello, or something that is none: TLS reports that.
   *
   * @param bytes All that has come.
   */
  isWhole(bytes: Uint8Array): boolean {
    for (;;) {
      const [type, , , high = 0, low = 0] = bytes.subarray(
        this.#at,
        this.#at + RECORD_HEADER_BYTES,
      );
      if (type === undefined) return false;
      if (type !== HANDSHAKE) return true;
      const start = this.#at + RECORD_HEADER_BYTES;
      if (bytes.length < start) return false;
      const length = 256 * high + low;
      if (length === 0 || length > RECORD_BYTES) return true;
      const end = start + length;
      if (bytes.length < end) return false;
      for (let at = start; at < end && this.#header.length < MESSAGE_HEADER_BYTES; at++) {
        this.#header.push(bytes[at] ?? 0);
      }
      this.#at = end;
      this.#length += length;
      if (this.#isOver) return true;
    }
  }

  get #isOver(): boolean {
    const [type, high = 0, middle = 0, low] = this.#header;
    if (type !== CLIENT_HELLO) return true;
    if (low === undefined) return false;
    const length = MESSAGE_HEADER_BYTES + 65_536 * high + 256 * middle + low;
    return length > RECORD_BYTES || this.#length >= length;
  }
}
