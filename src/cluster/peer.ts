/**
 * One peer: what waits for it, the connection it is sent over, and how it is.
 *
 * A peer is sent what waits as soon as it takes it. One that is down is tried again, at longer and
 * longer intervals, with the message that waits longest or else with its status page, and gets all that
 * still waits, in order, when it is back.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { formatAddress, type PeerConfig } from "../config/config.ts";
import { readAuthority, TlsError } from "../config/tls.ts";
import { FINGERPRINT_HEADER, HANDOVER_HEADER } from "../hub/headers.ts";
import { Allowance } from "../log/allowance.ts";
import { logger } from "../log/log.ts";
import type { Answer } from "./answer.ts";
import { Backoff, FIRST_MS, LONGEST_MS } from "./backoff.ts";
import {
  type Address,
  Connection,
  ConnectionClosed,
  ConnectionError,
  REFUSED,
} from "./connection.ts";
import { DEFAULT_QUEUE_LIMITS, Queue, type Relayed } from "./queue.ts";

/**
 * Requests that may be on their way to a peer that takes more than one a connection. What is
 * written outlives this process, so there are many; but fewer for a peer that would deliver again
 * what it had and could not acknowledge.
 */
const WINDOW = { deduplicating: 1024, other: 32 };

/** Bytes of messages that may be on their way, with one that goes beyond it. */
const WINDOW_BYTES = 256 * 1024;

/** How often the status page of a peer that is up is asked for while there is nothing to send, in ms. */
const PROBE_INTERVAL_MS = 15_000;

/** How often a peer that closes idle connections is connected to, in ms. */
const RECONNECT_INTERVAL_MS = 5000;

/** What is taken for a fingerprint: it is shown to people, and goes into messages. The original's have 16. */
const FINGERPRINT = /^[!-~]{1,64}$/;

/**
 * How long a peer that has never been there may refuse connections before that is told, in ms: the
 * servers of a cluster may start together.
 */
const START_MS = 5000;

/** Servers that may follow each other at one address before it counts as one that leads to several. */
const FINGERPRINTS_LIMIT = 64;

const log = logger("cluster");

/**
 * - `unknown`: not reached yet.
 * - `up`: its last answer was a good one.
 * - `down`: its last answer was not, or there was none. It is being tried again.
 * - `self`: it is this very server, which needs no messages of its own.
 */
export type PeerState = "unknown" | "up" | "down" | "self";

/** How a peer is, as the status page tells it. */
export interface PeerStatus {
  /** Such as `http://192.0.2.7:22281/`. */
  readonly peer: string;
  readonly state: PeerState;
  /** The last one known. */
  readonly fingerprint: string | null;
  /** Messages that it has not acknowledged. */
  readonly queued: number;
  /** Messages that it has acknowledged. */
  readonly sent: number;
  /** Connections and requests that failed. */
  readonly failed: number;
  /** Messages that it has not got and will not get, for whatever reason. */
  readonly dropped: number;
  /** More waited than may. */
  readonly "dropped.full": number;
  /** They waited for too long. */
  readonly "dropped.old": number;
  /** It refused them. */
  readonly "dropped.refused": number;
  readonly "last.error": string | null;
  /** Since its last answer, in ms. */
  readonly "last.contact": number | null;
}

/** What a peer needs. */
export interface PeerOptions {
  readonly config: PeerConfig;
  /** This server's own fingerprint. */
  readonly fingerprint: string;
  /** Told when it has become clear that the peer is down. */
  readonly onDown: (peer: Peer) => void;
  /** Told when a server of our kind is down, or another one has taken its place. */
  readonly onGone: (fingerprint: string) => void;
}

/** What is asked of a peer. */
type Request = "message" | "probe";

