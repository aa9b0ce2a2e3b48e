/**
 * One kept-alive HTTP/1.1 connection to a peer. Requests are sent one behind the other without waiting
 * for the answers (RFC 9112, section 9.3.2), so that the peer gets them in order however far away it
 * is.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type Clock, systemClock } from "../clock.ts";
import type { Redact } from "../config/redaction.ts";
import { type Answer, AnswerError, AnswerReader } from "./answer.ts";

/** How long connecting may take, and how long the next answer may be awaited, in ms. */
const PATIENCE_MS = 5000;

/** Why there is no connection to a port on which nobody listens. */
export const REFUSED = "refuses the connection";

/** How long a request may be under way behind others, in ms, however steadily those are answered. */
const LATE_MS = 3 * PATIENCE_MS;

/** Bytes that are read at a time. */
const READ_SIZE = 16 * 1024;

/** Where to connect. */
export interface Address {
  /** Address without brackets, or a host name, which is resolved at each connection. */
  readonly hostname: string;
  readonly port: number;
  /** `null`: plain text. */
  readonly tls: {
    /** PEM certificates of authorities to trust beside the usual ones. */
    readonly authorities: readonly string[];
  } | null;
}

/** Why there is no connection, or no more: something is wrong. The message follows on "the peer". */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** Why a connection ended that did no wrong: connections do not last for ever. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";
}

/** See the module. */
export class Connection {
  readonly #conn: Deno.Conn;
  readonly #redact: Redact;
  readonly #clock: Clock;
  readonly #ended = Promise.withResolvers<ConnectionError | ConnectionClosed>();
  #isOver = false;
  #outgoing: Uint8Array[] = [];
  #isWriting = false;
  /** When each request without an answer was sent, in order. */
  #sent: number[] = [];
  #answered = 0;
  /** When the last answer came. */
  #heard = 0;
  /** Ends the wait for a late answer. */
  #cancel: (() => void) | null = null;

  private constructor(conn: Deno.Conn, redact: Redact, clock: Clock) {
    this.#conn = conn;
    this.#redact = redact;
    this.#clock = clock;
  }

