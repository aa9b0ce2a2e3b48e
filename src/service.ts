/**
 * The service: a configuration becomes bound servers around one hub.
 *
 * @module
 */

import { type AccountName, ACCOUNTS, Budget, type OnShort } from "./budget.ts";
import { Console, SAMPLE_INTERVAL_MS } from "./admin/console.ts";
import { type AdminRules, AdminServer, readRules } from "./admin/admin_server.ts";
import { REJECTIONS } from "./admin/router.ts";
import { Certificates, type Found } from "./certificates.ts";
import { ClientLogs, ClientServer } from "./client/client_server.ts";
import { Cluster } from "./cluster/cluster.ts";
import { Collector, type ServerPair } from "./collector.ts";
import { ServerKey } from "./cluster/proof.ts";
import type { AdminServerConfig, ClientServerConfig, Config, ServerType } from "./config/config.ts";
import { TokenError } from "./config/token.ts";
import { hostMemory, memoryBudget } from "./config/memory.ts";
import { ENGINES } from "./http/engines.ts";
import { Hub } from "./hub/hub.ts";
import { fault } from "./log/fault.ts";
import { Whole } from "./log/format.ts";
import { logger } from "./log/log.ts";
import { LimitedLog, RateLimiter } from "./log/rate_limiter.ts";
import { type Host, ProcessMeter } from "./process_meter.ts";
import { type Renewal, Server, StartError } from "./server.ts";
import { WorkQueue } from "./work_queue.ts";
import { OpenFiles, otherFiles } from "./config/open_files.ts";

/** The interval at which a quiet hub forgets what is too old, in ms. */
const EXPIRE_INTERVAL_MS = 10_000;

/**
 * The interval of looks at the certificates, in ms. A changed one is used when two looks in a row have found the
 * same, so that a renewal is complete: within a minute.
 */
const CERTIFICATE_INTERVAL_MS = 20_000;

/** A server that listens. */
export interface Listening {
  readonly type: ServerType;
  /** Its URL, such as `https://127.0.0.1:22281/`; a client server has `ws` or `wss`. */
  readonly url: string;
}

/** A running service. */
export interface Service {
  readonly fingerprint: string;
  readonly listening: readonly Listening[];
  /**
   * Reads the keys, certificates and tokens of all servers again, and tries those pairs that have changed. The
   * function that this resolves to puts them to use, with all else of the configuration that can be changed in
   * place. It resolves when they are in use. The service also looks for changed certificates by itself, within a
   * minute.
   *
   * A server on the engine `socket` keeps its connections. One on the engine `serve` with another certificate is
   * bound again: an admin server answers what it has received, a client server ends its connections with 1001.
   *
   * @param config A configuration with the same servers at the same addresses.
   * @returns A function that resolves with what was done, for each certificate that has changed.
   * @throws {StartError} With every file that cannot be used.
   */
  read(config: Config): Promise<() => Promise<readonly Renewal[]>>;
  /**
   * Stops the service. The admin servers accept no more, publish nothing more and have 1 s to answer. The client
   * servers accept no more, and close every listener with 1001 behind the messages that were published for it.
   * Resolves when all are gone. It may never resolve when a connection is stuck: the caller sets a deadline. A
   * second call changes nothing.
   *
   * @param drainMs The time over which the listeners are closed, the first at once, the last at the end.
   */
  stop(drainMs: number): Promise<void>;
}

/** Options of a service. */
export interface ServiceOptions {
  /** @default {UNKNOWN} */
  readonly host?: Host;
  /** @default {20_000} In ms. */
  readonly certificateIntervalMs?: number;
  /** Other problems that keep it from starting, a sentence each. @default {[]} */
  readonly problems?: readonly string[];
}

const log = logger("service");

/**
 * Starts all servers of a configuration, or none.
 *
 * Everything is bound in one go. When one server cannot be bound, the addresses of the others are free again before
 * this rejects.
 *
 * @throws {StartError} If a certificate cannot be used, or with every address that cannot be bound.
 */
