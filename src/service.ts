/**
 * The service: a configuration becomes bound servers around one hub.
 *
 * @module
 */

import { Certificates, type Found } from "./certificates.ts";
import { Cluster } from "./cluster/cluster.ts";
import { acceptClients, NOT_A_WEBSOCKET } from "./client/server.ts";
import type { Config, ServerType } from "./config/config.ts";
import { generateFingerprint } from "./hub/fingerprint.ts";
import { Hub } from "./hub/hub.ts";
import { Allowance } from "./log/allowance.ts";
import { Whole } from "./log/format.ts";
import { logger } from "./log/log.ts";
import { type ClientOptions, Server, StartError } from "./server.ts";
import { DEFAULT_LIMITS } from "./websocket/socket.ts";

export { explainBindError, StartError } from "./server.ts";

/** How often a quiet hub forgets what is too old, in ms. */
const EXPIRE_INTERVAL_MS = 10_000;

/**
 * How often certificates are looked at, in ms. A changed one is used when two looks in a row have
 * found the same, so that a renewal is whole: within a minute.
 */
const CERTIFICATE_INTERVAL_MS = 20_000;

/** A server that listens. */
export interface Listening {
  readonly type: ServerType;
  /** Where it is reached, such as `https://127.0.0.1:22281/`; a client server has `ws` or `wss`. */
  readonly url: string;
}

/** A running service. */
export interface Service {
  readonly fingerprint: string;
  readonly listening: readonly Listening[];
  /**
   * Reads the keys and certificates of all servers again. What this returns uses those that have
   * changed, and resolves when they are in use. Without being asked the service does the same within a
   * minute of a change.
   *
   * A client server on the socket engine keeps its connections. Every other server with another
   * certificate is bound again: an admin server answers what it has received, one on the engine
   * `serve` ends its connections with 1001.
   *
   * @returns Resolves with what was done, a sentence each; with nothing when no certificate has changed.
   * @throws {StartError} With every file that cannot be used.
   */
  readCertificates(): () => Promise<readonly string[]>;
  /**
   * Stops. The admin servers accept no more, publish nothing more and have 1 s to answer; the client
   * servers accept no more, and every listener is closed with 1001 behind what was published for it.
   * Resolves when all are gone. It may never resolve when a connection is stuck: the caller sets a
   * deadline. A second call changes nothing.
   *
   * @param drainMs Over how long the listeners are closed, the first at once, the last at the end.
   */
  stop(drainMs: number): Promise<void>;
}

/** What a test may change of a service. */
export interface ServiceOptions {
  /** @default {20_000} In ms. */
  readonly certificateIntervalMs?: number;
}

const log = logger("service");

/**
 * Starts all servers of a configuration, or none.
 *
 * Everything is bound in one go. When one server cannot be bound, the others are free again before
 * this rejects.
 *
 * @throws {StartError} If a certificate cannot be used, or with every address that cannot be bound.
 */
export async function startService(
  config: Config,
  { certificateIntervalMs = CERTIFICATE_INTERVAL_MS }: ServiceOptions = {},
): Promise<Service> {
  const certificates = new Certificates(config);
  const { found, problems } = certificates.read();
  if (problems.length > 0) throw new StartError(problems.join("\n"));
  certificates.use(found);
  const hub = new Hub({ fingerprint: generateFingerprint(), now: () => performance.now() });
  const stopping = new AbortController();
  const cluster = new Cluster(config.cluster, hub);
  const common = { hub, relay: cluster, clientOptions: clientOptions(hub), stop: stopping.signal };
  const servers = config.servers.map((server, index) => {
    const tls = found.find((each) => each.index === index)?.tls ?? null;
    return new Server({ ...common, config: server, index, tls });
  });
  const attempts = await Promise.allSettled(servers.map((server) => server.bind()));
  const errors = attempts.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
  if (errors.length > 0) {
    stopping.abort();
    await Promise.all(servers.map((server) => server.shutdown(0)));
    throw errors.find((error) => !(error instanceof StartError)) ??
      new StartError(errors.map(({ message }) => message).join("\n"));
  }
  cluster.start();
  certificates.warn(Date.now());
  return new RunningService(hub, cluster, servers, certificates, stopping, certificateIntervalMs);
}

