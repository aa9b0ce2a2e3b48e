/**
 * A client of a client server, like Phorge's page in a browser.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { formatValue } from "../log/format.ts";
import { Decoder, type Incoming, ProtocolError } from "../websocket/decoder.ts";
import { closePayload, maskedFrame, OPCODE } from "../websocket/frame.ts";
import { acceptKey } from "../websocket/handshake.ts";
import type { Dialed } from "../http/dial.ts";
import { RequestError } from "../http/failure.ts";
import { dialEndpoint, type Endpoint, instancePath } from "./endpoint.ts";
import { explainNoWebSocket } from "./rejection.ts";
import { exchange, inTime, writeRequest } from "./request.ts";

/** The options of a connection. */
export interface SubscriberOptions {
  /** The instance; `undefined` for the default one. */
  readonly instance?: string | undefined;
  /** The origin of the page. */
  readonly origin: string;
}

const encoder = new TextEncoder();

/** The most bytes of one message, whatever its fragments: no admin server accepts a longer one. */
const MESSAGE_LIMIT = 64 * 1024 * 1024;

/** The most fragments of one message. An Aphlict sends it whole; a proxy may cut it, but not so often. */
const FRAGMENT_LIMIT = 16_384;

/** The answer to a ping of Phorge's JavaScript. */
const PONG = '{"type":"pong"}';

/** An open WebSocket. */
export class Subscriber {
  readonly #dialed: Dialed;
  readonly #decoder = new Decoder(() => MESSAGE_LIMIT, "client");
  #fragments = 0;
  readonly #messages: string[] = [];
  #changed = Promise.withResolvers<void>();
  #end: RequestError | null = null;
  #heardAt = performance.now();

  private constructor(dialed: Dialed, rest: Uint8Array) {
    const { socket } = dialed;
    this.#dialed = dialed;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => {
      this.#finish(
        new RequestError(
          "answer",
          `broke the connection off: ${formatValue(dialed.redact(error.message))}`,
        ),
      );
    });
    socket.on("close", () => this.#finish(new RequestError("answer", "closed the connection")));
    if (rest.length > 0) this.#take(rest);
  }

  /**
   * Connects within 5 s, and gets the answer within another 5 s.
   *
   * @throws {RequestError} If no WebSocket opens.
   */
  static async open(
    endpoint: Endpoint,
    { instance, origin }: SubscriberOptions,
  ): Promise<Subscriber> {
    const dialed = await dialEndpoint(endpoint);
    try {
      const key = randomBytes(16).toString("base64");
      const request = writeRequest(`GET ${instancePath(endpoint.url, instance)}`, {
        "host": endpoint.url.host,
        origin,
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": key,
      });
      let subscriber: Subscriber | null = null;
      const opening = exchange(
        dialed,
        request,
        (rest) => subscriber = new Subscriber(dialed, rest),
      );
      const answer = await inTime(dialed, opening);
      if (subscriber === null) throw explainNoWebSocket(answer, origin, isDirect(endpoint));
      if (answer.header("sec-websocket-accept") !== acceptKey(key)) {
        throw new RequestError("answer", "accepts a WebSocket that nobody asked for: it is none");
      }
      return subscriber;
    } catch (error) {
      dialed.socket.destroy();
      throw error;
    }
  }

  /** Returns for how long nothing has come, in ms. */
  get idleMs(): number {
    return performance.now() - this.#heardAt;
  }

  /** Sends a command as Phorge's JavaScript does. */
  command(command: string, data?: unknown): void {
    this.#send(OPCODE.text, encoder.encode(JSON.stringify({ command, data })));
  }

  /**
   * Returns the next message; `null` is the answer to a ping command.
   *
   * @throws {RequestError} If there is none, because the connection has ended.
   */
  async next(): Promise<string | null> {
    for (;;) {
      const text = this.#messages.shift();
      if (text !== undefined) return text === PONG ? null : text;
      if (this.#end !== null) throw this.#end;
      await this.#changed.promise;
    }
  }

  /**
   * Waits for a message that fulfils `isIt`, 5 s at most. Earlier messages are dropped.
   *
   * @param late The error to throw when it does not come.
   * @throws {RequestError} If it does not come, or the connection ends.
   */
  async until(isIt: (message: string | null) => boolean, late?: RequestError): Promise<void> {
    const wait = async () => {
      while (!isIt(await this.next()));
    };
    await inTime(this.#dialed, wait(), late);
  }

  /**
   * Closes the connection, and does not wait for an answer.
   *
   * @param why The error that {@linkcode next} throws from now on.
   */
  close(why: RequestError = new RequestError("answer", "was told good-bye")): void {
    this.#finish(why);
    this.#send(OPCODE.close, closePayload(1000, ""));
    this.#dialed.socket.end();
    this.#dialed.socket.destroySoon();
  }

  #take(chunk: Uint8Array): void {
    if (this.#end !== null) return;
    this.#heardAt = performance.now();
    try {
      for (const incoming of this.#decoder.decode(chunk)) this.#handle(incoming);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#finish(new RequestError("answer", `is no WebSocket server: ${error.message}`));
      this.#dialed.socket.destroy();
    }
  }

  #handle(incoming: Incoming): void {
    switch (incoming.type) {
      case "fragment":
        if (++this.#fragments < FRAGMENT_LIMIT) return;
        throw new ProtocolError(1009, `it sent a message in more than ${FRAGMENT_LIMIT} pieces`);
      case "message":
        this.#fragments = 0;
        this.#messages.push(this.#dialed.redact(incoming.text));
        this.#tell();
        break;
      case "ping":
        this.#send(OPCODE.pong, incoming.payload);
        break;
      case "close":
        this.#finish(explainClose(incoming.code, this.#dialed.redact(incoming.reason)));
        this.#send(OPCODE.close, closePayload(1000, ""));
        this.#dialed.socket.end();
        break;
    }
  }

  /** Notes the end; only the first reason counts. */
  #finish(end: RequestError): void {
    this.#end ??= end;
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #send(opcode: number, payload: Uint8Array): void {
    if (this.#dialed.socket.writable) this.#dialed.socket.write(maskedFrame(opcode, payload));
  }
}

/** Tells whether no proxy is in between, because the server is one of the configuration. */
function isDirect({ trust }: Endpoint): boolean {
  return trust.by !== "authorities";
}

/** Returns the error for a server's close frame. */
function explainClose(code: number | null, reason: string): RequestError {
  const words = [
    code === null ? "" : ` with ${code}`,
    reason === "" ? "" : `: ${formatValue(reason)}`,
  ];
  const hint = code === 1001
    ? "It stops, or starts again: `aphlict status` tells."
    : code === 1013
    ? "What reads the output is slower than the messages come."
    : "";
  return new RequestError("answer", `ended the connection${words.join("")}`, hint);
}
