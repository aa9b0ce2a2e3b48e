/**
 * How the service is, gathered from all its parts.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { getHeapStatistics } from "node:v8";
import type { Budget } from "./budget.ts";
import type { Settings, View } from "./admin/console.ts";
import type { AdminFront } from "./admin/front.ts";
import type { Snapshot } from "./admin/snapshot.ts";
import type { Certificates } from "./certificates.ts";
import type { ClientFront } from "./client/front.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { Config } from "./config/config.ts";
import { connectionsIn, otherFiles } from "./config/open_files.ts";
import { serviceFlags, shellQuote } from "./config/permissions.ts";
import type { Hub } from "./hub/hub.ts";
import { faultCount } from "./log/fault.ts";
import { missingLines } from "./log/missing.ts";
import type { LagMeter } from "./metrics/lag.ts";
import type { Server } from "./server.ts";
import { VERSION } from "./version.ts";

/** What the service cannot find out itself, as its sandbox does not let it. */
export interface Host {
  /** How often the supervisor has started the service again; `null` without one. */
  readonly restarts: number | null;
  /** Files that it may have open; `null` when that is not known. */
  readonly openFiles: number | null;
  /** Bytes of memory that the host or the container grants; `null` when that is not known. */
  readonly memory: number | null;
}

/** A server and what it does. */
export interface Watched {
  readonly front: ClientFront | AdminFront;
  readonly server: Server;
}

/** What is looked at. */
export interface Parts {
  readonly hub: Hub;
  readonly budget: Budget;
  readonly cluster: Cluster;
  /** In the order of the configuration. */
  readonly servers: readonly Watched[];
  readonly certificates: Certificates;
  readonly lag: LagMeter;
  readonly host: Host;
  /** Whether it is told to stop. */
  readonly stop: AbortSignal;
  /** The configuration in use. */
  config(): Config;
}

/** See the module. */
export class Sight implements View {
  readonly #parts: Parts;
  readonly #began = performance.now();
  /** Those of the process, which no configuration changes that is taken over later. */
  readonly #flags: string;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#flags = shellQuote(serviceFlags(parts.config()));
  }

  /** Everything. Costs a look at each connection and each instance. */
  snapshot(): Snapshot {
    const { hub, budget, cluster, servers, certificates, lag, host } = this.#parts;
    const { heapUsed, external, rss } = Deno.memoryUsage();
    const { user, system } = cpuUsage();
    return {
      version: VERSION,
      deno: Deno.version.deno,
      fingerprint: hub.fingerprint,
      at: Date.now(),
      uptimeMs: Math.round(performance.now() - this.#began),
      restarts: host.restarts,
      internalErrors: faultCount(),
      ready: this.isReady(),
      servers: servers.map(({ front, server }, index) => ({
        ...front.figures(),
        url: server.url,
        listening: server.isListening,
        certificate: certificates.inUse(index),
      })),
      hub: hub.overview(),
      peers: cluster.status(),
      memory: { limit: budget.limit, granted: host.memory, accounts: budget.status() },
      process: {
        startedAt: performance.timeOrigin,
        cpuMs: (user + system) / 1000,
        heapBytes: heapUsed,
        // What it was started with: a configuration that was taken over since may need less.
        heapLimitBytes: getHeapStatistics().heap_size_limit,
        externalBytes: external,
        residentBytes: rss,
        lagMs: lag.worstMs,
        openFiles: host.openFiles,
        openFilesHold: host.openFiles === null
          ? null
          : connectionsIn(host.openFiles, otherFiles(this.#parts.config())),
      },
      log: missingLines(),
    };
  }

  /** Whether every server is bound and the service is not stopping. */
  isReady(): boolean {
    const { servers, stop } = this.#parts;
    return !stop.aborted && servers.every(({ server }) => server.isListening);
  }

  /** What the service runs with. */
  settings(): Settings {
    const config = this.#parts.config();
    return { path: config.path, flags: this.#flags, settings: config };
  }
}
