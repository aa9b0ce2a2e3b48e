/**
 * An HTTP server with a handler of a test's own, which keeps what happens to it.
 *
 * @module
 */

import { Budget } from "../../src/budget.ts";
import { OpenFiles } from "../../src/config/open_files.ts";
import type { HttpLimits, HttpRefusal, HttpServer } from "../../src/http/engine.ts";
import { ENGINES } from "../../src/http/engines.ts";
import type { Handler, HttpRequest, Remote } from "../../src/http/handler.ts";
import { BodyError, BodyTooLong, BodyTooSlow, NoRoom } from "../../src/http/reception.ts";
import type { PemPair } from "../../src/net/tls_trial.ts";
import { WorkQueue, type WorkShare } from "../../src/work_queue.ts";
import { onFreePort } from "../acceptance/ports.ts";
import { until } from "../acceptance/until.ts";
import { Talk } from "./talk.ts";

/** How long the end of a test waits for its connections to close, in ms. */
const GRACE_MS = 2000;

/** Limits that no test meets by accident. Each test lowers those that it is about. */
export const LIMITS: HttpLimits = {
  bodyBytes: 1_000_000,
  bodies: 100,
  bodyMs: 30_000,
  connections: 100,
  headMs: 30_000,
  idleMs: 30_000,
  answerMs: 30_000,
  closeMs: 30_000,
};

/** Fields that each answer of the server has. */
export const FIELDS = { "x-served-by": "test" };

/** A work queue in which all waits for its turn until it is released. */
export class HeldQueue implements WorkShare {
  readonly #share = new WorkQueue().share();
  #held: Parameters<WorkShare["add"]>[] | null = [];

  add(...work: Parameters<WorkShare["add"]>): void {
    if (this.#held === null) this.#share.add(...work);
    else this.#held.push(work);
  }

  /** Pieces that wait for the release. */
  get size(): number {
    return this.#held?.length ?? 0;
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const work of held) this.#share.add(...work);
  }
}

export interface RunningOptions extends Partial<HttpLimits> {
  readonly engine?: keyof typeof ENGINES;
  readonly tls?: PemPair | null;
  readonly budget?: Budget;
  /** Files that the process may have open. */
  readonly openFiles?: number | null;
  /** Those that it shares with other servers. */
  readonly files?: OpenFiles;
  readonly workQueue?: WorkShare;
  screen?(remote: Remote): Response | null;
}

/** A server that runs. */
export class Running implements AsyncDisposable {
  readonly port: number;
  readonly budget: Budget;
  readonly files: OpenFiles;
  readonly counters = { bytesIn: 0, bytesOut: 0 };
  readonly refusals: [HttpRefusal, string][] = [];
  readonly troubles: string[] = [];
  /** Errors of handlers. */
  readonly errors: unknown[] = [];
  /** The limits of now, which may be changed. */
  limits: HttpLimits;
  server!: HttpServer;

  private constructor(port: number, { budget, openFiles, files, ...limits }: RunningOptions) {
    this.port = port;
    this.budget = budget ?? new Budget(1e9);
    this.files = files ?? new OpenFiles(openFiles ?? null);
    this.limits = { ...LIMITS, ...limits };
  }

  /** Binds a server whose requests a handler answers; without one they are echoed. */
  static start(options: RunningOptions = {}, handler: Handler = echo): Promise<Running> {
    return onFreePort((port) => Running.#bind(port, options, handler));
  }

  static async #bind(port: number, options: RunningOptions, handler: Handler): Promise<Running> {
    const running = new Running(port, options);
    const { budget, files, counters } = running;
    running.server = await ENGINES[options.engine ?? "socket"]({
      hostname: "127.0.0.1",
      port,
      tls: options.tls ?? null,
      fields: FIELDS,
      handler,
      onError(error) {
        running.errors.push(error);
        return new Response("broken", { status: 500 });
      },
      screen: options.screen ?? (() => null),
      limits: () => running.limits,
      budget,
      files: files.share("client"),
      workQueue: options.workQueue ?? new WorkQueue().share(),
      counters,
      refused: (_, kind, reason) => running.refusals.push([kind, reason]),
      warn: (message) => running.troubles.push(message),
    });
    return running;
  }

  /** The kinds of connections that did not get as far as the handler. */
  get kinds(): HttpRefusal[] {
    return this.refusals.map(([kind]) => kind);
  }

  /** Connects in plain text. */
  connect(): Promise<Talk> {
    return Talk.connect(this.port);
  }

  /** Resolves when no connection has a file or memory any more. */
  async empty(): Promise<void> {
    await until(() => this.files.used === 0 && this.budget.bytes === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.shutdown(GRACE_MS);
  }
}

/** Answers with the method, the path, and the body's length and first bytes; or with why there was no body. */
export async function echo(request: HttpRequest): Promise<Response> {
  const path = request.url.replace(/^\w+:\/\/[^/]*/, "");
  try {
    const body = await request.bytes();
    const begin = new TextDecoder().decode(body.subarray(0, 20));
    return new Response(`${request.method} ${path} ${body.length} ${begin}`);
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    return new Response(error.name, { status: statusOf(error), headers: { connection: "close" } });
  }
}

function statusOf(error: BodyError): number {
  if (error instanceof BodyTooLong) return 413;
  if (error instanceof BodyTooSlow) return 408;
  return error instanceof NoRoom ? 503 : 400;
}
