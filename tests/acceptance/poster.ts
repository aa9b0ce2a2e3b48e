/**
 * Clients of an admin port whose answers are timed: Phorge, which connects anew for each message, and a peer,
 * which keeps its connection and sends a message again when that has ended before the answer.
 *
 * @module
 */

import { concat, utf8 } from "../websocket/bytes.ts";

/** An admin port. */
export interface AdminEndpoint {
  readonly port: number;
  /** PEM certificate of the authority that has signed the server's; `null`: plain text. */
  readonly authority: string | null;
}

/** What a client has met. Times are in ms. */
export interface Posting {
  /** Messages, answered or not. */
  readonly posts: number;
  readonly p99: number;
  readonly slowest: number;
  /** Connections that were made. */
  readonly connections: number;
}

/** Phorge gives up after this time, in ms. */
const LIMIT_MS = 2000;

/** A peer that was not let in tries again after this time, in ms. */
const AGAIN_MS = 20;

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Whether the connection ends behind it. */
  readonly isLast: boolean;
}

/** The connection has ended, or was not to be had. */
class Ended extends Error {
  override readonly name = "Ended";
}

/** A connection on which requests are sent, one behind the other. Dispose of it: it is closed. */
class AdminConnection implements Disposable {
  readonly #connection: Deno.Conn;
  #isClosed = false;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** @param signal Ends the connection, and what is under way on it; `null`: nothing does. */
  static async open(
    { port, authority }: AdminEndpoint,
    signal: AbortSignal | null,
  ): Promise<AdminConnection> {
    const address = { hostname: "127.0.0.1", port };
    try {
      const connection = new AdminConnection(
        authority === null
          ? await Deno.connect(address)
          : await Deno.connectTls({ ...address, caCerts: [authority] }),
      );
      if (signal?.aborted) connection[Symbol.dispose]();
      signal?.addEventListener("abort", () => connection[Symbol.dispose](), { once: true });
      return connection;
    } catch (error) {
      throw new Ended(textOf(error));
    }
  }

  async request(bytes: Uint8Array): Promise<Answer> {
    try {
      for (let left = bytes; left.length > 0;) {
        left = left.subarray(await this.#connection.write(left));
      }
      return await this.#read();
    } catch (error) {
      if (error instanceof Ended) throw error;
      throw new Ended(textOf(error));
    }
  }

  async #read(): Promise<Answer> {
    const chunk = new Uint8Array(16_384);
    let bytes = new Uint8Array(0);
    for (;;) {
      const count = await this.#connection.read(chunk);
      if (count === null) {
        throw new Ended(`The connection ended after ${bytes.length} bytes of an answer`);
      }
      bytes = concat(bytes, chunk.subarray(0, count)) as Uint8Array<ArrayBuffer>;
      const text = new TextDecoder("latin1").decode(bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) continue;
      const head = text.slice(0, end);
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
      if (bytes.length < end + 4 + length) continue;
      return {
        status: Number(head.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)),
        body: new TextDecoder().decode(bytes.subarray(end + 4)),
        isLast: /^connection: close$/im.test(head),
      };
    }
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
  }
}

/** Times what is posted. */
abstract class Poster {
  protected readonly endpoint: AdminEndpoint;
  protected connections = 0;
  readonly #times: number[] = [];

  constructor(endpoint: AdminEndpoint) {
    this.endpoint = endpoint;
  }

  /** Posts a message, and resolves when it has been answered with 200; rejects if it is not within 2 s. */
  async post(message: unknown): Promise<void> {
    const started = performance.now();
    try {
      await within(LIMIT_MS, (signal) => this.send(postOf(message), signal));
    } finally {
      this.#times.push(performance.now() - started);
    }
  }

  protected abstract send(request: Uint8Array, signal: AbortSignal): Promise<unknown>;

  /** What it has met so far. */
  get posting(): Posting {
    const sorted = this.#times.toSorted((a, b) => a - b);
    const quantile = (share: number) =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
    return {
      posts: sorted.length,
      p99: quantile(0.99),
      slowest: quantile(1),
      connections: this.connections,
    };
  }
}

/** Posts as Phorge does. */
export class Phorge extends Poster {
  protected override async send(request: Uint8Array, signal: AbortSignal): Promise<void> {
    this.connections++;
    using connection = await AdminConnection.open(this.endpoint, signal);
    accepted(await connection.request(request));
  }
}

/** Posts as a peer does. Dispose of it: its connection is closed. */
export class KeptPoster extends Poster implements Disposable {
  #connection: AdminConnection | null = null;

  protected override async send(request: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this[Symbol.dispose](), { once: true });
    for (;;) {
      try {
        if (this.#connection === null) {
          this.connections++;
          this.#connection = await AdminConnection.open(this.endpoint, null);
        }
        const answer = await this.#connection.request(request);
        if (answer.isLast) this[Symbol.dispose]();
        accepted(answer);
        return;
      } catch (error) {
        this[Symbol.dispose]();
        if (!(error instanceof Ended) || signal.aborted) throw error;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = null;
  }
}

/** Asks an admin server for a page, on a connection of its own. */
export async function pageOf(
  endpoint: AdminEndpoint,
  path: string,
  limitMs: number = LIMIT_MS,
): Promise<string> {
  return await within(limitMs, async (signal) => {
    using connection = await AdminConnection.open(endpoint, signal);
    const request = utf8(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${endpoint.port}\r\n\r\n`);
    return accepted(await connection.request(request));
  });
}

/** The request of a message, with the headers that Phorge sends. */
function postOf(message: unknown): Uint8Array {
  const body = utf8(JSON.stringify(message));
  return concat(
    utf8(
      "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n" +
        "Content-Type: application/x-www-form-urlencoded\r\n" +
        `Content-Length: ${body.length}\r\n\r\n`,
    ),
    body,
  );
}

function accepted({ status, body }: Answer): string {
  if (status !== 200) throw new Error(`It was answered ${status}: ${body}`);
  return body;
}

/** Rejects when work takes too long, and tells it. */
async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const passed = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.abort();
    passed.reject(new Error(`It took more than ${ms} ms`));
  }, ms);
  const working = work(late.signal);
  working.catch(() => {});
  try {
    return await Promise.race([working, passed.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
