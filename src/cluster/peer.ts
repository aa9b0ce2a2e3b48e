/**
 * One peer: the messages that wait for it, the connection to it, and its state.
 *
 * A peer is sent its messages as soon as it takes them. A peer that is down is retried at longer and longer
 * intervals. The retry sends the message that has waited longest, or asks for the status page. When it is back, it
 * gets all messages that still wait, in order.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { type PeerConfig } from "../config/config.ts";
import { formatAddress } from "../config/host_name.ts";
import { readAuthority, TlsError } from "../net/tls.ts";
import { readToken, type Token, TokenError } from "../config/token.ts";
import { fault } from "../log/fault.ts";
import type { PeerProof, PeerState, PeerStatus } from "../metrics/peer_status.ts";
import type { Answer } from "../http/answer.ts";
import { ConnectionClosed, ConnectionError, PipelinedConnection } from "./pipelined_connection.ts";
import type { Address } from "../http/dial.ts";
import { readReceipt, readStatus, Requests } from "./exchange.ts";
import { PeerIdentity } from "./peer_identity.ts";
import { Backoff } from "../backoff.ts";
import { Pause } from "./pause.ts";
import { PeerLog } from "./peer_log.ts";
import { checkProof, drawChallenge } from "./proof.ts";
import { Queue, type Relayed, withoutReceiver } from "./queue.ts";
import {
  ASK_AGAIN_MS,
  type Judgement,
  type Proof,
  type ShownFingerprint,
  type Trust,
} from "./peer_trust.ts";

/**
 * The number of requests in flight to a peer that takes more than one a connection. It is large, because what is
 * written outlives this process. It is smaller for a peer that would deliver again what it had and could not
 * acknowledge.
 */
const WINDOW = { ours: 1024, other: 32 };

/** The bytes of messages in flight, with one that goes beyond it; a slow link has 15 s for them. */
const WINDOW_BYTES = 1024 * 1024;

/** The interval of requests for the status page of a peer that is up while there is nothing to send, in ms. */
const STATUS_INTERVAL_MS = 15_000;

/** The interval of connections to a peer that closes idle ones, in ms. */
const RECONNECT_INTERVAL_MS = 5000;

/** The longest first wait before a peer that is down is retried, in ms. */
const FIRST_MS = 250;

/** The longest of all such waits, in ms. */
const LONGEST_MS = 15_000;

/** A request to a peer: to take a message, or to show its status page and prove its fingerprint. */
type Question = "message" | { readonly challenge: string };

/** A connection as a peer uses it. */
export type PeerConnection = Pick<
  PipelinedConnection,
  "inFlight" | "answered" | "send" | "listen" | "close"
>;

/**
 * Connects to a peer; see `PipelinedConnection.open`.
 *
 * @throws {ConnectionError} If that is not possible.
 */
export type Connect = (
  ...address: Parameters<typeof PipelinedConnection.open>
) => Promise<PeerConnection>;

/** The clock, the random numbers and the network of a peer. */
export interface PeerSurroundings {
  readonly clock: Clock;
  /** Returns a number from 0 up to 1, the part of each wait that is taken. */
  readonly random: () => number;
  readonly connect: Connect;
}

/** Options of a peer. */
export interface PeerOptions extends PeerSurroundings {
  readonly config: PeerConfig;
  /** This server's own fingerprint. */
  readonly fingerprint: string;
  /** Called when the peer is marked up, or its fingerprint or its proof may have changed: it must be judged again. */
  readonly onShown: () => void;
  /** Called when a server answers at the peer's address that never did before. */
  readonly onChange: (peer: Peer, former: string) => void;
  /** Called when the peer is marked down. */
  readonly onDown: (peer: Peer) => void;
}

