/**
 * The admin server: Phorge and peers publish here, administrators look at the status.
 *
 * @module
 */

import { formatAddress } from "../config/config.ts";
import { DEFAULT_INSTANCE, type Hub } from "../hub/hub.ts";
import { InvalidMessage, parseMessage } from "../hub/message.ts";
import { logger } from "../log/log.ts";
import type { TlsPair } from "../websocket/socket.ts";
import { BodyTooLong, readBody } from "./body.ts";
import { statusOf } from "./status.ts";

/** Bytes of one posted message; more is answered with 413. */
export const BODY_LIMIT = 1024 * 1024;

/** Characters of an instance's name; more is answered with 400. */
export const INSTANCE_LIMIT = 256;

/** Made once, as a receipt is what this server writes most. */
const RECEIPT = { headers: { "content-type": "application/json" } } as const;

const log = logger("admin");

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
  /** Resolves after `shutdown`; rejects when the server accepts no more on its own account. */
  readonly finished: Promise<void>;
  /** Accepts no more, and resolves when what is being answered has been. */
  shutdown(): Promise<void>;
}

/**
 * Binds an admin server before it returns, and serves on it from the next turn of the event loop.
 *
 * @throws {Error} What `Deno.serve` throws when it cannot bind or the certificate is no good.
 */
export function listenAdmin(hub: Hub, options: AdminServerOptions): AdminServer {
  const { hostname, port, tls } = options;
  const server = Deno.serve(
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
      answer(hub, request, formatAddress(remoteAddr.hostname, remoteAddr.port)),
  );
  return {
    finished: server.finished,
    shutdown: () => server.shutdown(),
  };
}

async function answer(hub: Hub, request: Request, remoteAddress: string): Promise<Response> {
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
      return await publish(hub, instance, request, remoteAddress);
    case "GET /status/":
    case "HEAD /status/":
      return Response.json(statusOf(hub.status(instance)));
    default:
      return misdirected(request.method, target.pathname, remoteAddress);
  }
}

async function publish(
  hub: Hub,
  instance: string,
  request: Request,
  remoteAddress: string,
): Promise<Response> {
  try {
    const message = parseMessage(JSON.parse(await readBody(request, BODY_LIMIT)));
    const tracing = log.isEnabledFor("trace");
    if (tracing) log.trace("Received message ({instance}): {message}", { instance, message });
    const { outcome, receivers } = hub.publish(instance, message);
    if (tracing) log.trace("It was {outcome}, receivers: {receivers}.", { outcome, receivers });
    return new Response(`{"fingerprint":"${hub.fingerprint}"}`, RECEIPT);
  } catch (error) {
    if (error instanceof BodyTooLong) {
      return refuse(413, `The body is longer than ${BODY_LIMIT} bytes`, remoteAddress);
    }
    if (error instanceof SyntaxError) {
      return refuse(400, "The body is not JSON", remoteAddress, error.message);
    }
    if (error instanceof InvalidMessage) return refuse(400, error.message, remoteAddress);
    return refuse(400, "The body did not arrive whole", remoteAddress, error);
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
