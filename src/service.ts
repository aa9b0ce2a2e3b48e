/**
 * The service: a configuration becomes bound servers around one hub.
 *
 * @module
 */

import { listenAdmin } from "./admin/server.ts";
import { acceptClient, NOT_A_WEBSOCKET } from "./client/server.ts";
import { type Config, formatAddress, type ServerConfig, type ServerType } from "./config/config.ts";
import { readTls, TlsError, type TlsMaterial } from "./config/tls.ts";
import { generateFingerprint } from "./hub/fingerprint.ts";
import { Hub } from "./hub/hub.ts";
import { logger } from "./log/log.ts";
import { listen } from "./websocket/serve.ts";

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
   * Accepts no more, closes every listener with 1001 and resolves when all servers are down. It may
   * never resolve when a connection is stuck: the caller sets a deadline.
   */
  stop(): Promise<void>;
}

/** The service cannot start; the message says why and what to do, one problem a line. */
export class StartError extends Error {
  override readonly name = "StartError";
}

interface Bound extends Listening {
  readonly finished: Promise<void>;
  shutdown(): Promise<void>;
}

const log = logger("service");

/**
 * Starts all servers of a configuration, or none.
 *
 * Everything is read and bound in one turn of the event loop, so that no server answers before the
 * last one is bound. When one cannot be bound, the others are free again before this rejects.
 *
 * @throws {StartError} If a certificate cannot be used or an address cannot be bound.
 */
export async function startService(config: Config): Promise<Service> {
  const hub = new Hub({ fingerprint: generateFingerprint(), now: () => performance.now() });
  const tls = config.servers.map(readServerTls);
  const bound: Bound[] = [];
  const binders = config.servers.map((server, index) => () => {
    const again = bind(hub, server, index, tls[index] ?? null);
    bound.push(again);
    return again;
  });
  const listening: Bound[] = [];
  try {
    for (const binder of binders) listening.push(binder());
  } catch (error) {
    await Promise.all(bound.map((server) => server.shutdown()));
    throw error;
  }
  const expiry = setInterval(() => hub.expire(), EXPIRE_INTERVAL_MS);
  const stopping = new AbortController();
  for (const [index, binder] of binders.entries()) {
    const server = listening[index];
    if (server) void keepServing(server, binder, stopping.signal);
  }
  return {
    fingerprint: hub.fingerprint,
    listening,
    async stop() {
      clearInterval(expiry);
      stopping.abort();
      await Promise.all(bound.map((server) => server.shutdown()));
    },
  };
}

/**
 * Binds a server again whenever it has stopped accepting. The runtime gives up on a server for good
 * when it cannot accept one connection, as when too many files are open, which anybody can bring
 * about; connections that it has accepted go on.
 */
async function keepServing(
  server: Bound,
  bindAgain: () => Bound,
  stop: AbortSignal,
): Promise<void> {
  try {
    await server.finished;
    return;
  } catch (error) {
    log.error("The {type} server at {url} accepts no more: {error}. Binding it again.", {
      type: server.type,
      url: server.url,
      error,
    });
  }
  while (!stop.aborted) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, REBIND_INTERVAL_MS);
      stop.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve(null);
      }, { once: true });
    });
    if (stop.aborted) return;
    try {
      const again = bindAgain();
      log.info("The {type} server at {url} accepts again.", { type: again.type, url: again.url });
      return await keepServing(again, bindAgain, stop);
    } catch (error) {
      // It has been told of; the next try may do better.
      if (!(error instanceof StartError)) throw error;
    }
  }
}

function readServerTls({ tls }: ServerConfig, index: number): TlsMaterial | null {
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
      error.problems.map(({ key, message }) => `servers[${index}].${key}: ${message}`).join("\n"),
    );
  }
}

function bind(hub: Hub, server: ServerConfig, index: number, tls: TlsMaterial | null): Bound {
  const { type, listen: hostname, port } = server;
  try {
    if (type === "admin") {
      const { finished, shutdown } = listenAdmin(hub, { hostname, port, tls });
      return {
        finished,
        type,
        url: `${tls ? "https" : "http"}://${formatAddress(hostname, port)}/`,
        shutdown,
      };
    }
    const { finished, shutdown } = listen({
      hostname,
      port,
      tls,
      accept: (socket) => acceptClient(hub, socket),
      refused: (remoteAddress, reason) =>
        log.info("<{remoteAddress}> Refused a WebSocket: {reason}", { remoteAddress, reason }),
      otherwise: NOT_A_WEBSOCKET,
    });
    return {
      finished,
      type,
      url: `${tls ? "wss" : "ws"}://${formatAddress(hostname, port)}/`,
      shutdown,
    };
  } catch (error) {
    throw new StartError(explainBindError(server, index, error));
  }
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
