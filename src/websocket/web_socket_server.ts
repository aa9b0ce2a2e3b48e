/**
 * A server of WebSockets on an HTTP server of any engine: it admits them, and holds all that are open.
 *
 * @module
 */

import { CONNECTION_BYTES } from "../config/memory.ts";
import type { HttpServer, HttpServerOptions } from "../http/engine.ts";
import type { HttpRequest, RequestInfo, Taken } from "../http/handler.ts";
import { formatAddress } from "../config/host_name.ts";
import { within } from "../within.ts";
import type { WorkShare } from "../work_queue.ts";
import { type Admitted, behind } from "./admission.ts";
import { type Accounts, Connection, type ConnectionHost } from "./connection.ts";
import { drain } from "./drain.ts";
import { readHandshake } from "./handshake.ts";
import { Outbox } from "./outbox.ts";
import type { RefusalKind, SocketLimits } from "./rules.ts";
import { openOnRuntime, type RuntimeSocket } from "./runtime_socket.ts";
import type {
  Socket,
  SocketCounters,
  SocketHandlers,
  SocketServer,
  SocketServerOptions,
} from "./socket.ts";

/** The interval at which all connections check their timeouts, in ms. */
const TICK_MS = 1000;

/** The header for clients that may retry soon; in seconds. */
const RETRY = { "retry-after": "10" } as const;

/**
 * Binds a server and accepts WebSockets on it.
 *
 * @param engine Binds the HTTP server below.
 * @throws {Error} The error of the engine.
 */
export async function listenWebSocket(
  options: SocketServerOptions,
  engine: (options: HttpServerOptions) => Promise<HttpServer>,
): Promise<SocketServer> {
  const sockets = new WebSockets(options);
  const { hostname, port, tls, budget, files, workQueue, counters, warn } = options;
  const http = await engine({
    hostname,
    port,
    tls,
    budget,
    files,
    workQueue,
    counters,
    warn,
    fields: {},
    handler: (request, info) => sockets.answer(request, info),
    onError(error) {
      reportError(error);
      return new Response(null, { status: 500, headers: CLOSE });
    },
    screen: () => null,
    limits() {
      const { handshakes, handshakeMs, closeMs } = options.rules().limits;
      return {
        // A request that has a body is answered without reading it.
        bodyBytes: 0,
        bodies: 1,
        bodyMs: handshakeMs,
        connections: handshakes,
        headMs: handshakeMs,
        idleMs: closeMs,
        answerMs: closeMs,
        closeMs,
      };
    },
    refused: options.refused,
  });
  return sockets.on(http);
}

/** The header that ends a connection after one request that does not become a WebSocket. */
const CLOSE = { connection: "close" } as const;

