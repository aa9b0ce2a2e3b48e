/**
 * The client server: its rules for pages and browsers, and the counters of what browsers have done.
 *
 * @module
 */

import type { Budget } from "../budget.ts";
import type { ClientLimits, ClientServerConfig, Engine } from "../config/config.ts";
import type { FileShare } from "../config/open_files.ts";
import { ENGINES } from "../http/engines.ts";
import { Networks } from "../config/network.ts";
import { Origins } from "../config/origin.ts";
import type { Hub } from "../hub/hub.ts";
import { logger } from "../log/log.ts";
import { LimitedLog, LoggedCounter } from "../log/rate_limiter.ts";
import { type Metrics, single } from "../metrics/families.ts";
import { Admission } from "../websocket/admission.ts";
import { listenWebSocket } from "../websocket/web_socket_server.ts";
import { type RefusalKind, REFUSALS, type SocketRules } from "../websocket/rules.ts";
import {
  SocketCounters,
  type SocketServer,
  type SocketServerOptions,
} from "../websocket/socket.ts";
import type { WorkShare } from "../work_queue.ts";
import { acceptClients, CLIENT_REASONS, ClientCounters } from "./client.ts";

/** The answer to a request that is no WebSocket. Phorge's health check expects exactly status 501. */
const NOT_A_WEBSOCKET = { status: 501, body: "HTTP/501 Use Websockets\n" } as const;

/** The pong timeout: the time in which an idle listener has to answer a ping, in ms. */
const PONG_TIMEOUT_MS = 30_000;

/** The longest time from a message's first byte to its last, in ms. Browsers send a message in one go. */
const MESSAGE_MS = 30_000;

/** The time that a connection may take to close before it is dropped, in ms. */
const CLOSE_MS = 3000;

/** The most connections that have not sent their request yet; for one more the oldest is dropped. */
const HANDSHAKES = 4096;

const log = logger("client");

/** The logs about browsers, of all client servers together. They are limited: anybody outside can cause lines. */
export class ClientLogs {
  readonly connections = new LimitedLog(
    log,
    CLIENT_REASONS,
    "{count} more lines about browsers were left out in the last minute ({kind}).",
  );
  readonly handshakes = new LimitedLog(
    log,
    REFUSALS,
    "{count} more WebSockets were refused in the last minute ({kind}).",
  );
}

/** The options that all client servers have in common. */
export interface ClientServerOptions {
  readonly hub: Hub;
  readonly budget: Budget;
  readonly files: FileShare;
  readonly workQueue: WorkShare;
  /** Reports a problem that an administrator can fix, as a sentence. */
  warn(message: string): void;
  readonly logs: ClientLogs;
}

/** A client server of the configuration, wherever and however often it is bound. */
export class ClientServer {
  readonly #options: ClientServerOptions;
  readonly #sockets = new SocketCounters();
  readonly #clients: ClientCounters;
  readonly #refused: LoggedCounter<RefusalKind>;
  readonly #admission = new Admission(() => this.#rules);
  readonly #bound = new Set<SocketServer>();
  readonly #engine: Engine;
  #limits: ClientLimits;
  #rules: SocketRules;

  constructor(config: ClientServerConfig, options: ClientServerOptions) {
    const { logs } = options;
    this.#options = options;
    this.#clients = new ClientCounters(logs.connections);
    this.#refused = new LoggedCounter(REFUSALS, logs.handshakes);
    this.#engine = config.engine;
    this.#limits = config.limits;
    this.#rules = rulesOf(config);
  }

  /** Applies another configuration to all connections, the open ones too. */
  adopt(config: ClientServerConfig): void {
    this.#limits = config.limits;
    this.#rules = rulesOf(config);
  }

  /** Binds it. */
  async listen(
    address: Pick<SocketServerOptions, "hostname" | "port" | "tls">,
  ): Promise<SocketServer> {
    const { hub, budget, files, workQueue, warn, logs } = this.#options;
    const options: SocketServerOptions = {
      ...address,
      rules: () => this.#rules,
      admission: this.#admission,
      counters: this.#sockets,
      fallback: NOT_A_WEBSOCKET,
      budget,
      files,
      workQueue,
      accept: acceptClients(hub, {
        limits: () => this.#limits,
        counters: this.#clients,
        workQueue,
        log: logs.connections,
      }),
      warn,
      refused: (remoteAddress, kind, reason) => {
        const text = "<{remoteAddress}> Refused a WebSocket: {reason}.";
        this.#refused.report(kind, text, { remoteAddress, reason });
      },
    };
    const server = await listenWebSocket(options, ENGINES[this.#engine]);
    // Connections of former bindings go on.
    for (const former of this.#bound) if (former.open === 0) this.#bound.delete(former);
    this.#bound.add(server);
    return server;
  }

  /** Returns its families, of all that were bound. Costs a look at each connection. */
  metrics(): Partial<Metrics> {
    const queued = [...this.#bound].map(({ queuedBytes }) => queuedBytes);
    return {
      ...this.#sockets.metrics(),
      ...this.#clients.metrics(),
      aphlict_connections: single(this.#admission.open),
      aphlict_connections_limit: single(this.#limits.connections),
      aphlict_refused_connections_total: this.#refused.samples(),
      aphlict_backlog_bytes: single(queued.reduce((sum, each) => sum + each, 0)),
    };
  }
}

/** Returns the rules of an entry of `servers`, and those that no key changes. */
export function rulesOf({ origins, proxies, limits }: ClientServerConfig): SocketRules {
  return {
    origins: origins && new Origins(origins),
    proxies: new Networks(proxies),
    limits: {
      messageBytes: limits.message,
      bytesPerSecond: 2 * limits.message,
      connections: limits.connections,
      address: limits.address,
      handshakes: HANDSHAKES,
      handshakeMs: limits.handshake * 1000,
      messageMs: MESSAGE_MS,
      idleMs: limits.idle * 1000,
      pongMs: PONG_TIMEOUT_MS,
      closeMs: CLOSE_MS,
    },
  };
}
