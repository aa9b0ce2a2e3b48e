/**
 * The messages that `aphlict listen` has shown lately, so that a replay shows none of them again.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fifo } from "../fifo.ts";
import { objectOf } from "../json.ts";

/** The time for which a server treats a message with the same `uniqueID` as the same message, in ms. */
const REMEMBERED_MS = 120_000;

/** The most messages that are remembered. A server remembers 4,096 for each instance. */
const LIMIT = 10_000;

/** The time after a connection in which its replay may come, in ms. A server does not tell the end of a replay. */
const REPLAY_MS = 15_000;

/** The memory of the messages shown lately. Times are in ms, on a clock that never goes back. */
export class ShownMessages {
  /** The messages, the oldest first. */
  readonly #messages = new Fifo<{ readonly key: Key; readonly at: number }>();
  readonly #unique = new Set<string>();
  /** The number of copies of each message without a `uniqueID` that the replay is to bring again. */
  #expected = new Map<string, number>();
  #expectedUntil = -Infinity;

  /**
   * Notes that a replay was asked for: messages shown since `since` come again.
   *
   * @param now The time at which it was asked for.
   */
  expectReplay(since: number, now: number): void {
    this.#expected = new Map();
    this.#expectedUntil = now + REPLAY_MS;
    for (const { key: { hash, isUnique }, at } of this.#messages.all) {
      if (!isUnique && at >= since) this.#expected.set(hash, (this.#expected.get(hash) ?? 0) + 1);
    }
  }

  /**
   * Tells whether a message is to be shown, and remembers it.
   *
   * A message with a `uniqueID` is shown once. One without it may be sent several times: a replay may bring as many
   * equal messages again as were shown before it.
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

/** The key that two copies of a message have in common, whichever servers they came through. */
interface Key {
  readonly hash: string;
  /** True if the hash is of the message's `uniqueID`. */
  readonly isUnique: boolean;
}

function keyOf(text: string): Key {
  const { touched: _, ...message } = objectOf(text) ?? { text };
  const { uniqueID } = message as { readonly uniqueID?: unknown };
  const isUnique = typeof uniqueID === "string";
  const named = isUnique ? `unique ${uniqueID}` : JSON.stringify(message);
  return { hash: createHash("sha256").update(named).digest("base64"), isUnique };
}
