/**
 * A client server's client, as Phorge's page in a browser is one.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { formatValue } from "../log/format.ts";
import { Decoder, type Incoming, ProtocolError } from "../websocket/decoder.ts";
import { closePayload, maskedFrame, OPCODE } from "../websocket/frame.ts";
import { acceptKey } from "../websocket/handshake.ts";
import { type Answer, answeredWithin, broken, readAnswer } from "./ask.ts";
import { dial, type Line, ReachError } from "./dial.ts";
import { pathOf, type Place } from "./place.ts";
import { explainRefusal } from "./refusal.ts";

/** How to connect. */
export interface SubscriberOptions {
  /** `undefined`: the default one. */
  readonly instance?: string | undefined;
  /** The page's. */
  readonly origin: string;
}

const encoder = new TextEncoder();

/** Bytes of one message, whatever its fragments: no admin server takes a longer one. */
const MESSAGE_LIMIT = 64 * 1024 * 1024;

/** Fragments of one message. An Aphlict sends it whole; what stands in between may cut it, but not to dust. */
const FRAGMENT_LIMIT = 16_384;

/** The answer to a ping of Phorge's JavaScript. */
const PONG = '{"type":"pong"}';

/** An open WebSocket. */
export class Subscriber {
  readonly #line: Line;
  readonly #decoder = new Decoder(() => MESSAGE_LIMIT, "client");
  #fragments = 0;
  readonly #messages: string[] = [];
  #changed = Promise.withResolvers<void>();
  #end: ReachError | null = null;
  #heardAt = performance.now();

  private constructor(line: Line, socket: Socket, head: Uint8Array) {
    this.#line = { ...line, socket };
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => {
      this.#finish(
        new ReachError(
          "answer",
          `broke the connection off: ${formatValue(line.redact(error.message))}`,
        ),
      );
    });
    socket.on("close", () => this.#finish(new ReachError("answer", "closed the connection")));
    if (head.length > 0) this.#take(head);
    socket.resume();
  }

  /**
   * Connects, within 5 s, and is answered, within 5 s.
   *
   * @throws {ReachError} If it does not become a WebSocket.
   */
  static async open(place: Place, { instance, origin }: SubscriberOptions): Promise<Subscriber> {
    const line = await dial(place);
    try {
      const key = randomBytes(16).toString("base64");
      const opened = await answeredWithin(
        line,
        upgrade(line, {
          "host": place.url.host,
          "origin": origin,
          "user-agent": "aphlict",
          "connection": "Upgrade",
          "upgrade": "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": key,
        }, pathOf(place.url, instance)),
      );
      if ("status" in opened) throw explainRefusal(opened, origin, isDirect(place));
      if (opened.accept !== acceptKey(key)) {
        throw new ReachError("answer", "accepts a WebSocket that nobody asked for: it is none");
      }
      return new Subscriber(line, opened.socket, opened.head);
    } catch (error) {
      line.socket.destroy();
      throw error;
    }
  }

  /** How long nothing has come, in ms. */
  get silenceMs(): number {
    return performance.now() - this.#heardAt;
  }

  /** Sends a command as Phorge's JavaScript does. */
  command(command: string, data?: unknown): void {
    this.#send(OPCODE.text, encoder.encode(JSON.stringify({ command, data })));
  }

  /**
   * The next message; `null` is the answer to a ping command.
   *
   * @throws {ReachError} When there is none, as the connection has ended.
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
   * Waits for what `isIt` knows, 5 s at most. What comes before is dropped.
   *
   * @param late Thrown when it does not come.
   * @throws {ReachError} If it does not come, or the connection ends.
   */
  async until(isIt: (message: string | null) => boolean, late?: ReachError): Promise<void> {
    const wait = async () => {
      while (!isIt(await this.next()));
    };
    await answeredWithin(this.#line, wait(), late);
  }

  /**
   * Says good-bye, and does not wait for an answer.
   *
   * @param why What {@linkcode next} throws from now on.
   */
  close(why: ReachError = new ReachError("answer", "was told good-bye")): void {
    this.#finish(why);
    this.#send(OPCODE.close, closePayload(1000, ""));
    this.#line.socket.end();
    this.#line.socket.destroySoon();
  }

  #take(chunk: Uint8Array): void {
    if (this.#end !== null) return;
    this.#heardAt = performance.now();
    try {
      for (const incoming of this.#decoder.decode(chunk)) this.#handle(incoming);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#finish(new ReachError("answer", `is no WebSocket server: ${error.message}`));
      this.#line.socket.destroy();
    }
  }

  #handle(incoming: Incoming): void {
    switch (incoming.type) {
      case "fragment":
        if (++this.#fragments < FRAGMENT_LIMIT) return;
        throw new ProtocolError(1009, `it sent a message in more than ${FRAGMENT_LIMIT} pieces`);
      case "message":
        this.#fragments = 0;
        this.#messages.push(this.#line.redact(incoming.text));
        this.#tell();
        break;
      case "ping":
        this.#send(OPCODE.pong, incoming.payload);
        break;
      case "close":
        this.#finish(explainClose(incoming.code, this.#line.redact(incoming.reason)));
        this.#send(OPCODE.close, closePayload(1000, ""));
        this.#line.socket.end();
        break;
    }
  }

  /** The first reason counts. */
  #finish(end: ReachError): void {
    this.#end ??= end;
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #send(opcode: number, payload: Uint8Array): void {
    if (this.#line.socket.writable) this.#line.socket.write(maskedFrame(opcode, payload));
  }
}

/** A connection that has become a WebSocket. */
interface Opened {
  readonly socket: Socket;
  /** What has come behind the answer. */
  readonly head: Uint8Array;
  /** `Sec-WebSocket-Accept`. */
  readonly accept: string | undefined;
}

/** Asks for a WebSocket: it is opened, or answered otherwise. */
async function upgrade(
  { socket, redact }: Line,
  headers: Readonly<Record<string, string>>,
  path: string,
): Promise<Opened | Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Opened | Answer>();
  const asked = request({ createConnection: () => socket, path, headers });
  asked.on("error", (error) => reject(broken(error, redact)));
  asked.on("upgrade", (answer: IncomingMessage, socket: Socket, head: Buffer) => {
    resolve({ socket, head, accept: answer.headers["sec-websocket-accept"] });
  });
  asked.on("response", (answer) => {
    readAnswer(answer, redact).then(resolve, reject);
  });
  asked.end();
  return await promise;
}

/** Whether nothing is between here and the server: it is one of the configuration. */
function isDirect({ trust }: Place): boolean {
  return trust.by !== "authorities";
}

/** What a server's close frame comes to. */
function explainClose(code: number | null, reason: string): ReachError {
  const words = [
    code === null ? "" : ` with ${code}`,
    reason === "" ? "" : `: ${formatValue(reason)}`,
  ];
  const hint = code === 1001
    ? "It stops, or starts again: `aphlict status` tells."
    : code === 1013
    ? "What reads the output is slower than the messages come."
    : "";
  return new ReachError("answer", `ended the connection${words.join("")}`, hint);
}