/** See the module. */
export class Peer {
  readonly url: string;
  readonly #options: PeerOptions;
  readonly #queue = new Queue();
  readonly #backoff = new Backoff();
  readonly #stopping = new AbortController();
  #done: Promise<void> = Promise.resolve();
  #state: PeerState = "unknown";
  /** When the state began, in ms; the clock is that of `performance.now`, here and below. */
  #since = performance.now();
  #fingerprint: string | null = null;
  /** The fingerprint that its status page told, as the original's does not. */
  #told: string | null = null;
  /** All that have answered, as far as they are needed. */
  readonly #fingerprints = new Set<string>();
  /** Whether its address leads to one server now and to another then. */
  #isMixed = false;
  /** Whether it is the last thing told of it that it is down. */
  #isToldDown = false;
  #hasBeenUp = false;
  #connection: Connection | null = null;
  /** What has been asked on the connection and not been answered, in order. */
  #asked: Request[] = [];
  /** What is wrong with an answer that has just come. */
  #fault: string | null = null;
  /** Ends the pause between two connections. */
  #endPause = () => {};
  #shortenPause = () => {};
  /** Ends it where a message that comes is a reason to. */
  #wake = () => {};
  /** Told when nothing waits any more. */
  #empty = () => {};
  #sent = 0;
  #failed = 0;
  readonly #dropped = { full: 0, old: 0, refused: 0 };
  /** Messages that were dropped since that was last told. */
  #lost = 0;
  #lastError: string | null = null;
  #lastContact: number | null = null;
  readonly #refusals: Allowance;

