/**
 * One peer: what waits for it, the connection it is sent over, and how it is.
 *
 * A peer is sent what waits as soon as it takes it. One that is down is tried again, at longer and
 * longer intervals, with the message that waits longest or with its status page, and gets all that
 * still waits, in order, when it is back.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { formatAddress, type PeerConfig } from "../config/config.ts";
import { readAuthority, TlsError } from "../net/tls.ts";
import { readToken, type Token, TokenError } from "../config/token.ts";
import { fault } from "../log/fault.ts";
import type { PeerProof, PeerState, PeerStatus } from "../metrics/peer_status.ts";
import type { Answer } from "../http/answer.ts";
import {
  type Address,
  ConnectionClosed,
  ConnectionError,
  PipelinedConnection,
} from "./pipelined_connection.ts";
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
 * Requests that may be on their way to a peer that takes more than one a connection. What is
 * written outlives this process, so there are many; but fewer for a peer that would deliver again
 * what it had and could not acknowledge.
 */
const WINDOW = { ours: 1024, other: 32 };

/** Bytes of messages that may be on their way, with one that goes beyond it; a slow link has 15 s for them. */
const WINDOW_BYTES = 1024 * 1024;

/** How often the status page of a peer that is up is asked for while there is nothing to send, in ms. */
const PROBE_INTERVAL_MS = 15_000;

/** How often a peer that closes idle connections is connected to, in ms. */
const RECONNECT_INTERVAL_MS = 5000;

/** The longest that the first wait may be before a peer that is down is tried again, in ms. */
const FIRST_MS = 250;

/** The longest that any such wait may be, in ms. */
const LONGEST_MS = 15_000;

/** What is asked of a peer: that it takes a message, or that it shows its status page and proves its fingerprint. */
type Question = "message" | { readonly challenge: string };

/** A connection as a peer uses it. */
export type PeerConnection = Pick<
  PipelinedConnection,
  "inFlight" | "answered" | "send" | "listen" | "close"
>;

/**
 * Connects to a peer; see `Connection.open`.
 *
 * @throws {ConnectionError} If that is not possible.
 */
export type Connect = (
  ...address: Parameters<typeof PipelinedConnection.open>
) => Promise<PeerConnection>;

/** Time, chance and the network, as a peer meets them. */
export interface PeerSurroundings {
  readonly clock: Clock;
  /** Returns a number from 0 up to 1, the part of each wait that is taken. */
  readonly random: () => number;
  readonly connect: Connect;
}

/** What a peer needs. */
export interface PeerOptions extends PeerSurroundings {
  readonly config: PeerConfig;
  /** This server's own fingerprint. */
  readonly fingerprint: string;
  /** Told when the peer has shown something for its fingerprint, or another one: it is to be judged anew. */
  readonly onShown: () => void;
  /** Told when the peer has come up. */
  readonly onUp: () => void;
  /** Told when a server answers at its address that never did. */
  readonly onChange: (peer: Peer, former: string) => void;
  /** Told when it has become clear that the peer is down. */
  readonly onDown: (peer: Peer) => void;
}

/** See the module. */
export class Peer {
  readonly url: string;
  readonly #options: PeerOptions;
  readonly #queue = new Queue();
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  #done: Promise<void> = Promise.resolve();
  #state: PeerState = "unknown";
  /** When the state began, in ms on the clock, as all times below. */
  #since: number;
  readonly #identity = new PeerIdentity();
  #trust: Trust = "unknown";
  /** The fingerprint that it was last judged to have. */
  #believed: string | null = null;
  #isContested = false;
  /** Whether the connection has brought a status page for the fingerprint that was shown last. */
  #isIdentified = false;
  /** Whether the connection before brought that and took no message, as of one that takes one request each. */
  #isTrustedOnce = false;
  /** Whether it has refused to show its status page, so that nothing is to be waited for. */
  #isSecretive = false;
  #contradictions = 0;
  #requests: Requests;
  readonly #log: PeerLog;
  /** Between two connections. */
  readonly #pause: Pause;
  /** Whether it has to show that it is an Aphlict before it gets another message. */
  #isDoubtful = false;
  #connection: PeerConnection | null = null;
  /** What has been asked on the connection and not been answered, in order. */
  #asked: Question[] = [];
  /** Copies since the last status page that named their receiver, which takes such a one for known. */
  #unread: Relayed[] = [];
  /** Whether the connection has brought a good status page. */
  #hasShown = false;
  /** What is wrong with an answer that has just come. */
  #fault: string | null = null;
  /** Told when nothing waits any more. */
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

