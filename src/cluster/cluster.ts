/**
 * The cluster: which peers get a message, and which servers may rely on that.
 *
 * In the original each server relays a message to all servers that it does not know to have it. So the message
 * crosses a mesh of N servers (N-1)² times. Here the `touched` list of a copy names the other peers that get it at
 * the same time. No server relays it to those, so that it crosses N-1 times. A server that cannot bring a message
 * to a peer that it has named delegates that to the others. See docs/decisions/0010-cluster.md.
 *
 * @module
 */

import { type Clock, systemClock } from "../clock.ts";
import type { PeerConfig } from "../config/config.ts";
import type { Hub, Publication } from "../hub/hub.ts";
import { attempt } from "../log/fault.ts";
import type { PeerReceipt, PeerReports, PeerStatus } from "../metrics/peer_status.ts";
import { within } from "../within.ts";
import { PipelinedConnection } from "./pipelined_connection.ts";
import { Peer, type PeerSurroundings } from "./peer.ts";
import type { Prover } from "./proof.ts";
import type { Relayed } from "./queue.ts";
import { judgeFingerprints } from "./peer_trust.ts";

/** The longest time for sending the waiting messages when the service stops, in ms. */
const FLUSH_MS = 1000;

/** The log's name for the work that follows a peer's change. */
const SORTING = "sorting the messages that wait for peers";

/** Options of a cluster beside its peers and the hub. Missing surroundings are those of the runtime. */
export interface ClusterOptions extends Partial<PeerSurroundings> {
  /** The prover of this server's fingerprint. */
  readonly key: Prover;
}

/** The peers of this server, and the relaying of messages to them. */
export class Cluster {
  readonly #hub: Hub;
  readonly #key: Prover;
  readonly #clock: Clock;
  readonly #peers: readonly Peer[];
  /** By a fingerprint that an entry still names: the server that took its place, and the time of that. */
  readonly #successors = new Map<string, { readonly fingerprint: string; readonly at: number }>();

  constructor(
    peers: readonly PeerConfig[],
    hub: Hub,
    {
      key,
      clock = systemClock,
      random = Math.random,
      connect = PipelinedConnection.open,
    }: ClusterOptions,
  ) {
    this.#hub = hub;
    this.#key = key;
    this.#clock = clock;
    this.#peers = peers.map((config) =>
      new Peer({
        config,
        fingerprint: hub.fingerprint,
        clock,
        random,
        connect,
        // They concern the other peers as well: an error in one of them is no fault of this peer.
        onShown: () => attempt(SORTING, () => this.#reunite()),
        onChange: (peer, former) => attempt(SORTING, () => this.#note(peer, former)),
        onDown: (peer) => attempt(SORTING, () => this.#delegate(peer)),
      })
    );
  }

  /** Connects to the peers. Messages that come before that wait. */
  start(): void {
    for (const peer of this.#peers) peer.start();
  }

  /**
   * Sends a message to every peer that is not known to have it. Costs one copy a peer, and returns at
   * once.
   */
  relay(instance: string, publication: Pick<Publication, "touched" | "encoded">): void {
    this.#relay(instance, publication, () => undefined);
  }

  /** Relays a message as {@linkcode relay} does, and collects the receipts. Peers that are down are not waited for. */
  relayReported(
    instance: string,
    publication: Pick<Publication, "touched" | "encoded">,
  ): PeerReports {
    const receipts: PeerReceipt[] = [];
    const awaited: Promise<void>[] = [];
    this.#relay(instance, publication, ({ url, state, isUp }) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (isUp) awaited.push(promise);
      const index = receipts.push({ peer: url, state, receivers: null }) - 1;
      return (receivers) => {
        receipts[index] = { peer: url, state, receivers };
        resolve();
      };
    });
    return { done: Promise.all(awaited), receipts: () => [...receipts] };
  }

  #relay(
    instance: string,
    { touched, encoded }: Pick<Publication, "touched" | "encoded">,
    onTakenBy: (peer: Peer) => Relayed["onTaken"],
  ): void {
    const targets = this.#lacking(touched);
    const reached = targets.filter((each) => each.isUp).flatMap(({ fingerprint }) =>
      fingerprint === null ? [] : [fingerprint]
    );
    const at = this.#clock.now();
    for (const peer of targets) {
      attempt(`passing a message on to peer ${peer.url}`, () => {
        const onTaken = onTakenBy(peer);
        peer.push({
          kind: "copy",
          instance,
          encoded,
          touched,
          others: reached.filter((each) => each !== peer.fingerprint),
          isPromised: peer.isUp && peer.fingerprint !== null,
          at,
          wasSent: false,
          ...onTaken === undefined ? {} : { onTaken },
        });
      });
    }
  }

