/**
 * The service: a configuration becomes bound servers around one hub.
 *
 * @module
 */

import { listenAdmin } from "./admin/server.ts";
import { acceptClients, NOT_A_WEBSOCKET } from "./client/server.ts";
import {
  type Config,
  type Engine,
  formatAddress,
  type ServerConfig,
  type ServerType,
} from "./config/config.ts";
import { readTls, TlsError, type TlsMaterial } from "./config/tls.ts";
import { generateFingerprint } from "./hub/fingerprint.ts";
import { Hub } from "./hub/hub.ts";
import { Allowance } from "./log/allowance.ts";
import { Whole } from "./log/format.ts";
import { logger } from "./log/log.ts";
import { listen as listenOnStreams } from "./websocket/net.ts";
import { listen as listenOnServe } from "./websocket/serve.ts";
import { DEFAULT_LIMITS, type SocketServer, type SocketServerOptions } from "./websocket/socket.ts";

/** How often a quiet hub forgets what is too old, in ms. */
const EXPIRE_INTERVAL_MS = 10_000;

/** How long to wait before an address is bound again that could not be, in ms. */
const REBIND_INTERVAL_MS = 1000;

/** A server that listens. */
export interface Listening {
  readonly type: ServerType;
  /** Where it is reached, such as `https://127.0.0.1:22281/`; a client server has `ws` or `wss`. */
  readonly url: string;
}

/** A running service. */
export interface Service {
  readonly fingerprint: string;
  readonly listening: readonly Listening[];
  /**
   * Reads the keys and certificates again and uses them for new connections; those that there are stay.
   * What cannot be used is logged, and the old one stays in use.
   */
  renewCertificates(): void;
  /**
   * Accepts no more, closes every listener with 1001 and resolves when all servers are down. It may
   * never resolve when a connection is stuck: the caller sets a deadline.
   */
  stop(drainMs: number): Promise<void>;
}

/** The service cannot start; the message says why and what to do, one problem a line. */
export class StartError extends Error {
  override readonly name = "StartError";
}

const log = logger("service");

/**
 * Starts all servers of a configuration, or none.
 *
 * Everything is bound in one go. When one server cannot be bound, the others are free again before
 * this rejects.
 *
 * @throws {StartError} If a certificate cannot be used, or with every address that cannot be bound.
 */
export async function startService(config: Config): Promise<Service> {
  const hub = new Hub({ fingerprint: generateFingerprint(), now: () => performance.now() });
  const options = clientOptions(hub);
  const servers = config.servers.map((server, index) => new Server(hub, options, server, index));
  const attempts = await Promise.allSettled(servers.map((server) => server.bind()));
  const errors = attempts.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
  if (errors.length > 0) {
    await Promise.all(servers.map((server) => server.shutdown()));
    throw errors.find((error) => !(error instanceof StartError)) ??
      new StartError(errors.map(({ message }) => message).join("\n"));
  }
  const expiry = setInterval(() => hub.expire(), EXPIRE_INTERVAL_MS);
  const stopping = new AbortController();
  for (const server of servers) void server.keepServing(stopping.signal);
  return {
    fingerprint: hub.fingerprint,
    listening: servers,
    renewCertificates() {
      for (const server of servers) server.renewCertificate();
    },
    async stop(_drainMs: number) {
      clearInterval(expiry);
      stopping.abort();
      await Promise.all(servers.map((server) => server.shutdown()));
    },
  };
}

/** One server of the configuration, on one address for as long as the service runs. */
class Server implements Listening {
  readonly type: ServerType;
  readonly url: string;
  readonly #hub: Hub;
  readonly #clientOptions: ClientOptions;
  readonly #config: ServerConfig;
  readonly #index: number;
  #tls: TlsMaterial | null;
  /** As often as it was bound; the connections of an earlier time go on. */
  readonly #bound: BoundServer[] = [];

  /** @throws {StartError} If its certificate cannot be used. */
  constructor(hub: Hub, clientOptions: ClientOptions, config: ServerConfig, index: number) {
    this.#hub = hub;
    this.#clientOptions = clientOptions;
    this.#config = config;
    this.#index = index;
    this.type = config.type;
    this.url = `${SCHEMES[config.type]}${config.tls ? "s" : ""}://` +
      `${formatAddress(config.listen, config.port)}/`;
    this.#tls = this.#readTls();
  }

