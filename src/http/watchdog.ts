/**
 * Detects that the runtime has stopped accepting connections.
 *
 * After one failed `accept` (too many open files, a connection aborted at the wrong moment), the streams' server
 * neither reports it nor ever accepts again (Deno 2.9.6). The only way to detect this is to connect: a server without
 * new connections for a while connects to itself.
 *
 * @module
 */

import { connect, type Socket as Stream } from "node:net";

/** The ticks without a new connection after which it connects. */
const QUIET_TICKS = 5;

/** The ticks in which any connection has to be accepted, after the kernel has queued the watchdog's own. */
const TIMEOUT_TICKS = 3;

/** The ticks in which the kernel has to queue the connection. It queues none when too many wait already. */
const QUEUE_TICKS = 10;

/** The watchdog of one server. */
export class Watchdog {
  readonly #host: string;
  readonly #port: number;
  readonly #cannotKnock: (error: Error) => void;
  #quiet = 0;
  #knock: Stream | null = null;
  /** The ticks since it began to connect, and since the kernel queued the connection. */
  #waited = 0;
  #taken = 0;

  /**
   * @param host The address that the server is bound to.
   * @param cannotKnock Receives the error when it cannot connect, as when there are too many open files.
   */
  constructor(host: string, port: number, cannotKnock: (error: Error) => void) {
    this.#host = host;
    this.#port = port;
    this.#cannotKnock = cannotKnock;
  }

  /** Tells whether the watchdog's own connection is awaited. */
  get isKnocking(): boolean {
    return this.#knock !== null;
  }

  /** Notes that the server has accepted a connection. It may be the watchdog's own, which sends nothing and ends. */
  accepted(): void {
    this.#quiet = 0;
    this.stop();
  }

  /** Tells whether the server accepts no more. To be called about once a second. */
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
      // The state of the server is unknown; a later tick tries again.
      if (this.#knock === knock) this.accepted();
      this.#cannotKnock(error);
    });
  }
}
