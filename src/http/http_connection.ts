/**
 * One HTTP/1.1 connection, from its first byte to its end: requests are answered one after the other, in order
 * (RFC 9112, section 9).
 *
 * All its memory is charged to the accounts of memory when it is taken. It is read no faster than it is answered, and
 * answered no faster than the client reads.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Socket as Stream } from "node:net";
import { setImmediate } from "node:timers";
import type { AccountHolder, Holding } from "../budget.ts";
import { freeBytes } from "../bytes.ts";
import { CONNECTION_BYTES } from "../config/memory.ts";
import { ChunkQueue } from "../net/chunk_queue.ts";
import type { LaneName, Worker, WorkShare } from "../work_queue.ts";
import { BodyDecoder, type Framing, framingOf, MalformedBody } from "./body.ts";
import type { HttpCounters } from "./engine.ts";
import type { Handler, HttpRequest, Remote, RequestInfo, StreamOwner, Taken } from "./handler.ts";
import { BadRequest, type Head, HeadReader, requestUrl } from "./head.ts";
import { BodyBroken, type Reception, type Receptions } from "./reception.ts";
import {
  type OpenConnection,
  type OpenConnectionHost,
  REASONS,
  type Stage,
} from "./open_connections.ts";
import { tellTo } from "./stream_owner.ts";
import { encodeResponse, encodeUpgrade, type Persistence } from "./response.ts";

/** The parts of the server that an accepted connection uses. */
export interface HttpConnectionHost extends OpenConnectionHost {
  readonly receptions: Receptions;
  readonly counters: HttpCounters | undefined;
  readonly workQueue: WorkShare;
  /** True if connections are closed after their next answer. */
  readonly isRefusing: boolean;
  /** The server's own address and port. */
  readonly localAddress: string;
  /** The lines of the fields that every answer has. */
  readonly fields: string;
  readonly handler: Handler;
  onError(error: unknown): Response;
}

/** The characters of answers that are collected before they are written, while further requests wait. */
const WRITE_SIZE = 16 * 1024;

/** The size from which a text is written as bytes, in characters. */
const LARGE_TEXT = 4096;

/** The size from which a chunk may hold much work, in bytes. */
const HEAVY_BYTES = 4096;

/** The most bytes that a TCP stream reads after it was paused. */
const PAUSED_BYTES = 64 * 1024;

/** The most bytes that are thrown away after the last answer; a client that sends more is dropped. */
const DISCARD_LIMIT = 4 * 1024 * 1024;

const NOTHING = new Uint8Array(0);

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

/** The response that stands for a connection that was upgraded. */
const TAKEN = new Response(null);

