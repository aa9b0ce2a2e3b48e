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
import { Identity } from "./identity.ts";
import { DEFAULT_QUEUE_LIMITS, Queue, type Relayed } from "./queue.ts";

/**
 * Requests that may be on their way to a peer that takes more than one a connection. What is
 * written outlives this process, so there are many; but fewer for a peer that would deliver again
 * what it had and could not acknowledge.
 */
const WINDOW = { ours: 1024, other: 32 };

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

/** Failures in a row that another reason must have to be told in an outage that has been told. */
const SAME_REASON = 3;

/** Reasons that are told in one outage. */
const REASONS_TOLD = 5;

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
  /** Since then, in ms. */
  readonly "last.failure": number | null;
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
  readonly #identity = new Identity();
  #hasBeenUp = false;
  /** Why it is down, as far as that was told in this outage. */
  readonly #reasonsTold = new Set<string>();
  /** Failures in a row for the last reason. */
  #sameReason = 0;
  /** Whether it has to show that it is an Aphlict before it gets another message. */
  #isDoubtful = false;
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
  #lastError: { readonly reason: string; readonly at: number } | null = null;
  #lastContact: number | null = null;
  readonly #refusals: Allowance;
  readonly #starts: Allowance;

  constructor(options: PeerOptions) {
    const { host, port, protocol } = options.config;
    this.url = `${protocol}://${formatAddress(host, port)}/`;
    this.#options = options;
    const inAMinute = (lines: number, text: string) =>
      new Allowance((count) => log.warning(text, { peer: this.url, count }), {
        lines,
        periodMs: 60_000,
      });
    this.#refusals = inAMinute(1, "Peer {peer} refused {count} more messages in the last minute.");
    this.#starts = inAMinute(5, "Peer {peer} was started {count} more times in the last minute.");
  }

  /** Connects, and from then on as often as it has to. */
  start(): void {
    this.#done = this.#run();
  }

  /** `null` when it is not known, or is not the same each time. */
  get fingerprint(): string | null {
    return this.#identity.fingerprint(performance.now());
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  get isSelf(): boolean {
    return this.#state === "self";
  }

  /** Whether it is known to take a message twice for one, and to keep its promises. */
  get isOfOurKind(): boolean {
    return this.#identity.isOfOurKind(performance.now());
  }

  /** Has it sent a message, now or when it can be. */
  push(message: Relayed): void {
    if (this.isSelf) return;
    this.#expire();
    this.#drop("full", this.#queue.push(message));
    if (this.#connection) this.#fill(this.#connection);
    else this.#wake();
  }

  /** Has it sent a message that it is likely to have, if there is room. */
  offer(message: Relayed): void {
    if (this.#queue.hasRoomFor(message)) this.push(message);
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
    this.putFirst(
      lost.filter(({ encoded, others }) => others.includes(own) && !withdrawn.has(encoded))
        .map((message) => ({ ...message, isPromised: false, isHandover: true, wasSent: false })),
    );
  }

  /** Has it sent messages, in order, before those that wait. */
  putFirst(messages: readonly Relayed[]): void {
    if (messages.length === 0) return;
    this.#drop("full", this.#queue.putFirst(messages));
    if (this.#connection) this.#fill(this.#connection);
    else this.#wake();
  }

  /** Takes all that waits away from it. */
  takeAll(): Relayed[] {
    return this.#queue.takeAll();
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
      fingerprint: this.#identity.last,
      queued: this.#queue.size,
      sent: this.#sent,
      failed: this.#failed,
      dropped: full + old + refused,
      "dropped.full": full,
      "dropped.old": old,
      "dropped.refused": refused,
      "last.error": this.#lastError?.reason ?? null,
      "last.failure": this.#lastError === null ? null : ageOf(this.#lastError.at),
      "last.contact": contact === null ? null : ageOf(contact),
    };
  }

  /** Resolves when it has taken everything, or cannot. */
  async flush(): Promise<void> {
    if (!this.isUp || this.#queue.size === 0) return;
    await new Promise<void>((resolve) => this.#empty = resolve);
  }

  /** Ends its connection. What waits is lost, and told. */
  async stop(): Promise<void> {
    if (this.#queue.size > 0) {
      log.warning(
        "This server stops while {waiting} messages wait for peer {peer}: they are lost.",
        {
          peer: this.url,
          waiting: this.#queue.size,
        },
      );
    }
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
        this.#fail("met an unexpected error of this server");
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
    try {
      if (!this.#isDoubtful) this.#fill(connection);
      if (connection.inFlight === 0) this.#probe(connection);
      const why = await connection.listen((answer) => this.#take(connection, answer));
      return this.#fault === null ? why : new ConnectionError(this.#fault);
    } finally {
      clearInterval(probes);
      connection.close();
      this.#connection = null;
      this.#queue.rewind();
    }
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
    const window = connection.answered === 0 ? 1 : WINDOW[this.isOfOurKind ? "ours" : "other"];
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
      encoder.encode(`GET /status/ HTTP/1.1\r\n${this.#headers}\r\n`),
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
    const { config: { host, port }, fingerprint } = this.#options;
    return `Host: ${formatAddress(host, port)}\r\nUser-Agent: Aphlict\r\n` +
      `${FINGERPRINT_HEADER}: ${fingerprint}\r\n`;
  }

  #take(connection: Connection, answer: Answer): void {
    this.#lastContact = performance.now();
    this.#fault = this.#asked.shift() === "probe"
      ? this.#takeStatus(answer)
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
    // From one that has not shown that it is an Aphlict it may be about anything.
    if ((status === 400 || status === 413) && this.isUp) {
      this.#queue.answered();
      this.#dropped.refused++;
      if (this.#refusals.take()) {
        log.warning("Peer {peer} refused a message with {status}; it is dropped: {body}", {
          peer: this.url,
          status,
          body: body.slice(0, 200),
        });
      }
      return null;
    }
    const fingerprint = status === 200 ? fingerprintOf(objectOf(body)) : null;
    if (fingerprint === null) {
      this.#isDoubtful = true;
      return status === 200 ? NO_APHLICT : explainStatus(answer);
    }
    // Of a server that is new its status page tells of what kind it is.
    if (fingerprint !== this.#identity.last && !answer.isLast) this.#probe(connection);
    this.#learn(fingerprint, false);
    this.#rise();
    if (this.#queue.answered()?.isHandover === false) this.#sent++;
    return null;
  }

  /** @returns What is wrong, to follow on "the peer". */
  #takeStatus(answer: Answer): string | null {
    const { status, body } = answer;
    if (status !== 200) {
      this.#isDoubtful = false;
      // Somebody in between may let messages pass and nothing else.
      return this.isUp && status >= 400 && status < 500 ? null : explainStatus(answer);
    }
    const page = objectOf(body);
    if (typeof page?.["version"] !== "number") {
      return NO_APHLICT;
    }
    this.#isDoubtful = false;
    const fingerprint = fingerprintOf(page);
    if (fingerprint !== null) this.#learn(fingerprint, true);
    this.#rise();
    return null;
  }

  #learn(fingerprint: string, fromStatus: boolean): void {
    const { last: former } = this.#identity;
    const hadPromised = this.isUp && this.isOfOurKind;
    const finding = this.#identity.learn(fingerprint, fromStatus, performance.now());
    if (finding === "same") return;
    if (fingerprint === this.#options.fingerprint && finding !== "several") {
      this.#become("self");
      this.#queue.clear();
      log.info("Peer {peer} is this server itself: it is sent nothing.", { peer: this.url });
      return;
    }
    if (finding === "several" && hadPromised) {
      log.warning(
        "Peer {peer} leads to different servers ({former} and {fingerprint} have answered), so that " +
          "nobody can tell which of them has a message. Name each server by an address of its own.",
        { peer: this.url, former, fingerprint },
      );
    } else if (finding === "new" && this.isUp && this.#starts.take()) {
      log.info("Peer {peer} was started again (fingerprint: {fingerprint}).", {
        peer: this.url,
        fingerprint,
      });
    }
    if (hadPromised && former !== null) this.#options.onGone(former);
  }

  /** It has given a good answer. */
  #rise(): void {
    if (this.isUp || this.isSelf) return;
    const values = {
      peer: this.url,
      fingerprint: this.#identity.last ?? "not known yet",
      seconds: Math.round((performance.now() - this.#since) / 100) / 10,
      waiting: this.#queue.size,
    };
    if (this.#reasonsTold.size > 0) {
      log.info(
        "Peer {peer} is up again after {seconds} s (fingerprint: {fingerprint}; messages that wait for " +
          "it: {waiting}).",
        values,
      );
    } else {
      log.info("Peer {peer} is up (fingerprint: {fingerprint}).", values);
    }
    this.#reasonsTold.clear();
    this.#hasBeenUp = true;
    this.#tellDrops();
    this.#become("up");
  }

  #fail(reason: string): void {
    this.#failed++;
    this.#sameReason = reason === this.#lastError?.reason ? this.#sameReason + 1 : 1;
    this.#lastError = { reason, at: performance.now() };
    this.#expire();
    if (this.isUp && performance.now() - this.#since >= LONGEST_MS) this.#backoff.reset();
    this.#empty();
    if (this.#state !== "down") {
      this.#become("down");
      this.#options.onDown(this);
      const { fingerprint } = this;
      if (this.isOfOurKind && fingerprint !== null) this.#options.onGone(fingerprint);
    }
    const mayBeStarting = !this.#hasBeenUp && reason === REFUSED &&
      performance.now() - this.#since < START_MS;
    if (!mayBeStarting) this.#tellDown(reason);
  }

  /** Tells that it is down, and what turns out to be wrong with it later. */
  #tellDown(reason: string): void {
    const told = this.#reasonsTold;
    if (told.has(reason) || told.size >= REASONS_TOLD) return;
    if (told.size > 0 && this.#sameReason < SAME_REASON) return;
    const values = {
      peer: this.url,
      reason,
      seconds: DEFAULT_QUEUE_LIMITS.ageMs / 1000,
      waiting: this.#queue.size,
    };
    if (told.size > 0) log.warning("Peer {peer} is still down: it {reason}.", values);
    else {
      log.warning(
        "Peer {peer} is down: it {reason}. It is tried again and again; messages wait for it for up to " +
          "{seconds} s ({waiting} now).",
        values,
      );
    }
    told.add(reason);
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

const NO_APHLICT = "does not answer as the admin port of an Aphlict does";

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
function fingerprintOf(page: Readonly<Record<string, unknown>> | null): string | null {
  const fingerprint = page?.["fingerprint"];
  return typeof fingerprint === "string" && FINGERPRINT.test(fingerprint) ? fingerprint : null;
}

/** Since a time, in ms. */
function ageOf(time: number): number {
  return Math.round(performance.now() - time);
}