class RunningService implements Service {
  readonly fingerprint: string;
  readonly listening: readonly Listening[];
  readonly #cluster: Cluster;
  readonly #servers: readonly Server[];
  readonly #certificates: Certificates;
  readonly #stopping: AbortController;
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  /** What the last look has found, as long as it is neither used nor told. */
  #seen = "";
  /** The problems that have been told. */
  #told = "";
  #stopped: Promise<void> | null = null;

  constructor(
    hub: Hub,
    cluster: Cluster,
    servers: readonly Server[],
    certificates: Certificates,
    stopping: AbortController,
    certificateIntervalMs: number,
  ) {
    this.fingerprint = hub.fingerprint;
    this.listening = servers;
    this.#cluster = cluster;
    this.#servers = servers;
    this.#certificates = certificates;
    this.#stopping = stopping;
    this.#timers = [
      setInterval(() => hub.expire(), EXPIRE_INTERVAL_MS),
      setInterval(() => this.#look(), certificateIntervalMs),
    ];
  }

  readCertificates(): () => Promise<readonly string[]> {
    const { found, problems } = this.#certificates.read();
    this.#told = problems.join("\n");
    if (problems.length > 0) throw new StartError(this.#told);
    return () => this.#use(found);
  }

  stop(drainMs: number): Promise<void> {
    return this.#stopped ??= this.#stop(drainMs);
  }

  async #stop(drainMs: number): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stopping.abort();
    for (const server of this.#servers) server.refuse();
    const shutdown = (type: ServerType) =>
      Promise.all(
        this.#servers.filter((each) => each.type === type).map((each) => each.shutdown(drainMs)),
      );
    await shutdown("admin");
    await Promise.all([this.#cluster.stop(), shutdown("client")]);
  }

  /** Looks for certificates that have changed. */
  #look(): void {
    const { found, problems } = this.#certificates.read();
    const problem = problems.join("\n");
    const seen = problem || JSON.stringify(found);
    const isSettled = seen === this.#seen;
    this.#seen = seen;
    if (problem === "") this.#told = "";
    if (isSettled && problem !== this.#told) {
      this.#told = problem;
      for (const each of problems) {
        log.error("The certificates in use stay, as the new ones cannot be used: {problem}", {
          problem: new Whole(each),
        });
      }
    }
    if (isSettled && found.length > 0) void this.#useAndTell(found);
    this.#certificates.warn(Date.now());
  }

  async #useAndTell(found: readonly Found[]): Promise<void> {
    for (const done of await this.#use(found)) log.info("{done}", { done: new Whole(done) });
  }

  async #use(found: readonly Found[]): Promise<readonly string[]> {
    if (this.#stopping.signal.aborted) return [];
    this.#certificates.use(found);
    const done = await Promise.all(
      found.map(({ index, tls }) => this.#servers[index]?.renew(tls) ?? ""),
    );
    this.#certificates.warn(Date.now());
    return done;
  }
}

/** What all client servers of the service have in common. */
function clientOptions(hub: Hub): ClientOptions {
  const troubles = new Allowance(() => {}, { lines: 1, periodMs: 60_000 });
  const refusals = new Allowance((count) =>
    log.warning("{count} more WebSockets were refused in the last minute.", { count })
  );
  return {
    limits: DEFAULT_LIMITS,
    otherwise: NOT_A_WEBSOCKET,
    accept: acceptClients(hub),
    trouble(message) {
      if (troubles.take()) log.warning("{message}.", { message: new Whole(message) });
    },
    refused(remoteAddress, reason) {
      if (!refusals.take()) return;
      log.info("<{remoteAddress}> Refused a WebSocket: {reason}.", { remoteAddress, reason });
    },
  };
}
