/**
 * Events that are handled one after the other.
 *
 * @module
 */

/** A queue that keeps events in their order until they are taken. */
export class Mailbox<T> {
  readonly #events: T[] = [];
  #arrived = Promise.withResolvers<void>();

  /** Tells whether an event that has not been taken yet fulfils `condition`. */
  some(condition: (event: T) => boolean): boolean {
    return this.#events.some(condition);
  }

  /** Adds an event. */
  put(event: T): void {
    this.#events.push(event);
    this.#arrived.resolve();
  }

  /** Takes the next event, as soon as there is one. For one caller at a time. */
  async take(): Promise<T> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      this.#arrived = Promise.withResolvers();
      await this.#arrived.promise;
    }
  }
}
