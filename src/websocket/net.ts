/**
 * The socket engine: WebSockets on the runtime's TCP and TLS streams, with frames of our own.
 *
 * @module
 */

import { createServer, type Server, type Socket as Stream } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { Connection, type Home } from "./connection.ts";
import type { PlainAnswer } from "./handshake.ts";
import { Outbox } from "./outbox.ts";
import { Watchdog } from "./watchdog.ts";
import type {
  Socket,
  SocketHandlers,
  SocketLimits,
  SocketServer,
  SocketServerOptions,
  TlsPair,
} from "./socket.ts";

/** How often the clock ticks and connections that take too long are looked for, in ms. */
const TICK_MS = 1000;

/** Connections that the kernel may hold until they are accepted; it may allow less. */
const ACCEPT_QUEUE = 4096;

/**
 * Binds a server and accepts WebSockets on it.
 *
 * @throws {Error} What `Deno.listen` throws when it cannot be bound, or if the runtime cannot use the
 * certificate.
 */
export function listen(options: SocketServerOptions): Promise<SocketServer> {
  return NetServer.listen(options);
}

class NetServer implements SocketServer, Home {
  readonly limits: SocketLimits;
  readonly otherwise: PlainAnswer;
  readonly outbox = new Outbox();
  readonly finished: Promise<void>;
  now = performance.now();
  readonly #options: SocketServerOptions;
  readonly #server: Server;
  readonly #closed: Promise<void>;
  readonly #failed = Promise.withResolvers<never>();
  readonly #watchdog: Watchdog;
  readonly #handshakes = new Set<Connection>();
  readonly #open = new Set<Connection>();
  #secure: SecureContext | null;

  private constructor(options: SocketServerOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.otherwise = options.otherwise;
    this.#secure = options.tls && createSecureContext(options.tls);
    this.#server = createServer({ noDelay: true }, (stream) => this.#connected(stream));
    this.#watchdog = new Watchdog(options.hostname, options.port);
    this.#closed = new Promise((resolve) => this.#server.on("close", resolve));
    this.finished = Promise.race([this.#closed, this.#failed.promise]);
    this.#server.on("error", this.#failed.reject);
  }

  static async listen(options: SocketServerOptions): Promise<SocketServer> {
    const { hostname, port } = options;
    // Bound for a moment to be told by name what is wrong. The streams' server calls an address that
    // the host does not have an invalid argument, and a missing permission ends the process (Deno
    // 2.9.6).
    Deno.listen({ hostname, port }).close();
    const server = new NetServer(options);
    const bound = new Promise<void>((resolve) => {
      server.#server.listen({ host: hostname, port, backlog: ACCEPT_QUEUE }, resolve);
    });
    await Promise.race([bound, server.finished]);
    const timer = setInterval(() => server.#tick(), TICK_MS);
    server.#server.on("close", () => clearInterval(timer));
    return server;
  }

  accept(socket: Socket): SocketHandlers {
    return this.#options.accept(socket);
  }

  refused(remoteAddress: string, reason: string): void {
    this.#options.refused(remoteAddress, reason);
  }

  admit(connection: Connection): boolean {
    if (this.#open.size >= this.limits.connections) return false;
    this.#handshakes.delete(connection);
    this.#open.add(connection);
    return true;
  }

  left(connection: Connection): void {
    this.#handshakes.delete(connection);
    this.#open.delete(connection);
  }

  renew(tls: TlsPair): void {
    this.#secure = createSecureContext(tls);
  }

  async shutdown(): Promise<void> {
    this.#server.close();
    for (const connection of this.#handshakes) connection.drop();
    for (const connection of this.#open) connection.close(1001, "");
    await this.#closed;
  }

  #connected(stream: Stream): void {
    this.#watchdog.accepted();
    const secured = this.#secure === null
      ? stream
      : new TLSSocket(stream, { isServer: true, secureContext: this.#secure });
    this.#handshakes.add(new Connection(this, secured));
    if (this.#handshakes.size <= this.limits.handshakes) return;
    const [oldest] = this.#handshakes;
    if (oldest === undefined) return;
    this.refused(oldest.remoteAddress, "It was the slowest of too many that had sent no request");
    oldest.drop();
  }

  #tick(): void {
    this.now = performance.now();
    for (const connection of this.#handshakes) connection.tick();
    for (const connection of this.#open) connection.tick();
    if (!this.#server.listening || !this.#watchdog.tick()) return;
    this.#failed.reject(new Error("it does not answer when it knocks at its own door"));
    // The connections that there are go on.
    this.#server.close();
  }
}
