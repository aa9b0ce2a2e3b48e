/**
 * Waiting for a service of this process to read a file again.
 *
 * @module
 */

/** The looks that a service takes at a file. */
export class Looks implements Disposable {
  readonly #stat = Deno.statSync;
  #next = Promise.withResolvers<void>();

  constructor(file: string) {
    // Each reading begins with it.
    Deno.statSync = (path) => {
      if (path === file) {
        this.#next.resolve();
        this.#next = Promise.withResolvers();
      }
      return this.#stat(path);
    };
  }

  /** Resolves when the file has been looked at, before it is looked at again. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  [Symbol.dispose](): void {
    Deno.statSync = this.#stat;
  }
}
