/**
 * The engine `socket`: Aphlict's own HTTP/1.1 on the runtime's TCP and TLS streams. It enforces limits that
 * `Deno.serve` cannot, and upgrades connections. See docs/decisions/0016-http-engine.md.
 *
 * @module
 */

import { createServer, type Server, type Socket as Stream } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { Account } from "../budget.ts";
import type { Crowd } from "../config/open_files.ts";
import { formatAddress } from "../config/host_name.ts";
import { within } from "../within.ts";
import type { WorkShare } from "../work_queue.ts";
import type {
  HttpCounters,
  HttpLimits,
  HttpRefusal,
  HttpServer,
  HttpServerOptions,
} from "./engine.ts";
import type { PemPair } from "../net/tls_trial.ts";
import { FairQueue } from "./fair_queue.ts";
import type { Handler, Remote } from "./handler.ts";
import { HttpConnection, type HttpConnectionHost } from "./http_connection.ts";
import { type OpenConnection, OpenConnections, type Stage } from "./open_connections.ts";
import { unwatch, watch } from "./stream_owner.ts";
import { tryAddress } from "./port.ts";
import { Receptions } from "./reception.ts";
import { encodeFields } from "./response.ts";
import { TlsHello, type TlsHelloHost } from "./tls_hello.ts";
import { Watchdog } from "./watchdog.ts";

/** The interval at which all connections check their timeouts, in ms. */
const TICK_MS = 1000;

/** The usual cause, and its remedy. */
const MORE_FILES =
  "There may be too many open files: raise their limit (LimitNOFILE= in systemd, --ulimit nofile= of a container)";

/**
 * The most connections that the kernel may hold until they are accepted; it may allow less (`net.core.somaxconn`). A
 * client that finds the queue full connects a second later, when its system tries again.
 */
const ACCEPT_QUEUE = 4096;

/**
 * The protocols that TLS agrees on: a client that prefers HTTP/2 gets HTTP/1.1. curl offers only the second when it is
 * told to speak it.
 */
const PROTOCOLS = ["http/1.1", "http/1.0"];

/**
 * Binds a server and answers on it.
 *
 * @throws {Error} The error of `Deno.listen` when it cannot be bound, or if the runtime cannot use the certificate.
 */
export function listenSocket(options: HttpServerOptions): Promise<HttpServer> {
  return SocketServer.listen(options);
}

class SocketServer implements HttpServer, HttpConnectionHost, TlsHelloHost, Crowd {
  readonly finished: Promise<void>;
  readonly receptions: Receptions;
  readonly handshakes: FairQueue;
  readonly account: Account;
  readonly localAddress: string;
  readonly fields: string;
  isRefusing = false;
  /** Called when nothing is being received or answered any more. */
  #onEmpty = () => {};
  #ticked = performance.now();
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #closed: Promise<void>;
  readonly #failed = Promise.withResolvers<never>();
  readonly #watchdog: Watchdog;
  readonly #connections = new OpenConnections();
  #secure: SecureContext | null;
  readonly #onClose = () => this.#options.files.release();

