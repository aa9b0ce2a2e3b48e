/**
 * A client server of the configuration, wherever and however often it is bound: who may connect, what
 * browsers may do, and what they have done.
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
import { Allowances } from "../log/allowance.ts";
import { logger } from "../log/log.ts";
import type { ClientFigures } from "../metrics/servers.ts";
import { Tally } from "../metrics/tally.ts";
import { Admission } from "../websocket/admission.ts";
import { listen } from "../websocket/web_socket_server.ts";
import { type RefusalKind, REFUSALS, type SocketRules } from "../websocket/rules.ts";
import {
  SocketCounters,
  type SocketServer,
  type SocketServerOptions,
} from "../websocket/socket.ts";
import type { WorkQueue } from "../work_queue.ts";
import { acceptClients, ClientCounters, COMPLAINTS } from "./server.ts";

/** What Phorge's health check expects of a request that is no WebSocket: exactly status 501. */
const NOT_A_WEBSOCKET = { status: 501, body: "HTTP/501 Use Websockets\n" } as const;

/** How long a silent listener has to answer a ping, in ms. */
const ANSWER_MS = 30_000;

/** From a message's first byte to its last, in ms. Browsers send one in one go. */
const MESSAGE_MS = 30_000;

/** How long a connection that is being closed may take before it is dropped, in ms. */
const CLOSE_MS = 3000;

/** Connections that have not sent their request yet; for one more the oldest is dropped. */
const HANDSHAKES = 4096;

const log = logger("client");

/** How much may be logged that anybody out there can bring about: of all client servers together. */
export class ClientLog {
  readonly complaints = new Allowances(
    COMPLAINTS,
    (count, kind) =>
      log.warning("{count} more lines about browsers were left out in the last minute ({kind}).", {
        count,
        kind,
      }),
  );
  readonly #refusals = new Allowances(
    REFUSALS,
    (count, kind) =>
      log.warning("{count} more WebSockets were refused in the last minute ({kind}).", {
        count,
        kind,
      }),
  );

  /** Tells of a WebSocket that was refused. */
  refused(remoteAddress: string, kind: RefusalKind, reason: string): void {
    if (!this.#refusals.take(kind)) return;
    log.info("<{remoteAddress}> Refused a WebSocket: {reason}.", { remoteAddress, reason });
  }
}

/** What all client servers have in common. */
export interface ClientSurroundings {
  readonly hub: Hub;
  readonly budget: Budget;
  readonly files: FileShare;
  readonly workQueue: WorkQueue;
  /** Told what an administrator can put right: a sentence. */
  trouble(message: string): void;
  readonly log: ClientLog;
}

/** A client server of the configuration. */
export class ClientFront {
  readonly #surroundings: ClientSurroundings;
  readonly #sockets = new SocketCounters();
  readonly #clients = new ClientCounters();
  readonly #refused = new Tally(REFUSALS);
  readonly #admission = new Admission(() => this.#rules);
  readonly #bound = new Set<SocketServer>();
  #engine: Engine;
  #limits: ClientLimits;
  #rules: SocketRules;

  constructor(config: ClientServerConfig, surroundings: ClientSurroundings) {
    this.#surroundings = surroundings;
    this.#engine = config.engine;
    this.#limits = config.limits;
    this.#rules = rulesOf(config);
  }

  /** Holds everybody to what another configuration says, those who are connected too. */
  adopt(config: ClientServerConfig): void {
    this.#limits = config.limits;
    this.#rules = rulesOf(config);
  }

  /** See `Front`. */
  async listen(
    address: Pick<SocketServerOptions, "hostname" | "port" | "tls">,
  ): Promise<SocketServer> {
    const { hub, budget, files, workQueue, trouble, log: clientLog } = this.#surroundings;
    const { complaints } = clientLog;
    const options: SocketServerOptions = {
      ...address,
      rules: () => this.#rules,
      admission: this.#admission,
      counters: this.#sockets,
      otherwise: NOT_A_WEBSOCKET,
      budget,
      files,
      workQueue,
      accept: acceptClients(hub, {
        limits: () => this.#limits,
        counters: this.#clients,
        workQueue,
        complaints,
      }),
      trouble,
      refused: (remoteAddress, kind, reason) => {
        this.#refused.add(kind);
        clientLog.refused(remoteAddress, kind, reason);
      },
    };
    const server = await listen(options, ENGINES[this.#engine]);
    // Connections of former ones go on.
    for (const former of this.#bound) if (former.open === 0) this.#bound.delete(former);
    this.#bound.add(server);
    return server;
  }

  /** What its browsers have done, and how they are. Costs a look at each. */
  figures(): ClientFigures {
    const queued = [...this.#bound].map(({ queuedBytes }) => queuedBytes);
    const { bytesIn, bytesOut, writing } = this.#sockets;
    const { opened, messages, ended, ignored } = this.#clients;
    return {
      type: "client",
      refused: this.#refused.counts,
      connections: this.#admission.open,
      connectionLimit: this.#limits.connections,
      opened,
      ended: ended.counts,
      messages,
      ignored: ignored.counts,
      bytesIn,
      bytesOut,
      backlogBytes: queued.reduce((sum, each) => sum + each, 0),
      writing: writing.distribution,
    };
  }
}

/** Returns what an entry of `servers` says, and what no key changes. */
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
      silenceMs: limits.idle * 1000,
      answerMs: ANSWER_MS,
      closeMs: CLOSE_MS,
    },
  };
}
