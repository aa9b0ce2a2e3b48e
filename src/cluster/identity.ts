/**
 * Which server is behind a peer's address, as its fingerprints tell.
 *
 * A server has another fingerprint each time it is started, and never a former one. So an address that
 * comes back to a former one leads to one server now and to another then. Pure.
 *
 * @module
 */

/** How long a fingerprint counts as a former one, in ms. */
const MEMORY_MS = 10 * 60_000;

/** Former fingerprints that are remembered. */
const MEMORY_SIZE = 64;

/**
 * What a fingerprint has shown: the one that was known; the first one; a server that was started anew; or
 * that the address leads to several servers.
 */
export type Finding = "same" | "first" | "new" | "several";

/** See the module. */
export class Identity {
  #last: string | null = null;
  /** Whether the last one was told by a status page, which the original's does not do. */
  #isOfOurKind = false;
  /** When each former one was last the last one; the oldest first. */
  readonly #former = new Map<string, number>();
  /** Until when the address counts as one of several servers. */
  #severalUntil = -Infinity;

  /** The fingerprint that was seen last; `null`: none yet. */
  get last(): string | null {
    return this.#last;
  }

  /** The fingerprint of the server that is behind the address; `null`: not known, or of one of several. */
  fingerprint(now: number): string | null {
    return now < this.#severalUntil ? null : this.#last;
  }

  /** Whether it is known to take a message twice for one, and to keep its promises. */
  isOfOurKind(now: number): boolean {
    return this.#isOfOurKind && this.fingerprint(now) !== null;
  }

  /** A status page tells no fingerprint: an original is there, whatever was before. */
  learnNone(): void {
    this.#isOfOurKind = false;
  }

  /** @param fromStatus Whether it stood in a status page. */
  learn(fingerprint: string, fromStatus: boolean, now: number): Finding {
    const former = this.#last;
    if (former === fingerprint) {
      this.#isOfOurKind ||= fromStatus;
      return "same";
    }
    this.#last = fingerprint;
    this.#isOfOurKind = fromStatus;
    if (former === null) return "first";
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
