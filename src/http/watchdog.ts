/**
 * Notices when the runtime has stopped accepting connections.
 *
 * When `accept` fails once (too many open files, a connection aborted at the wrong moment), the
 * streams' server neither tells nor ever accepts again (Deno 2.9.6). The only way to find out is to
 * knock: a server that was quiet for a while connects to itself.
 *
 * @module
 */

import { connect, type Socket as Stream } from "node:net";

/** Ticks without a new connection after which it knocks. */
const QUIET_TICKS = 5;

/** Ticks that any connection then has to be accepted in, once the kernel has taken the knock. */
const TIMEOUT_TICKS = 3;

/** Ticks that the kernel has to take the knock in. It takes none when too many wait already. */
const QUEUE_TICKS = 10;

/** Watches one server. */
export class Watchdog {
  readonly #host: string;
  readonly #port: number;
  readonly #cannotKnock: (error: Error) => void;
  #quiet = 0;
  #knock: Stream | null = null;
  /** Ticks since it knocked, and since the kernel took the knock. */
  #waited = 0;
  #taken = 0;

  /**
   * @param host The address that the server is bound to.
   * @param cannotKnock Is told why it cannot connect, as when there are too many open files.
   */
  constructor(host: string, port: number, cannotKnock: (error: Error) => void) {
    this.#host = host;
    this.#port = port;
    this.#cannotKnock = cannotKnock;
  }

  /** Tells whether a connection of its own is awaited. */
  get isKnocking(): boolean {
    return this.#knock !== null;
  }

  /** The server has accepted a connection. It may be the watchdog's own: it sends nothing and ends. */
  accepted(): void {
    this.#quiet = 0;
    this.stop();
  }

  /** Tells whether the server accepts no more. Call it about once a second. */
  tick(): boolean {
    if (this.#knock === null) {
      if (++this.#quiet >= QUIET_TICKS) this.#start();
      return false;
    }
    this.#waited++;
    if (!this.#knock.connecting) this.#taken++;
    return this.#taken > TIMEOUT_TICKS || this.#waited > QUEUE_TICKS;
  }

  stop(): void {
    this.#knock?.destroy();
    this.#knock = null;
  }

  #start(): void {
    this.#waited = 0;
    this.#taken = 0;
    const knock = connect({ host: this.#host, port: this.#port });
    this.#knock = knock;
    knock.on("error", (error) => {
      // Nothing is known of the server; it is asked again.
      if (this.#knock === knock) this.accepted();
      this.#cannotKnock(error);
    });
  }
}
