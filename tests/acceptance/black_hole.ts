/**
 * A registry that cannot be reached, as a firewall makes it.
 *
 * @module
 */

/** A registry of npm that takes connections and never answers. */
export class BlackHole implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly #connections: Deno.Conn[] = [];

  /** @param port None for a free one. */
  constructor(port: number = 0) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    void this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}/`;
  }

  /** How many connections there were. */
  get asked(): number {
    return this.#connections.length;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#connections.push(connection);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
  }
}
