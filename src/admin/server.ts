/**
 * The admin server: Phorge and peers publish here, administrators look at how it is.
 *
 * @module
 */

import { formatAddress } from "../config/config.ts";
import { portReleased } from "../websocket/port.ts";
import type { TlsPair } from "../websocket/socket.ts";
import { within } from "../within.ts";
import { answerFault, Desk, type DeskOptions, type Port } from "./desk.ts";

/** How long a server that ends waits for what is being received or answered, in ms. */
const GRACE_MS = 1000;

/** Where and how to listen. */
export interface AdminServerOptions {
  /** Address or host name to bind. */
  readonly hostname: string;
  readonly port: number;
  /** `null`: plain text. */
  readonly tls: TlsPair | null;
}

/** A bound server. */
export interface AdminServer {
  /** Resolves after `release` or `shutdown`; rejects when it accepts no more on its own account. */
  readonly finished: Promise<void>;
  /**
   * Gives the port up, for another server to be bound to it, and resolves when it is free. Requests
   * that have been received are answered. A message that is being received then is waited for, 1 s
   * at most; if it still is not whole, it is refused with 503.
   */
  release(): Promise<void>;
  /** Accepts no more, and refuses each message that has not been published yet with 503. */
  refuse(): void;
  /** The same, and resolves when everything has been answered, or after 1 s. */
  shutdown(): Promise<void>;
}

/**
 * Binds an admin server before it returns, and serves on it from the next turn of the event loop.
 *
 * @throws {Error} What `Deno.serve` throws when it cannot bind or the certificate is no good.
 */
export function listenAdmin(desk: DeskOptions, options: AdminServerOptions): AdminServer {
  return new HttpAdminServer(new Desk(desk), options);
}

class HttpAdminServer implements AdminServer, Port {
  readonly finished: Promise<void>;
  readonly #options: AdminServerOptions;
  readonly #server: Deno.HttpServer;
  /** Messages that are being received. */
  #receiving = 0;
  #quiet = () => {};
  /** Whether the port was given up: the runtime reads no body to its end from then on. */
  #ended: Promise<void> | null = null;
  #released: Promise<void> | null = null;
  #refusing = false;

  constructor(desk: Desk, options: AdminServerOptions) {
    const { hostname, port, tls } = options;
    this.#options = options;
    this.#server = Deno.serve(
      {
        hostname,
        port,
        ...(tls ? { key: tls.key, cert: tls.cert } : {}),
        onListen() {},
        onError: answerFault,
      },
      (request, { remoteAddr: { hostname: host, port } }) =>
        desk.answer(request, { host, name: formatAddress(host, port) }, this),
    );
    this.finished = this.#server.finished;
  }

  get isStopping(): boolean {
    return this.#refusing;
  }

  get isReleased(): boolean {
    return this.#ended !== null;
  }

  async receive<T>(message: Promise<T>): Promise<T> {
    this.#receiving++;
    try {
      return await message;
    } finally {
      if (--this.#receiving === 0) this.#quiet();
    }
  }

  async release(): Promise<void> {
    if (this.#receiving > 0) {
      const quiet = new Promise<void>((resolve) => this.#quiet = resolve);
      await within(GRACE_MS, quiet);
    }
    this.#end();
    await this.#released;
  }

  refuse(): void {
    this.#refusing = true;
    this.#end();
  }

  async shutdown(): Promise<void> {
    this.refuse();
    await within(GRACE_MS, Promise.all([this.#end(), this.#released]));
  }

  #end(): Promise<void> {
    const { hostname, port } = this.#options;
    this.#ended ??= this.#server.shutdown();
    this.#released ??= portReleased(hostname, port);
    return this.#ended;
  }
}
