/**
 * One server of the configuration: bound to its address for as long as the service runs, whatever
 * happens to the runtime's servers and to its certificate.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { type ServerConfig, type ServerType, serverUrl } from "./config/config.ts";
import { formatAddress } from "./config/host_name.ts";
import type { TlsMaterial } from "./net/tls.ts";
import { Whole } from "./log/format.ts";
import { fault } from "./log/fault.ts";
import { logger } from "./log/log.ts";
import { labelled, type Metrics, single } from "./metrics/families.ts";
import type { SocketServer, SocketServerOptions } from "./websocket/socket.ts";
import { messageOf } from "./text.ts";

/** The wait before the next attempt to bind an address that could not be bound, in ms. */
const REBIND_INTERVAL_MS = 1000;

const log = logger("service");

/** The error of a service that cannot start, or cannot renew; the message says why and what to do, a problem a line. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** A server of the runtime that is bound to an address. */
export type Bound = Pick<SocketServer, "finished" | "refuse" | "shutdown" | "renew" | "release">;

/** An admin server or a client server, wherever and however often it is bound. */
export interface Bindable {
  /**
   * Binds the server.
   *
   * @throws {Error} The errors of `Deno.listen` and `Deno.serve`.
   */
  listen(address: Pick<SocketServerOptions, "hostname" | "port" | "tls">): Promise<Bound>;
  /** Returns the families of all servers that were bound. */
  metrics(): Partial<Metrics>;
}

/** The outcome of a change of the certificate. */
export interface Renewal {
  /** False if the server does not listen. */
  readonly ok: boolean;
  /** A sentence: what was done, or why it was not. */
  readonly line: string;
}

/** Options of a server. */
export interface ServerOptions {
  readonly entry: Bindable;
  readonly config: ServerConfig;
  /** Its index in `servers`. */
  readonly index: number;
  /** The certificate; `null`: plain text. */
  readonly tls: TlsMaterial | null;
  /** The signal that the service stops. */
  readonly stop: AbortSignal;
}

/** An admin server or a client server, bound while the service runs. */
export class Server {
  readonly type: ServerType;
  /** Its URL, such as `https://127.0.0.1:22281/`; a client server has `ws` or `wss`. */
  readonly url: string;
  readonly #options: ServerOptions;
  #tls: TlsMaterial | null;
  /** All servers that have not ended: the connections of an earlier one go on. */
  readonly #bound = new Set<Bound>();
  /** The server that accepts; `null` while it is being bound again. */
  #current: Bound | null = null;
  /** Resolves when nothing is being bound any more. */
  #binding: Promise<void> = Promise.resolve();

  constructor(options: ServerOptions) {
    const { config, tls } = options;
    this.#options = options;
    this.#tls = tls;
    this.type = config.type;
    this.url = serverUrl(config);
  }

  /** Tells whether the server accepts connections. */
  get isListening(): boolean {
    return this.#current !== null;
  }

  /** Returns the certificate's file; `null` without TLS. */
  get certificate(): string | null {
    return this.#options.config.tls?.cert ?? null;
  }

