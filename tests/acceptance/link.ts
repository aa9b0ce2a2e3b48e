/**
 * The network between two servers, for a test to cut.
 *
 * @module
 */

/**
 * How a link is cut:
 *
 * - `refused`: connections end, new ones are refused, as when a machine's service is gone.
 * - `silent`: nothing is heard of it any more, as when a cable is pulled. What was under way arrives
 *   late, when the link is healed.
 */
export type Cut = "refused" | "silent";

/** One connection through a link: the side that opened it, and the side that it leads to. */
interface Pair {
  readonly near: Deno.TcpConn;
  readonly far: Deno.TcpConn;
}

/**
 * A port that leads to another one on 127.0.0.1, or to several, each connection to the next one.
 * Dispose of it: its connections are ended.
 */
export class Link implements AsyncDisposable {
  /** Where to connect to. */
  readonly port: number;
  readonly #targets: readonly number[];
  readonly #pairs = new Set<Pair>();
  readonly #work = new Set<Promise<void>>();
  #listener: Deno.TcpListener | null = null;
  #connections = 0;
  /** Bytes may pass when it is resolved; `null`: now. */
  #silence: PromiseWithResolvers<void> | null = null;

  constructor(port: number, ...targets: readonly number[]) {
    this.port = port;
    this.#targets = targets;
    this.heal();
  }

  cut(how: Cut): void {
    if (how === "refused") this.#refuse();
    else this.#silence ??= Promise.withResolvers();
  }

  /** Ends the connections that there are. */
  interrupt(): void {
    for (const pair of this.#pairs) this.#end(pair);
  }

  heal(): void {
    this.#speak();
    if (this.#listener === null) {
      this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.port });
      this.#track(this.#accept(this.#listener));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#refuse();
    this.#speak();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #speak(): void {
    this.#silence?.resolve();
    this.#silence = null;
  }

  #refuse(): void {
    this.#listener?.close();
    this.#listener = null;
    this.interrupt();
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
    await this.#silence?.promise;
    let far: Deno.TcpConn;
    const port = this.#targets[this.#connections++ % this.#targets.length] ?? 0;
    try {
      far = await Deno.connect({ hostname: "127.0.0.1", port });
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
        await this.#silence?.promise;
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