  /**
   * Connects within {@linkcode PATIENCE_MS}.
   *
   * @param stop Aborted when there is no more need of it.
   * @param redact Applied to all text of the peer: answers, and why a connection fails, as its certificate may say
   * anything.
   * @param clock Tells when an answer is late.
   * @throws {ConnectionError} If that is not possible.
   */
  static async open(
    { hostname, port, tls }: Address,
    stop: AbortSignal,
    redact: Redact,
    clock: Clock = systemClock,
  ): Promise<Connection> {
    const patience = AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), stop]);
    let conn: Deno.TcpConn | Deno.TlsConn | null = null;
    const giveUp = () => {
      try {
        conn?.close();
      } catch (error) {
        // It has become part of a TLS connection, which is not there yet.
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
      conn = null;
    };
    patience.addEventListener("abort", giveUp);
    try {
      const tcp = await Deno.connect({ hostname, port, signal: patience });
      conn = tcp;
      tcp.setNoDelay();
      if (tls !== null) {
        const secure = await Deno.startTls(tcp, { hostname, caCerts: [...tls.authorities] });
        conn = secure;
        patience.throwIfAborted();
        await secure.handshake();
      }
      patience.throwIfAborted();
      return new Connection(conn, redact, clock);
    } catch (error) {
      giveUp();
      throw new ConnectionError(
        patience.aborted
          ? `cannot be reached within ${PATIENCE_MS / 1000} s`
          : redact(explain(error)),
      );
    } finally {
      patience.removeEventListener("abort", giveUp);
    }
  }

  /** Requests that have no answer yet. */
  get inFlight(): number {
    return this.#sent.length;
  }

  /** Requests that have been answered. */
  get answered(): number {
    return this.#answered;
  }

  /**
   * Reads answers until the connection ends, and returns why it did: what has no answer then was
   * handled, or was not. To be called once.
   *
   * @param onAnswer Told each answer, in the order of the requests. What it throws ends the connection,
   * and is thrown.
   */
  async listen(
    onAnswer: (answer: Answer) => void,
  ): Promise<ConnectionError | ConnectionClosed> {
    try {
      await this.#read(onAnswer);
      return await this.#ended.promise;
    } finally {
      this.close();
      this.#cancel?.();
    }
  }

  /** Sends a request. Those of one turn of the event loop are written together. */
  send(request: Uint8Array): void {
    if (this.#isOver) return;
    this.#sent.push(this.#clock.now());
    if (this.#cancel === null) this.#watch();
    this.#outgoing.push(request);
    if (!this.#isWriting) void this.#write();
  }

  /** Ends it at once. */
  close(): void {
    this.#end(new ConnectionClosed("It is not needed any more"));
  }

  async #read(onAnswer: (answer: Answer) => void): Promise<void> {
    const reader = new AnswerReader(this.#redact);
    const buffer = new Uint8Array(READ_SIZE);
    while (!this.#isOver) {
      let size: number | null;
      try {
        size = await this.#conn.read(buffer);
      } catch (error) {
        return this.#fail(error);
      }
      let answers: readonly Answer[];
      try {
        if (size !== null) answers = reader.push(buffer.subarray(0, size));
        else {
          const last = reader.end();
          if (last === null) {
            return this.#end(this.#brokenOff("closes the connection without an answer"));
          }
          answers = [last];
        }
      } catch (error) {
        // Whatever else it is, the peer did not do it.
        if (!(error instanceof AnswerError)) throw error;
        return this.#end(new ConnectionError(error.message));
      }
      for (const answer of answers) this.#take(answer, onAnswer);
    }
  }

  #take(answer: Answer, onAnswer: (answer: Answer) => void): void {
    // What comes behind the last one is of no interest.
    if (this.#isOver) return;
    if (this.#sent.shift() === undefined) {
      return this.#end(new ConnectionError("answers what it was not asked"));
    }
    this.#answered++;
    this.#heard = this.#clock.now();
    onAnswer(answer);
    if (answer.isLast) this.#end(new ConnectionClosed("It takes one request a connection"));
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      await null;
      while (this.#outgoing.length > 0 && !this.#isOver) {
        let bytes: Uint8Array = Buffer.concat(this.#outgoing);
        this.#outgoing = [];
        while (bytes.length > 0) bytes = bytes.subarray(await this.#conn.write(bytes));
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isWriting = false;
    }
  }

  /** Ends it when an answer is late. One timer serves all requests, as they are many. */
  #watch(): void {
    const [oldest] = this.#sent;
    const now = this.#clock.now();
    const silence = oldest === undefined ? now : Math.max(oldest, this.#heard);
    const patience = silence + PATIENCE_MS - now;
    const lateness = (oldest ?? now) + LATE_MS - now;
    if (patience > 0 && lateness > 0) {
      this.#cancel = this.#clock.after(Math.min(patience, lateness), () => this.#watch());
    } else {
      const seconds = (patience > 0 ? LATE_MS : PATIENCE_MS) / 1000;
      this.#end(new ConnectionError(`does not answer within ${seconds} s`));
    }
  }

  #fail(error: unknown): void {
    const reason = this.#redact(reasonOf(error));
    this.#end(this.#brokenOff(`breaks the connection off: ${reason}`));
  }

  /** One that has answered before may be done with connections for a while: the next one will tell. */
  #brokenOff(why: string): ConnectionError | ConnectionClosed {
    return this.#answered > 0 || this.#sent.length === 0
      ? new ConnectionClosed(why)
      : new ConnectionError(why);
  }

  #end(why: ConnectionError | ConnectionClosed): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#conn.close();
    this.#ended.resolve(why);
  }
}

/** Why no connection could be made, in words that follow on "the peer". */
function explain(error: unknown): string {
  const reason = reasonOf(error);
  if (error instanceof Deno.errors.ConnectionRefused) return REFUSED;
  const [, unresolved] = /^failed to lookup address information: (.*)$/.exec(reason) ?? [];
  if (unresolved !== undefined) return `has a host name that cannot be resolved: ${unresolved}`;
  if (reason.includes("UnknownIssuer")) {
    return "has a certificate of an unknown authority. If it is yours, name the authority's " +
      'certificate in "ssl.ca" of the peer';
  }
  if (reason.includes("CaUsedAsEndEntity")) {
    return "has a certificate that calls itself an authority's. Make it with " +
      "basicConstraints=critical,CA:FALSE";
  }
  if (reason.includes("certificate")) return `has a certificate that is not accepted: ${reason}`;
  if (reason.includes("InvalidContentType")) {
    return 'does not speak TLS. If it should not, set its "protocol" to "http"';
  }
  return `cannot be reached: ${reason}`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
