/**
 * A WebSocket client that does just what it is told, for what no browser would do.
 *
 * @module
 */

import { concat, frame, utf8 } from "../websocket/bytes.ts";

/** A frame of the server. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** An HTTP answer with a Content-Length. */
export interface Answer {
  readonly status: number;
  /** The status line and the header lines. */
  readonly head: string;
  readonly body: string;
}

/** The request that opens a WebSocket, with the example key of RFC 6455. */
export const REQUEST =
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** The same request with further header lines. */
export function requestWith(headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return REQUEST.replace(/\r\n$/, `${lines.join("")}\r\n`);
}

/** A WebSocket was not to be had; the message is the head of the answer. */
export class Refused extends Error {
  override readonly name = "Refused";

  /** The HTTP status of the answer. */
  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.message)?.[1]);
  }
}

/** A connection. Dispose of it: it is cut. */
export class Wire implements Disposable {
  readonly #connection: Deno.Conn;
  #bytes = new Uint8Array(0);

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Connects and says nothing. */
  static async connect(port: number, caCerts?: string[]): Promise<Wire> {
    const address = { hostname: "127.0.0.1", port };
    return new Wire(
      caCerts ? await Deno.connectTls({ ...address, caCerts }) : await Deno.connect(address),
    );
  }

  /** Connects, opens a WebSocket and subscribes. */
  static async open(
    port: number,
    topics: readonly string[],
    caCerts?: string[],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Wire> {
    const wire = await Wire.connect(port, caCerts);
    await wire.send(requestWith(headers));
    const answer = await wire.head();
    if (!answer.startsWith("HTTP/1.1 101 ")) {
      wire[Symbol.dispose]();
      throw new Refused(answer);
    }
    if (topics.length > 0) await wire.command("subscribe", topics);
    return wire;
  }

  /** Resolves when TLS is there. */
  async handshake(): Promise<void> {
    if ("handshake" in this.#connection) await (this.#connection as Deno.TlsConn).handshake();
  }

  /** Sends bytes as they are; a text in UTF-8. */
  async send(data: Uint8Array | string): Promise<void> {
    let bytes = typeof data === "string" ? utf8(data) : data;
    while (bytes.length > 0) bytes = bytes.subarray(await this.#connection.write(bytes));
  }

  /** Sends a command as a browser does. */
  async command(command: string, data?: unknown): Promise<void> {
    await this.send(frame(JSON.stringify({ command, data })));
  }

  /** The head of an HTTP answer. */
  async head(): Promise<string> {
    for (;;) {
      const text = new TextDecoder().decode(this.#bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#bytes = this.#bytes.slice(end + 4);
        return text.slice(0, end);
      }
      if (!await this.#more()) {
        throw new Error(`The connection ended after ${JSON.stringify(text)}`);
      }
    }
  }

  /** The next HTTP answer, which must have a Content-Length; the connection stays open. */
  async answer(): Promise<Answer> {
    const head = await this.head();
    const length = /^content-length: *(\d+)$/mi.exec(head.replaceAll("\r", ""))?.[1];
    if (length === undefined) throw new Error(`The answer has no Content-Length: ${head}`);
    const end = Number(length);
    while (this.#bytes.length < end) {
      if (!await this.#more()) throw new Error(`The connection ended within the body of ${head}`);
    }
    const body = new TextDecoder().decode(this.#bytes.subarray(0, end));
    this.#bytes = this.#bytes.slice(end);
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body };
  }

  /** The next frame, which must not be fragmented; `null` when the connection has ended. */
  async frame(): Promise<Frame | null> {
    for (;;) {
      const read = this.#cut();
      if (read !== null) return read;
      if (!await this.#more()) return null;
    }
  }

  /** The next text message. */
  async text(): Promise<string> {
    const next = await this.frame();
    if (next?.opcode !== 1) throw new Error(`No text, but ${JSON.stringify(next)}`);
    return new TextDecoder().decode(next.payload);
  }

  /** Reads to the end, and returns the code of the close frame; `null` when none came. */
  async closed(): Promise<number | null> {
    let code: number | null = null;
    for (let next = await this.frame(); next !== null; next = await this.frame()) {
      if (next.opcode === 8) code = codeOf(next);
    }
    return code;
  }

  /** Reads up to a close frame, and returns its code; the connection may stay. */
  async farewell(): Promise<number> {
    for (let next = await this.frame(); next !== null; next = await this.frame()) {
      if (next.opcode === 8) return codeOf(next);
    }
    throw new Error("The connection ended without a close frame");
  }

  /** Sends no more, and goes on reading. */
  async closeWrite(): Promise<void> {
    if ("closeWrite" in this.#connection) await (this.#connection as Deno.TcpConn).closeWrite();
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #more(): Promise<boolean> {
    const chunk = new Uint8Array(65_536);
    let count: number | null;
    try {
      count = await this.#connection.read(chunk);
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
      count = null;
    }
    if (count === null) return false;
    this.#bytes = concat(this.#bytes, chunk.subarray(0, count)) as Uint8Array<ArrayBuffer>;
    return true;
  }

  #cut(): Frame | null {
    const bytes = this.#bytes;
    const [first = 0, short = 0] = bytes;
    if (bytes.length < 2) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < start) return null;
    const length = start === 2
      ? short
      : start === 4
      ? view.getUint16(2)
      : Number(view.getBigUint64(2));
    if (bytes.length < start + length) return null;
    if ((first & 0xf0) !== 0x80) throw new Error("A fragment, or a reserved bit");
    this.#bytes = bytes.slice(start + length);
    return { opcode: first & 0x0f, payload: bytes.slice(start, start + length) };
  }
}

/** The code of a close frame. */
function codeOf({ payload: { buffer, byteOffset } }: Frame): number {
  return new DataView(buffer, byteOffset).getUint16(0);
}
