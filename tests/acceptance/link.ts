/**
 * The network between two servers, for a test to cut.
 *
 * @module
 */

/** One connection through a link: the side that opened it, and the side that it leads to. */
interface Pair {
  readonly near: Deno.TcpConn;
  readonly far: Deno.TcpConn;
}

/** A port that leads to another one on 127.0.0.1. Dispose of it: its connections are ended. */
export class Link implements AsyncDisposable {
  /** Where to connect to. */
  readonly port: number;
  readonly #target: number;
  readonly #pairs = new Set<Pair>();
  readonly #work = new Set<Promise<void>>();
  #listener: Deno.TcpListener | null = null;

  constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
    this.heal();
  }

  /** Ends connections, and refuses new ones, as when a machine's service is gone. */
  cut(): void {
    this.#listener?.close();
    this.#listener = null;
    for (const pair of this.#pairs) this.#end(pair);
  }

  heal(): void {
    if (this.#listener !== null) return;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.port });
    this.#track(this.#accept(this.#listener));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    // It ends when the listener is closed.
    for await (const near of listener) this.#track(this.#connect(listener, near));
  }

  async #connect(listener: Deno.TcpListener, near: Deno.TcpConn): Promise<void> {
    let far: Deno.TcpConn;
    try {
      far = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    } catch (error) {
      near.close();
      if (error instanceof Deno.errors.ConnectionRefused) return;
      throw error;
    }
    const pair = { near, far };
    this.#pairs.add(pair);
    // It may have been cut in the meantime.
    if (this.#listener !== listener) return this.#end(pair);
    await Promise.all([this.#pump(pair, near, far), this.#pump(pair, far, near)]);
    this.#end(pair);
  }

  async #pump(pair: Pair, from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (count === null) break;
        let bytes = buffer.subarray(0, count);
        while (bytes.length > 0) bytes = bytes.subarray(await to.write(bytes));
      }
      await to.closeWrite();
    } catch {
      // However one side has ended, the other one is told of it.
      this.#end(pair);
    }
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.near.close();
    pair.far.close();
  }
}
