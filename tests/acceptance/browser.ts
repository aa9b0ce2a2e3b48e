/**
 * A browser's connection, as far as Aphlict can see it.
 *
 * @module
 */

/** How a browser connects. */
export interface BrowserOptions {
  /** @default {"/"} */
  readonly path?: string;
  /** Connects with TLS and trusts what this client trusts. */
  readonly client?: Deno.HttpClient;
  /** Topics to subscribe to. */
  readonly topics?: readonly string[];
  /** The site whose page it shows. */
  readonly origin?: string;
}

/** An open WebSocket with a mailbox. Dispose of it: it is closed. */
export class Browser implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #mail: string[] = [];
  #arrived = Promise.withResolvers<void>();
  /** Resolves with code and reason when the connection has ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    const closed = Promise.withResolvers<{ code: number; reason: string }>();
    this.closed = closed.promise;
    socket.onmessage = ({ data }) => {
      this.#mail.push(data);
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    };
    socket.onclose = ({ code, reason }) => {
      closed.resolve({ code, reason });
      this.#arrived.resolve();
    };
  }

  /** Connects, subscribes, and waits until the server has seen the subscription. */
  static async open(port: number, options: BrowserOptions = {}): Promise<Browser> {
    const { path = "/", client, topics, origin } = options;
    const socket = new WebSocket(`${client ? "wss" : "ws"}://127.0.0.1:${port}${path}`, {
      ...client ? { client } : {},
      ...origin ? { headers: { origin } } : {},
    });
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = (event) =>
        reject(new Error(event instanceof ErrorEvent ? event.message : "It did not open"));
    });
    socket.onerror = null;
    const browser = new Browser(socket);
    if (topics) browser.command("subscribe", topics);
    await browser.pong();
    return browser;
  }

  /** Number of messages that have arrived and were not taken. */
  get waiting(): number {
    return this.#mail.length;
  }

  /** Resolves when something more has arrived, or the connection has ended. */
  arrival(): Promise<void> {
    return this.#arrived.promise;
  }

  /** Takes what has arrived and was not taken, without waiting. */
  taken(): string[] {
    return this.#mail.splice(0);
  }

  /** Sends anything. */
  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  /** Sends a command as Phorge's JavaScript does. */
  command(command: string, data?: unknown): void {
    this.send(JSON.stringify(data === undefined ? { command } : { command, data }));
  }

  /** The next message that has not been taken, as text; rejects when the connection ends first. */
  async next(): Promise<string> {
    for (;;) {
      const text = this.#mail.shift();
      if (text !== undefined) return text;
      if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("The connection has ended");
      await this.#arrived.promise;
    }
  }

  /**
   * Everything that has arrived and was not taken. Order is kept both ways, so what the server
   * sent before it answers a ping is here.
   */
  async all(): Promise<string[]> {
    this.command("ping");
    const texts: string[] = [];
    for (;;) {
      const text = await this.next();
      if (text === '{"type":"pong"}') return texts;
      texts.push(text);
    }
  }

  /** Waits until the server has handled everything that was sent; nothing else may arrive. */
  async pong(): Promise<void> {
    const texts = await this.all();
    if (texts.length > 0) throw new Error(`Unexpected: ${texts.join(", ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}
