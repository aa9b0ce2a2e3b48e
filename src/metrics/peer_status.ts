/**
 * The status of a peer, as the status page, the metrics and the live page show it.
 *
 * @module
 */

import type { Metrics } from "./families.ts";

/**
 * The states of a peer:
 *
 * - `unknown`: not reached yet.
 * - `up`: its last answer was a good one.
 * - `down`: its last answer was not, or there was none. It is retried.
 * - `self`: it is this very server, which needs no messages of its own.
 */
const PEER_STATES = ["unknown", "up", "down", "self"] as const;
export type PeerState = typeof PEER_STATES[number];

/**
 * The proof of a peer's fingerprint:
 *
 * - `pending`: it has not been asked yet, or cannot be.
 * - `none`: it answers no challenge, as an original. Nothing speaks against it.
 * - `proven`: it has.
 * - `contradicted`: it shows the fingerprint of another server, or of this one, and has not; or its proof is
 *   false.
 */
export type PeerProof = "pending" | "none" | "proven" | "contradicted";

/** The status of one peer. Counters begin with the service. */
export interface PeerStatus {
  /** The peer's URL, such as `http://192.0.2.7:22281/`. */
  readonly peer: string;
  readonly state: PeerState;
  /** The last known fingerprint. */
  readonly fingerprint: string | null;
  readonly proof: PeerProof;
  /** Status pages on which it has shown a fingerprint that is another server's. */
  readonly contradictions: number;
  /** Messages that wait for it, and those that it is asked to relay in place of others. */
  readonly queued: number;
  /** Messages that it has acknowledged, having got them from this server first or not. */
  readonly sent: number;
  /** Connections and requests that failed. */
  readonly failed: number;
  /** Messages that this server has given up bringing to it; another server may have brought them. */
  readonly dropped: number;
  /** Messages dropped because more waited than may. */
  readonly "dropped.full": number;
  /** Messages dropped because they waited for too long. */
  readonly "dropped.old": number;
  /** Messages dropped because the peer refused them. */
  readonly "dropped.refused": number;
  readonly "last.error": string | null;
  /** The time since the last error, in ms. */
  readonly "last.failure": number | null;
  /** The time since its last answer, in ms. */
  readonly "last.contact": number | null;
}

/** Returns the families of all peers. A peer that is this server itself has only a state and its contradictions. */
export function peerMetrics(peers: readonly PeerStatus[]): Partial<Metrics> {
  const others = peers.filter(({ state }) => state !== "self");
  const each = (all: readonly PeerStatus[], valueOf: (status: PeerStatus) => number) =>
    all.map((status) => [{ peer: status.peer }, valueOf(status)] as const);
  return {
    aphlict_peer_state: peers.flatMap(({ peer, state }) =>
      PEER_STATES.map((other) => [{ peer, state: other }, Number(other === state)] as const)
    ),
    aphlict_peer_queued: each(others, ({ queued }) => queued),
    aphlict_peer_sent_total: each(others, ({ sent }) => sent),
    aphlict_peer_failures_total: each(others, ({ failed }) => failed),
    aphlict_peer_dropped_total: others.flatMap((status) =>
      (["full", "old", "refused"] as const).map((reason) =>
        [{ peer: status.peer, reason }, status[`dropped.${reason}`]] as const
      )
    ),
    aphlict_peer_contradictions_total: each(peers, ({ contradictions }) => contradictions),
  };
}

/** A peer's receipt for a message that was relayed to it. */
export interface PeerReceipt {
  /** The peer's URL, such as `http://192.0.2.7:22281/`. */
  readonly peer: string;
  /** The peer's state when the message was relayed. */
  readonly state: PeerState;
  /** Listeners that got the message there; `null`: the peer has not said it, or not yet. */
  readonly receivers: number | null;
}

/** The receipts of the peers for a message. */
export interface PeerReports {
  /** Resolves when each peer that was up has answered. */
  readonly done: Promise<unknown>;
  /** Returns the receipts so far. */
  receipts(): readonly PeerReceipt[];
}