  /** Connects, and from then on as often as it has to. */
  start(): void {
    this.#done = this.#run();
  }

  /** `null` when it is not known, not believed, or not the same each time. */
  get fingerprint(): string | null {
    return this.#trust === "believed" || this.isSelf
      ? this.#identity.fingerprint(this.#clock.now())
      : null;
  }

  /** What it has shown, whether that is believed or not. */
  get shown(): ShownFingerprint {
    return this.#identity.shown(this.#clock.now());
  }

  get state(): PeerState {
    return this.#state;
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /** Whether it has not taken everything yet. */
  get isBusy(): boolean {
    return this.#queue.size > 0;
  }

  get isSelf(): boolean {
    return this.#state === "self";
  }

  /** Whether it is known to take a message twice for one, and to keep its promises. */
  get isOfOurKind(): boolean {
    return this.#trust === "believed" && this.#identity.isOfOurKind(this.#clock.now());
  }

  /**
   * Takes it for what it has been judged to be.
   *
   * @param owner Whose the fingerprint is that it shows, for people.
   * @returns The fingerprint that it still shows and was believed to have until now; `null`: there is none.
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
   * Takes it to have been started again, as another entry for it has shown, if it has not been heard of since.
   *
   * @param since When that was.
   */
  adopt(fingerprint: string, since: number): void {
    if ((this.#lastContact ?? 0) > since) return;
    this.#identity.follow(fingerprint, this.#clock.now());
  }

  /** Has it sent a message, now or when it can be. */
  push(message: Relayed): void {
    if (this.isSelf) return;
    this.#expire();
    this.#drop("full", this.#queue.push(message));
    this.#send();
  }

  /**
   * Tells it that another server does not get from us what it may rely on: copies that it cannot have are
   * changed, and those that it may have it is asked to pass on itself.
   *
   * @param lost What that server does not get, in order.
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

  /** Has it sent messages among those that wait, by their time. */
  insert(messages: readonly Relayed[]): void {
    this.#drop("full", this.#queue.insert(messages));
    this.#send();
  }

  /**
   * Has what waits reach this server, after another entry was believed to lead to it: copies name its fingerprint
   * no more, and what waits at that entry is sent here as well.
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

  /** The copies that it has not acknowledged, to be sent to another peer as well. */
  copyAll(): Relayed[] {
    return this.#queue.copyAll();
  }

  /** Takes all that waits away from it. */
  takeAll(): Relayed[] {
    this.#expire();
    return this.#queue.takeAll();
  }

  /** Tries one that is down again soon, as it may be back: {@linkcode FIRST_MS} after it was last tried. */
  retryNow(): void {
    if (this.#state === "down") this.#pause.shorten(FIRST_MS);
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

  /** Resolves when it has taken everything, or cannot. */
  async flush(): Promise<void> {
    if (!this.isUp || this.#queue.size === 0) return;
    await new Promise<void>((resolve) => this.#empty = resolve);
  }

  /** Ends its connection, and tells what it does not bring any more. */
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

  /** Whether it has to show its status page before it is sent more, as its fingerprint is contested. */
  get #mustShow(): boolean {
    return this.#isContested && !this.#isIdentified && !this.#isTrustedOnce && !this.#isSecretive;
  }

  /** Whether it is time that it proves its contested fingerprint again. */
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
        // The address may be given to another server.
        if (this.isSelf && !(why instanceof ConnectionError)) wait = ASK_AGAIN_MS;
        else if (why instanceof ConnectionError) {
          this.#fail(why.message);
          wait = this.#backoff.next();
        } else if (this.#queue.size === 0) {
          // A message that comes meanwhile is sent at once.
          await this.#pause.wait(began + RECONNECT_INTERVAL_MS - this.#clock.now(), true);
        }
      } catch (error) {
        // It must not stay unseen, nor end the peer for good.
        fault(`talking to peer ${this.url}`, error);
        this.#fail("met an unexpected error of this server");
        wait = LONGEST_MS;
      }
      if (wait > 0 && !this.#isOver) await this.#pause.wait(wait);
    }
  }

  /** One connection from its beginning to its end, and why it ended. */
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
      return new ConnectionError(`cannot be told from others: ${error.message}`);
    }
    // It may have ended since.
    if (this.#isOver) connection.close();
    this.#connection = connection;
    this.#asked = [];
    this.#hasShown = false;
    this.#isIdentified = false;
    this.#fault = null;
    let cancel = () => {};
    const probeLater = () =>
      cancel = this.#clock.after(PROBE_INTERVAL_MS, () => {
        if (connection.inFlight === 0 || this.#isDue) this.#probe(connection);
        probeLater();
      });
    probeLater();
    let receipts = 0;
    try {
      if (!this.#isDoubtful) this.#fill(connection);
      if (connection.inFlight === 0) this.#probe(connection);
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

  /** Something new waits. */
  #send(): void {
    const connection = this.#connection;
    if (connection === null) return this.#pause.wake();
    try {
      this.#fill(connection);
    } catch (error) {
      // What waits for the other peers has nothing to do with it. What was taken may not have been sent.
      fault(`talking to peer ${this.url}`, error);
      connection.close();
    }
  }

  /** Sends as much of what waits as the peer takes at a time. */
  #fill(connection: PeerConnection): void {
    this.#expire();
    if (this.#mustShow) {
      const isAsked = this.#asked.some((each) => each !== "message");
      if (!isAsked && (connection.answered > 0 || connection.inFlight === 0)) {
        this.#probe(connection);
      }
      return;
    }
    // Whether it takes more than one is known from the first answer.
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

  #probe(connection: PeerConnection): void {
    const challenge = drawChallenge();
    this.#asked.push({ challenge });
    connection.send(this.#requests.probe(challenge));
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

  /** @returns What is wrong, to follow on "the peer". */
  #takeReceipt(connection: PeerConnection, answer: Answer): string | null {
    const { status, isLast } = answer;
    // From one that has not shown that it is an Aphlict it may be about anything.
    if ((status === 400 || status === 413) && (this.isUp || this.#hasShown)) {
      const message = this.#queue.answered();
      this.#rise();
      message?.onTaken?.(null);
      if (message?.kind === "copy") this.#dropped.refused++;
      this.#log.refused(answer);
      return null;
    }
    const reading = readReceipt(answer);
    this.#isDoubtful = "fault" in reading;
    if ("fault" in reading) return reading.fault;
    // Of a server that is new its status page tells of what kind it is.
    if (reading.fingerprint !== this.#identity.last && !isLast) this.#probe(connection);
    // Before anything is sent behind it.
    const message = this.#queue.answered();
    const { fingerprint, receivers } = reading;
    message?.onTaken?.(receivers);
    if (
      message?.kind === "copy" && fingerprint !== null && message.others.includes(fingerprint)
    ) this.#unread.push(message);
    this.#learn(fingerprint, null);
    this.#rise();
    if (message?.kind === "copy") this.#sent++;
    return null;
  }

  /** @returns What is wrong, to follow on "the peer". */
  #takeStatus(answer: Answer, challenge: string): string | null {
    const { status } = answer;
    const reading = readStatus(answer);
    if ("fault" in reading) {
      // Somebody in between may let messages pass and nothing else.
      this.#isDoubtful = status === 200;
      const isRefused = status >= 400 && status < 500;
      if (isRefused || this.isSelf) this.#doubt();
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
    // One that has failed a message has to take it.
    if (!this.#isDoubtful || this.#queue.size === 0) this.#rise();
    this.#isDoubtful = false;
    return null;
  }

  /** It has given a good answer. */
  #rise(): void {
    if (this.isUp || this.isSelf) return;
    this.#log.up(this.#identity.last, this.#clock.now() - this.#since, this.#queue.copies);
    this.#become("up");
    this.#options.onUp();
  }

  /**
   * @param fingerprint `null`: its status page has none.
   * @param proof What its status page shows for it; `null`: it stood in a receipt.
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

  /** It does not show its status page, so that nothing is proven any more. */
  #doubt(): void {
    this.#isSecretive = true;
    this.#identity.doubt(this.#clock.now());
    this.#options.onShown();
  }

  #fail(reason: string): void {
    const now = this.#clock.now();
    this.#failed++;
    this.#lastError = { reason, at: now };
    this.#isTrustedOnce = false;
    // Nobody else has answered there.
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
