/**
 * A client of a TLS server that has connected, until it has sent its greeting: the first record, with the ClientHello
 * (RFC 8446, sections 4.1.2 and 5.1). TLS is begun only then, and when it is its network's turn: it costs 30 KiB
 * of memory and a signature, 0.7 ms with an RSA key of 2,048 bits. Clients that send nothing, or half a greeting, get
 * neither.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Socket as Stream } from "node:net";
import type { Account, AccountHolder, Holding } from "../budget.ts";
import { freeBytes } from "../bytes.ts";
import { formatAddress } from "../config/host_name.ts";
import { CONNECTION_BYTES } from "../config/memory.ts";
import { GrowingBuffer } from "../net/growing_buffer.ts";
import type { Worker } from "../work_queue.ts";
import type { HttpLimits, HttpRefusal } from "./engine.ts";
import type { FairQueue } from "./fair_queue.ts";
import type { Remote, StreamOwner } from "./handler.ts";
import type { OpenConnection, Stage } from "./open_connections.ts";

/** The bytes of a record's header: its type, a version, and the length of the rest. */
const HEADER_BYTES = 5;

/** The type of a record that holds a part of the handshake. */
const HANDSHAKE = 22;

/** The most bytes of a record behind its header (RFC 8446, section 5.2). */
const RECORD_BYTES = 2 ** 14 + 256;

/** The parts of the server that a greeting uses. */
export interface TlsGreetingHost {
  readonly limits: HttpLimits;
  /** The account that connections are charged to. */
  readonly account: Account;
  /** The queue in which greetings wait for their turn. */
  readonly greetings: FairQueue;
  /** A clock in ms. */
  readonly now: number;
  refused(remoteAddress: string, kind: HttpRefusal, reason: string): void;
  /** Reports that it has entered another stage; `null`: it has begun, or is over. */
  staged(connection: OpenConnection, from: Stage | null, to: Stage | null): void;
  /**
   * Begins TLS with a stream whose first bytes are the greeting. The stream has another owner from then on.
   *
   * @param since The time when the client connected.
   */
  greeted(stream: Stream, remote: Remote, since: number): void;
}

/** One client, until it has greeted. */
export class TlsGreeting implements StreamOwner, AccountHolder, Worker, OpenConnection {
  readonly #host: TlsGreetingHost;
  readonly #stream: Stream;
  readonly #remote: Remote;
  readonly #holding: Holding;
  readonly #since: number;
  /** The bytes that have come: a record, and a chunk behind it, at most. */
  readonly #begun = new GrowingBuffer(Infinity);
  /** `fresh`: the greeting waits for its turn. `null`: it is over. */
  #stage: "greeting" | "fresh" | null = "greeting";

  constructor(host: TlsGreetingHost, stream: Stream, remote: Remote) {
    this.#host = host;
    this.#stream = stream;
    this.#remote = remote;
    this.#since = host.now;
    this.#holding = host.account.open(this);
  }

  /** Returns the address of the other end. */
  get address(): string {
    return this.#remote.hostname;
  }

  /** Returns the address and port of the other end. */
  get remoteAddress(): string {
    return formatAddress(this.#remote.hostname, this.#remote.port);
  }

  /** Charges its memory, or ends it. Called once, after construction. */
  begin(): void {
    this.#host.staged(this, null, "greeting");
    this.#charge();
  }

  /** Queues received bytes, until the greeting is whole. */
  data(chunk: Buffer): void {
    if (this.#stage === null) return;
    this.#begun.append(chunk);
    freeBytes(chunk);
    this.#charge();
    if (this.#stage !== "greeting" || !isGreeting(this.#begun.bytes)) return;
    this.#stream.pause();
    this.#enter("fresh");
    this.#host.greetings.add(this.address, this);
  }

  /** Begins TLS, when the work queue calls. */
  work(): void {
    if (this.#stage === null) return;
    this.#stream.unshift(Buffer.from(this.#begun.bytes));
    this.#forget();
    this.#host.greeted(this.#stream, this.#remote, this.#since);
  }

  /** Checks the timeout. Called about once a second. */
  tick(): void {
    const { headMs } = this.#host.limits;
    if (this.#stage !== "greeting" || this.#host.now - this.#since < headMs) return;
    this.#refuse("timeout", `It sent no whole request in ${headMs} ms`);
  }

  /** Ends it, as memory is short; see {@linkcode AccountHolder}. */
  evict(): void {
    this.#refuse("memory", "It was the slowest when memory was short");
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

  /** Reports half a greeting. A client that connects and sends nothing, as health checks do, gets no log line. */
  #breakOff(): void {
    if (this.#stage === null) return;
    if (this.#begun.length > 0) {
      this.#host.refused(this.remoteAddress, "tls", "The TLS handshake failed: it was broken off");
    }
    this.#forget();
  }

  #charge(): void {
    if (this.#holding.set(CONNECTION_BYTES.plain + this.#begun.heldBytes)) return;
    this.#refuse("memory", "There is no memory for it");
  }

  #refuse(kind: HttpRefusal, reason: string): void {
    this.#host.refused(this.remoteAddress, kind, reason);
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

/** Tells whether bytes hold a whole first record, or one for which TLS has only an error. */
function isGreeting(bytes: Uint8Array): boolean {
  const [type, , , high, low] = bytes;
  if (type !== HANDSHAKE) return true;
  if (high === undefined || low === undefined) return false;
  const length = 256 * high + low;
  return length > RECORD_BYTES || bytes.length >= HEADER_BYTES + length;
}