  /** @throws {StartError} If it cannot be bound. */
  async bind(): Promise<void> {
    const { type, listen: hostname, port, engine } = this.#config;
    const address = { hostname, port, tls: this.#tls };
    try {
      this.#bound.push(
        type === "admin"
          ? listenAdmin(this.#hub, address)
          : await ENGINES[engine]({ ...address, ...this.#clientOptions }),
      );
    } catch (error) {
      throw new StartError(explainBindError(this.#config, this.#index, error));
    }
  }

  /**
   * Binds it again whenever it has stopped accepting. The runtime gives up on a server for good when
   * it cannot accept one connection, as when too many files are open, which anybody can bring about;
   * connections that it has accepted go on.
   */
  async keepServing(stop: AbortSignal): Promise<void> {
    const { type, url } = this;
    while (!stop.aborted) {
      try {
        await this.#bound.at(-1)?.finished;
        return;
      } catch (error) {
        log.error("The {type} server at {url} accepts no more: {error}. Binding it again.", {
          type,
          url,
          error,
        });
      }
      await this.#bindAgain(stop);
      if (!stop.aborted) log.info("The {type} server at {url} accepts again.", { type, url });
    }
    // Where the stop came while it was being bound.
    await this.shutdown();
  }

  async #bindAgain(stop: AbortSignal): Promise<void> {
    let told = "";
    while (!stop.aborted) {
      await pause(REBIND_INTERVAL_MS, stop);
      if (stop.aborted) return;
      try {
        return await this.bind();
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        if (error.message !== told) log.error("{problem}", { problem: new Whole(error.message) });
        told = error.message;
      }
    }
  }

  /** See {@linkcode Service.renewCertificates}. */
  renewCertificate(): void {
    const cert = this.#config.tls?.cert;
    if (cert === undefined) return;
    const { url } = this;
    try {
      const tls = this.#readTls();
      const server = this.#bound.at(-1);
      if (tls === null || server === undefined) return;
      if (server.renew === undefined) {
        log.warning("The server at {url} keeps its certificate until a restart.", { url });
        return;
      }
      server.renew(tls);
      this.#tls = tls;
      log.info("The server at {url} uses {cert} as it is now, for new connections.", { url, cert });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error("The server at {url} keeps its certificate: {reason}", { url, reason });
    }
  }

  /** See {@linkcode Service.stop}. */
  async shutdown(): Promise<void> {
    await Promise.all(this.#bound.map((server) => server.shutdown()));
  }

  #readTls(): TlsMaterial | null {
    const { tls } = this.#config;
    if (!tls) return null;
    try {
      const material = readTls(tls);
      if (material.expires.getTime() < Date.now()) {
        log.warning("Certificate {cert} expired on {expires}: browsers will refuse it. Renew it.", {
          cert: tls.cert,
          expires: material.expires.toISOString(),
        });
      }
      return material;
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
      throw new StartError(
        error.problems.map(({ key, message }) => `servers[${this.#index}].${key}: ${message}`)
          .join("\n"),
      );
    }
  }
}

type ClientOptions = Omit<SocketServerOptions, "hostname" | "port" | "tls">;

/** What an admin server and a socket server have in common. */
type BoundServer = Pick<SocketServer, "finished" | "renew" | "shutdown">;

const SCHEMES: Readonly<Record<ServerType, string>> = { admin: "http", client: "ws" };

const ENGINES: Readonly<Record<Engine, (options: SocketServerOptions) => Promise<SocketServer>>> = {
  socket: listenOnStreams,
  serve: listenOnServe,
};

/** What all client servers of the service have in common. */
function clientOptions(hub: Hub): ClientOptions {
  const troubles = new Allowance(() => {}, { lines: 1, periodMs: 60_000 });
  const refusals = new Allowance((count) =>
    log.warning("{count} more WebSockets were refused in the last minute.", { count })
  );
  return {
    limits: DEFAULT_LIMITS,
    otherwise: NOT_A_WEBSOCKET,
    accept: acceptClients(hub),
    trouble(message) {
      if (troubles.take()) log.warning("{message}.", { message: new Whole(message) });
    },
    refused(remoteAddress, reason) {
      if (!refusals.take()) return;
      log.info("<{remoteAddress}> Refused a WebSocket: {reason}.", { remoteAddress, reason });
    },
  };
}

/** Resolves after `ms`, or at once when `stop` is aborted. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener("abort", end);
  });
}

/** Why an address cannot be bound, and what to do about it. */
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
  const reason = error instanceof Error ? error.message : String(error);
  if (server.tls) {
    return `${what}${reason}. Correct ${key("listen")}, or ${key("ssl.key")} and ` +
      `${key("ssl.cert")}: the runtime takes RSA keys of 2048 bits and more, P-256, P-384, P-521 ` +
      "and Ed25519.";
  }
  return `${what}${reason}. Correct ${key("listen")}.`;
}
