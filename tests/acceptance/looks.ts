/**
 * Waiting for a service of this process to read a file again.
 *
 * @module
 */

/** The looks that a service takes at a file. */
export class Looks implements Disposable {
  readonly #open = Deno.openSync;
  #next = Promise.withResolvers<void>();

  constructor(file: string) {
    Deno.openSync = (path, options) => {
      if (path === file) {
        this.#next.resolve();
        this.#next = Promise.withResolvers();
      }
      return this.#open(path, options);
    };
  }

  /** Resolves when the file has been opened, before it is opened again. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  [Symbol.dispose](): void {
    Deno.openSync = this.#open;
  }
}
