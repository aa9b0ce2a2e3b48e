/**
 * Which server is behind a peer's address, as its fingerprints tell, and what it has shown for the last one.
 *
 * A server has another fingerprint each time it is started, and never a former one. So an address that
 * comes back to a former one leads to one server now and to another then. Pure.
 *
 * @module
 */

import { ASK_AGAIN_MS, type Proof, type ShownFingerprint } from "./peer_trust.ts";

/** How long a fingerprint counts as a former one, in ms. */
const MEMORY_MS = 10 * 60_000;

/** Former fingerprints that are remembered. */
const MEMORY_SIZE = 64;

/**
 * What a fingerprint has shown: the one that was known; the first one; a server that was started anew; or
 * that the address leads to several servers.
 */
export type IdentityChange = "same" | "first" | "new" | "several";

/** See the module. */
export class PeerIdentity {
  #last: string | null = null;
  /** Whether the last one was told by a status page, which the original's does not do. */
  #isOfOurKind = false;
  /** When each former one was last the last one; the oldest first. */
  readonly #former = new Map<string, number>();
  /** Until when the address counts as one of several servers. */
  #severalUntil = -Infinity;
  /** What it has shown for the last one. */
  #proof: Proof = "pending";
  /** When its status page last told that. */
  #askedAt = -Infinity;
  /** Whether the last one stood in a status page that does not show it any more. */
  #isWithdrawn = false;

  /** The fingerprint that was seen last; `null`: none yet. */
  get last(): string | null {
    return this.#last;
  }

  /** The fingerprint of the server that is behind the address; `null`: not known, or of one of several. */
  fingerprint(now: number): string | null {
    return now < this.#severalUntil || this.#isWithdrawn ? null : this.#last;
  }

  /** Whether it is known to take a message twice for one, and to keep its promises. */
  isOfOurKind(now: number): boolean {
    return this.#isOfOurKind && this.fingerprint(now) !== null;
  }

  /** What the address has shown, to be judged beside the others. */
  shown(now: number): ShownFingerprint {
    return { fingerprint: this.fingerprint(now), proof: this.#proof };
  }

  /** Whether it is time to ask for a proof, of an address that has to give one. */
  isDue(now: number): boolean {
    return now - this.#askedAt >= ASK_AGAIN_MS;
  }

  /** A status page tells no fingerprint: an original is there, whatever was before. */
  learnNone(now: number): void {
    // An original's own is told by its receipts alone.
    this.#isWithdrawn ||= this.#isOfOurKind;
    this.#isOfOurKind = false;
    this.#proof = "none";
    this.#askedAt = now;
  }

  /**
   * A receipt or a status page tells a fingerprint.
   *
   * @param proof What the status page shows for it; `null`: it stood in a receipt.
   */
  learn(fingerprint: string, proof: Exclude<Proof, "pending"> | null, now: number): IdentityChange {
    const finding = this.#change(fingerprint, proof !== null, now);
    if (proof !== null) {
      this.#proof = proof;
      this.#askedAt = now;
    }
    return finding;
  }

  /** Another entry for the server has told its new fingerprint. What was believed of this one holds on. */
  follow(fingerprint: string, now: number): IdentityChange {
    const proof = this.#proof;
    const finding = this.#change(fingerprint, this.isOfOurKind(now), now);
    this.#proof = proof;
    return finding;
  }

  /** The address does not show its status page: nothing is proven any more. */
  doubt(now: number): void {
    this.#proof = "pending";
    this.#askedAt = now;
  }

  /** The connection has ended. What the next one leads to may be of another kind. */
  disconnect(): void {
    if (this.#last === null || this.#isWithdrawn) this.#proof = "pending";
  }

  #change(fingerprint: string, fromStatus: boolean, now: number): IdentityChange {
    const former = this.#last;
    const wasWithdrawn = this.#isWithdrawn;
    this.#isWithdrawn = false;
    if (former === fingerprint) {
      this.#isOfOurKind ||= fromStatus;
      return "same";
    }
    this.#last = fingerprint;
    this.#isOfOurKind = fromStatus;
    // That it is an original, its status page may have told before a receipt tells which one.
    if (former === null) return "first";
    if (!wasWithdrawn) {
      this.#proof = "pending";
      this.#askedAt = -Infinity;
    }
    this.#former.delete(former);
    this.#former.set(former, now);
    for (const [oldest, time] of this.#former) {
      if (this.#former.size <= MEMORY_SIZE && time >= now - MEMORY_MS) break;
      this.#former.delete(oldest);
    }
    if (!this.#former.has(fingerprint)) return "new";
    this.#severalUntil = now + MEMORY_MS;
    return "several";
  }
}