/** One connection of a server, until it ends or is upgraded. */
export class HttpConnection
  implements StreamOwner, AccountHolder, Worker, OpenConnection, Receiver {
  readonly #home: HttpConnectionHost;
  readonly #stream: Stream;
  readonly #isTls: boolean;
  readonly #holding: Holding;
  readonly #reader = new HeadReader();
  #stage: Stage = "fresh";
  /** The time when the stage began. */
  #since: number;
  /** The chunks that have come and were not read, and the offset in the first of them. */
  readonly #unread = new ChunkQueue();
  #at = 0;
  /** The request that is being received or answered. */
  #request: Incoming | null = null;
  /** The answers that have not been written. */
  #answers = "";
  #willFlush = false;
  /** True while the work queue has a call of {@linkcode work} pending. */
  #isQueued = false;
  /** The time since which the stream is blocked, until it has drained; `null` if it takes more. */
  #blockedSince: number | null = null;
  /** True when the client sends no more; true when the connection is gone. */
  #hasEnded = false;
  #isGone = false;
  #isSecured = false;
  /** True while the stream is paused. */
  #isPaused = false;
  #wasTaken = false;
  readonly #info: RequestInfo;
  #discarded = 0;
  /**
   * The answer to a connection that is not served. It is sent after the first bytes: clients take an answer that comes
   * before their request for a fault.
   */
  #rejection: Response | null = null;

  /**
   * Takes over a stream.
   *
   * @param since The time when the client connected.
   */
  constructor(
    home: HttpConnectionHost,
    stream: Stream,
    isTls: boolean,
    remote: Remote,
    since: number = home.now,
  ) {
    this.#home = home;
    this.#stream = stream;
    this.#isTls = isTls;
    this.#since = since;
    this.#holding = home.account.open(this);
    this.#info = {
      remoteAddr: remote,
      holder: this,
      upgrade: { engine: "socket", take: (headers, take) => this.#upgrade(headers, take) },
    };
  }

  /** Returns the scheme of the connection. */
  get scheme(): "http" | "https" {
    return this.#isTls ? "https" : "http";
  }

  /** Returns the server's own address and port. */
  get localAddress(): string {
    return this.#home.localAddress;
  }

  get remote(): Remote {
    return this.#info.remoteAddr;
  }

  /**
   * Charges its memory, or answers that there is none. Called once, after construction.
   *
   * @param rejection The answer to any request. No request is read then, and no other connection is ended for it.
   */
  begin(rejection: Response | null): void {
    this.#home.staged(this, null, "fresh");
    if (rejection === null) return this.#charge();
    this.#rejection = rejection;
    this.#enter("ending");
    if (!this.#home.account.fits(this.#ownBytes)) return this.drop();
    this.#holding.set(this.#ownBytes);
  }

  /** Ends the connection, or only its body, when memory is short; see {@linkcode AccountHolder}. */
  evict(): void {
    // Only the body is given up, and the client gets an answer.
    if (this.#stage === "receiving") return this.#request?.reception?.evict();
    if (this.#stage !== "ending") {
      this.#home.refused(this.remote, "memory", REASONS.slowest);
    }
    this.drop();
  }

  /**
   * Ends the connection when the server stops. Received requests are still answered, and queued answers still sent.
   * Without either the connection is dropped.
   */
  stop(): void {
    if (this.#stage === "busy" || this.#unread.bytes > 0) return;
    if (this.#stream.writableLength === 0) return this.drop();
    if (this.#stage !== "ending") this.#end();
  }

  /** Destroys the stream at once. */
  drop(why: string = "its connection was dropped"): void {
    this.#enter("ending");
    this.#answers = "";
    if (this.#request !== null) this.#breakOff(this.#request, why);
    this.#stream.destroy();
  }

  /** Notes that the TLS handshake has succeeded. */
  secured(): void {
    this.#isSecured = true;
  }

  /** Checks the timeouts. Called about once a second. */
  tick(): void {
    const { limits, now } = this.#home;
    const passed = now - this.#since;
    if (this.#blockedSince !== null && now - this.#blockedSince >= limits.answerMs) {
      return this.drop();
    }
    switch (this.#stage) {
      case "fresh":
        // Bytes that wait for their turn are no fault of the client.
        if (passed < limits.headMs || this.#unread.bytes > 0) return;
        this.#home.refused(
          this.remote,
          "timeout",
          REASONS.late(limits.headMs),
        );
        // A client that has sent nothing may be within its TLS handshake, where no answer can be sent.
        if (this.#reader.isEmpty) return this.drop();
        return void this.#refuse(refusal(408));
      case "idle":
        if (this.#blockedSince === null && passed >= limits.idleMs) this.#end();
        return;
      case "ending":
        if (this.#blockedSince === null && passed >= limits.closeMs) this.drop();
    }
  }

  /** Queues received bytes. */
  data(chunk: Buffer): void {
    const { counters } = this.#home;
    if (counters !== undefined) counters.bytesIn += chunk.length;
    if (this.#stage === "ending") {
      this.#discard(chunk);
      const rejection = this.#rejection;
      this.#rejection = null;
      return rejection === null ? undefined : void this.#refuse(rejection);
    }
    this.#unread.push(chunk);
    if (this.#request === null) this.#schedule();
    else this.#receive(this.#request);
    // The client waits while a large chunk or a second one is to be read. TLS reads on (Deno 2.9.6, see
    // docs/upstream.md), which is charged.
    if (this.#unread.size > 1 || this.#isQueued && chunk.length >= HEAVY_BYTES) this.#pause();
    this.#charge();
  }

  /** Continues, as the stream takes more. */
  drained(): void {
    this.#blockedSince = null;
    if (this.#stage === "ending") return this.#end();
    if (this.#stage === "idle") this.#since = this.#home.now;
    this.#flush();
    this.#goOn();
  }

  /** Handles that the client sends no more. Its requests are answered all the same. */
  ended(): void {
    this.#hasEnded = true;
    if (this.#rejection !== null) return this.drop();
    if (this.#stage === "ending") return;
    if (this.#request !== null) this.#breakOff(this.#request, "the client has shut down its side");
    // If it does not take its answers yet, it is ended after them.
    else if (this.#unread.bytes === 0 && this.#blockedSince === null) this.#quit();
  }

  /** Reports a failed TLS handshake; the stream closes next. */
  failed(error: Error): void {
    this.#logTlsFault(error.message);
  }

  /** Handles the close of the stream. Whole requests that have come are handled all the same. */
  closed(): void {
    this.#logTlsFault("it was broken off");
    this.#isGone = true;
    this.#hasEnded = true;
    // No drain event follows.
    this.#blockedSince = null;
    this.#home.staged(this, this.#stage, null);
    if (this.#stage === "ending") this.#forget();
    else if (this.#request !== null) {
      this.#breakOff(this.#request, "the connection was broken off");
    } else if (this.#unread.bytes === 0) this.#forget();
    else this.#schedule();
  }

  /** Reads a request, when the work queue calls. */
  work(): void {
    this.#isQueued = false;
    if (this.#request !== null || this.#stage === "ending" || this.#wasTaken) return;
    const head = this.#readHead();
    if (head instanceof BadRequest) return this.#refuseBad(head);
    if (head !== null) return this.#begin(head);
    this.#flush();
    if (this.#isGone) return this.#forget();
    if (this.#hasEnded || this.#home.isRefusing) return this.#quit();
    if (!this.#reader.isEmpty && this.#stage !== "fresh") this.#enter("fresh");
    this.#resume();
    this.#charge();
  }

  #readHead(): Head | BadRequest | null {
    for (let chunk = this.#unread.first; chunk !== undefined; chunk = this.#unread.first) {
      const read = this.#reader.read(this.#at === 0 ? chunk : chunk.subarray(this.#at));
      if (read instanceof BadRequest) return read;
      if (read !== null) {
        this.#at += read.end;
        return read.head;
      }
      this.#shift();
    }
    return null;
  }

  #begin(head: Head): void {
    const framing = framingOf(head);
    if (framing instanceof BadRequest) return this.#refuseBad(framing);
    // No client is left to be answered, and a request without a body changes nothing.
    if (this.#isGone && framing === null) return this.#goOn();
    const expectation = head.version === "1.0" ? null : head.fields.get("expect");
    if (expectation !== null && expectation.toLowerCase() !== "100-continue") {
      return this.#refuseBad(new BadRequest(417, "It expects something else than 100-continue"));
    }
    this.#enter("busy");
    const request = new Incoming(head, framing, this);
    this.#request = request;
    void this.#answer(request);
    this.#flushSoon();
  }

  async #answer(request: Incoming): Promise<void> {
    try {
      let response: Response;
      let body: string;
      try {
        response = await this.#home.handler(request, this.#info);
        if (response === TAKEN) return;
        body = await response.text();
      } catch (error) {
        response = this.#home.onError(error);
        // The connection has been upgraded from HTTP.
        if (this.#wasTaken) return void this.#stream.destroy();
        body = await response.text();
      }
      this.#respond(request, response, body);
    } catch (error) {
      // A bug of this server, which can no longer be reported to the client.
      reportError(error);
      this.drop();
    }
  }

  #upgrade(
    headers: Readonly<Record<string, string>>,
    take: (taken: Taken) => StreamOwner,
  ): Response {
    this.#wasTaken = true;
    this.#writeAnswers();
    this.#write(encodeUpgrade(headers));
    this.#holding.close();
    this.#home.staged(this, this.#stage, null);
    const upgraded = take({ stream: this.#stream, isTls: this.#isTls });
    tellTo(this.#stream, upgraded);
    const [first, ...others] = this.#unread.takeAll();
    // A copy, as the new owner frees the chunk.
    if (first !== undefined && this.#at < first.length) {
      upgraded.data(Buffer.from(first.subarray(this.#at)));
    }
    for (const chunk of others) upgraded.data(Buffer.from(chunk));
    if (this.#isGone) upgraded.closed();
    else if (this.#hasEnded) upgraded.ended();
    this.#resume();
    return TAKEN;
  }

  /** Receives the body of a request, see {@linkcode Receiver}. */
  bytesOf(request: Incoming): Promise<Uint8Array> {
    const { framing } = request;
    if (framing === null) return Promise.resolve(NOTHING);
    const bytes = this.#bytesAtHand(framing);
    if (bytes !== null) {
      request.isReceived = true;
      return Promise.resolve(bytes);
    }
    const announced = framing === "chunked" ? null : framing.length;
    request.decoder = new BodyDecoder(framing);
    request.reception = this.#home.receptions.begin(announced, this);
    this.#enter("receiving");
    const { whole, isOver } = request.reception;
    if (request.expectsContinue && !isOver) {
      this.#writeAnswers();
      this.#write(CONTINUE);
    }
    this.#receive(request);
    if (this.#hasEnded) this.#breakOff(request, "the client has shut down its side");
    this.#charge();
    return whole;
  }

  /** Returns a body that has come with its head, as most have; `null` if it has not, or is too long. */
  #bytesAtHand(framing: Exclude<Framing, null>): Uint8Array | null {
    const chunk = this.#unread.first;
    if (framing === "chunked" || chunk === undefined) return null;
    const end = this.#at + framing.length;
    if (end > chunk.length || framing.length > this.#home.receptions.bodyBytes) return null;
    const bytes = chunk.subarray(this.#at, end);
    this.#at = end;
    // A chunk that holds only the body belongs to the handler, which may free it.
    if (bytes.length === chunk.length) this.#remove();
    return bytes;
  }

  /** Takes the received bytes of a body. */
  #receive(request: Incoming): void {
    const { decoder, reception } = request;
    if (!decoder || !reception) return;
    // Earlier answers do not wait for the body.
    this.#flush();
    try {
      for (let chunk = this.#unread.first; chunk !== undefined && !decoder.isDone;) {
        this.#at += decoder.read(chunk.subarray(this.#at), (piece) => reception.take(piece));
        if (reception.isOver) return;
        if (this.#at === chunk.length) this.#shift();
        chunk = this.#unread.first;
      }
    } catch (cause) {
      if (!(cause instanceof MalformedBody)) throw cause;
      return reception.fail(new BodyBroken("The body is malformed", { cause }));
    }
    if (decoder.isDone) {
      request.isReceived = true;
      this.#enter("busy");
      reception.finish();
    } else this.#resume();
  }

  /** Fails the reception, as no more of the body comes. */
  #breakOff({ reception }: Incoming, why: string): void {
    reception?.fail(new BodyBroken("The body did not arrive whole", { cause: why }));
  }

  #respond(request: Incoming, response: Response, body: string): void {
    this.#request = null;
    // The connection was dropped meanwhile.
    if (this.#stage === "ending") return;
    const persistence = this.#persistenceOf(request, response);
    const { fields } = this.#home;
    const withBody = request.method !== "HEAD";
    this.#answers += encodeResponse(response, body, withBody, persistence, fields);
    if (persistence === "close") return this.#end();
    this.#enter("idle");
    this.#goOn();
  }

  #persistenceOf({ head, isReceived }: Incoming, { headers }: Response): Persistence {
    const options = head.fields.tokens("connection");
    if (
      // The rest of a body would be taken for a request.
      !isReceived || options.includes("close") || this.#home.isRefusing ||
      headers.get("connection")?.toLowerCase() === "close"
    ) return "close";
    if (head.version === "1.1") return "stay";
    return options.includes("keep-alive") ? "keep-alive" : "close";
  }

  /** Continues with the received bytes. */
  #goOn(): void {
    if (this.#request !== null || this.#wasTaken || this.#stage === "ending") return;
    const chunk = this.#unread.first;
    if (chunk !== undefined && this.#at === chunk.length) this.#shift();
    if (this.#answers.length >= WRITE_SIZE) this.#flush();
    if (this.#blockedSince !== null) return this.#charge();
    if (this.#unread.bytes > 0) {
      this.#schedule();
      // Earlier answers do not wait for a request that has to wait for its turn.
      if (this.#isQueued) this.#flush();
      return;
    }
    this.#flush();
    if (this.#isGone) return this.#forget();
    if (this.#hasEnded) return this.#end();
    this.#resume();
    this.#charge();
  }

  #schedule(): void {
    // A client that does not read its answers is not read either.
    if (this.#isQueued || this.#blockedSince !== null) return;
    this.#isQueued = true;
    const lane: LaneName = this.#unread.bytes < HEAVY_BYTES ? "light" : "heavy";
    this.#home.workQueue.add(this, lane);
  }

  /** Removes the first chunk, which has been read, and frees its memory. */
  #shift(): void {
    const chunk = this.#remove();
    if (chunk !== undefined) freeBytes(chunk);
  }

  #remove(): Uint8Array | undefined {
    this.#at = 0;
    return this.#unread.shift();
  }

  #refuseBad({ status, reason }: BadRequest): void {
    this.#home.refused(this.remote, "malformed", reason);
    void this.#refuse(refusal(status));
  }

  /** Answers a bad request, or one that is not to be read, and closes the connection. */
  async #refuse(response: Response): Promise<void> {
    this.#writeAnswers();
    this.#enter("ending");
    const body = await response.text();
    this.#write(encodeResponse(response, body, true, "close", this.#home.fields));
    this.#end();
  }

  /** Ends a connection after its last answer, once that is written. */
  #end(): void {
    this.#writeAnswers();
    this.#enter("ending");
    if (this.#isGone) return this.#forget();
    if (this.#blockedSince !== null) return;
    // The client closes its side next.
    this.#stream.end();
    this.#resume();
  }

  /**
   * Ends a connection that brings no further request. A client that connects and sends nothing, as health checks do,
   * gets no answer and no log line.
   */
  #quit(): void {
    // An answer may be on its way.
    if (this.#stream.writableLength > 0) return this.#end();
    this.drop();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#stream.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#stream.resume();
  }

  #discard(chunk: Uint8Array): void {
    this.#discarded += chunk.length;
    freeBytes(chunk);
    if (this.#discarded > DISCARD_LIMIT) this.drop();
  }

  #flush(): void {
    if (this.#blockedSince === null) this.#writeAnswers();
  }

  /** Writes the answers after this turn, so that they do not wait for a request that takes longer. */
  #flushSoon(): void {
    if (this.#answers === "" || this.#willFlush) return;
    this.#willFlush = true;
    setImmediate(() => {
      this.#willFlush = false;
      this.#flush();
    });
  }

  /** Writes the answers. The stream takes them even if the client does not read. */
  #writeAnswers(): void {
    if (this.#answers === "") return;
    this.#write(this.#answers);
    this.#answers = "";
  }

  #write(text: string): void {
    if (this.#stream.destroyed) return;
    const { counters } = this.#home;
    if (text.length < LARGE_TEXT) {
      if (counters !== undefined) counters.bytesOut += Buffer.byteLength(text);
      if (!this.#stream.write(text)) this.#blockedSince ??= this.#home.now;
      return;
    }
    // The stream would keep the text beside its bytes for as long as the client does not read.
    const bytes = Buffer.from(text);
    if (counters !== undefined) counters.bytesOut += bytes.length;
    if (!this.#stream.write(bytes, () => freeBytes(bytes))) this.#blockedSince ??= this.#home.now;
  }

  #logTlsFault(reason: string): void {
    if (!this.#isTls || this.#isSecured || this.#stage !== "fresh") return;
    this.#enter("ending");
    this.#home.refused(this.remote, "tls", REASONS.tls(reason));
  }

  #enter(stage: Stage): void {
    // No stage follows `ending`.
    if (this.#stage === "ending" && stage !== "ending") return;
    this.#since = this.#home.now;
    if (stage === this.#stage) return;
    if (!this.#isGone) this.#home.staged(this, this.#stage, stage);
    this.#stage = stage;
    if (stage !== "ending") return;
    this.#reader.clear();
    const unread = this.#unread.takeAll();
    // The bytes that a handler has been given stay.
    if (this.#request === null) unread.forEach(freeBytes);
    this.#at = 0;
  }

  /** Frees all its memory. */
  #forget(): void {
    this.#enter("ending");
    this.#holding.close();
  }

  get #ownBytes(): number {
    return this.#isTls ? CONNECTION_BYTES.tls : CONNECTION_BYTES.plain;
  }

  /** Charges its memory, or ends the connection. */
  #charge(): void {
    if (this.#stage === "ending" || this.#wasTaken) return;
    const bytes = this.#ownBytes + this.#reader.heldBytes + this.#unread.bytes +
      this.#answers.length +
      (this.#isPaused ? PAUSED_BYTES : 0) +
      (this.#blockedSince === null ? 0 : this.#stream.writableLength);
    // A connection that waits for its turn or is being answered is not ended for others: the delay is not the client's
    // doing.
    if (this.#holding.set(bytes, this.#isQueued || this.#stage === "busy")) return;
    // The request is answered, and the connection holds less then.
    if (this.#request !== null) return;
    this.#home.refused(this.remote, "memory", REASONS.memory);
    // The TLS handshake may not be over, and would take more.
    if (this.#isTls && !this.#isSecured) this.drop();
    else void this.#refuse(refusal(503, { "retry-after": "10" }));
  }
}

/** The parts of a connection that its request uses. */
interface Receiver {
  readonly scheme: "http" | "https";
  /** The server's own address and port. */
  readonly localAddress: string;
  /** Returns the body of a request, when its handler asks for it. */
  bytesOf(request: Incoming): Promise<Uint8Array>;
}

/** A request whose head has come. */
class Incoming implements HttpRequest {
  readonly head: Head;
  readonly framing: Framing;
  readonly #receiver: Receiver;
  #body: Promise<Uint8Array> | null = null;
  /** True when all of its bytes have come. */
  isReceived: boolean;
  decoder: BodyDecoder | null = null;
  reception: Reception | null = null;

  constructor(head: Head, framing: Framing, receiver: Receiver) {
    this.head = head;
    this.framing = framing;
    this.isReceived = framing === null;
    this.#receiver = receiver;
  }

  bytes(): Promise<Uint8Array> {
    return this.#body ??= this.#receiver.bytesOf(this);
  }

  get method(): string {
    return this.head.method;
  }

  get url(): string {
    return requestUrl(this.head, this.#receiver.scheme, this.#receiver.localAddress);
  }

  get headers(): Pick<Headers, "get" | "has"> {
    return this.head.fields;
  }

  get expectsContinue(): boolean {
    return this.head.version === "1.1" && this.head.fields.has("expect");
  }
}

/** Returns the response to a request that its handler does not see. */
function refusal(status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(null, { status, headers });
}
