/**
 * The admin server: Phorge and peers publish here, administrators look at the status.
 *
 * @module
 */

import type { AdminLimits, AdminServerConfig } from "../config/config.ts";
import { Networks } from "../config/network.ts";
import type { FileShare } from "../config/open_files.ts";
import { readToken } from "../config/token.ts";
import type { HttpLimits, HttpServer, HttpServerOptions } from "../http/engine.ts";
import type { LimitedLog } from "../log/rate_limiter.ts";
import { type Metrics, single } from "../metrics/families.ts";
import type { WorkShare } from "../work_queue.ts";
import {
  AdminCounters,
  type AdminRejection,
  answerFault,
  Router,
  type RouterOptions,
} from "./router.ts";

/** The time that a stopping server waits for requests, in ms. */
const GRACE_MS = 1000;

/** The least limit of connections: Phorge opens one for a message, a peer and an administrator one for all. */
const CONNECTIONS = 1024;

/** The longest time from connecting, or from a request's first byte, to the end of its head, in ms. */
const HEAD_MS = 10_000;

/** The time that a body may take, in ms. Phorge waits for an answer for 2 s, and peers for 15 s. */
const BODY_MS = 30_000;

/** The idle timeout between two requests, in ms. Peers send one each 15 s. */
const IDLE_MS = 75_000;

/** The time for a client to read its answer, in ms. */
const ANSWER_MS = 30_000;

/** The time that a connection may take to close, in ms. */
const CLOSE_MS = 3000;

/**
 * The header fields of every answer. A page of another site that has a browser send a request cannot read the
 * answer, and an answer is taken for a script or a style only if it says that it is one.
 */
const FIELDS = {
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
} as const;

/** The options that all admin servers have in common. */
export interface AdminServerOptions extends Omit<RouterOptions, "rules" | "counters"> {
  /** The open files that connections may take. */
  readonly files: FileShare;
  /** The queue in which the requests to all admin servers wait for their turn. */
  readonly workQueue: WorkShare;
  /** Reports a problem that an administrator can fix, as a sentence. */
  warn(message: string): void;
  /** The log of rejected requests. */
  readonly log: LimitedLog<AdminRejection>;
}

/** A function that binds an HTTP server. */
type Engine = (options: HttpServerOptions) => Promise<HttpServer>;

/** The access policy and the limits of an admin server. */
export type AdminRules = ReturnType<RouterOptions["rules"]>;

/** The address and the TLS that an admin server is bound with. */
type Address = Pick<HttpServerOptions, "hostname" | "port" | "tls">;

/** A bound admin server. */
interface BoundAdmin extends Pick<HttpServer, "finished" | "renew" | "release"> {
  /** Accepts no more, and rejects each message that has not been published yet with 503. */
  refuse(): void;
  /** Does the same, and resolves when everything has been answered, or after 1 s. */
  shutdown(): Promise<void>;
}

/** An admin server of the configuration, wherever and however often it is bound. */
export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #counters: AdminCounters;
  readonly #engine: Engine;
  #rules: AdminRules;

  constructor(engine: Engine, rules: AdminRules, options: AdminServerOptions) {
    this.#options = options;
    this.#counters = new AdminCounters(options.log);
    this.#engine = engine;
    this.#rules = rules;
  }

  /** Applies other rules from the next request on. */
  adopt(rules: AdminRules): void {
    this.#rules = rules;
  }

  /** Binds it. */
  async listen(address: Address): Promise<BoundAdmin> {
    const { files, workQueue, budget, warn } = this.#options;
    const router = new Router({
      ...this.#options,
      rules: () => this.#rules,
      counters: this.#counters,
    });
    const http = await this.#engine({
      ...address,
      files,
      workQueue,
      budget,
      fields: FIELDS,
      handler: (request, { remoteAddr }) => router.answer(request, remoteAddr),
      onError: answerFault,
      screen: (remoteAddr) => router.screen(remoteAddr),
      limits: () => limitsOf(this.#rules.limits),
      refused: (remoteAddress, kind, reason) => router.rejected(remoteAddress, kind, reason),
      warn,
    });
    const refuse = () => {
      router.isStopping = true;
      http.refuse();
    };
    const { renew, release } = http;
    return {
      finished: http.finished,
      ...renew && { renew: (tls) => renew.call(http, tls) },
      ...release && { release: () => release.call(http) },
      refuse,
      async shutdown() {
        refuse();
        await http.shutdown(GRACE_MS);
      },
    };
  }

  /** Returns its families, of all that were bound. */
  metrics(): Partial<Metrics> {
    return {
      ...this.#counters.metrics(),
      aphlict_requests_limit: single(this.#rules.limits.requests),
    };
  }
}

/**
 * Returns the rules of an entry of `servers`, with the token that its file holds now.
 *
 * @throws {TokenError} If the file holds none.
 */
export function readRules({ allow, token, limits }: AdminServerConfig): AdminRules {
  return {
    access: {
      allow: allow && new Networks(allow),
      token: token === null ? null : readToken(token),
    },
    limits,
  };
}

function limitsOf({ message, requests }: AdminLimits): HttpLimits {
  return {
    bodyBytes: message,
    bodies: requests,
    bodyMs: BODY_MS,
    // Each message that may be received at a time has a connection.
    connections: Math.max(CONNECTIONS, 2 * requests),
    headMs: HEAD_MS,
    idleMs: IDLE_MS,
    answerMs: ANSWER_MS,
    closeMs: CLOSE_MS,
  };
}
