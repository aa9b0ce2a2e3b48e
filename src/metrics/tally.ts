/**
 * Counting by kind. Kinds are words of ours, never anything from outside, so that there are few.
 *
 * @module
 */

/** How often each kind has happened. */
export class Tally<Kind extends string> {
  readonly #counts: Map<Kind, number>;

  /** @param kinds All that there are: those that have not happened count as well. */
  constructor(kinds: readonly Kind[]) {
    this.#counts = new Map(kinds.map((kind) => [kind, 0]));
  }

  /** One more. */
  add(kind: Kind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  /** Counts by kind. */
  get counts(): Readonly<Record<Kind, number>> {
    // It has been made with all of them.
    return Object.fromEntries(this.#counts) as Record<Kind, number>;
  }

  /** Of all kinds together. */
  get total(): number {
    return [...this.#counts.values()].reduce((sum, each) => sum + each, 0);
  }
}
