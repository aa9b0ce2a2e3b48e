/**
 * A map whose keys are texts from outside. It costs the same whichever texts outsiders choose.
 *
 * @module
 */

import { KeyedHash } from "./keyed_hash.ts";
import { flatCopy } from "./text.ts";

/** Entry of a {@linkcode KeyedMap} for one text. It may be kept, in place of the text. */
export interface Entry<Value> {
  /** A copy that keeps nothing else alive. */
  readonly text: string;
  value: Value;
  /** The upper half of the text's hash. */
  readonly high: number;
  /** The next entry with the same lower half. */
  next: Entry<Value> | null;
}

/** A map whose keys are texts from outside, by their {@linkcode KeyedHash}. */
export class KeyedMap<Value> {
  readonly #hash: KeyedHash;
  /** The entries by the lower half of their hash. Outsiders cannot choose these numbers: the hash is secret. */
  #entries: Map<number, Entry<Value>> | null = null;
  #size = 0;

  /** @param hash A hash that any number of maps may share. */
  constructor(hash: KeyedHash) {
    this.#hash = hash;
  }

  /** Returns the number of texts. */
  get size(): number {
    return this.#size;
  }

  /** Returns the entry of a text. */
  find(text: string): Entry<Value> | undefined {
    this.#hash.digest(text);
    return this.findByHash(this.#hash.low, this.#hash.high, text);
  }

  /**
   * Returns the entry of the text that has this hash.
   *
   * @param text `null`: any text with it, as two have the same one in 2^64 cases.
   */
  findByHash(low: number, high: number, text: string | null): Entry<Value> | undefined {
    for (let entry = this.#entries?.get(low); entry; entry = entry.next ?? undefined) {
      if (entry.high === high && (text === null || entry.text === text)) return entry;
    }
    return undefined;
  }

  /** Returns the value of a text. */
  get(text: string): Value | undefined {
    return this.find(text)?.value;
  }

  /** Returns the entry of a text, which is made with `value` where there is none. */
  add(text: string, value: Value): Entry<Value> {
    this.#hash.digest(text);
    const { low, high } = this.#hash;
    const found = this.findByHash(low, high, text);
    if (found !== undefined) return found;
    // The map of an instance without subscriptions has no entries.
    this.#entries ??= new Map();
    const next = this.#entries.get(low) ?? null;
    const entry = { text: flatCopy(text), value, high, next };
    this.#entries.set(low, entry);
    this.#size++;
    return entry;
  }

  /** Sets the value of a text. */
  set(text: string, value: Value): void {
    this.add(text, value).value = value;
  }

  /** Removes a text, if it is there. */
  delete(text: string): void {
    this.#hash.digest(text);
    const { low } = this.#hash;
    let former: Entry<Value> | null = null;
    let entry = this.#entries?.get(low) ?? null;
    while (entry !== null && entry.text !== text) [former, entry] = [entry, entry.next];
    if (entry === null) return;
    this.#size--;
    if (former !== null) former.next = entry.next;
    else if (entry.next !== null) this.#entries?.set(low, entry.next);
    else this.#entries?.delete(low);
  }

  /** Returns all values, in no order. */
  *values(): Generator<Value> {
    for (const first of this.#entries?.values() ?? []) {
      for (let entry: Entry<Value> | null = first; entry !== null; entry = entry.next) {
        yield entry.value;
      }
    }
  }
}
