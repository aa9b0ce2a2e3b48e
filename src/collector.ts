/**
 * The collector: it gathers what all rooms contribute, when a request asks for it.
 *
 * @module
 */

import type { Settings, View } from "./admin/console.ts";
import type { AdminServer } from "./admin/admin_server.ts";
import type { Snapshot } from "./admin/snapshot.ts";
import type { Budget } from "./budget.ts";
import type { Certificates } from "./certificates.ts";
import type { ClientServer } from "./client/client_server.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { Config } from "./config/config.ts";
import { serviceFlags, shellQuote } from "./config/permissions.ts";
import type { Hub } from "./hub/hub.ts";
import { logMetrics } from "./log/counters.ts";
import { collect, single } from "./metrics/families.ts";
import { peerMetrics } from "./metrics/peer_status.ts";
import type { ProcessMeter } from "./process_meter.ts";
import type { Server } from "./server.ts";
import { VERSION } from "./version.ts";

/** An entry of `servers`, and the server that keeps it bound. */
export interface ServerPair {
  readonly entry: ClientServer | AdminServer;
  readonly server: Server;
}

/** The rooms that contribute. */
export interface Sources {
  readonly hub: Hub;
  readonly budget: Budget;
  readonly cluster: Cluster;
  /** The servers in the order of the configuration. */
  readonly servers: readonly ServerPair[];
  readonly certificates: Certificates;
  readonly process: ProcessMeter;
  /** The signal that the service stops. */
  readonly stop: AbortSignal;
  /** Returns the configuration in use. */
  config(): Config;
}

/** Collects snapshots of the service. */
export class Collector implements View {
  readonly #sources: Sources;
  readonly #began = performance.now();
  /** The flags of the process, which no later reload changes. */
  readonly #flags: string;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.#flags = shellQuote(serviceFlags(sources.config()));
  }

  /** Returns a snapshot of everything. Costs a look at each connection and each instance. */
  snapshot(): Snapshot {
    const { hub, budget, cluster, servers, certificates, process } = this.#sources;
    const peers = cluster.status();
    const build = { version: VERSION, deno: Deno.version.deno };
    return {
      ...build,
      fingerprint: hub.fingerprint,
      at: Date.now(),
      uptimeMs: Math.round(performance.now() - this.#began),
      servers: servers.map(({ server: { type, url, certificate } }) => ({
        type,
        url,
        certificate,
      })),
      peers,
      metrics: collect([
        { aphlict_build_info: [[build, 1]], aphlict_ready: single(Number(this.isReady())) },
        ...servers.map(({ server }) => server.metrics()),
        certificates.metrics(),
        hub.metrics(),
        peerMetrics(peers),
        logMetrics(),
        budget.metrics(),
        process.metrics(),
      ]),
    };
  }

  /** Tells whether every server is bound and the service is not stopping. */
  isReady(): boolean {
    const { servers, stop } = this.#sources;
    return !stop.aborted && servers.every(({ server }) => server.isListening);
  }

  /** Returns the settings that the service runs with. */
  settings(): Settings {
    const config = this.#sources.config();
    return { path: config.path, flags: this.#flags, settings: config };
  }
}
