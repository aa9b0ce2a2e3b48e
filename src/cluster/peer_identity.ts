/**
 * The server behind a peer's address, as its fingerprints tell, and the proof that it has shown for the last one.
 *
 * A server has a new fingerprint at each start, and never a former one. So an address that returns to a former one
 * leads to several servers in turn. Pure.
 *
 * @module
 */

import { ASK_AGAIN_MS, type Proof, type ShownFingerprint } from "./peer_trust.ts";

/** The time for which a fingerprint counts as a former one, in ms. */
const MEMORY_MS = 10 * 60_000;

/** The number of former fingerprints that are remembered. */
const MEMORY_SIZE = 64;

/**
 * The finding about a fingerprint: it is the known one; the first one; that of a server that was started again; or
 * the address leads to several servers.
 */
export type IdentityChange = "same" | "first" | "new" | "several";

/** The fingerprints of one peer's address, and the proof of the last one. */
export class PeerIdentity {
  #last: string | null = null;
  /** True if a status page has told the last one; the original's page does not. */
  #isOfOurKind = false;
  /** The time until which each former one was the last one; the oldest first. */
  readonly #former = new Map<string, number>();
  /** The time until which the address counts as one of several servers. */
  #severalUntil = -Infinity;
  /** The proof that was shown for the last one. */
  #proof: Proof = "pending";
  /** The time at which the status page last told that. */
  #askedAt = -Infinity;
  /** True if the last one stood in a status page that does not show it any more. */
  #isWithdrawn = false;

  /** Returns the fingerprint that was seen last; `null`: none yet. */
  get last(): string | null {
    return this.#last;
  }

  /** Returns the fingerprint of the server behind the address; `null`: not known, or of one of several. */
  fingerprint(now: number): string | null {
    return now < this.#severalUntil || this.#isWithdrawn ? null : this.#last;
  }

  /** Tells whether the server is known to take a message twice for one, and to keep its promises. */
  isOfOurKind(now: number): boolean {
    return this.#isOfOurKind && this.fingerprint(now) !== null;
  }

  /** Returns what the address has shown, to be judged beside the others. */
  shown(now: number): ShownFingerprint {
    return { fingerprint: this.fingerprint(now), proof: this.#proof };
  }

  /** Tells whether an address that has to give a proof must be asked for it now. */
  isDue(now: number): boolean {
    return now - this.#askedAt >= ASK_AGAIN_MS;
  }

  /** Learns that a status page tells no fingerprint: an original is there, whatever was before. */
  learnNone(now: number): void {
    // Only receipts tell an original's fingerprint.
    this.#isWithdrawn ||= this.#isOfOurKind;
    this.#isOfOurKind = false;
    this.#proof = "none";
    this.#askedAt = now;
  }

  /**
   * Learns the fingerprint of a receipt or a status page.
   *
   * @param proof The proof on the status page; `null`: the fingerprint stood in a receipt.
   */
  learn(fingerprint: string, proof: Exclude<Proof, "pending"> | null, now: number): IdentityChange {
    const finding = this.#change(fingerprint, proof !== null, now);
    if (proof !== null) {
      this.#proof = proof;
      this.#askedAt = now;
    }
    return finding;
  }

  /** Learns the new fingerprint that another entry for the server has told. This entry's proof stays. */
  follow(fingerprint: string, now: number): IdentityChange {
    const proof = this.#proof;
    const finding = this.#change(fingerprint, this.isOfOurKind(now), now);
    this.#proof = proof;
    return finding;
  }

  /** Notes that the address does not show its status page: nothing is proven any more. */
  forgetProof(now: number): void {
    this.#proof = "pending";
    this.#askedAt = now;
  }

  /** Notes that the connection has ended. The next one may lead to a server of another kind. */
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
    // The status page may have shown that it is an original before a receipt tells which one.
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