  private constructor(options: HttpServerOptions, host: string) {
    this.#options = options;
    this.localAddress = formatAddress(host, options.port);
    this.fields = encodeFields(options.fields);
    this.account = options.budget.account("requests");
    this.receptions = new Receptions(
      options.budget.account("bodies"),
      options.limits,
      () => this.now,
    );
    this.handshakes = new FairQueue(options.workQueue);
    this.#secure = options.tls && createSecureContext(options.tls);
    // A client that has shut down its side still gets its answer.
    const streams = { noDelay: true, allowHalfOpen: true };
    this.#server = createServer(streams, (stream) => this.#connected(stream));
    this.#watchdog = new Watchdog(
      host,
      options.port,
      (error) => options.warn(`It cannot connect to itself: ${error.message}. ${MORE_FILES}`),
    );
    this.#closed = new Promise((resolve) => this.#server.on("close", resolve));
    this.finished = Promise.race([this.#closed, this.#failed.promise]);
    this.#server.on("error", this.#failed.reject);
  }

  static async listen(options: HttpServerOptions): Promise<HttpServer> {
    const { hostname, port } = options;
    const host = tryAddress(hostname, port);
    const server = new SocketServer(options, host);
    const bound = new Promise<void>((resolve) => {
      server.#server.listen({ host, port, backlog: ACCEPT_QUEUE }, resolve);
    });
    await Promise.race([bound, server.finished]);
    options.files.crowd = server;
    server.#timer = setInterval(() => server.#tick(), TICK_MS);
    server.#server.on("close", () => clearInterval(server.#timer));
    return server;
  }

  get limits(): HttpLimits {
    return this.#options.limits();
  }

  get counters(): HttpCounters | undefined {
    return this.#options.counters;
  }

  get workQueue(): WorkShare {
    return this.#options.workQueue;
  }

  get handler(): Handler {
    return this.#options.handler;
  }

  get now(): number {
    return performance.now();
  }

  onError(error: unknown): Response {
    return this.#options.onError(error);
  }

  refused({ hostname, port }: Remote, kind: HttpRefusal, reason: string): void {
    this.#options.refused(formatAddress(hostname, port), kind, reason);
  }

  staged(connection: OpenConnection, from: Stage | null, to: Stage | null): void {
    this.#connections.move(connection, from, to);
    if (this.isRefusing && this.size === 0) this.#onEmpty();
  }

  renew(tls: PemPair): void {
    this.#secure = createSecureContext(tls);
  }

  refuse(): void {
    if (this.isRefusing) return;
    this.isRefusing = true;
    this.#watchdog.stop();
    this.#server.close();
    for (const connection of this.#connections.in("hello", "fresh", "idle", "ending")) {
      connection.stop();
    }
    this.receptions.interrupt();
  }

  async shutdown(graceMs: number): Promise<void> {
    this.refuse();
    const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
    if (this.size > 0 && !await within(graceMs, empty)) {
      for (const connection of this.#connections) connection.drop();
    }
    // Each upgraded connection is looked after by its owner.
    clearInterval(this.#timer);
  }

  /** Returns the number of connections that have not been upgraded, see {@linkcode Crowd}. */
  get size(): number {
    return this.#connections.size;
  }

  /** Ends the connection that can be spared most easily, see {@linkcode Crowd}. */
  thin(): boolean {
    return this.#dropSlowest("files", "It was the slowest, and there are no files for more");
  }

  #connected(stream: Stream): void {
    // A connection that was accepted before the port was closed.
    if (this.isRefusing) {
      stream.destroy();
      return;
    }
    const remote = { hostname: stream.remoteAddress ?? "unknown", port: stream.remotePort ?? 0 };
    // The watchdog's own connection is not reported. One of another program on this host is screened when it sends a
    // request.
    const isKnock = this.#watchdog.isKnocking && stream.localAddress === stream.remoteAddress;
    this.#watchdog.accepted();
    const { files } = this.#options;
    const rejection = isKnock ? null : this.#options.screen(remote);
    // No other connection is ended for one that is not served.
    if (rejection !== null && this.#secure !== null) return this.#close(stream);
    if (!files.take()) {
      if (rejection !== null) return this.#close(stream);
      if (!files.makeRoom()) {
        this.refused(remote, "files", "There is no open file for one more connection");
        return this.#close(stream);
      }
      // The dropped connection closes later. Until then both take a file, of which there is a reserve.
      files.force();
    }
    this.#serve(stream, remote, rejection);
    if (this.size > this.limits.connections) {
      this.#dropSlowest("handshakes", "It was the slowest of too many connections");
    }
  }

  /** Closes a connection that is not served. It takes a file until then. */
  #close(stream: Stream): void {
    this.#options.files.force();
    stream.on("close", this.#onClose).destroy();
  }

  #serve(stream: Stream, remote: Remote, rejection: Response | null): void {
    if (this.#secure !== null) {
      const hello = new TlsHello(this, stream, remote);
      watch(stream, hello, this.#onClose);
      return hello.begin();
    }
    const connection = new HttpConnection(this, stream, false, remote);
    watch(stream, connection, this.#onClose);
    connection.begin(rejection);
  }

  beginTls(raw: Stream, remote: Remote, since: number): void {
    const secureContext = this.#secure;
    if (secureContext === null) throw new Error("There is no certificate");
    let stream: Stream;
    try {
      stream = new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: PROTOCOLS });
    } catch (error) {
      raw.destroy();
      throw error;
    }
    unwatch(raw);
    const connection = new HttpConnection(this, stream, true, remote, since);
    watch(stream, connection, this.#onClose);
    stream.once("secure", () => connection.secured());
    connection.begin(null);
  }

  /** Ends the connection that can be spared most easily; `false`: there is none. */
  #dropSlowest(kind: HttpRefusal, reason: string): boolean {
    const spared = this.#connections.sparest;
    if (spared === null) return false;
    const [slowest, stage] = spared;
    // The others have been answered.
    if (stage !== "ending" && stage !== "idle") this.refused(slowest.remote, kind, reason);
    slowest.drop(reason);
    // It closes later, and is not to be found again.
    this.staged(slowest, "ending", null);
    return true;
  }

  #tick(): void {
    const late = this.now - this.#ticked - TICK_MS;
    this.#ticked = this.now;
    for (const connection of this.#connections) connection.tick();
    this.receptions.tick();
    if (!this.#server.listening) return;
    // After a long turn, connections that have arrived meanwhile are not accepted yet.
    if (late > TICK_MS / 2 || !this.#watchdog.tick()) return;
    this.#failed.reject(new Error(`it does not accept its own connection. ${MORE_FILES}`));
    this.#watchdog.stop();
    // The open connections continue.
    this.#server.close();
  }
}