/** An entry of the configuration's `cluster`, with its queue and its connection. */
export class Peer {
  readonly url: string;
  readonly #options: PeerOptions;
  readonly #queue = new Queue();
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  #done: Promise<void> = Promise.resolve();
  #state: PeerState = "unknown";
  /** The start of the state, in ms on the clock, as all times below. */
  #since: number;
  readonly #identity = new PeerIdentity();
  #trust: Trust = "unknown";
  /** The fingerprint that the peer was last judged to have. */
  #believed: string | null = null;
  #isContested = false;
  /** True if the connection has brought a status page for the fingerprint that was shown last. */
  #isIdentified = false;
  /** True if the previous connection brought that and no receipt, as with a peer of one request a connection. */
  #isTrustedOnce = false;
  /** True if the peer has refused to show its status page, so that it is not waited for. */
  #isSecretive = false;
  #contradictions = 0;
  #requests: Requests;
  readonly #log: PeerLog;
  /** The wait between two connections. */
  readonly #pause: Pause;
  /** True if the peer must show that it is an Aphlict before it gets another message. */
  #isDoubtful = false;
  #connection: PeerConnection | null = null;
  /** The requests on the connection that have no answer yet, in order. */
  #asked: Question[] = [];
  /** Copies since the last status page that named their receiver, which takes such a copy for known. */
  #unread: Relayed[] = [];
  /** True if the connection has brought a good status page. */
  #hasShown = false;
  /** The fault of the answer that has just come. */
  #fault: string | null = null;
  /** Called when no message waits any more. */
  #empty = () => {};
  #sent = 0;
  #failed = 0;
  readonly #dropped = { full: 0, old: 0, refused: 0 };
  #lastError: { readonly reason: string; readonly at: number } | null = null;
  #lastContact: number | null = null;

  constructor(options: PeerOptions) {
    const { config: { host, port, protocol }, clock, random } = options;
    this.url = `${protocol}://${formatAddress(host, port)}/`;
    this.#options = options;
    this.#clock = clock;
    this.#since = clock.now();
    this.#pause = new Pause(clock);
    this.#backoff = new Backoff({ firstMs: FIRST_MS, longestMs: LONGEST_MS, jitter: random });
    this.#requests = this.#write(null);
    this.#log = new PeerLog(this.url);
  }

  /** Connects to the peer, and again as often as necessary. */
  start(): void {
    this.#done = this.#run();
  }

  /** Returns the peer's fingerprint; `null` when it is not known, not believed, or not the same each time. */
  get fingerprint(): string | null {
    return this.#trust === "believed" || this.isSelf
      ? this.#identity.fingerprint(this.#clock.now())
      : null;
  }

  /** Returns what the peer has shown, believed or not. */
  get shown(): ShownFingerprint {
    return this.#identity.shown(this.#clock.now());
  }

  get state(): PeerState {
    return this.#state;
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /** Tells whether the peer has not taken all messages yet. */
  get isBusy(): boolean {
    return this.#queue.size > 0;
  }

  get isSelf(): boolean {
    return this.#state === "self";
  }

  /** Tells whether the peer is known to take a message twice for one, and to keep its promises. */
  get isOfOurKind(): boolean {
    return this.#trust === "believed" && this.#identity.isOfOurKind(this.#clock.now());
  }

  /**
   * Applies the judgement about the peer.
   *
   * @param owner The owner of the fingerprint that the peer shows, as text for people.
   * @returns The fingerprint that the peer still shows and was believed to have until now; `null`: there is none.
   */
  settle({ trust, isContested }: Judgement, owner: string): string | null {
    const { fingerprint } = this.shown;
    const [former, believed] = [this.#trust, this.#believed];
    this.#trust = trust;
    this.#believed = trust === "believed" ? fingerprint : null;
    this.#isContested = isContested;
    if (trust !== former) this.#react(former, owner);
    return this.#believed === null && believed === fingerprint ? believed : null;
  }

  /**
   * Notes that the server was started again, as another entry has shown, if the peer has not answered since.
   *
   * @param since The time of that.
   */
  follow(fingerprint: string, since: number): void {
    if ((this.#lastContact ?? 0) > since) return;
    this.#identity.follow(fingerprint, this.#clock.now());
  }

  /** Sends the peer a message, now or when that is possible. */
  push(message: Relayed): void {
    if (this.isSelf) return;
    this.#expire();
    this.#drop("full", this.#queue.push(message));
    this.#send();
  }

  /**
   * Tells the peer that this server does not bring another server the messages that it has promised. Copies that
   * the peer cannot have yet are changed. Those that it may have, it is asked to relay itself.
   *
   * @param lost The messages that the other server does not get, in order.
   */
  delegate(fingerprint: string, lost: readonly Relayed[]): void {
    const own = this.fingerprint;
    const withdrawn = this.#queue.withdraw(fingerprint);
    if (own === null) return;
    this.insert(
      lost.filter(({ encoded, others }) => others.includes(own) && !withdrawn.has(encoded))
        .map((message) => ({ ...message, kind: "handover", isPromised: false, wasSent: false })),
    );
  }

  /** Sends the peer messages among those that wait, by their time. */
  insert(messages: readonly Relayed[]): void {
    this.#drop("full", this.#queue.insert(messages));
    this.#send();
  }

  /**
   * Corrects the queue after another entry was believed to lead to this server. Copies name its fingerprint no
   * more, and those that wait at that entry are sent here as well.
   */
  reclaim(fingerprint: string, copies: readonly Relayed[]): void {
    this.#queue.readdress(fingerprint);
    const unread = this.#unread.map((message) => ({
      ...withoutReceiver(message, fingerprint),
      isPromised: false,
      wasSent: false,
    }));
    this.#unread = [];
    this.insert([...unread, ...copies]);
  }

  /** Returns the copies that the peer has not acknowledged, to be sent to another peer as well. */
  copyAll(): Relayed[] {
    return this.#queue.copyAll();
  }

  /** Removes and returns all messages that wait. */
  takeAll(): Relayed[] {
    this.#expire();
    return this.#queue.takeAll();
  }

  /** Retries a peer that is down {@linkcode FIRST_MS} after its last try, as it may be back. */
  retryNow(): void {
    if (this.#state === "down") this.#pause.shorten(FIRST_MS);
  }

  /** Returns the messages that others rely on this server to bring to the peer, in order, each once. */
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
      proof: this.#proofStatus,
      contradictions: this.#contradictions,
      queued: this.#queue.size,
      sent: this.#sent,
      failed: this.#failed,
      dropped: full + old + refused,
      "dropped.full": full,
      "dropped.old": old,
      "dropped.refused": refused,
      "last.error": this.#lastError?.reason ?? null,
      "last.failure": this.#lastError === null ? null : this.#ageOf(this.#lastError.at),
      "last.contact": contact === null ? null : this.#ageOf(contact),
    };
  }

