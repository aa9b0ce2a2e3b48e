/**
 * How long the status page takes while something else goes on, as seen from a thread of its own.
 *
 * @module
 */

/** Asks for the page again and again. Dispose of it: it stops. */
export class StatusWatch implements Disposable {
  readonly #worker = new Worker(import.meta.resolve("./status_watcher.ts"), { type: "module" });

  /** @param admin The port. */
  constructor(admin: number) {
    this.#worker.postMessage(admin);
  }

  /** Stops, and resolves with the longest time, in ms; rejects when the page was not to be had. */
  async slowest(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    this.#worker.postMessage("stop");
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
