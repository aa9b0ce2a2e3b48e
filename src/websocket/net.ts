/**
 * The socket engine: WebSockets on the runtime's TCP and TLS streams, with frames of our own.
 *
 * @module
 */

import { createServer, type Server, type Socket as Stream } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { formatAddress } from "../config/config.ts";
import type { WorkQueue } from "../work_queue.ts";
import type { Admitted, Refusal } from "./admission.ts";
import { type Accounts, Connection, type Home } from "./connection.ts";
import { drain } from "./drain.ts";
import { Outbox } from "./outbox.ts";
import { Watchdog } from "./watchdog.ts";
import type { RefusalKind, SocketLimits } from "./rules.ts";
import type {
  PlainAnswer,
  Socket,
  SocketCounters,
  SocketHandlers,
  SocketServer,
  SocketServerOptions,
  TlsPair,
} from "./socket.ts";

/** How often the clock ticks and connections that take too long are looked for, in ms. */
const TICK_MS = 1000;

/** The usual cause. */
const MORE_FILES =
  "There may be too many open files: raise their limit (LimitNOFILE= in systemd, --ulimit nofile= of a container)";

/**
 * Connections that the kernel may hold until they are accepted; it may allow less (`net.core.somaxconn`). Whoever
 * finds no place comes a second later, when its system asks again.
 */
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
  readonly otherwise: PlainAnswer;
  readonly counters: SocketCounters;
  readonly outbox: Outbox;
  readonly accounts: Accounts;
  readonly workQueue: WorkQueue;
  readonly finished: Promise<void>;
  #ticked = performance.now();
  readonly #options: SocketServerOptions;
  readonly #server: Server;
  readonly #closed: Promise<void>;
  readonly #failed = Promise.withResolvers<never>();
  readonly #watchdog: Watchdog;
  readonly #handshakes = new Set<Connection>();
  readonly #answered = new Set<Connection>();
  readonly #open = new Set<Connection>();
  #secure: SecureContext | null;
  #refusing = false;
  #shutdown: Promise<void> | null = null;

  private constructor(options: SocketServerOptions, host: string) {
    this.#options = options;
    this.otherwise = options.otherwise;
    this.counters = options.counters;
    this.outbox = new Outbox(options.counters.writing);
    this.workQueue = options.workQueue;
    this.accounts = {
      requests: options.budget.account("requests"),
      connections: options.budget.account("connections"),
      messages: options.budget.account("messages"),
      frames: options.budget.account("frames"),
    };
    this.#secure = options.tls && createSecureContext(options.tls);
    this.#server = createServer({ noDelay: true }, (stream) => this.#connected(stream));
    this.#watchdog = new Watchdog(
      host,
      options.port,
      (error) => options.trouble(`It cannot connect to itself: ${error.message}. ${MORE_FILES}`),
    );
    this.#closed = new Promise((resolve) => this.#server.on("close", resolve));
    this.finished = Promise.race([this.#closed, this.#failed.promise]);
    this.#server.on("error", this.#failed.reject);
  }

  static async listen(options: SocketServerOptions): Promise<SocketServer> {
    const { hostname, port } = options;
    // Bound for a moment to be told by name what is wrong. The streams' server calls an address that
    // the host does not have an invalid argument, and a missing permission ends the process (Deno
    // 2.9.6).
    const probe = Deno.listen({ hostname, port });
    probe.close();
    const host = probe.addr.hostname;
    if (
      Deno.permissions.querySync({ name: "net", host: formatAddress(host, port) }).state !==
        "granted"
    ) {
      throw new Deno.errors.NotCapable(`There is no permission for ${formatAddress(host, port)}`);
    }
    const server = new NetServer(options, host);
    const bound = new Promise<void>((resolve) => {
      server.#server.listen({ host, port, backlog: ACCEPT_QUEUE }, resolve);
    });
    await Promise.race([bound, server.finished]);
    const timer = setInterval(() => server.#tick(), TICK_MS);
    server.#server.on("close", () => clearInterval(timer));
    return server;
  }

  get limits(): SocketLimits {
    return this.#options.rules().limits;
  }

  get open(): number {
    return this.#open.size;
  }

  get queuedBytes(): number {
    let sum = 0;
    for (const connection of this.#open) sum += connection.queuedBytes;
    return sum;
  }

  get now(): number {
    return performance.now();
  }

  accept(socket: Socket, path: string): SocketHandlers {
    return this.#options.accept(socket, path);
  }

  refused(remoteAddress: string, kind: RefusalKind, reason: string): void {
    this.#options.refused(remoteAddress, kind, reason);
  }

  admit(connection: Connection, header: (name: string) => string | null): Admitted | Refusal {
    const admission = this.#options.admission.admit(connection.remoteHost, header);
    if ("kind" in admission) return admission;
    this.#handshakes.delete(connection);
    this.#open.add(connection);
    return admission;
  }

  answered(connection: Connection): void {
    this.#handshakes.delete(connection);
    this.#answered.add(connection);
    if (this.#answered.size > this.limits.handshakes) first(this.#answered)?.drop();
  }

  left(connection: Connection, network: Admitted["network"] | undefined): void {
    if (network !== undefined) this.#options.admission.leave(network);
    this.#options.files.used--;
    this.#handshakes.delete(connection);
    this.#answered.delete(connection);
    this.#open.delete(connection);
  }

  renew(tls: TlsPair): void {
    this.#secure = createSecureContext(tls);
  }

  refuse(): void {
    if (this.#refusing) return;
    this.#refusing = true;
    this.#watchdog.stop();
    this.#server.close();
    for (const connection of [...this.#handshakes, ...this.#answered]) connection.drop();
  }

  shutdown(drainMs: number): Promise<void> {
    return this.#shutdown ??= this.#drain(drainMs);
  }

  async #drain(ms: number): Promise<void> {
    this.refuse();
    const closing = drain([...this.#open], ms, (connection) => connection.close(1001, ""));
    await this.#closed;
    closing.cancel();
  }

  #connected(stream: Stream): void {
    // One that had been accepted when the port was closed.
    if (this.#refusing) {
      stream.destroy();
      return;
    }
    this.#watchdog.accepted();
    const { files } = this.#options;
    if (files.used >= files.limit && !this.#makeFileFree()) {
      this.refused(
        formatAddress(stream.remoteAddress ?? "unknown", stream.remotePort ?? 0),
        "files",
        `${files.limit} connections are open, as many as the host has files for`,
      );
      // It takes a file until it has closed.
      files.used++;
      stream.on("close", () => files.used--);
      stream.destroy();
      return;
    }
    files.used++;
    const secured = this.#secure === null
      ? stream
      : new TLSSocket(stream, { isServer: true, secureContext: this.#secure });
    const connection = new Connection(this, secured, stream);
    this.#handshakes.add(connection);
    connection.begin();
    if (this.#handshakes.size > this.limits.handshakes) {
      this.#dropSlowest("handshakes", "It was the slowest of too many that had sent no request");
    }
  }

  /** Ends a connection that is no WebSocket, if there is one besides. */
  #makeFileFree(): boolean {
    const answered = first(this.#answered);
    // It closes later, and is not to be found again.
    if (answered !== undefined) this.#answered.delete(answered);
    answered?.drop();
    return answered !== undefined ||
      this.#dropSlowest("files", "It was the slowest, and there are no files for more connections");
  }

  #dropSlowest(kind: RefusalKind, reason: string): boolean {
    const slowest = first(this.#handshakes);
    if (slowest === undefined) return false;
    this.#handshakes.delete(slowest);
    this.refused(slowest.remoteAddress, kind, reason);
    slowest.drop();
    return true;
  }

  #tick(): void {
    const late = this.now - this.#ticked - TICK_MS;
    this.#ticked = this.now;
    for (const connection of this.#handshakes) connection.tick();
    for (const connection of this.#answered) connection.tick();
    for (const connection of this.#open) connection.tick();
    if (!this.#server.listening) return;
    // After a long turn, what has arrived meanwhile is only about to be accepted.
    if (late > TICK_MS / 2 || !this.#watchdog.tick()) return;
    this.#failed.reject(new Error(`it does not accept its own connection. ${MORE_FILES}`));
    this.#watchdog.stop();
    // The connections that there are go on.
    this.#server.close();
  }
}

/** The oldest of a set. */
function first<T>(set: ReadonlySet<T>): T | undefined {
  const [oldest] = set;
  return oldest;
}
