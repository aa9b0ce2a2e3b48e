/**
 * The engines that the acceptance tests run on. A test that names no engine runs on the default one, or
 * on the one that the environment variable `APHLICT_ENGINE` names: `deno task test-serve` names `serve`.
 *
 * @module
 */

import type { Engine } from "../../src/config/config.ts";

const named = Deno.env.get("APHLICT_ENGINE");
if (named !== undefined && named !== "socket" && named !== "serve") {
  throw new Error(`APHLICT_ENGINE is ${named}. Set it to socket or serve, or unset it.`);
}

/** The engine of every server that names none; `null`: the default of the configuration. */
export const ENGINE: Engine | null = named ?? null;

/** The engines of a test that runs on each: both, or the one of `APHLICT_ENGINE`. */
export const ENGINES: readonly Engine[] = ENGINE === null ? ["socket", "serve"] : [ENGINE];

/** Whether a type of server has the key `engine`. */
export function hasEngine(type: unknown): boolean {
  return type === "client" || type === "admin";
}

/**
 * `limit.connections` of a client server on the engine `serve` that names no other: a connection takes more
 * memory there, and a service with the default of 50,000 would warn of that on a small machine.
 */
const SERVE_CONNECTIONS = 10_000;

/** Adds the engine of `APHLICT_ENGINE` to an entry of `servers` that names none. */
export function withEngine(server: object): object {
  const { type, engine }: { type?: unknown; engine?: unknown } = server;
  if (engine !== undefined || ENGINE === null || !hasEngine(type)) return server;
  const limit = ENGINE === "serve" && type === "client"
    ? { "limit.connections": SERVE_CONNECTIONS }
    : {};
  return { ...limit, ...server, engine: ENGINE };
}

/** {@linkcode withEngine} for all `servers` of a configuration that has some. */
export function withEngines(config: Record<string, unknown>): Record<string, unknown> {
  const { servers } = config;
  return Array.isArray(servers) ? { ...config, servers: servers.map(withEngine) } : config;
}

const PORT = "Deno.serve cannot close its port and keep its connections";
const CERTIFICATE = "Deno.serve cannot take another certificate: the server ends its connections";
const H2C = "Deno.serve answers 400 to `Upgrade: h2c` by itself";
const FRAGMENTS = "Deno.upgradeWebSocket joins fragments without a limit, and shows none of them";
const UNMASKED = "Deno.upgradeWebSocket takes frames without a mask";
const UNREAD = "a connection that reads nothing stays until its other end goes";
const SLOW = "Deno.serve waits without a limit for a handshake of TLS, and for a request";
const CODES = "Deno.upgradeWebSocket ends a connection without the close code of our limit";

/**
 * The tests that do not hold on the engine `serve`, each with the reason. What an administrator has to know
 * of it stands in docs/decisions/0005-limits-of-the-serve-engine.md.
 */
export const NOT_ON_SERVE: Readonly<Record<string, string>> = {
  "check says OK with a summary, and leaves nothing behind":
    "the summary names an engine that is not the default",
  "a hint that is too small for the connections is warned of at the start":
    "the warning tells how many connections fit, and one takes more memory there",
  "a start right after the supervisor was killed finds the ports free": PORT,
  "a service that stops is told to stop, while its browsers are told to go": PORT,
  "the ports are closed at once, while the browsers are drained (socket engine)": PORT,
  "messages that Java's HTTP client posts, offering h2c, are taken and delivered": H2C,
  "the client port answers 501 to Java's HTTP client, which offers h2c": H2C,
  "SIGHUP uses a renewed certificate for new connections, and a bad one is refused": CERTIFICATE,
  "certificates are renewed under load: no browser is ended, no message refused or lost":
    CERTIFICATE,
  "the service survives endless fragments of one message": FRAGMENTS,
  "the service survives fragments of nothing, by the ten thousand": FRAGMENTS,
  "the service survives a frame that announces 8 GiB": CODES,
  "the service survives replays by the thousand, of a full history that none of them wants": CODES,
  "the service survives frames without a mask, with reserved bits, of unknown kinds": UNMASKED,
  "the service survives a flood of bad clients, in the log": UNMASKED,
  "the service survives 300 requests that never end, and 300 connections that say nothing": SLOW,
  "the service survives heads that are too long, and bytes that are no HTTP": SLOW,
  "the service survives garbage, silence and alerts in place of TLS": SLOW,
  "the service survives a request that takes longer than timeout.handshake": SLOW,
  "the service survives clients that send without end and never read the answers": UNREAD,
  "the service survives the same floods over TLS": UNREAD,
  "the service survives a browser that reads nothing, up to limit.backlog and no further": UNREAD,
  "the service survives silence, which is answered with a ping after timeout.idle":
    "Deno.upgradeWebSocket sends its ping at a time of its own",
};

/** Declares a test, which may be one of {@linkcode NOT_ON_SERVE}. */
export function testOnEngine(name: string, test: () => Promise<void>): void {
  if (Object.hasOwn(NOT_ON_SERVE, name)) testNotOnServe(name, test);
  else Deno.test(name, test);
}

/** Declares a test of {@linkcode NOT_ON_SERVE}; there is none while `APHLICT_ENGINE` is `serve`. */
export function testNotOnServe(name: string, test: () => Promise<void>): void {
  if (!Object.hasOwn(NOT_ON_SERVE, name)) throw new Error(`NOT_ON_SERVE has no reason: ${name}`);
  if (ENGINE !== "serve") Deno.test(name, test);
}
