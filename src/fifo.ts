/**
 * A queue in which the first that goes in is the first that comes out. Pure.
 *
 * @module
 */

/** The number of items that are taken before the others are moved to the front of the list. */
const GONE = 1024;

/**
 * Items in their order. Adding one at the end and taking one from the front cost the same however many wait:
 * `Array.shift` moves all the others once there are some 16,000 (V8 15).
 *
 * @example
 * ```ts
 * import { Fifo } from "./fifo.ts";
 *
 * const names = new Fifo<string>();
 * names.push("a");
 * names.push("b");
 * names.shift(); // "a"
 * names.first; // "b"
 * ```
 */
export class Fifo<T extends NonNullable<unknown>> {
  /** The items; those before `#start` are gone. */
  #items: (T | undefined)[] = [];
  #start = 0;

  /** Returns the number of items. */
  get size(): number {
    return this.#items.length - this.#start;
  }

  /** Returns the item that has waited longest; `undefined` when none waits. */
  get first(): T | undefined {
    return this.#items[this.#start];
  }

  /** Returns all items in their order, as a copy. */
  get all(): T[] {
    return this.#items.filter((item) => item !== undefined);
  }

  /** Returns the item at an index, from 0 on; `undefined` behind the last. */
  at(place: number): T | undefined {
    return this.#items[this.#start + place];
  }

  /** Adds an item at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Removes and returns the first item; `undefined` when none waits. */
  shift(): T | undefined {
    const item = this.first;
    if (item === undefined) return undefined;
    this.#items[this.#start++] = undefined;
    if (this.size === 0) {
      this.#items.length = 0;
      this.#start = 0;
      // The items that are gone share the cost of this.
    } else if (this.#start > GONE && this.#start * 2 > this.#items.length) this.replace(this.all);
    return item;
  }

  /** Replaces all items. The list belongs to the queue from now on. */
  replace(items: T[]): void {
    this.#items = items;
    this.#start = 0;
  }
}
