/**
 * Many browsers with TLS in a process of their own: they subscribe to the topic `A` and listen. Prints a
 * line when all are connected, one for each connection that ends, and one with what they have received
 * when the message with `"end": true` has come to all.
 *
 *     deno run --allow-net=127.0.0.1 --allow-read=CA tls_browsers.ts PORT CA COUNT
 *
 * @module
 */

import { concat, frame, utf8 } from "../websocket/bytes.ts";
import { REQUEST } from "./wire.ts";

/** Connections that are opened at a time. */
const LANES = 32;

/** What the browsers have received, as JSON on a line of its own. */
export interface Received {
  /** Each different list of the numbers of messages, in the order in which they came. */
  readonly lists: readonly (readonly number[])[];
  /** The browsers that have received one of these. */
  readonly browsers: number;
}

const OPENING = concat(utf8(REQUEST), frame('{"command":"subscribe","data":["A"]}'));
const PING = frame('{"command":"ping"}');

/** A browser, which takes every message that comes. */
class Listener {
  readonly numbers: number[] = [];
  /** Resolves when the subscription is in force. */
  readonly subscribed: Promise<void>;
  /** Resolves when the last message has come. */
  readonly finished: Promise<void>;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<string>;
  readonly #subscribed = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<void>();
  readonly #connection: Deno.Conn;
  #bytes = new Uint8Array(0);

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.subscribed = this.#subscribed.promise;
    this.finished = this.#finished.promise;
    this.ended = this.#read().then(() => "by the server", String);
  }

  static async open(port: number, caCerts: string[]): Promise<Listener> {
    const plain = await Deno.connect({ hostname: "127.0.0.1", port });
    // Otherwise each handshake waits 40 ms for a delayed acknowledgement.
    plain.setNoDelay();
    const connection = await Deno.startTls(plain, { hostname: "localhost", caCerts });
    const listener = new Listener(connection);
    for (let bytes = concat(OPENING, PING); bytes.length > 0;) {
      bytes = bytes.subarray(await connection.write(bytes));
    }
    await Promise.race([
      listener.subscribed,
      listener.ended.then((how) => Promise.reject(new Error(`It was ended ${how}`))),
    ]);
    return listener;
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(4096);
    let isOpen = false;
    for (;;) {
      const count = await this.#connection.read(chunk);
      if (count === null) return;
      this.#bytes = concat(this.#bytes, chunk.subarray(0, count)) as Uint8Array<ArrayBuffer>;
      if (!isOpen) {
        const end = new TextDecoder("latin1").decode(this.#bytes).indexOf("\r\n\r\n");
        if (end < 0) continue;
        this.#bytes = this.#bytes.slice(end + 4);
        isOpen = true;
      }
      for (let text = this.#message(); text !== null; text = this.#message()) this.#take(text);
    }
  }

  /** Cuts a message off what has come: a text frame of less than 64 KiB. */
  #message(): string | null {
    const [first = 0, short = 0, high = 0, low = 0] = this.#bytes;
    const [start, length] = short < 126 ? [2, short] : [4, high << 8 | low];
    if (this.#bytes.length < start || this.#bytes.length < start + length) return null;
    if (first !== 0x81 || short > 126) throw new Error(`with a frame of the type ${first}`);
    const text = new TextDecoder().decode(this.#bytes.subarray(start, start + length));
    this.#bytes = this.#bytes.slice(start + length);
    return text;
  }

  #take(text: string): void {
    const { type, n, end } = JSON.parse(text);
    if (type === "pong") this.#subscribed.resolve();
    else if (end) this.#finished.resolve();
    else this.numbers.push(n);
  }
}

function say(line: string): void {
  Deno.stdout.writeSync(utf8(`${line}\n`));
}

async function main([port, file = "", count]: readonly string[]): Promise<never> {
  const caCerts = [Deno.readTextFileSync(file)];
  const left = Array.from({ length: Number(count) }, (_, index) => index).values();
  const listeners: Listener[] = [];
  await Promise.all(Array.from({ length: LANES }, async () => {
    for (const _ of left) listeners.push(await Listener.open(Number(port), caCerts));
  }));
  for (const [index, { ended }] of listeners.entries()) {
    void ended.then((how) => say(`Browser ${index} was ended ${how}`));
  }
  say("Connected");
  await Promise.all(listeners.map(({ finished }) => finished));
  const lists = new Set(listeners.map(({ numbers }) => JSON.stringify(numbers)));
  const received: Received = {
    lists: [...lists].map((list) => JSON.parse(list)),
    browsers: listeners.length,
  };
  say(JSON.stringify(received));
  Deno.exit();
}

if (import.meta.main) await main(Deno.args);
