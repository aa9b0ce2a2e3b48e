/**
 * One kept-alive HTTP/1.1 connection to a peer. Requests are sent one behind the other without waiting for the
 * answers (RFC 9112, section 9.3.2). So the peer gets them in order, however far away it is.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type Clock, systemClock } from "../clock.ts";
import type { Redact } from "../config/redaction.ts";
import { type Answer, AnswerError, AnswerReader } from "../http/answer.ts";
import { type Address, connectTrusted, TIMEOUT_MS } from "../http/dial.ts";
import { RequestError } from "../http/failure.ts";
import { messageOf } from "../text.ts";

/** The longest time of a request behind others, in ms, however steadily those are answered. */
const LATE_MS = 3 * TIMEOUT_MS;

/** Bytes that are read at a time. */
const READ_SIZE = 16 * 1024;

/** The fault for which there is no connection, or no more. The message follows on "the peer". */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** The end of a connection without a fault: connections do not last for ever. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";
}

/** One kept-alive connection to a peer, with its requests in flight. */
export class PipelinedConnection {
  readonly #conn: Deno.Conn;
  readonly #redact: Redact;
  readonly #clock: Clock;
  readonly #ended = Promise.withResolvers<ConnectionError | ConnectionClosed>();
  #isOver = false;
  #outgoing: Uint8Array[] = [];
  #isWriting = false;
  /** The times at which the requests without an answer were sent, in order. */
  #sent: number[] = [];
  #answered = 0;
  /** The time of the last answer. */
  #heard = 0;
  /** Ends the wait for a late answer. */
  #cancel: (() => void) | null = null;

  private constructor(conn: Deno.Conn, redact: Redact, clock: Clock) {
    this.#conn = conn;
    this.#redact = redact;
    this.#clock = clock;
  }

  /**
   * Connects within {@linkcode TIMEOUT_MS}.
   *
   * @param stop The signal that the connection is not needed any more.
   * @param redact The redaction of all text of the peer: answers, and the reason of a failure, as its certificate
   * may say anything.
   * @param clock The clock by which an answer is late.
   * @throws {ConnectionError} If that is not possible.
   */
  static async open(
    address: Address,
    stop: AbortSignal,
    redact: Redact,
    clock: Clock = systemClock,
  ): Promise<PipelinedConnection> {
    try {
      const conn = await connectTrusted(address, stop, { named: '"ssl.ca" of the peer', redact });
      return new PipelinedConnection(conn, redact, clock);
    } catch (error) {
      throw error instanceof RequestError ? new ConnectionError(error.clause) : error;
    }
  }

  /** Returns the number of requests that have no answer yet. */
  get inFlight(): number {
    return this.#sent.length;
  }

  /** Returns the number of requests that have been answered. */
  get answered(): number {
    return this.#answered;
  }

  /**
   * Reads answers until the connection ends, and returns why it ended. A request without an answer may have been
   * handled or not. To be called once.
   *
   * @param onAnswer Called with each answer, in the order of the requests. Its errors end the connection, and are
   * thrown.
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

  /** Sends a request. Requests of one turn of the event loop are written together. */
  send(request: Uint8Array): void {
    if (this.#isOver) return;
    this.#sent.push(this.#clock.now());
    if (this.#cancel === null) this.#watch();
    this.#outgoing.push(request);
    if (!this.#isWriting) void this.#write();
  }

  /** Ends the connection at once. */
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
        // The peer did not cause any other error.
        if (!(error instanceof AnswerError)) throw error;
        return this.#end(new ConnectionError(error.message));
      }
      for (const answer of answers) this.#take(answer, onAnswer);
    }
  }

  #take(answer: Answer, onAnswer: (answer: Answer) => void): void {
    // Answers behind the last one are ignored.
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

  /** Ends the connection when an answer is late. One timer serves all requests, as they are many. */
  #watch(): void {
    const [oldest] = this.#sent;
    const now = this.#clock.now();
    const quietSince = oldest === undefined ? now : Math.max(oldest, this.#heard);
    const nextMs = quietSince + TIMEOUT_MS - now;
    const lateMs = (oldest ?? now) + LATE_MS - now;
    if (nextMs > 0 && lateMs > 0) {
      this.#cancel = this.#clock.after(Math.min(nextMs, lateMs), () => this.#watch());
    } else {
      const seconds = (nextMs > 0 ? LATE_MS : TIMEOUT_MS) / 1000;
      this.#end(new ConnectionError(`does not answer within ${seconds} s`));
    }
  }

  #fail(error: unknown): void {
    const reason = this.#redact(messageOf(error));
    this.#end(this.#brokenOff(`breaks the connection off: ${reason}`));
  }

  /** Returns why it ended. A peer that has answered may be done with connections for a while: the next one tells. */
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
