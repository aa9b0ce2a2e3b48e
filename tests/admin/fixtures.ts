import { AdminServer, type AdminServerOptions } from "../../src/admin/admin_server.ts";
import { Console } from "../../src/admin/console.ts";
import { AdminCounters, REJECTIONS, Router, type RouterOptions } from "../../src/admin/router.ts";
import type { Snapshot } from "../../src/admin/snapshot.ts";
import { Budget } from "../../src/budget.ts";
import { ClientLogs, ClientServer } from "../../src/client/client_server.ts";
import { OpenFiles } from "../../src/config/open_files.ts";
import type { BodyError } from "../../src/http/reception.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { logMetrics } from "../../src/log/counters.ts";
import { logger } from "../../src/log/log.ts";
import { LimitedLog } from "../../src/log/rate_limiter.ts";
import { collect, labelled, type Metrics, single } from "../../src/metrics/families.ts";
import { peerMetrics, type PeerReports, type PeerStatus } from "../../src/metrics/peer_status.ts";
import { WorkQueue } from "../../src/work_queue.ts";
import { ADMIN, CLIENT } from "../entries.ts";
import { makeHub } from "../hub/fixtures.ts";

/** The labels of the servers of {@linkcode Office.snapshot}. */
export const CLIENT_URL = "ws://0.0.0.0:22280/";
export const ADMIN_URL = "http://127.0.0.1:22281/";

/** The families of a client server that nobody has connected to. */
export function clientMetrics(hub: Hub): Partial<Metrics> {
  return new ClientServer(CLIENT, {
    hub,
    budget: new Budget(0),
    files: new OpenFiles(null).share("client"),
    workQueue: new WorkQueue().share(),
    warn() {},
    logs: new ClientLogs(),
  }).metrics();
}

/** The families of an admin server that nobody has asked anything. */
export function adminMetrics(office: Office): Partial<Metrics> {
  const never = () => Promise.reject(new Error("Nothing is bound here"));
  return new AdminServer(never, office.rules(), office).metrics();
}

/** A peer that has not been reached yet. */
export const UNKNOWN_PEER: PeerStatus = {
  peer: "https://notify2.example.com:22281/",
  state: "unknown",
  fingerprint: null,
  proof: "pending",
  contradictions: 0,
  queued: 0,
  sent: 0,
  failed: 0,
  dropped: 0,
  "dropped.full": 0,
  "dropped.old": 0,
  "dropped.refused": 0,
  "last.error": null,
  "last.failure": null,
  "last.contact": null,
};

/** The router of an admin server, without a server around it. */
export class Office implements RouterOptions, AdminServerOptions {
  readonly budget = new Budget(256 * 1024 * 1024);
  readonly hub: Hub = makeHub({ budget: this.budget }).hub;
  /** Peers of the service. */
  peers: readonly PeerStatus[] = [];
  /** Families that are other than they are. */
  change: Partial<Metrics> = {};
  ready = true;
  readonly relayed: string[] = [];
  /** What the peers say of a message. */
  reports: PeerReports = { done: Promise.resolve(), receipts: () => [] };
  readonly relay: RouterOptions["relay"] = {
    relay: (instance) => void this.relayed.push(instance),
    relayReported: (instance) => {
      this.relayed.push(instance);
      return this.reports;
    },
    heard() {},
    prove: (challenge) => challenge === null ? null : `proof of ${challenge}`,
    status: () => [],
  };
  readonly view: RouterOptions["view"] = {
    snapshot: () => this.snapshot(),
    settings: () => ({ path: "aphlict.json", flags: "--no-prompt", settings: {} }),
    isReady: () => this.ready,
  };
  readonly console = new Console(this.view, 1);
  // A limiter that has left something out has a timer.
  readonly log = new LimitedLog(logger("test"), REJECTIONS, "", {
    limit: { lines: 1000, periodMs: 60_000 },
  });
  readonly counters = new AdminCounters(this.log);
  readonly files = new OpenFiles(null).share("admin");
  readonly workQueue = new WorkQueue().share();
  #rules: ReturnType<RouterOptions["rules"]> = {
    access: { allow: null, token: null },
    limits: ADMIN.limits,
  };
  readonly router = new Router(this);

  warn(): void {}

  rules(): ReturnType<RouterOptions["rules"]> {
    return this.#rules;
  }

  adopt(rules: Partial<ReturnType<RouterOptions["rules"]>>): void {
    this.#rules = { ...this.#rules, ...rules };
  }

  /** Asks for a path, from an address. */
  ask(path: string, init: RequestInit = {}, host = "127.0.0.1"): Promise<Response> {
    return this.askUnder("127.0.0.1", path, init, host);
  }

  /** Asks for a path; the body is as given, or fails. */
  askWith(path: string, body: Uint8Array | BodyError): Promise<Response> {
    const { url, headers } = new Request(`http://127.0.0.1:22281${path}`);
    const bytes = () => body instanceof Error ? Promise.reject(body) : Promise.resolve(body);
    const request = { method: "POST", url, headers, bytes };
    return this.router.answer(request, { hostname: "127.0.0.1", port: 50122 });
  }

  /** Asks under a name that this server is reached by. */
  askUnder(
    name: string,
    path: string,
    init: RequestInit = {},
    host = "127.0.0.1",
  ): Promise<Response> {
    const request = new Request(`http://${name}:22281${path}`, init);
    return this.router.answer(request, { hostname: host, port: 50122 });
  }

  /** Posts a message, and returns the status of the answer. */
  async post(
    message: unknown,
    headers: Readonly<Record<string, string>> = {},
    host = "127.0.0.1",
  ): Promise<number> {
    const init = { method: "POST", body: JSON.stringify(message), headers };
    const response = await this.ask("/", init, host);
    await response.body?.cancel();
    return response.status;
  }

  /** The service with one server of each type, but for what is changed. */
  snapshot(): Snapshot {
    const build = { version: "0.1.0", deno: "2.9.6" };
    const listening = { aphlict_server_listening: single(1) };
    return {
      ...build,
      fingerprint: this.hub.fingerprint,
      at: 1_800_000_000_000,
      uptimeMs: 60_000,
      servers: [
        { type: "client", url: CLIENT_URL, certificate: null },
        { type: "admin", url: ADMIN_URL, certificate: null },
      ],
      peers: this.peers,
      metrics: {
        ...collect([
          { aphlict_build_info: [[build, 1]], aphlict_ready: single(Number(this.ready)) },
          labelled({ server: CLIENT_URL }, { ...listening, ...clientMetrics(this.hub) }),
          labelled({ server: ADMIN_URL }, {
            ...listening,
            ...adminMetrics(this),
            ...this.counters.metrics(),
          }),
          this.hub.metrics(),
          peerMetrics(this.peers),
          logMetrics(),
          this.budget.metrics(),
        ]),
        ...this.change,
      },
    };
  }
}
