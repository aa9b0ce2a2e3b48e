/**
 * A client of HTTP that sends just the bytes that it is told to, and reads answers by the letter of RFC 9112.
 *
 * @module
 */

import { connect, type Socket as Stream } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { within } from "../../src/within.ts";
import { concat, latin1, textOf, utf8 } from "../pieces.ts";

/** How long something from the server is waited for, in ms. */
const LIMIT_MS = 20_000;

/** An answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** How a connection ended: by the server's FIN, or by a reset or an error. */
export type End = "end" | "reset";

/** A connection. Dispose of it: it is cut. */
export class Talk implements Disposable {
  readonly #stream: Stream;
  readonly #chunks: Uint8Array[] = [];
  #buffered: Uint8Array = new Uint8Array(0);
  #end: End | null = null;
  /** Called when something has happened. */
  #wake = () => {};

  private constructor(stream: Stream) {
    this.#stream = stream;
    stream.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    stream.on("end", () => this.#over("end"));
    stream.on("error", () => this.#over("reset"));
    stream.on("close", () => this.#over("reset"));
  }

  /** Connects, and sends nothing. It stays open for writing when the server has shut down its side. */
  static async connect(port: number): Promise<Talk> {
    const stream = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
    const talk = new Talk(stream);
    await once(stream, "connect");
    return talk;
  }

  /** Connects over TLS; the certificate is not looked at. */
  static async connectTls(port: number, protocols: readonly string[] = []): Promise<Talk> {
    const stream = connectTls({
      host: "127.0.0.1",
      port,
      servername: "localhost",
      rejectUnauthorized: false,
      ALPNProtocols: [...protocols],
    });
    const talk = new Talk(stream);
    await once(stream, "secureConnect");
    return talk;
  }

  /** What TLS has agreed on; `null` over plain text or without agreement. */
  get protocol(): string | null {
    const { alpnProtocol } = this.#stream as TLSSocket;
    return typeof alpnProtocol === "string" ? alpnProtocol : null;
  }

  /** The serial number of the server's certificate. */
  get certificate(): string {
    return (this.#stream as TLSSocket).getPeerCertificate().serialNumber;
  }

  /** Sends a text, each of whose characters is a byte, and resolves when the system has it. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? latin1(data) : data;
    await new Promise<void>((resolve) => this.#stream.write(bytes, () => resolve()));
  }

  /** Sends each byte by itself. */
  async sendBytewise(text: string): Promise<void> {
    for (const character of text) await this.send(character);
  }

  /** Sends no more, and goes on reading. */
  closeWrite(): void {
    this.#stream.end();
  }

  /** Reads nothing from now on, until {@linkcode resume}. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Cuts the connection with a reset. */
  reset(): void {
    this.#stream.resetAndDestroy();
  }

  /** Bytes that have come and were not read. */
  get unread(): number {
    return this.#all().length;
  }

  /** Resolves with the next answer. Those to HEAD have no body. */
  async answer(method = "GET"): Promise<Answer> {
    const text = await this.#until((bytes) => {
      const end = textOf(bytes.subarray(0, 65_536)).indexOf("\r\n\r\n");
      return end < 0 ? null : end + 4;
    });
    const [statusLine = "", ...lines] = text.slice(0, -4).split("\r\n");
    const status = /^HTTP\/1\.[01] ([1-5]\d\d) [\w -]*$/.exec(statusLine)?.[1];
    if (status === undefined) throw new Error(`No status line: ${JSON.stringify(statusLine)}`);
    const headers = new Headers(lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }));
    const hasBody = method !== "HEAD" && !/^(1..|204|304)$/.test(status);
    const length = Number(headers.get("content-length") ?? "0");
    if (hasBody && headers.has("transfer-encoding")) throw new Error("A coding is not read here");
    const body = hasBody
      ? await this.#until(({ length: all }) => all < length ? null : length)
      : "";
    return { status: Number(status), headers, body };
  }

  /** Resolves with the status of the next answer. */
  async status(method?: string): Promise<number> {
    return (await this.answer(method)).status;
  }

  /** Resolves with so many bytes as a text. */
  bytes(count: number): Promise<string> {
    return this.#until(({ length }) => length < count ? null : count);
  }

  /** Resolves when the server has ended the connection, with how, and with what came until then. */
  async ended(): Promise<{ readonly end: End; readonly text: string }> {
    while (this.#end === null) await this.#event();
    return { end: this.#end, text: textOf(this.#all()) };
  }

  /** Whether the server has ended the connection. */
  get isOver(): boolean {
    return this.#end !== null;
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }

  /** Resolves with the text up to a place, which is found in all that has come. */
  async #until(place: (bytes: Uint8Array) => number | null): Promise<string> {
    for (;;) {
      const bytes = this.#all();
      const found = place(bytes);
      if (found !== null) {
        this.#buffered = bytes.subarray(found);
        return textOf(bytes.subarray(0, found));
      }
      if (this.#end !== null) {
        throw new Error(
          `The connection ended (${this.#end}) after ${
            JSON.stringify(textOf(bytes.subarray(0, 300)))
          }`,
        );
      }
      await this.#event();
    }
  }

  #all(): Uint8Array {
    if (this.#chunks.length > 0) {
      this.#buffered = concat(this.#buffered, ...this.#chunks.splice(0));
    }
    return this.#buffered;
  }

  #over(end: End): void {
    this.#end ??= end;
    this.#wake();
  }

  async #event(): Promise<void> {
    const event = new Promise<void>((resolve) => this.#wake = resolve);
    if (!await within(LIMIT_MS, event)) throw new Error("Nothing came from the server any more");
  }
}

/** Resolves with an event of a stream; rejects when it fails before. */
function once(stream: Stream, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once(event, resolve);
    stream.once("error", reject);
    stream.once("close", () => reject(new Error("It was closed")));
  });
}

/** Returns a request with its header lines; a body's length is told. */
export function request(line: string, headers: readonly string[] = [], body = ""): string {
  const length = body === "" ? [] : [`Content-Length: ${utf8(body).length}`];
  return [`${line} HTTP/1.1`, "Host: x", ...headers, ...length, "", body].join("\r\n");
}
