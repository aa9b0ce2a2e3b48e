/**
 * The data that was collected at one moment: the metrics page, the live page and `aphlict top` show it.
 *
 * @module
 */

import type { ServerType } from "../config/config.ts";
import type { Metrics } from "../metrics/families.ts";
import type { PeerStatus } from "../metrics/peer_status.ts";

/** Everything that is measured, and the texts that no metric can hold. Counters begin with the service. */
export interface Snapshot {
  /** The version of Aphlict. */
  readonly version: string;
  /** The version of Deno. */
  readonly deno: string;
  readonly fingerprint: string;
  /** The time since the epoch, in ms. */
  readonly at: number;
  readonly uptimeMs: number;
  /** The servers, in the order of the configuration. */
  readonly servers: readonly ServerSnapshot[];
  /** The peers, in the order of the configuration. */
  readonly peers: readonly PeerStatus[];
  readonly metrics: Metrics;
}

/** One server of the configuration. The label `server` of its metrics is its URL. */
export interface ServerSnapshot {
  readonly type: ServerType;
  /** The URL, such as `wss://0.0.0.0:22280/`. */
  readonly url: string;
  /** The certificate's file; `null` without TLS. */
  readonly certificate: string | null;
}