  /** Waits until the peer has taken all messages, or cannot. */
  async flush(): Promise<void> {
    if (!this.isUp || this.#queue.size === 0) return;
    await new Promise<void>((resolve) => this.#empty = resolve);
  }

  /** Ends the connection, and logs the number of messages that are not sent any more. */
  async stop(): Promise<void> {
    this.#log.stopped(this.#queue.copies);
    this.#stopping.abort();
    this.#connection?.close();
    this.#pause.end();
    await this.#done;
  }

  #react(former: Trust, owner: string): void {
    if (this.#trust === "self") {
      this.#become("self");
      this.#backoff.reset();
      this.#queue.clear();
      this.#empty();
      this.#log.self();
    } else if (former === "self") this.#become("unknown");
    if (this.#trust === "contradicted") {
      this.#contradictions++;
      this.#log.contradicted(this.#identity.last ?? "", owner);
    } else if (former === "contradicted") this.#log.cleared();
  }

  get #isOver(): boolean {
    return this.#stopping.signal.aborted;
  }

  get #proofStatus(): PeerProof {
    if (this.#trust === "contradicted") return "contradicted";
    const { proof } = this.shown;
    return proof === "good" ? "proven" : proof === "none" ? "none" : "pending";
  }

  /** Tells whether the peer must show its status page before it is sent more, as its fingerprint is contested. */
  get #mustShow(): boolean {
    return this.#isContested && !this.#isIdentified && !this.#isTrustedOnce && !this.#isSecretive;
  }

  /** Tells whether the peer must prove its contested fingerprint again now. */
  get #isDue(): boolean {
    return this.#isContested && this.#identity.isDue(this.#clock.now());
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const began = this.#clock.now();
      let wait = 0;
      try {
        const why = await this.#meet();
        if (this.#isOver) return;
        // The address may be given to another server later.
        if (this.isSelf && !(why instanceof ConnectionError)) wait = ASK_AGAIN_MS;
        else if (why instanceof ConnectionError) {
          this.#fail(why.message);
          wait = this.#backoff.next();
        } else if (this.#queue.size === 0) {
          // A message that comes meanwhile is sent at once.
          await this.#pause.wait(began + RECONNECT_INTERVAL_MS - this.#clock.now(), true);
        }
      } catch (error) {
        // The error must be logged, and must not end the peer for good.
        fault(`talking to peer ${this.url}`, error);
        this.#fail("met an internal error of this server: report the line with its stack");
        wait = LONGEST_MS;
      }
      if (wait > 0 && !this.#isOver) await this.#pause.wait(wait);
    }
  }

  /** Runs one connection from its beginning to its end, and returns why it ended. */
  async #meet(): Promise<ConnectionError | ConnectionClosed> {
    let connection: PeerConnection;
    try {
      // The files are read each time.
      const { token: path } = this.#options.config;
      const token = path === null ? null : readToken(path);
      this.#requests = this.#write(token);
      connection = await this.#options.connect(
        this.#address(),
        this.#stopping.signal,
        (text) => token?.redact(text) ?? text,
        this.#clock,
      );
    } catch (error) {
      if (error instanceof ConnectionError) return error;
      if (error instanceof TokenError) {
        return new ConnectionError(`cannot be sent its token: ${error.message}`);
      }
      if (!(error instanceof TlsError)) throw error;
      return new ConnectionError(`cannot be verified: ${error.message}`);
    }
    // The peer may have been stopped since.
    if (this.#isOver) connection.close();
    this.#connection = connection;
    this.#asked = [];
    this.#hasShown = false;
    this.#isIdentified = false;
    this.#fault = null;
    let cancel = () => {};
    const probeLater = () =>
      cancel = this.#clock.after(STATUS_INTERVAL_MS, () => {
        if (connection.inFlight === 0 || this.#isDue) this.#requestStatus(connection);
        probeLater();
      });
    probeLater();
    let receipts = 0;
    try {
      if (!this.#isDoubtful) this.#fill(connection);
      if (connection.inFlight === 0) this.#requestStatus(connection);
      const why = await connection.listen((answer) => {
        if (this.#asked[0] === "message") {
          receipts++;
          this.#isTrustedOnce = false;
        }
        this.#take(connection, answer);
      });
      return this.#fault === null ? why : new ConnectionError(this.#fault);
    } finally {
      cancel();
      connection.close();
      this.#connection = null;
      this.#isTrustedOnce = this.#isIdentified && receipts === 0;
      if (!this.#isTrustedOnce) this.#identity.disconnect();
      this.#queue.rewind();
    }
  }

  #write(token: Token | null): Requests {
    const { config: { host, port }, fingerprint } = this.#options;
    return new Requests(host, port, fingerprint, token);
  }

  /** @throws {TlsError} If the file of its authority cannot be used. */
  #address(): Address {
    const { host, port, protocol, ca } = this.#options.config;
    const tls = protocol === "https"
      ? { authorities: ca === null ? [] : readAuthority(ca).map(String) }
      : null;
    return { hostname: host, port, tls };
  }

  /** Sends what waits if there is a connection, or wakes the wait for one. */
  #send(): void {
    const connection = this.#connection;
    if (connection === null) return this.#pause.wake();
    try {
      this.#fill(connection);
    } catch (error) {
      // The messages of the other peers are not concerned. Those that were taken may not have been sent.
      fault(`talking to peer ${this.url}`, error);
      connection.close();
    }
  }

  /** Sends as many of the waiting messages as the peer takes at a time. */
  #fill(connection: PeerConnection): void {
    this.#expire();
    if (this.#mustShow) {
      const isAsked = this.#asked.some((each) => each !== "message");
      if (!isAsked && (connection.answered > 0 || connection.inFlight === 0)) {
        this.#requestStatus(connection);
      }
      return;
    }
    // The first answer shows if the peer takes more than one request a connection.
    const window = connection.answered === 0 || !this.isUp
      ? 1
      : WINDOW[this.isOfOurKind ? "ours" : "other"];
    while (connection.inFlight < window && this.#queue.sentBytes < WINDOW_BYTES) {
      const message = this.#queue.take();
      if (!message) return;
      this.#asked.push("message");
      connection.send(this.#requests.post(message));
    }
  }

  #requestStatus(connection: PeerConnection): void {
    const challenge = drawChallenge();
    this.#asked.push({ challenge });
    connection.send(this.#requests.status(challenge));
  }

  #take(connection: PeerConnection, answer: Answer): void {
    this.#lastContact = this.#clock.now();
    const asked = this.#asked.shift();
    this.#fault = typeof asked === "object"
      ? this.#takeStatus(answer, asked.challenge)
      : this.#takeReceipt(connection, answer);
    if (this.#fault !== null || this.isSelf) return connection.close();
    if (this.#queue.size === 0) {
      this.#log.caughtUp();
      this.#empty();
    }
    if (!answer.isLast) this.#fill(connection);
  }

  /** @returns The fault, to follow on "the peer"; `null`: none. */
  #takeReceipt(connection: PeerConnection, answer: Answer): string | null {
    const { status, isLast } = answer;
    // From a server that has not shown that it is an Aphlict these codes may mean anything.
    if ((status === 400 || status === 413) && (this.isUp || this.#hasShown)) {
      const message = this.#queue.answered();
      this.#markUp();
      message?.onTaken?.(null);
      if (message?.kind === "copy") this.#dropped.refused++;
      this.#log.refused(answer);
      return null;
    }
    const reading = readReceipt(answer);
    this.#isDoubtful = "fault" in reading;
    if ("fault" in reading) return reading.fault;
    // The status page of a new server tells its kind.
    if (reading.fingerprint !== this.#identity.last && !isLast) this.#requestStatus(connection);
    // The message is removed before anything is sent behind it.
    const message = this.#queue.answered();
    const { fingerprint, receivers } = reading;
    message?.onTaken?.(receivers);
    if (
      message?.kind === "copy" && fingerprint !== null && message.others.includes(fingerprint)
    ) this.#unread.push(message);
    this.#learn(fingerprint, null);
    this.#markUp();
    if (message?.kind === "copy") this.#sent++;
    return null;
  }

  /** @returns The fault, to follow on "the peer"; `null`: none. */
  #takeStatus(answer: Answer, challenge: string): string | null {
    const { status } = answer;
    const reading = readStatus(answer);
    if ("fault" in reading) {
      // A proxy may let messages pass and nothing else.
      this.#isDoubtful = status === 200;
      const isRefused = status >= 400 && status < 500;
      if (isRefused || this.isSelf) this.#forgetProof();
      return this.isUp && isRefused ? null : reading.fault;
    }
    this.#hasShown = true;
    this.#isIdentified = true;
    this.#isSecretive = false;
    const wasContradicted = this.#trust === "contradicted";
    const { fingerprint, proof } = reading;
    this.#learn(
      fingerprint,
      fingerprint === null ? "none" : checkProof(fingerprint, challenge, proof),
    );
    if (wasContradicted && this.#trust === "contradicted") this.#contradictions++;
    this.#unread = [];
    // A peer that has failed a message must take it first.
    if (!this.#isDoubtful || this.#queue.size === 0) this.#markUp();
    this.#isDoubtful = false;
    return null;
  }

  /** Marks the peer up, as it has given a good answer. */
  #markUp(): void {
    if (this.isUp || this.isSelf) return;
    this.#log.up(this.#identity.last, this.#clock.now() - this.#since, this.#queue.copies);
    this.#become("up");
    this.#options.onShown();
  }

  /**
   * @param fingerprint That of an answer; `null`: the status page has none.
   * @param proof The proof on the status page; `null`: the fingerprint stood in a receipt.
   */
  #learn(fingerprint: string | null, proof: Exclude<Proof, "pending"> | null): void {
    const now = this.#clock.now();
    const { last: former } = this.#identity;
    const shown = this.#identity.fingerprint(now);
    if (fingerprint === null) {
      this.#identity.learnNone(now);
      return this.#options.onShown();
    }
    const finding = this.#identity.learn(fingerprint, proof, now);
    if (proof === null && finding !== "same") this.#isIdentified = false;
    if (proof !== null || this.#identity.fingerprint(now) !== shown) this.#options.onShown();
    if (this.isSelf) return;
    if (finding === "same" || former === null) return;
    if (finding === "several" && shown !== null) this.#log.several(former, fingerprint);
    if (finding === "new") {
      if (this.isUp) this.#log.startedAgain(fingerprint);
      this.#options.onChange(this, former);
    }
  }

  /** Notes that the peer does not show its status page, so that nothing is proven any more. */
  #forgetProof(): void {
    this.#isSecretive = true;
    this.#identity.forgetProof(this.#clock.now());
    this.#options.onShown();
  }

  #fail(reason: string): void {
    const now = this.#clock.now();
    this.#failed++;
    this.#lastError = { reason, at: now };
    this.#isTrustedOnce = false;
    // No other server has answered there.
    if (this.isSelf) return;
    this.#expire();
    if (this.isUp && now - this.#since >= LONGEST_MS) this.#backoff.reset();
    this.#empty();
    if (this.#state !== "down") {
      this.#become("down");
      this.#options.onDown(this);
    }
    this.#log.failed(reason, now - this.#since, this.#queue.copies);
  }

  #become(state: PeerState): void {
    this.#state = state;
    this.#since = this.#clock.now();
  }

  #expire(): void {
    this.#drop("old", this.#queue.expire(this.#clock.now()));
  }

  #drop(reason: "full" | "old", count: number): void {
    if (count === 0) return;
    this.#dropped[reason] += count;
    this.#log.dropped(reason, count);
  }

  /** Returns the time since then, in ms. */
  #ageOf(time: number): number {
    return Math.round(this.#clock.now() - time);
  }
}
