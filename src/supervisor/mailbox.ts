/**
 * Events that are dealt with one after the other.
 *
 * @module
 */

/** Keeps events until they are taken, in their order. */
export class Mailbox<T> {
  readonly #events: T[] = [];
  #arrived = Promise.withResolvers<void>();

  /** Whether one that has not been taken yet fulfils `condition`. */
  some(condition: (event: T) => boolean): boolean {
    return this.#events.some(condition);
  }

  /** Adds one. */
  put(event: T): void {
    this.#events.push(event);
    this.#arrived.resolve();
  }

  /** Takes the next one, as soon as there is one. For one caller at a time. */
  async take(): Promise<T> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      this.#arrived = Promise.withResolvers();
      await this.#arrived.promise;
    }
  }
}
