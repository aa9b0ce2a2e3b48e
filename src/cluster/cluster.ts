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

import type { PeerConfig } from "../config/config.ts";
import type { Hub, Publication } from "../hub/hub.ts";
import { Peer, type PeerStatus } from "./peer.ts";

/** How long a peer may be sent what waits for it when the service stops, in ms. */
const FLUSH_MS = 1000;

/**
 * How far back messages are passed on that came by way of a server that has died, in ms: it may have
 * waited 5 s for one that hung, and another 5 s may pass before its end is noticed.
 */
const LEGACY_MS = 12_000;

/** See the module. */
export class Cluster {
  readonly #hub: Hub;
  readonly #peers: readonly Peer[];

  constructor(peers: readonly PeerConfig[], hub: Hub) {
    this.#hub = hub;
    this.#peers = peers.map((config) =>
      new Peer({
        config,
        fingerprint: hub.fingerprint,
        onDown: (peer) => this.#handOver(peer),
        onGone: (fingerprint) => this.#inherit(fingerprint),
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
  relay(instance: string, { touched, encoded }: Pick<Publication, "touched" | "encoded">): void {
    const targets = this.#lacking(touched);
    const reached = targets.filter((each) => each.isUp).flatMap(({ fingerprint }) =>
      fingerprint === null ? [] : [fingerprint]
    );
    const at = performance.now();
    for (const peer of targets) {
      peer.push({
        instance,
        encoded,
        touched,
        others: reached.filter((each) => each !== peer.fingerprint),
        isPromised: peer.isUp && peer.fingerprint !== null,
        isHandover: false,
        at,
        wasSent: false,
      });
    }
  }

  /** A server with this fingerprint has shown that it is there: it may be a peer that was down. */
  heard(fingerprint: string): void {
    const isKnown = this.#peers.some((peer) =>
      peer.fingerprint === fingerprint && (peer.isUp || peer.isSelf)
    );
    if (!isKnown) { for (const peer of this.#peers) peer.hurry(); }
  }

  /** How each peer is, in the order of the configuration. */
  status(): PeerStatus[] {
    return this.#peers.map((peer) => peer.status());
  }

  /** Sends what waits to those who take it, for {@linkcode FLUSH_MS} at most, and ends. */
  async stop(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, FLUSH_MS));
    await Promise.race([Promise.all(this.#peers.map((peer) => peer.flush())), late]);
    clearTimeout(timer);
    await Promise.all(this.#peers.map((peer) => peer.stop()));
  }

  /** The peers without the message. Of two that are one server, the one that can be reached. */
  #lacking(touched: readonly string[]): Peer[] {
    const having = new Set(touched);
    return [true, false].flatMap((isUp) =>
      this.#peers.filter((peer) => {
        if (peer.isUp !== isUp || peer.isSelf) return false;
        if (peer.fingerprint === null) return true;
        if (having.has(peer.fingerprint)) return false;
        having.add(peer.fingerprint);
        return true;
      })
    );
  }

  /** Has others bring a peer its messages that this server cannot reach now. */
  #handOver(peer: Peer): void {
    const { fingerprint } = peer;
    if (fingerprint === null) return;
    const twin = this.#peers.find((each) => each.isUp && each.fingerprint === fingerprint);
    if (twin) return twin.putFirst(peer.takeAll());
    const lost = peer.takeBack();
    for (const other of this.#peers) if (other !== peer) other.handOver(fingerprint, lost);
  }

  /**
   * Brings the others what a server has passed on to us and had said it would bring them, as it may have
   * died before. Who has it recognises it, so this is for messages with a `uniqueID`, and for servers that
   * look at it.
   */
  #inherit(fingerprint: string): void {
    const others = this.#peers.flatMap((peer) =>
      peer.isUp && peer.isOfOurKind && peer.fingerprint !== null
        ? [{ peer, fingerprint: peer.fingerprint }]
        : []
    );
    if (others.length === 0) return;
    for (const { instance, encoded, from } of this.#hub.recent(LEGACY_MS)) {
      if (from !== fingerprint) continue;
      const { uniqueID, touched } = JSON.parse(encoded.text);
      if (typeof uniqueID !== "string") continue;
      for (const other of others) {
        if (!touched.includes(other.fingerprint)) continue;
        other.peer.offer({
          instance,
          encoded,
          touched: touched.filter((each: string) => each !== other.fingerprint),
          others: [],
          isPromised: false,
          isHandover: false,
          at: performance.now(),
          wasSent: false,
        });
      }
    }
  }
}