  constructor(options: PeerOptions) {
    const { host, port, protocol } = options.config;
    this.url = `${protocol}://${formatAddress(host, port)}/`;
    this.#options = options;
    this.#refusals = new Allowance(
      (count) =>
        log.warning("Peer {peer} refused {count} more messages in the last minute.", {
          peer: this.url,
          count,
        }),
      { lines: 1, periodMs: 60_000 },
    );
  }

  /** Connects, and from then on as often as it has to. */
  start(): void {
    this.#done = this.#run();
  }

  /** `null` when it is not known, or is not the same each time. */
  get fingerprint(): string | null {
    return this.#isMixed ? null : this.#fingerprint;
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  get isSelf(): boolean {
    return this.#state === "self";
  }

  /** Whether it is known to take a message twice for one. */
  get deduplicates(): boolean {
    return this.#told !== null && this.#told === this.fingerprint;
  }

  /** Has it sent a message, now or when it can be. */
  push(message: Relayed): void {
    if (this.isSelf) return;
    this.#expire();
    this.#drop("full", this.#queue.push(message));
    if (this.#connection) this.#fill(this.#connection);
    else this.#wake();
  }

  /**
   * Tells it that another server does not get from us what it may rely on: copies that it cannot have are
   * changed, and those that it may have it is asked to pass on itself.
   *
   * @param lost What that server does not get, in order.
   */
  handOver(fingerprint: string, lost: readonly Relayed[]): void {
    const own = this.fingerprint;
    const withdrawn = this.#queue.withdraw(fingerprint);
    if (own === null) return;
    const handovers = lost
      .filter(({ encoded, others }) => others.includes(own) && !withdrawn.has(encoded))
      .map((message) => ({ ...message, isPromised: false, isHandover: true, wasSent: false }));
    this.#drop("full", this.#queue.putFirst(handovers));
    if (this.#connection) this.#fill(this.#connection);
    else if (handovers.length > 0) this.#wake();
  }

  /** Tries one that is down again soon, as it may be back: {@linkcode FIRST_MS} after it was last tried. */
  hurry(): void {
    if (this.#state === "down") this.#shortenPause();
  }

  /** The messages that others rely on us to bring to it, in order; each is given once. */
  takeBack(): Relayed[] {
    return this.#queue.takeBack();
  }

  status(): PeerStatus {
    this.#expire();
    const { full, old, refused } = this.#dropped;
    const contact = this.#lastContact;
    return {
      peer: this.url,
      state: this.#state,
      fingerprint: this.#fingerprint,
      queued: this.#queue.size,
      sent: this.#sent,
      failed: this.#failed,
      dropped: full + old + refused,
      "dropped.full": full,
      "dropped.old": old,
      "dropped.refused": refused,
      "last.error": this.#lastError,
      "last.contact": contact === null ? null : Math.round(performance.now() - contact),
    };
  }

  /** Resolves when it has taken everything, or cannot. */
  async flush(): Promise<void> {
    if (!this.isUp || this.#queue.size === 0) return;
    await new Promise<void>((resolve) => this.#empty = resolve);
  }

  /** Ends its connection. What waits is lost. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#connection?.close();
    this.#endPause();
    await this.#done;
  }

  get #isOver(): boolean {
    return this.#stopping.signal.aborted || this.isSelf;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        const began = performance.now();
        const why = await this.#meet();
        if (this.#isOver) return;
        if (why instanceof ConnectionError) {
          this.#fail(why.message);
          await this.#pause(this.#backoff.wait());
        } else if (this.#queue.size === 0) {
          await this.#pauseUntil(began + RECONNECT_INTERVAL_MS);
        }
      } catch (error) {
        // A mistake of ours with one peer must not stay unseen, nor end it for good.
        const stack = error instanceof Error ? error.stack : String(error);
        log.error("Unexpected error with peer {peer}, please report it: {stack}", {
          peer: this.url,
          stack,
        });
        await this.#pause(LONGEST_MS);
      }
    }
  }

  /** One connection from its beginning to its end, and why it ended. */
  async #meet(): Promise<ConnectionError | ConnectionClosed> {
    let connection: Connection;
    try {
      connection = await Connection.open(this.#address(), this.#stopping.signal);
    } catch (error) {
      if (error instanceof ConnectionError) return error;
      if (!(error instanceof TlsError)) throw error;
      return new ConnectionError(`cannot be told from others: ${error.message}`);
    }
    this.#connection = connection;
    this.#asked = [];
    this.#fault = null;
    const probes = setInterval(() => {
      if (connection.inFlight === 0) this.#probe(connection);
    }, PROBE_INTERVAL_MS);
    this.#fill(connection);
    if (connection.inFlight === 0) this.#probe(connection);
    const why = await connection.listen((answer) => this.#take(connection, answer));
    clearInterval(probes);
    this.#connection = null;
    this.#queue.rewind();
    return this.#fault === null ? why : new ConnectionError(this.#fault);
  }

  /** @throws {TlsError} If the file of its authority cannot be used; it is read each time. */
  #address(): Address {
    const { host, port, protocol, ca } = this.#options.config;
    const tls = protocol === "https"
      ? { authorities: ca === null ? [] : [readAuthority(ca)] }
      : null;
    return { hostname: host, port, tls };
  }

  /** Sends as much of what waits as the peer takes at a time. */
  #fill(connection: Connection): void {
    this.#expire();
    // Whether it takes more than one is known from its first answer.
    const window = connection.answered === 0
      ? 1
      : WINDOW[this.deduplicates ? "deduplicating" : "other"];
    while (connection.inFlight < window && this.#queue.sentBytes < WINDOW_BYTES) {
      const message = this.#queue.take();
      if (!message) return;
      this.#asked.push("message");
      connection.send(this.#encode(message));
    }
  }

  #probe(connection: Connection): void {
    this.#asked.push("probe");
    connection.send(
      encoder.encode(
        `GET /status/ HTTP/1.1\r\n${this.#headers}` +
          `${FINGERPRINT_HEADER}: ${this.#options.fingerprint}\r\n\r\n`,
      ),
    );
  }

  #encode({ instance, encoded, touched, others, isHandover }: Relayed): Uint8Array {
    const body = encoded.touchedBy([...touched, ...others]);
    const head = encoder.encode(
      `POST /?instance=${encodeURIComponent(instance)} HTTP/1.1\r\n${this.#headers}` +
        (isHandover ? `${HANDOVER_HEADER}: 1\r\n` : "") +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    return Buffer.concat([head, body]);
  }

  get #headers(): string {
    const { host, port } = this.#options.config;
    return `Host: ${formatAddress(host, port)}\r\nUser-Agent: Aphlict\r\n`;
  }

  #take(connection: Connection, answer: Answer): void {
    this.#lastContact = performance.now();
    this.#fault = this.#asked.shift() === "probe"
      ? this.#takeStatus(connection, answer)
      : this.#takeReceipt(connection, answer);
    if (this.#fault !== null || this.isSelf) return connection.close();
    if (this.#queue.size === 0) {
      this.#tellDrops();
      this.#empty();
    }
    if (!answer.isLast) this.#fill(connection);
  }

  /** @returns What is wrong, to follow on "the peer". */
  #takeReceipt(connection: Connection, answer: Answer): string | null {
    const { status, body } = answer;
    if (status === 400 || status === 413) {
      this.#rise();
      this.#queue.answered();
      this.#dropped.refused++;
      if (this.#refusals.take()) {
        log.warning("Peer {peer} refused a message with {status}; it is dropped: {body}", {
          peer: this.url,
          status,
          body: body.slice(0, 200),
        });
      }
    } else if (status !== 200) {
      return explainStatus(answer);
    } else {
      const fingerprint = fingerprintOf(body);
      if (fingerprint === null) {
        return "answers a message without a receipt, as no admin port of an Aphlict does";
      }
      // Of a server that is new its status page tells of what kind it is.
      if (fingerprint !== this.#fingerprint && !answer.isLast && !this.#isMixed) {
        this.#probe(connection);
      }
      this.#learn(fingerprint, connection.answered > 1);
      this.#rise();
      this.#queue.answered();
      this.#sent++;
    }
    return null;
  }

  /** @returns What is wrong, to follow on "the peer". */
  #takeStatus(connection: Connection, answer: Answer): string | null {
    const { status, body } = answer;
    if (status !== 200) {
      // Somebody in between may let messages pass and nothing else.
      return this.isUp && status >= 400 && status < 500 ? null : explainStatus(answer);
    }
    if (objectOf(body) === null) {
      return "answers /status/ without a status, as no admin port of an Aphlict does";
    }
    const fingerprint = fingerprintOf(body);
    if (fingerprint !== null) this.#learn(fingerprint, connection.answered > 1);
    this.#told = fingerprint;
    this.#rise();
    return null;
  }

  /** @param isSameConnection Whether another fingerprint has come on the connection. */
  #learn(fingerprint: string, isSameConnection: boolean): void {
    const former = this.#fingerprint;
    if (former === fingerprint) return;
    const hadPromised = this.isUp && this.deduplicates;
    this.#fingerprint = fingerprint;
    if (fingerprint === this.#options.fingerprint && !this.#isMixed) {
      this.#become("self");
      this.#queue.clear();
      log.info("Peer {peer} is this server itself: it is sent nothing.", { peer: this.url });
      return;
    }
    if (this.#isMixed || former === null) return;
    // One that is started again has a new one, and another connection.
    this.#isMixed = isSameConnection || this.#fingerprints.has(fingerprint) ||
      this.#fingerprints.size >= FINGERPRINTS_LIMIT;
    this.#fingerprints.add(former);
    if (this.#isMixed) {
      log.warning(
        "Peer {peer} leads to different servers ({former} and {fingerprint} have answered), so that " +
          "nobody can tell which of them has a message. Name each server by an address of its own.",
        { peer: this.url, former, fingerprint },
      );
    } else if (this.isUp) {
      log.info("Peer {peer} was started again (fingerprint: {fingerprint}).", {
        peer: this.url,
        fingerprint,
      });
    }
    if (hadPromised) this.#options.onGone(former);
  }

  /** It has given a good answer. */
  #rise(): void {
    if (this.isUp || this.isSelf) return;
    const values = {
      peer: this.url,
      fingerprint: this.#fingerprint ?? "not known yet",
      seconds: Math.round((performance.now() - this.#since) / 100) / 10,
      waiting: this.#queue.size,
    };
    if (this.#isToldDown) {
      log.info(
        "Peer {peer} is up again after {seconds} s (fingerprint: {fingerprint}; messages that wait for " +
          "it: {waiting}).",
        values,
      );
    } else {
      log.info("Peer {peer} is up (fingerprint: {fingerprint}).", values);
    }
    this.#isToldDown = false;
    this.#hasBeenUp = true;
    this.#tellDrops();
    this.#become("up");
  }

  #fail(reason: string): void {
    this.#failed++;
    this.#lastError = reason;
    this.#expire();
    if (this.isUp && performance.now() - this.#since >= LONGEST_MS) this.#backoff.reset();
    this.#empty();
    if (this.#state !== "down") {
      this.#become("down");
      this.#options.onDown(this);
      const { fingerprint } = this;
      if (this.deduplicates && fingerprint !== null) this.#options.onGone(fingerprint);
    }
    const mayBeStarting = !this.#hasBeenUp && reason === REFUSED &&
      performance.now() - this.#since < START_MS;
    if (this.#isToldDown || mayBeStarting) return;
    this.#isToldDown = true;
    log.warning(
      "Peer {peer} is down: it {reason}. It is tried again and again; messages wait for it for up to " +
        "{seconds} s ({waiting} now).",
      {
        peer: this.url,
        reason,
        seconds: DEFAULT_QUEUE_LIMITS.ageMs / 1000,
        waiting: this.#queue.size,
      },
    );
  }

  #become(state: PeerState): void {
    this.#state = state;
    this.#since = performance.now();
  }

  #expire(): void {
    this.#drop("old", this.#queue.expire(performance.now()));
  }

  #drop(reason: keyof typeof WHY_DROPPED, count: number): void {
    if (count === 0) return;
    if (this.#lost === 0) {
      log.warning("Messages for peer {peer} are being dropped: {why}.", {
        peer: this.url,
        why: WHY_DROPPED[reason],
      });
    }
    this.#lost += count;
    this.#dropped[reason] += count;
  }

  /** Tells once what an outage has come to. */
  #tellDrops(): void {
    if (this.#lost === 0) return;
    log.warning("{count} messages for peer {peer} were dropped meanwhile.", {
      peer: this.url,
      count: this.#lost,
    });
    this.#lost = 0;
  }

  /** A message that comes meanwhile is sent at once. */
  #pauseUntil(time: number): Promise<void> {
    const pause = this.#pause(Math.max(0, time - performance.now()));
    this.#wake = this.#endPause;
    return pause;
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const began = performance.now();
    let timer = setTimeout(resolve, ms);
    this.#endPause = () => {
      clearTimeout(timer);
      resolve();
    };
    this.#shortenPause = () => {
      clearTimeout(timer);
      const waited = performance.now() - began;
      timer = setTimeout(resolve, Math.max(0, Math.min(ms, FIRST_MS) - waited));
    };
    if (this.#isOver) this.#endPause();
    return promise.finally(() => {
      this.#endPause = this.#shortenPause = this.#wake = () => {};
    });
  }
}

const encoder = new TextEncoder();

const WHY_DROPPED = {
  full: `more wait than ${DEFAULT_QUEUE_LIMITS.messages}, or more bytes than ` +
    `${DEFAULT_QUEUE_LIMITS.bytes}`,
  old: `they have waited for ${DEFAULT_QUEUE_LIMITS.ageMs / 1000} s`,
} as const;

/** What is wrong with an answer that is neither a receipt nor a status, to follow on "the peer". */
function explainStatus({ status, reason }: Answer): string {
  const answers = `answers ${status} ${reason}`.trimEnd();
  if (status >= 300 && status < 400) {
    return `${answers}: redirects are not followed. Name the address where it is`;
  }
  if (status === 501) return `${answers}: that is a client port. Name its admin port`;
  return answers;
}

function objectOf(json: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Readonly<Record<string, unknown>>
      : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The fingerprint in a receipt, or in a status page of ours; `null` when there is none. */
function fingerprintOf(json: string): string | null {
  const fingerprint = objectOf(json)?.["fingerprint"];
  return typeof fingerprint === "string" && FINGERPRINT.test(fingerprint) ? fingerprint : null;
}