export async function startService(
  config: Config,
  { host = UNKNOWN, certificateIntervalMs = CERTIFICATE_INTERVAL_MS, problems = [] }:
    ServiceOptions = {},
): Promise<Service> {
  const certificates = new Certificates(config);
  const verdict = await certificates.judge();
  const prepared = prepare(config, [...verdict.problems, ...problems]);
  certificates.use(verdict.found);
  const budget = new Budget(
    memoryBudget(config, hostMemory(config, host.memory)),
    shortageLog(),
  );
  const key = new ServerKey();
  const hub = new Hub({
    fingerprint: key.fingerprint,
    now: () => performance.now(),
    budget,
    onFault: (error) => fault("delivering a message", error),
  });
  const stopping = new AbortController();
  const cluster = new Cluster(config.cluster, hub, { key });
  const servers: ServerPair[] = [];
  const state = { config };
  const process = new ProcessMeter(host, () => otherFiles(state.config));
  const collector = new Collector({
    hub,
    budget,
    cluster,
    servers,
    certificates,
    process,
    stop: stopping.signal,
    config: () => state.config,
  });
  const files = new OpenFiles(host.openFiles, otherFiles(config));
  const workQueue = new WorkQueue();
  const warn = warningLog();
  const shared = { hub, budget, warn };
  const console = new Console(collector);
  const admins = {
    ...shared,
    workQueue: workQueue.share(),
    relay: cluster,
    console,
    view: collector,
    log: new LimitedLog(
      log,
      REJECTIONS,
      "{count} more requests were refused in the last minute ({kind}).",
    ),
  };
  const clients = { ...shared, workQueue: workQueue.share(), logs: new ClientLogs() };
  for (const [index, each] of prepared.entries()) {
    const entry = each.type === "client"
      ? new ClientServer(each.config, { ...clients, files: files.share("client") })
      : new AdminServer(ENGINES[each.config.engine], each.rules, {
        ...admins,
        files: files.share("admin"),
      });
    const tls = verdict.found.find((each) => each.index === index)?.tls ?? null;
    servers.push({
      entry,
      server: new Server({ entry, config: each.config, index, tls, stop: stopping.signal }),
    });
  }
  const attempts = await Promise.allSettled(servers.map(({ server }) => server.bind()));
  const errors = attempts.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
  if (errors.length > 0) {
    stopping.abort();
    process.stop();
    await Promise.all(servers.map(({ server }) => server.shutdown(0)));
    throw errors.find((error) => !(error instanceof StartError)) ??
      new StartError(errors.map(({ message }) => message).join("\n"));
  }
  cluster.start();
  certificates.warn(Date.now());
  return new RunningService(
    { hub, budget, console, cluster, servers, certificates, process, stopping, state, host },
    certificateIntervalMs,
  );
}

/** A host of which nothing is known. */
const UNKNOWN: Host = { restarts: null, openFiles: null, memory: null };

/** The log's names of the accounts. */
const ACCOUNT_NAMES: Readonly<Record<AccountName, string>> = {
  requests: "connections that have sent no request",
  connections: "WebSockets",
  messages: "unfinished messages of browsers",
  frames: "messages that wait for browsers to read",
  subscriptions: "subscriptions",
  history: "the history",
  bodies: "messages that are being received",
};

/** Returns a log of errors that an administrator can correct, of one line a minute. */
function warningLog(): (message: string) => void {
  const limiter = new RateLimiter(() => {}, { lines: 1, periodMs: 60_000 });
  return (message) => {
    if (limiter.take()) log.warning("{message}.", { message: new Whole(message) });
  };
}

/** Returns a log of short memory, at a bounded rate: the account, and what was done. */
function shortageLog(): OnShort {
  const accounts = Object.keys(ACCOUNTS) as AccountName[];
  const limited = new LimitedLog(
    log,
    accounts.flatMap((account) => [`${account} refused`, `${account} evicted`] as const),
    "Memory was short {count} more times in the last minute ({kind}).",
    { level: "warning", limit: { lines: 1, periodMs: 60_000 } },
  );
  return (account, what) =>
    limited.write(`${account} ${what}`, "Memory is short for {account}: {what}. {remedy}.", {
      account: ACCOUNT_NAMES[account],
      what: what === "refused"
        ? "more was refused"
        : "a connection that held much, or was slow, was ended",
      remedy: 'This is an attack, or "limit.memory" is too small',
    });
}

/** An entry of `servers`, and the present content of its files beside certificates. */
type Prepared =
  | { readonly type: "client"; readonly config: ClientServerConfig }
  | { readonly type: "admin"; readonly config: AdminServerConfig; readonly rules: AdminRules };

/**
 * Reads the tokens of all admin servers, and returns all servers in their order.
 *
 * @param problems Other problems.
 * @throws {StartError} With all problems.
 */