  /** Returns its families, with its URL as the label `server`. */
  metrics(): Partial<Metrics> {
    const listening = { aphlict_server_listening: single(Number(this.isListening)) };
    return labelled({ server: this.url }, { ...listening, ...this.#options.entry.metrics() });
  }

  /**
   * Binds the server. From then on it is bound again whenever it has stopped accepting.
   *
   * @throws {StartError} If it cannot be bound.
   */
  async bind(): Promise<void> {
    const { entry, config, index } = this.#options;
    const { listen: hostname, port } = config;
    const address = { hostname, port, tls: this.#tls };
    let server: Bound;
    try {
      server = await entry.listen(address);
    } catch (error) {
      // The system and the runtime report a bad address or certificate by other errors than these.
      if (isDefect(error)) throw error;
      throw new StartError(explainBindError(config, index, error));
    }
    // The certificate may have been renewed meanwhile.
    if (this.#tls !== null && this.#tls !== address.tls) server.renew?.(this.#tls);
    this.#bound.add(server);
    this.#current = server;
    void this.#watch(server);
  }

  /**
   * Uses another certificate for connections that are made from now on, and resolves when it is in use. A server on
   * `Deno.serve` cannot change its certificate and is bound again. A failure then is logged, returned once, and
   * retried until the service stops.
   */
  async renew(tls: TlsMaterial): Promise<Renewal> {
    const { url } = this;
    const uses = `The server at ${url} uses ${this.#options.config.tls?.cert} as it is now`;
    const done = (line: string) => ({ ok: true, line });
    this.#tls = tls;
    const server = this.#current;
    // A server that is being bound uses it, or is told to when it has been bound.
    if (server === null) return done(`${uses} when it has been bound again.`);
    if (server.renew !== undefined) {
      server.renew(tls);
      return done(`${uses}, for new connections; the others stay.`);
    }
    this.#current = null;
    const replaced = this.#replace(server);
    this.#binding = replaced.then((problem) => problem === null ? undefined : this.#bindAgain());
    const problem = await replaced;
    if (problem !== null) return { ok: false, line: `${problem} It is tried again every second.` };
    if (this.type === "admin") return done(`${uses}.`);
    return done(
      `${uses}. Its connections were ended with 1001, because the engine "serve" cannot keep ` +
        'them: the engine "socket" can.',
    );
  }

  /** Stops accepting, as early as its engine can. */
  refuse(): void {
    for (const server of this.#bound) server.refuse();
  }

  /** Shuts the server down, see `Service.stop`. */
  async shutdown(drainMs: number): Promise<void> {
    await Promise.all([...this.#bound].map((server) => server.shutdown(drainMs)));
    // The stop may have come while the server was being bound.
    await this.#binding;
    await Promise.all([...this.#bound].map((server) => server.shutdown(drainMs)));
  }

  /**
   * Binds the server again when it has stopped accepting. The runtime gives up on a server for good when it cannot
   * accept one connection. That happens when too many files are open, which outsiders can cause. Accepted
   * connections go on.
   */
  async #watch(server: Bound): Promise<void> {
    const { type, url } = this;
    try {
      await server.finished;
      this.#bound.delete(server);
    } catch (error) {
      if (this.#current !== server || this.#options.stop.aborted) return;
      log.error("The {type} server at {url} accepts no more: {error}. Binding it again.", {
        type,
        url,
        error,
      });
      this.#current = null;
      this.#binding = this.#bindAgain();
      await this.#binding;
      if (this.#current) log.info("The {type} server at {url} accepts again.", { type, url });
    }
  }

  /** @returns The reason why it could not be bound; `null` when it was, or is not to be any more. */
  async #replace(server: Bound): Promise<string | null> {
    const { stop } = this.#options;
    await server.release?.();
    if (stop.aborted) return null;
    try {
      await this.bind();
      return null;
    } catch (error) {
      if (!(error instanceof StartError)) {
        fault("binding a server again", error);
        return `The server at ${this.url} is not bound again: the log has an internal error.`;
      }
      log.error("{problem}", { problem: new Whole(error.message) });
      return error.message;
    }
  }

  async #bindAgain(): Promise<void> {
    const { stop } = this.#options;
    let told = "";
    while (!stop.aborted) {
      // An abort rejects it.
      await pause(REBIND_INTERVAL_MS, null, { signal: stop }).catch(() => {});
      if (stop.aborted) return;
      try {
        return await this.bind();
      } catch (error) {
        if (!(error instanceof StartError)) fault("binding a server again", error);
        else if (error.message !== told) {
          log.error("{problem}", { problem: new Whole(error.message) });
          told = error.message;
        }
      }
    }
  }
}

/** Tells whether an error is one that only a mistake in the program causes. */
function isDefect(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError ||
    error instanceof ReferenceError;
}

/** Returns why an address cannot be bound, and what to do about it. */
export function explainBindError(server: ServerConfig, index: number, error: unknown): string {
  const { type, listen: hostname, port } = server;
  const what = `Cannot bind ${type} server ${formatAddress(hostname, port)}: `;
  const key = (name: string) => `"${name}" of servers[${index}]`;
  if (error instanceof Deno.errors.AddrInUse) {
    return `${what}the address is already in use. Stop the other program or set ${key("port")}.`;
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return `${what}this host has no such address. Set ${key("listen")} to one that it has.`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${what}the system does not let this user bind it. Ports below 1024 are reserved: set ` +
      `${key("port")} to a higher one.`;
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `${what}the process was started without the permission. Start it with bin/aphlict, or ` +
      "with the flags that `aphlict permissions` prints.";
  }
  const reason = messageOf(error);
  return `${what}${reason}. Correct ${key("listen")}.`;
}
