/**
 * What was collected at one moment, as plain data: what the metrics page, the live page and `aphlict top` show.
 *
 * @module
 */

import type { ServerType } from "../config/config.ts";
import type { Metrics } from "../metrics/families.ts";
import type { PeerStatus } from "../metrics/peer_status.ts";

/** Everything that is measured, and the texts that no metric can hold. Counters begin with the service. */
export interface Snapshot {
  /** Of Aphlict. */
  readonly version: string;
  /** Of Deno. */
  readonly deno: string;
  readonly fingerprint: string;
  /** Since the epoch, in ms. */
  readonly at: number;
  readonly uptimeMs: number;
  /** In the order of the configuration. */
  readonly servers: readonly ServerSnapshot[];
  /** In the order of the configuration. */
  readonly peers: readonly PeerStatus[];
  readonly metrics: Metrics;
}

/** One server of the configuration. The label `server` of its metrics is its URL. */
export interface ServerSnapshot {
  readonly type: ServerType;
  /** Such as `wss://0.0.0.0:22280/`. */
  readonly url: string;
  /** The certificate's file; `null` without TLS. */
  readonly certificate: string | null;
}