function prepare({ servers }: Config, problems: readonly string[]): readonly Prepared[] {
  const all = [...problems];
  const prepared = servers.flatMap((config, index): Prepared[] => {
    if (config.type === "client") return [{ type: "client", config }];
    try {
      return [{ type: "admin", config, rules: readRules(config) }];
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      all.push(`servers[${index}].token.file: ${error.message}`);
      return [];
    }
  });
  if (all.length > 0) throw new StartError(all.join("\n"));
  return prepared;
}

/** The parts of a running service. */
interface Made {
  readonly hub: Hub;
  readonly budget: Budget;
  readonly host: Host;
  readonly cluster: Cluster;
  readonly servers: readonly ServerPair[];
  readonly certificates: Certificates;
  readonly process: ProcessMeter;
  readonly console: Console;
  readonly stopping: AbortController;
  /** The configuration in use. */
  readonly state: { config: Config };
}

class RunningService implements Service {
  readonly fingerprint: string;
  readonly listening: readonly Listening[];
  readonly #made: Made;
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  /** The changes that the last look at the certificates has found. */
  #seen = "";
  /** The changes that have been judged. */
  #judged = "";
  #stopped: Promise<void> | null = null;

  constructor(made: Made, certificateIntervalMs: number) {
    const { hub, servers, console } = made;
    this.#made = made;
    this.fingerprint = hub.fingerprint;
    this.listening = servers.map(({ server }) => server);
    console.sample();
    this.#timers = [
      setInterval(() => hub.expire(), EXPIRE_INTERVAL_MS),
      setInterval(() => void this.#look(), certificateIntervalMs),
      setInterval(() => console.sample(), SAMPLE_INTERVAL_MS),
    ];
  }

  async read(config: Config): Promise<() => Promise<readonly Renewal[]>> {
    const { certificates } = this.#made;
    this.#judged = certificates.changes();
    const { found, problems } = await certificates.judge();
    const prepared = prepare(config, problems);
    return () => {
      this.#made.state.config = config;
      this.#made.budget.limit = memoryBudget(config, hostMemory(config, this.#made.host.memory));
      for (const [index, { entry }] of this.#made.servers.entries()) {
        const next = prepared[index];
        if (entry instanceof AdminServer) { if (next?.type === "admin") entry.adopt(next.rules); }
        else if (next?.type === "client") entry.adopt(next.config);
      }
      return this.#use(found);
    };
  }

  stop(drainMs: number): Promise<void> {
    return this.#stopped ??= this.#stop(drainMs);
  }

  async #stop(drainMs: number): Promise<void> {
    const { process, stopping, servers, cluster } = this.#made;
    for (const timer of this.#timers) clearInterval(timer);
    process.stop();
    stopping.abort();
    for (const { server } of servers) server.refuse();
    const shutdown = (type: ServerType) =>
      Promise.all(
        servers.filter(({ server }) => server.type === type)
          .map(({ server }) => server.shutdown(drainMs)),
      );
    await shutdown("admin");
    await Promise.all([cluster.stop(), shutdown("client")]);
  }

  /**
   * Looks for certificates that have changed. Changes that two looks in a row have found are judged, once: files
   * that are only half written, or a key that is there before its certificate, are no problem yet.
   */
  async #look(): Promise<void> {
    const { certificates } = this.#made;
    const changes = certificates.changes();
    const isSettled = changes === this.#seen;
    this.#seen = changes;
    if (changes === "") this.#judged = "";
    if (isSettled && changes !== this.#judged) {
      this.#judged = changes;
      await this.#renew();
    }
    certificates.warn(Date.now());
  }

  async #renew(): Promise<void> {
    const { certificates, stopping } = this.#made;
    const { found, problems } = await certificates.judge();
    if (stopping.signal.aborted) return;
    for (const problem of problems) {
      log.error("The certificates in use stay, as the new ones cannot be used: {problem}", {
        problem: new Whole(problem),
      });
    }
    if (found.length === 0) return;
    for (const { ok, line } of await this.#use(found)) {
      // Failures have been logged.
      if (ok) log.info("{done}", { done: new Whole(line) });
    }
  }

  async #use(found: readonly Found[]): Promise<readonly Renewal[]> {
    if (this.#made.stopping.signal.aborted) return [];
    this.#made.certificates.use(found);
    const done = await Promise.all(
      found.flatMap(({ index, tls }) => this.#made.servers[index]?.server.renew(tls) ?? []),
    );
    this.#made.certificates.warn(Date.now());
    return done;
  }
}