  /** Notes that a server with this fingerprint runs: it may be a peer that was down, so those are retried. */
  heard(fingerprint: string): void {
    const isKnown = this.#peers.some((peer) =>
      peer.fingerprint === fingerprint && (peer.isUp || peer.isSelf)
    );
    if (!isKnown) { for (const peer of this.#peers) peer.retryNow(); }
  }

  /** Answers a challenge, see {@linkcode Prover}. */
  prove(challenge: string | null): string | null {
    return this.#key.prove(challenge);
  }

  /** Returns the status of each peer, in the order of the configuration. */
  status(): PeerStatus[] {
    return this.#peers.map((peer) => peer.status());
  }

  /** Sends the waiting messages to the peers that take them, for {@linkcode FLUSH_MS} at most, and ends. */
  async stop(): Promise<void> {
    await within(FLUSH_MS, Promise.all(this.#peers.map((peer) => peer.flush())), this.#clock);
    await Promise.all(this.#peers.map((peer) => peer.stop()));
  }

  /** Returns the peers without the message. Of several entries for a server it returns the one that is used. */
  #lacking(touched: readonly string[]): Peer[] {
    const having = [...touched];
    return this.#ranked().filter((peer) => {
      if (peer.isSelf) return false;
      if (peer.fingerprint === null) return true;
      // A list, as there are few peers, and texts of a message are no keys of a table.
      if (having.includes(peer.fingerprint)) return false;
      having.push(peer.fingerprint);
      return true;
    });
  }

  /** Delegates the messages for a peer that this server cannot reach now to the other peers. */
  #delegate(peer: Peer): void {
    const { fingerprint } = peer;
    this.#reunite();
    if (fingerprint === null) return;
    const entries = this.#peers.filter((each) => each.fingerprint === peer.fingerprint);
    if (entries.some(({ isUp }) => isUp)) return;
    const lost = entries.flatMap((each) => each.takeBack());
    for (const other of this.#peers) if (other !== peer) other.delegate(fingerprint, lost);
  }

  /**
   * Notes that a server was started again, for the entries that cannot see it. If another entry knows the server,
   * the address was given to it instead.
   */
  #note(peer: Peer, former: string): void {
    const { fingerprint } = peer;
    const others = this.#peers.filter((each) => each !== peer);
    if (fingerprint === null || others.some((each) => each.fingerprint === fingerprint)) return;
    const named = new Set(others.map((each) => each.fingerprint));
    const started = { fingerprint, at: this.#clock.now() };
    for (const [old, successor] of [...this.#successors, [former, started] as const]) {
      if (!named.has(old)) this.#successors.delete(old);
      else if (old === former || successor.fingerprint === former) {
        this.#successors.set(old, started);
      }
    }
    this.#reunite();
  }

  /**
   * Judges what all entries show, and moves the messages for a server to the entry that is used for it. Costs the
   * square of the number of entries, and as much as is moved.
   */
  #reunite(): void {
    for (const peer of this.#peers) {
      if (peer.isUp || peer.fingerprint === null) continue;
      const successor = this.#successors.get(peer.fingerprint);
      if (successor) peer.follow(successor.fingerprint, successor.at);
    }
    this.#judge();
    const ranked = this.#ranked();
    for (const peer of this.#peers) {
      if (peer.isUp || peer.fingerprint === null) continue;
      const used = ranked.find((each) => each.fingerprint === peer.fingerprint);
      if (used && used !== peer) used.insert(peer.takeAll());
    }
  }

  /**
   * Sets the trust of each entry by its fingerprint and those of the others. An entry that is not believed any more
   * is sent every message from now on. The messages that wait there are also sent to the server that it was taken
   * for.
   */
  #judge(): void {
    const own = this.#hub.fingerprint;
    const peers = this.#peers;
    const judgements = judgeFingerprints(peers.map(({ shown }) => shown), own);
    const lost = peers.flatMap((peer, index) => {
      const judgement = judgements[index];
      if (judgement === undefined) return [];
      const rival = peers[judgement.rival ?? -1];
      const owner = peer.shown.fingerprint === own
        ? "this server"
        : rival === undefined
        ? "another server"
        : `peer ${rival.url}`;
      const fingerprint = peer.settle(judgement, owner);
      return fingerprint === null ? [] : [{ peer, fingerprint }];
    });
    for (const { peer, fingerprint } of lost) {
      this.#ranked().find((each) => each.fingerprint === fingerprint)
        ?.reclaim(fingerprint, peer.copyAll());
    }
  }

  /** Returns the entries, those that are up first. Of several for a server the first is used, and stays the first. */
  #ranked(): readonly Peer[] {
    return this.#peers.toSorted((a, b) => rank(a) - rank(b));
  }
}

/** Ranks a busy entry first: messages would lose their order if another one were used before all are taken. */
function rank(peer: Peer): number {
  if (!peer.isUp) return 2;
  return peer.isBusy ? 0 : 1;
}
