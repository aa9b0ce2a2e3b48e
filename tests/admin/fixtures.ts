import { OpenFiles } from "../../src/config/open_files.ts";
import { WorkQueue } from "../../src/work_queue.ts";
import { Budget } from "../../src/budget.ts";
import { Console } from "../../src/admin/console.ts";
import { AdminCounters, Desk, type DeskOptions, REFUSALS } from "../../src/admin/desk.ts";
import { AdminFront } from "../../src/admin/front.ts";
import type {
  AdminServerSnapshot,
  ClientServerSnapshot,
  Snapshot,
} from "../../src/admin/snapshot.ts";
import type { BodyError } from "../../src/http/reception.ts";
import type { PeerReports, PeerStatus } from "../../src/metrics/peer.ts";
import { ClientFront, ClientLog } from "../../src/client/front.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { Allowances } from "../../src/log/allowance.ts";
import { ADMIN, CLIENT } from "../entries.ts";
import { makeHub } from "../hub/fixtures.ts";

/** A client server that nobody has connected to. */
export function clientSnapshot(
  hub: Hub,
  change: Partial<ClientServerSnapshot> = {},
): ClientServerSnapshot {
  return {
    ...new ClientFront(CLIENT, {
      hub,
      budget: new Budget(0),
      files: new OpenFiles(null).share("client"),
      workQueue: new WorkQueue(),
      trouble() {},
      log: new ClientLog(),
    }).figures(),
    url: "ws://0.0.0.0:22280/",
    listening: true,
    certificate: null,
    ...change,
  };
}

/** An admin server that nobody has asked anything. */
export function adminSnapshot(
  options: DeskOptions,
  change: Partial<AdminServerSnapshot> = {},
): AdminServerSnapshot {
  return {
    ...new AdminFront("socket", options.rules(), {
      ...options,
      files: new OpenFiles(null).share("admin"),
      workQueue: new WorkQueue(),
    }).figures(),
    url: "http://127.0.0.1:22281/",
    listening: true,
    certificate: null,
    ...change,
  };
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

/** An admin server's desk, without a server around it. */
export class Office implements DeskOptions {
  readonly budget = new Budget(256 * 1024 * 1024);
  readonly hub: Hub = makeHub({ budget: this.budget }).hub;
  /** What is said of the service; it may be changed. */
  change: Partial<Snapshot> = {};
  ready = true;
  readonly relayed: string[] = [];
  /** What the peers say of a message. */
  reports: PeerReports = { done: Promise.resolve(), receipts: () => [] };
  readonly relay: DeskOptions["relay"] = {
    relay: (instance) => void this.relayed.push(instance),
    relayReported: (instance) => {
      this.relayed.push(instance);
      return this.reports;
    },
    heard() {},
    prove: (challenge) => challenge === null ? null : `proof of ${challenge}`,
    status: () => [],
  };
  readonly view: DeskOptions["view"] = {
    snapshot: () => this.snapshot(),
    settings: () => ({ path: "aphlict.json", flags: "--no-prompt", settings: {} }),
    isReady: () => this.ready,
  };
  readonly console = new Console(this.view, 1);
  readonly counters = new AdminCounters();
  readonly complaints = new Allowances(REFUSALS, () => {}, { lines: Infinity, periodMs: 60_000 });
  #rules: ReturnType<DeskOptions["rules"]> = {
    gate: { allow: null, token: null },
    limits: ADMIN.limits,
  };
  readonly desk = new Desk(this);

  trouble(): void {}

  rules(): ReturnType<DeskOptions["rules"]> {
    return this.#rules;
  }

  adopt(rules: Partial<ReturnType<DeskOptions["rules"]>>): void {
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
    return this.desk.answer(request, { hostname: "127.0.0.1", port: 50122 });
  }

  /** Asks under a name that this server is reached by. */
  askUnder(
    name: string,
    path: string,
    init: RequestInit = {},
    host = "127.0.0.1",
  ): Promise<Response> {
    const request = new Request(`http://${name}:22281${path}`, init);
    return this.desk.answer(request, { hostname: host, port: 50122 });
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

  /** The service with one server of each type and no peers, but for what is changed. */
  snapshot(): Snapshot {
    return {
      version: "0.1.0",
      deno: "2.9.6",
      fingerprint: this.hub.fingerprint,
      at: 1_800_000_000_000,
      uptimeMs: 60_000,
      restarts: null,
      internalErrors: 0,
      ready: this.ready,
      servers: [clientSnapshot(this.hub), adminSnapshot(this)],
      hub: this.hub.overview(),
      peers: [],
      memory: { limit: this.budget.limit, granted: null, accounts: this.budget.status() },
      process: {
        heapBytes: 20e6,
        heapLimitBytes: 320 * 1024 * 1024,
        externalBytes: 1e6,
        residentBytes: 80e6,
        startedAt: 1_799_999_940_000,
        cpuMs: 900,
        lagMs: 1.5,
        openFiles: null,
        openFilesHold: null,
      },
      log: { leftOut: 0, lost: 0 },
      ...this.change,
    };
  }
}
