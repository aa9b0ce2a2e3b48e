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

/** Ticks that it then waits for any connection to be accepted. */
const PATIENCE_TICKS = 3;

/** Watches one server. */
export class Watchdog {
  readonly #host: string;
  readonly #port: number;
  #quiet = 0;
  #knock: Stream | null = null;

  /** The address that the server is bound to. */
  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  /** The server has accepted a connection. It may be the watchdog's own: it sends nothing and ends. */
  accepted(): void {
    this.#quiet = 0;
    this.stop();
  }

  /** Whether the server accepts no more. Call it about once a second. */
  tick(): boolean {
    this.#quiet++;
    if (this.#quiet < QUIET_TICKS) return false;
    if (this.#knock === null) {
      this.#quiet = QUIET_TICKS;
      this.#knock = connect({ host: this.#host, port: this.#port });
      // As when there are too many open files: nothing is known, it knocks again.
      this.#knock.on("error", () => this.accepted());
      return false;
    }
    return this.#quiet >= QUIET_TICKS + PATIENCE_TICKS;
  }

  stop(): void {
    this.#knock?.destroy();
    this.#knock = null;
  }
}