class WebSockets implements ConnectionHost {
  readonly counters: SocketCounters;
  readonly outbox: Outbox;
  readonly accounts: Accounts;
  readonly workQueue: WorkShare;
  readonly #options: SocketServerOptions;
  readonly #fallback: Uint8Array<ArrayBuffer>;
  readonly #open = new Set<Connection>();
  readonly #onRuntime = new Set<RuntimeSocket>();
  /** Called when the last socket has gone. */
  #onEmpty = () => {};
  #isRefusing = false;
  /** The timer of the ticks, as long as there are connections. */
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: SocketServerOptions) {
    this.#options = options;
    this.counters = options.counters;
    this.outbox = new Outbox(options.counters.writing);
    this.workQueue = options.workQueue;
    this.accounts = {
      connections: options.budget.account("connections"),
      messages: options.budget.account("messages"),
      frames: options.budget.account("frames"),
    };
    // Bytes, not a string, because a string would add a Content-Type.
    this.#fallback = new TextEncoder().encode(options.fallback.body);
  }

  get limits(): SocketLimits {
    return this.#options.rules().limits;
  }

  get now(): number {
    return performance.now();
  }

  /** Returns the server of these WebSockets. */
  on(http: HttpServer): SocketServer {
    const { renew, release } = http;
    let over: Promise<void> | null = null;
    const shutdown = async (drainMs: number) => {
      this.#refuse(http);
      await this.#drain(drainMs);
      await http.shutdown(this.limits.closeMs);
    };
    const open = this.#all.bind(this);
    return {
      finished: http.finished,
      get open() {
        return open().length;
      },
      get queuedBytes() {
        return open().reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);
      },
      ...renew && { renew: (tls) => renew.call(http, tls) },
      ...release && {
        release: async () => {
          this.#isRefusing = true;
          await release.call(http);
        },
      },
      refuse: () => this.#refuse(http),
      shutdown: (drainMs) => over ??= shutdown(drainMs),
    };
  }

  /** Answers a request. */
  answer(request: HttpRequest, info: RequestInfo): Response {
    const handshake = readHandshake(request);
    if (handshake.type === "none") {
      return new Response(this.#fallback, {
        status: this.#options.fallback.status,
        headers: CLOSE,
      });
    }
    const { hostname, port } = info.remoteAddr;
    const remote = formatAddress(hostname, port);
    if (handshake.type === "fault") {
      const { status, reason, headers } = handshake;
      // A request without the right headers is treated as a plain request.
      const body = status === 501 ? this.#fallback : null;
      return this.#refused(remote, "malformed", status, reason, headers, body);
    }
    if (this.#isRefusing) {
      return new Response(null, { status: 503, headers: { ...CLOSE, ...RETRY } });
    }
    const { admission } = this.#options;
    const isTls = info.upgrade.engine === "serve" || this.#options.tls !== null;
    const bytes = isTls ? CONNECTION_BYTES.tls : CONNECTION_BYTES.plain;
    if (!this.accounts.connections.hold(bytes, info.holder)) {
      return this.#refused(remote, "memory", 503, "There is no memory for it", RETRY);
    }
    const admitted = admission.admit(hostname, (name) => request.headers.get(name));
    const remoteAddress = behind(admitted.address, remote);
    if ("kind" in admitted) {
      this.accounts.connections.adjust(-bytes);
      const { kind, status, reason } = admitted;
      return this.#refused(remoteAddress, kind, status, reason, status === 403 ? {} : RETRY);
    }
    return this.#upgrade(handshake, info, remoteAddress, admitted, bytes);
  }

  #upgrade(
    { path, headers }: {
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
    },
    { upgrade }: RequestInfo,
    remoteAddress: string,
    { network }: Admitted,
    bytes: number,
  ): Response {
    // From then on `left` gives back its counts and memory, when the connection is gone.
    let hasBegun = false;
    const take = (taken: Taken) => {
      const connection = new Connection(this, taken, remoteAddress, network);
      hasBegun = true;
      this.#open.add(connection);
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
      connection.begin(path);
      return connection;
    };
    try {
      return upgrade.engine === "socket" ? upgrade.take(headers, take) : openOnRuntime(
        upgrade.request,
        {
          remoteAddress,
          limits: () => this.limits,
          counters: this.counters,
          frames: this.accounts.frames,
          accept: (socket) => {
            this.#onRuntime.add(socket);
            return this.#options.accept(socket, path);
          },
          isRefusing: () => this.#isRefusing,
          left: (socket) => {
            this.#giveBack(network, bytes);
            this.#onRuntime.delete(socket);
            this.#checkEmpty();
          },
        },
      );
    } catch (error) {
      if (!hasBegun) this.#giveBack(network, bytes);
      throw error;
    }
  }

  accept(socket: Socket, path: string): SocketHandlers {
    return this.#options.accept(socket, path);
  }

  left(connection: Connection, network: Admitted["network"]): void {
    this.#giveBack(network, connection.ownBytes);
    this.#open.delete(connection);
    this.#checkEmpty();
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #giveBack(network: Admitted["network"], bytes: number): void {
    this.#options.admission.leave(network);
    this.accounts.connections.adjust(-bytes);
  }

  #refused(
    remoteAddress: string,
    kind: RefusalKind,
    status: number,
    reason: string,
    headers: Readonly<Record<string, string>> = {},
    body: Uint8Array<ArrayBuffer> | null = null,
  ): Response {
    this.#options.refused(remoteAddress, kind, reason);
    return new Response(body, { status, headers: { ...CLOSE, ...headers } });
  }

  #refuse(http: HttpServer): void {
    this.#isRefusing = true;
    http.refuse();
  }

  #all(): (Connection | RuntimeSocket)[] {
    return [...this.#open, ...this.#onRuntime];
  }

  #checkEmpty(): void {
    if (this.#open.size + this.#onRuntime.size === 0) this.#onEmpty();
  }

  /** Closes all sockets over `ms`, and waits until they have gone. */
  async #drain(ms: number): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#onEmpty = resolve);
    this.#checkEmpty();
    const closing = drain(this.#all(), ms, (socket) => socket.close(1001, ""));
    await Promise.race([gone, closing.done]);
    closing.cancel();
    // The runtime closes the remaining ones when its server ends.
    if (this.#onRuntime.size > 0) await within(this.limits.closeMs, gone);
    else await gone;
  }

  #tick(): void {
    for (const connection of this.#open) connection.tick();
  }
}
