/**
 * The messages that `aphlict listen` has shown lately, so that a replay shows none of them again.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fifo } from "../fifo.ts";
import { objectOf } from "../json.ts";

/** How long a server takes a message with the same `uniqueID` for the same message, in ms. */
const REMEMBERED_MS = 120_000;

/** Messages that are remembered. A server remembers 4,096 for each instance. */
const LIMIT = 10_000;

/** How long after a connection its replay may bring something, in ms. A server does not tell when a replay is over. */
const REPLAY_MS = 15_000;

/** Remembers what was shown. Times are in ms, on a clock that never goes back. */
export class ShownMessages {
  /** The oldest first. */
  readonly #messages = new Fifo<{ readonly key: Key; readonly at: number }>();
  readonly #unique = new Set<string>();
  /** How many of each message without a `uniqueID` the replay is to bring again. */
  #expected = new Map<string, number>();
  #expectedUntil = -Infinity;

  /**
   * Notes that a replay was asked for: what was shown since `since` comes again.
   *
   * @param now When it was asked for.
   */
  expectReplay(since: number, now: number): void {
    this.#expected = new Map();
    this.#expectedUntil = now + REPLAY_MS;
    for (const { key: { hash, isUnique }, at } of this.#messages.all) {
      if (!isUnique && at >= since) this.#expected.set(hash, (this.#expected.get(hash) ?? 0) + 1);
    }
  }

  /**
   * Returns whether a message is to be shown, and remembers it.
   *
   * A message with a `uniqueID` is shown once. One without it may be sent several times: of equal ones a replay may
   * bring as many again as were shown before it.
   */
  isNew(text: string, now: number): boolean {
    this.#forgetBefore(now - REMEMBERED_MS);
    const key = keyOf(text);
    const { hash, isUnique } = key;
    const expected = now < this.#expectedUntil ? this.#expected.get(hash) ?? 0 : 0;
    if (expected > 0) this.#expected.set(hash, expected - 1);
    if (expected > 0 || this.#unique.has(hash)) return false;
    this.#messages.push({ key, at: now });
    if (isUnique) this.#unique.add(hash);
    if (this.#messages.size > LIMIT) this.#forgetOldest();
    return true;
  }

  #forgetBefore(time: number): void {
    while ((this.#messages.first?.at ?? time) < time) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const oldest = this.#messages.shift();
    if (oldest !== undefined) this.#unique.delete(oldest.key.hash);
  }
}

/** What two copies of a message have in common, whichever servers they came through. */
interface Key {
  readonly hash: string;
  /** Whether it is the message's `uniqueID`. */
  readonly isUnique: boolean;
}

function keyOf(text: string): Key {
  const { touched: _, ...message } = objectOf(text) ?? { text };
  const { uniqueID } = message as { readonly uniqueID?: unknown };
  const isUnique = typeof uniqueID === "string";
  const named = isUnique ? `unique ${uniqueID}` : JSON.stringify(message);
  return { hash: createHash("sha256").update(named).digest("base64"), isUnique };
}
