/**
 * The cluster: which peers get a message, and who may rely on that.
 *
 * In the original each server passes a message on to all that it does not know to have it, so that it
 * crosses a mesh of N servers (N-1)² times. Here a copy says in its `touched` list which other peers get
 * it at the same time, so that nobody passes it on to them: N-1 times. What a server has
 * said so about and cannot do, it hands over. See docs/decisions/0010-cluster.md.
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

/** How long a peer may be sent what waits for it when the service stops, in ms. */
const FLUSH_MS = 1000;

/** What a peer's change leads to, as the log calls it. */
const SORTING = "sorting the messages that wait for peers";

/** What a cluster needs beside its peers and the hub. Without surroundings it has those of the runtime. */
export interface ClusterOptions extends Partial<PeerSurroundings> {
  /** Proves this server's fingerprint. */
  readonly key: Prover;
}

/** See the module. */
export class Cluster {
  readonly #hub: Hub;
  readonly #key: Prover;
  readonly #clock: Clock;
  readonly #peers: readonly Peer[];
  /** What took the place of a server that an entry still names, and when. */
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
        // They are about the other peers as well: an error in one of them is no fault of this one.
        onShown: () => attempt(SORTING, () => this.#reunite()),
        onUp: () => attempt(SORTING, () => this.#reunite()),
        onChange: (peer, former) => attempt(SORTING, () => this.#note(peer, former)),
        onDown: (peer) => attempt(SORTING, () => this.#handOver(peer)),
      })
    );
  }

  /** Connects to the peers. Messages that come before wait. */
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

  /** The same, and collects what the peers say of it. Those that are down are not waited for. */
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

  /** A server with this fingerprint has shown that it is there: it may be a peer that was down. */
  heard(fingerprint: string): void {
    const isKnown = this.#peers.some((peer) =>
      peer.fingerprint === fingerprint && (peer.isUp || peer.isSelf)
    );
    if (!isKnown) { for (const peer of this.#peers) peer.retryNow(); }
  }

  /** See {@linkcode Prover}. */
  prove(challenge: string | null): string | null {
    return this.#key.prove(challenge);
  }

  /** How each peer is, in the order of the configuration. */
  status(): PeerStatus[] {
    return this.#peers.map((peer) => peer.status());
  }

  /** Sends what waits to those who take it, for {@linkcode FLUSH_MS} at most, and ends. */
  async stop(): Promise<void> {
    await within(FLUSH_MS, Promise.all(this.#peers.map((peer) => peer.flush())), this.#clock);
    await Promise.all(this.#peers.map((peer) => peer.stop()));
  }

  /** The peers without the message. Of several entries for a server, the one that is used. */
  #lacking(touched: readonly string[]): Peer[] {
    const having = [...touched];
    return this.#ranked().filter((peer) => {
      if (peer.isSelf) return false;
      if (peer.fingerprint === null) return true;
      // There are few peers, and what a message names is no key of a table.
      if (having.includes(peer.fingerprint)) return false;
      having.push(peer.fingerprint);
      return true;
    });
  }

  /** Has others bring a peer its messages that this server cannot reach now. */
  #handOver(peer: Peer): void {
    const { fingerprint } = peer;
    this.#reunite();
    if (fingerprint === null) return;
    const entries = this.#peers.filter((each) => each.fingerprint === peer.fingerprint);
    if (entries.some(({ isUp }) => isUp)) return;
    const lost = entries.flatMap((each) => each.takeBack());
    for (const other of this.#peers) if (other !== peer) other.delegate(fingerprint, lost);
  }

  /**
   * Notes that a server has been started again, for the entries that cannot see it. Of a server that is
   * known by another entry the address was given to it instead.
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
   * Judges what all entries show, and has what waits for a server wait at the entry that is used for it.
   * Costs the square of the number of entries, and as much as is moved.
   */
  #reunite(): void {
    for (const peer of this.#peers) {
      if (peer.isUp || peer.fingerprint === null) continue;
      const successor = this.#successors.get(peer.fingerprint);
      if (successor) peer.adopt(successor.fingerprint, successor.at);
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
   * Takes each entry for what its fingerprint and those of the others make it. One that is not believed any more
   * is sent every message from now on, and what waits there for the server that it was taken for is sent to
   * that one as well.
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

  /** Of several entries for a server, the first one here is used: it can be reached, and stays the one. */
  #ranked(): readonly Peer[] {
    return this.#peers.toSorted((a, b) => rank(a) - rank(b));
  }
}

/** The order of what waits would be lost if it changed before everything is taken. */
function rank(peer: Peer): number {
  if (!peer.isUp) return 2;
  return peer.isBusy ? 0 : 1;
}
