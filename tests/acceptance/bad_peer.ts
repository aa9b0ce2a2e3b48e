/**
 * A peer whose answers a test writes byte by byte, for what no server of ours or of the original
 * would say.
 *
 * @module
 */

import { concat, utf8 } from "../websocket/bytes.ts";
import { freePorts } from "./ports.ts";

/** Bytes that a peer without bounds sends at a time. */
const ENDLESS_CHUNK = 16_384;

/** What an endless answer comes to before the test gives up: far more than all buffers hold. */
const ENDLESS_LIMIT = 200_000_000;

/** A test gives up after this time, rather than to wait for ever. */
const UNTIL_LIMIT_MS = 45_000;

/** One request that arrived whole. */
export interface PeerRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  readonly body: string;
}

/** What a peer does with a connection; when it is done, the connection is closed. */
export type Behaviour = (connection: PeerConnection, peer: ScriptedPeer) => Promise<void>;

/** An answer with a length; `headers` end with a line feed each. */
export function response(status: string, body: string, headers = ""): string {
  return `HTTP/1.1 ${status}\r\n${headers}Content-Length: ${utf8(body).length}\r\n\r\n${body}`;
}

/** One connection of the service under test. */
export class PeerConnection {
  readonly #conn: Deno.TcpConn;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** The next request; `null` when the connection has ended. */
  async request(): Promise<PeerRequest | null> {
    const head = await this.#head();
    if (head === null) return null;
    const [line = "", ...fields] = head.split("\r\n");
    const [method = "", target = ""] = line.split(" ");
    const headers = new Headers(fields.map((field): [string, string] => {
      const [, name = "", value = ""] = /^([^:]+): *(.*)$/.exec(field) ?? [];
      return [name, value];
    }));
    const length = Number(headers.get("content-length") ?? 0);
    while (this.#bytes.length < length) if (!await this.#more()) return null;
    const body = new TextDecoder().decode(this.#bytes.subarray(0, length));
    this.#bytes = this.#bytes.slice(length);
    return { method, target, headers, body };
  }

  /** Sends all of it, unless the other side closes the connection: then it rejects. */
  async send(data: Uint8Array | string): Promise<void> {
    let bytes = typeof data === "string" ? utf8(data) : data;
    while (bytes.length > 0) bytes = bytes.subarray(await this.#conn.write(bytes));
  }

  /** Sends the same without end; resolves with the number of bytes when the other side closes. */
  async sendEndlessly(piece: string): Promise<number> {
    const chunk = utf8(piece.repeat(Math.ceil(ENDLESS_CHUNK / piece.length)));
    let sent = 0;
    try {
      while (sent < ENDLESS_LIMIT) {
        await this.send(chunk);
        sent += chunk.length;
      }
    } catch (error) {
      if (!isEnd(error)) throw error;
    }
    return sent;
  }

  /** Resolves when the other side has closed the connection; what it still sends is dropped. */
  async ended(): Promise<void> {
    while (await this.#more()) this.#bytes = new Uint8Array(0);
  }

  close(): void {
    try {
      this.#conn.close();
    } catch (error) {
      if (!isEnd(error)) throw error;
    }
  }

  async #head(): Promise<string | null> {
    for (;;) {
      const text = new TextDecoder().decode(this.#bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#bytes = this.#bytes.slice(utf8(text.slice(0, end)).length + 4);
        return text.slice(0, end);
      }
      if (!await this.#more()) return null;
    }
  }

  async #more(): Promise<boolean> {
    const chunk = new Uint8Array(65_536);
    let count: number | null;
    try {
      count = await this.#conn.read(chunk);
    } catch (error) {
      if (!isEnd(error)) throw error;
      count = null;
    }
    if (count === null) return false;
    this.#bytes = concat(this.#bytes, chunk.subarray(0, count));
    return true;
  }
}

/** A receipt as the original writes it. */
export function receipt(fingerprint: string): string {
  return `{"fingerprint":"${fingerprint}"}`;
}

/** Listens on 127.0.0.1 and behaves as it is told. Dispose of it: its connections are closed. */
export class ScriptedPeer implements AsyncDisposable {
  readonly port: number;
  /** Another one for each. */
  readonly fingerprint: string = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  /** `n` of each message that was answered with a receipt, in order. */
  readonly taken: unknown[] = [];
  /** Connections that were accepted so far. */
  connections = 0;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<PeerConnection>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #behaviour: Behaviour;
  #changed = Promise.withResolvers<void>();

  constructor(behaviour: Behaviour, port: number = freePorts(1)[0] ?? 0) {
    this.port = port;
    this.#behaviour = behaviour;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#accepting = this.#accept();
  }

  /** Where it listens, as a URL has it. */
  get at(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Behaves in another way from now on; the connections that are there are closed. */
  become(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
    for (const connection of this.#open) connection.close();
  }

  /** To be called by a behaviour when it has answered a message with a receipt. */
  take({ body }: PeerRequest): void {
    this.taken.push(JSON.parse(body).n);
    this.#change();
  }

  /** Resolves when something holds: it is looked at whenever something has happened here. */
  async until(holds: () => boolean): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#change();
    }, UNTIL_LIMIT_MS);
    try {
      while (!holds()) {
        if (late) {
          throw new Error(`${this.connections} connections brought ${JSON.stringify(this.taken)}`);
        }
        await this.#changed.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const connection of this.#open) connection.close();
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.connections++;
      const running = this.#serve(new PeerConnection(conn)).finally(() => {
        this.#running.delete(running);
        this.#change();
      });
      this.#running.add(running);
      this.#change();
    }
  }

  async #serve(connection: PeerConnection): Promise<void> {
    this.#open.add(connection);
    try {
      await this.#behaviour(connection, this);
    } catch (error) {
      if (!isEnd(error)) throw error;
    } finally {
      this.#open.delete(connection);
      connection.close();
    }
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Gives each request the same answer. */
export function answering(answer: string): Behaviour {
  return async (connection) => {
    while (await connection.request() !== null) await connection.send(answer);
  };
}

/** The status page of the original, as far as it matters. */
export const STATUS = '{"instance":"default","version":7}';

/** Takes each message, and answers a client that asks for the status as the original does. */
export function taking(): Behaviour {
  return async (connection, peer) => {
    for (;;) {
      const request = await connection.request();
      if (request === null) return;
      const posted = request.method === "POST";
      await connection.send(response("200 OK", posted ? receipt(peer.fingerprint) : STATUS));
      if (posted) peer.take(request);
    }
  };
}

/** Takes each message, and shows a fingerprint without proving it. */
export function showing(fingerprint: string): Behaviour {
  return async (connection, peer) => {
    for (;;) {
      const request = await connection.request();
      if (request === null) return;
      if (request.method === "POST") {
        await connection.send(response("200 OK", receipt(fingerprint)));
        peer.take(request);
      } else {
        const page = { version: 7, fingerprint };
        await connection.send(response("200 OK", JSON.stringify(page)));
      }
    }
  };
}

/** Whether it only says that the other side, or the test, has closed the connection. */
function isEnd(error: unknown): boolean {
  return [
    Deno.errors.BrokenPipe,
    Deno.errors.ConnectionReset,
    Deno.errors.ConnectionAborted,
    Deno.errors.BadResource,
    Deno.errors.Interrupted,
    Deno.errors.NotConnected,
  ].some((kind) => error instanceof kind);
}
