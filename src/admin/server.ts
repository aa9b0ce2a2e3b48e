/**
 * The admin server: Phorge and peers publish here, administrators look at the status.
 *
 * @module
 */

import { formatAddress } from "../config/config.ts";
import { asFingerprint } from "../hub/fingerprint.ts";
import { FINGERPRINT_HEADER, HANDOVER_HEADER } from "../hub/headers.ts";
import { DEFAULT_INSTANCE, type Hub, type Publication } from "../hub/hub.ts";
import { InvalidMessage, parseMessage } from "../hub/message.ts";
import { logger } from "../log/log.ts";
import { portReleased } from "../websocket/port.ts";
import type { TlsPair } from "../websocket/socket.ts";
import { within } from "../within.ts";
import { BodyTooLong, readBody } from "./body.ts";
import { statusOf } from "./status.ts";

/** Bytes of one posted message; more is answered with 413. */
export const BODY_LIMIT = 1024 * 1024;

/** Characters of an instance's name; more is answered with 400. */
export const INSTANCE_LIMIT = 256;

/** How long a server that ends waits for what is being received or answered, in ms. */
const GRACE_MS = 1000;

const STOPPING = "The server stops";
const RENEWING = "The server changes its certificate: send the message again";

/** Made once, as a receipt is what this server writes most. */
const RECEIPT = { headers: { "content-type": "application/json" } } as const;

const log = logger("admin");

/** Those to whom messages are passed on. */
export interface Relay {
  /** Passes a message on to all that lack it. Returns at once. */
  relay(instance: string, publication: Publication): void;
  /** A server with this fingerprint has asked for the status page. */
  heard(fingerprint: string): void;
  /** What the status page says of them. */
  status(): readonly unknown[];
}

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
export function listenAdmin(hub: Hub, relay: Relay, options: AdminServerOptions): AdminServer {
  return new HttpAdminServer(hub, relay, options);
}

class HttpAdminServer implements AdminServer {
  readonly finished: Promise<void>;
  readonly #hub: Hub;
  readonly #relay: Relay;
  readonly #options: AdminServerOptions;
  readonly #server: Deno.HttpServer;
  /** Messages that are being received. */
  #receiving = 0;
  #quiet = () => {};
  /** Whether the port was given up: the runtime reads no body to its end from then on. */
  #ended: Promise<void> | null = null;
  #released: Promise<void> | null = null;
  #refusing = false;

  constructor(hub: Hub, relay: Relay, options: AdminServerOptions) {
    const { hostname, port, tls } = options;
    this.#hub = hub;
    this.#relay = relay;
    this.#options = options;
    this.#server = Deno.serve(
      {
        hostname,
        port,
        ...(tls ? { key: tls.key, cert: tls.cert } : {}),
        onListen() {},
        onError(error) {
          log.error("Unexpected error while answering a request: {error}", { error });
          return Response.json({ error: "Internal error" }, { status: 500 });
        },
      },
      (request, { remoteAddr }) =>
        this.#answer(request, formatAddress(remoteAddr.hostname, remoteAddr.port)),
    );
    this.finished = this.#server.finished;
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

  async #answer(request: Request, remoteAddress: string): Promise<Response> {
    const target = URL.parse(request.url);
    if (!target) return refuse(400, "The request target is malformed", remoteAddress);
    const instance = target.searchParams.get("instance") || DEFAULT_INSTANCE;
    if (instance.length > INSTANCE_LIMIT) {
      return refuse(
        400,
        `An instance's name has at most ${INSTANCE_LIMIT} characters`,
        remoteAddress,
      );
    }
    switch (`${request.method} ${target.pathname}`) {
      case "POST /":
        return await this.#publish(instance, request, remoteAddress);
      case "GET /status/":
      case "HEAD /status/": {
        const fingerprint = asFingerprint(request.headers.get(FINGERPRINT_HEADER));
        if (fingerprint !== null) this.#relay.heard(fingerprint);
        return Response.json(statusOf(this.#hub.status(instance), this.#relay.status()));
      }
      default:
        return misdirected(request.method, target.pathname, remoteAddress);
    }
  }

  async #publish(
    instance: string,
    request: Request,
    remoteAddress: string,
  ): Promise<Response> {
    try {
      const body = await this.#receive(request);
      // Some listeners have been told to go, or are about to be.
      if (this.#refusing) return refuse(503, STOPPING, remoteAddress);
      const message = parseMessage(JSON.parse(body));
      const tracing = log.isEnabledFor("trace");
      if (tracing) log.trace("Received message ({instance}): {message}", { instance, message });
      const from = asFingerprint(request.headers.get(FINGERPRINT_HEADER));
      const publication = this.#hub.publish(instance, message, from);
      const { outcome, receivers } = publication;
      if (tracing) log.trace("It was {outcome}, receivers: {receivers}.", { outcome, receivers });
      if (
        outcome === "published" ||
        (outcome === "touched" && request.headers.has(HANDOVER_HEADER))
      ) this.#relay.relay(instance, publication);
      return new Response(`{"fingerprint":"${this.#hub.fingerprint}"}`, RECEIPT);
    } catch (error) {
      if (error instanceof BodyTooLong) {
        return refuse(413, `The body is longer than ${BODY_LIMIT} bytes`, remoteAddress);
      }
      if (error instanceof SyntaxError) {
        return refuse(400, "The body is not JSON", remoteAddress, error.message);
      }
      if (error instanceof InvalidMessage) return refuse(400, error.message, remoteAddress);
      if (this.#refusing) return refuse(503, STOPPING, remoteAddress);
      if (this.#ended !== null) return refuse(503, RENEWING, remoteAddress);
      return refuse(400, "The body did not arrive whole", remoteAddress, error);
    }
  }

  async #receive(request: Request): Promise<string> {
    this.#receiving++;
    try {
      return await readBody(request, BODY_LIMIT);
    } finally {
      if (--this.#receiving === 0) this.#quiet();
    }
  }
}

function misdirected(method: string, path: string, remoteAddress: string): Response {
  if (path === "/") {
    return refuse(405, `${method} is not for /: POST a message`, remoteAddress, undefined, {
      allow: "POST",
    });
  }
  return refuse(404, "There is nothing here: POST a message to /, or GET /status/", remoteAddress);
}

/**
 * An error as small JSON. The connection is closed after it: where a peer's `Content-Length` was
 * wrong, what follows in it is no request.
 */
function refuse(
  status: number,
  error: string,
  remoteAddress: string,
  detail?: unknown,
  headers: Record<string, string> = {},
): Response {
  const text = "<{remoteAddress}> Answered {status}: {error}";
  const values = { remoteAddress, status, error };
  if (detail === undefined) log.info(`${text}.`, values);
  else log.info(`${text}: {detail}`, { ...values, detail });
  return Response.json({ error }, { status, headers: { connection: "close", ...headers } });
}
