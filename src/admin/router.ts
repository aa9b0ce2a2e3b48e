/**
 * The router of an admin server: its routes, and the rejection of requests.
 *
 * @module
 */

import type { Budget } from "../budget.ts";
import { freeBytes } from "../bytes.ts";
import { type AdminLimits } from "../config/config.ts";
import { formatAddress } from "../config/host_name.ts";
import { isAddressInUrl } from "../config/host_name.ts";
import { HTTP_REFUSALS, type HttpRefusal } from "../http/engine.ts";
import type { HttpRequest, Remote } from "../http/handler.ts";
import { BodyError, BodyInterrupted, BodyTooLong, BodyTooSlow, NoRoom } from "../http/reception.ts";
import { asFingerprint } from "../hub/fingerprint.ts";
import {
  CHALLENGE_HEADER,
  DELEGATE_HEADER,
  FINGERPRINT_HEADER,
  RECEIPT_HEADER,
} from "../hub/headers.ts";
import { within } from "../within.ts";
import {
  DEFAULT_INSTANCE,
  type Hub,
  INSTANCE_LIMIT,
  type Publication,
  type Status,
} from "../hub/hub.ts";
import { InvalidMessage, parseMessage } from "../hub/message.ts";
import { attempt, fault } from "../log/fault.ts";
import { formatValue } from "../log/format.ts";
import { tokensOf, trimmed } from "../net/fields.ts";
import { isTracing, logger } from "../log/log.ts";
import { type LimitedLog, LoggedCounter } from "../log/rate_limiter.ts";
import { exposition } from "../metrics/exposition.ts";
import { type Metrics, single } from "../metrics/families.ts";
import { Histogram, SECONDS } from "../metrics/histogram.ts";
import type { PeerReports } from "../metrics/peer_status.ts";
import type { Console, View } from "./console.ts";
import {
  type AccessPolicy,
  type AccessRejection,
  rejectAddress,
  rejectToken,
} from "./access_policy.ts";
import { page } from "./page.ts";

const STOPPING = "The server stops";
const INTERRUPTED = "The server stops, or changes its certificate: send the message again";

/** The routes, for a client that has asked for something else. */
const ROUTES =
  "POST a message to /, or GET /status/, /metrics/, /console/, /health/live or /health/ready";

/** The header that closes the connection after an error: after a wrong `Content-Length` no request follows. */
const CLOSE = { connection: "close" } as const;

/** The options of a receipt, made once: a receipt is the most frequent answer of this server. */
const RECEIPT = { headers: { "content-type": "application/json" } } as const;

// A byte order mark is kept, so that JSON behind one is refused, as the original refuses it. Bytes
// that are no UTF-8 become U+FFFD, as in the original.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const log = logger("admin");

/** The time that a detailed receipt waits for those of the peers, in ms. */
const PEERS_MS = 1000;

/** The relay to the peers. */
export interface Relay {
  /** Passes a message on to all peers that lack it. Returns at once. */
  relay(instance: string, publication: Publication): void;
  /** Does the same, and collects the receipt of each peer. */
  relayReported(instance: string, publication: Publication): PeerReports;
  /** Notes that a server with this fingerprint has asked for the status page. */
  heard(fingerprint: string): void;
  /** Returns the proof of this server's fingerprint for a challenge; `null`: there is none that can be answered. */
  prove(challenge: string | null): string | null;
  /** Returns the part of the status page about the peers. */
  status(): readonly unknown[];
}

/** The reasons to reject a request. */
export const REJECTIONS = [
  // `allow` does not have its address.
  "forbidden",
  // It does not have the token.
  "token",
  // A page in a browser has sent it.
  "page",
  // Too many messages are being received, or too many bytes.
  "busy",
  // Its body is longer than allowed.
  "large",
  // It is no message, or not what this server understands.
  "invalid",
  // Nothing is at its path, or not for this method.
  "misdirected",
  // Its body did not arrive in time.
  "slow",
  // Its body did not arrive whole.
  "broken",
  // The server stops, or changes its certificate.
  "stopping",
  // It did not get as far as a request.
  ...HTTP_REFUSALS,
] as const;
export type AdminRejection = typeof REJECTIONS[number];

/** The counters of an admin server. */
export class AdminCounters {
  /** Messages that are being received or answered. */
  requests = 0;
  bytesIn = 0;
  readonly rejected: LoggedCounter<AdminRejection>;
  /** The time from a message's head to its receipt, in seconds. */
  readonly publishing = new Histogram(SECONDS);

  constructor(log: LimitedLog<AdminRejection>) {
    this.rejected = new LoggedCounter(REJECTIONS, log);
  }

  /** Returns the families of one server. */
  metrics(): Partial<Metrics> {
    return {
      aphlict_publish_duration_seconds: single(this.publishing.distribution),
      aphlict_received_bytes_total: single(this.bytesIn),
      aphlict_requests: single(this.requests),
      aphlict_refused_requests_total: this.rejected.samples(),
    };
  }
}

/** The options of a router. */
export interface RouterOptions {
  readonly hub: Hub;
  /** The budget that bodies are charged to while they are received. */
  readonly budget: Budget;
  readonly relay: Relay;
  readonly console: Console;
  /** The status of the service. */
  readonly view: View;
  /** Returns the rules. It is called for each request, as they may change. */
  rules(): { readonly access: AccessPolicy; readonly limits: AdminLimits };
  readonly counters: AdminCounters;
}

/** Answers the requests of one admin server. */
export class Router {
  readonly #options: RouterOptions;
  /** True if nothing is published any more. */
  isStopping = false;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** Checks a client that connects. Returns the response to all its requests, or `null` if it may connect. */
  screen(remote: Remote): Response | null {
    const rejection = rejectAddress(this.#options.rules().access, remote.hostname);
    if (rejection === null) return null;
    const { reason, error, status } = rejection;
    const text = '<{remote}> Refused its connection: its address is not in "allow" of this server.';
    this.#options.counters.rejected.report(reason, text, { remote: nameOf(remote) });
    return Response.json({ error }, { status, headers: CLOSE });
  }

  /** Counts and logs a connection that did not get as far as a request. */
  rejected(remote: string, kind: HttpRefusal, reason: string): void {
    const text = "<{remote}> Ended its connection: {reason}.";
    this.#options.counters.rejected.report(kind, text, { remote, reason });
  }

  /** Answers one request. */
  async answer(request: HttpRequest, remote: Remote): Promise<Response> {
    try {
      return await this.#route(request, remote);
    } catch (error) {
      return answerFault(error);
    }
  }

  #route(request: HttpRequest, remote: Remote): Response | Promise<Response> {
    // A reload may have taken the address from the list since the client has connected.
    const rejection = rejectAddress(this.#options.rules().access, remote.hostname);
    if (rejection !== null) return this.#deny(request, remote, rejection);
    const target = URL.parse(request.url);
    if (!target) {
      return this.#reject(request, remote, "invalid", 400, "The request target is malformed");
    }
    const instance = target.searchParams.get("instance") || DEFAULT_INSTANCE;
    if (instance.length > INSTANCE_LIMIT) {
      const error = `An instance's name has at most ${INSTANCE_LIMIT} characters`;
      return this.#reject(request, remote, "invalid", 400, error);
    }
    const { hub, relay, view } = this.#options;
    const { pathname } = target;
    const method = request.method === "HEAD" ? "GET" : request.method;
    // People and monitors write each path with a slash at its end and without one.
    switch (`${method} ${pathname.endsWith("/") ? pathname : `${pathname}/`}`) {
      case "POST /":
        return this.#publish(instance, request, remote);
      case "GET /status/": {
        const fingerprint = asFingerprint(request.headers.get(FINGERPRINT_HEADER));
        if (fingerprint !== null) relay.heard(fingerprint);
        const proof = relay.prove(request.headers.get(CHALLENGE_HEADER));
        return Response.json(statusPage(hub.status(instance), relay.status(), proof));
      }
      case "GET /health/live/":
        return new Response("live\n");
      case "GET /health/ready/": {
        const isReady = !this.isStopping && view.isReady();
        return new Response(isReady ? "ready\n" : "not ready\n", { status: isReady ? 200 : 503 });
      }
      case "GET /metrics/":
        return new Response(exposition(view.snapshot().metrics), {
          headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
        });
      case "GET /":
        return takesHtml(request)
          ? this.#show(request, target, remote)
          : this.#misdirect(request, pathname, remote);
      case "GET /console/":
      case "GET /console/data/":
      case "GET /console/message/":
      case "GET /console/topic/":
        return this.#show(request, target, remote);
      default:
        return this.#misdirect(request, pathname, remote);
    }
  }

  /**
   * Answers for the live page. Without TLS it is shown under an address, not under a name: a page of another
   * site could have its own name lead here, and read what is shown.
   */
  #show(request: HttpRequest, target: URL, remote: Remote): Response {
    const { console } = this.#options;
    const { protocol, hostname } = target;
    if (protocol === "http:" && hostname !== "localhost" && !isAddressInUrl(hostname)) {
      const name = formatValue(hostname, NAME_LENGTH);
      const error = `Name this server by its address or as localhost, not as ${name}`;
      return this.#reject(request, remote, "invalid", 403, error);
    }
    switch (target.pathname) {
      case "/":
      case "/console":
        return new Response(null, { status: 302, headers: TO_CONSOLE });
      case "/console/":
        return page();
      case "/console/data":
      case "/console/data/":
        return Response.json(console.data(), { headers: UNCACHED });
      case "/console/topic":
      case "/console/topic/":
        return this.#tellTopic(request, target, remote);
      default: {
        const rejection = this.#rejectToken(request);
        if (rejection !== null) return this.#deny(request, remote, rejection);
        const content = console.content(Number(target.searchParams.get("id")));
        if (content === null) {
          const error = "The message's content is not kept";
          return this.#reject(request, remote, "misdirected", 404, error);
        }
        return new Response(content, {
          headers: { "content-type": "application/json", ...UNCACHED },
        });
      }
    }
  }

  /** Answers with the subscribers of a topic: only clients that may publish may know who is online. */
  #tellTopic(request: HttpRequest, { searchParams }: URL, remote: Remote): Response {
    const rejection = this.#rejectToken(request);
    if (rejection !== null) return this.#deny(request, remote, rejection);
    const topic = searchParams.get("topic");
    if (topic === null || topic === "") {
      const error = "Name the topic: /console/topic/?topic=PHID";
      return this.#reject(request, remote, "invalid", 400, error);
    }
    const instance = searchParams.get("instance") || DEFAULT_INSTANCE;
    const subscribers = this.#options.hub.subscribers(instance, topic);
    return Response.json({ instance, topic, subscribers }, { headers: UNCACHED });
  }

  #rejectToken(request: HttpRequest): AccessRejection | null {
    return rejectToken(this.#options.rules().access, request.headers.get("authorization"));
  }

  async #publish(
    instance: string,
    request: HttpRequest,
    remote: Remote,
  ): Promise<Response> {
    const { hub, relay, console, counters } = this.#options;
    const began = performance.now();
    const rejection = this.#rejectToken(request);
    if (rejection !== null) return this.#deny(request, remote, rejection);
    // A browser sends one of these for each page that posts, whatever its site; Phorge and peers never do.
    if (request.headers.has("origin") || request.headers.has("sec-fetch-site")) {
      return this.#reject(request, remote, "page", 403, "Pages in browsers cannot publish");
    }
    counters.requests++;
    try {
      const bytes = await request.bytes();
      // Some listeners have been told to go, or are about to be.
      if (this.isStopping) return this.#reject(request, remote, "stopping", 503, STOPPING);
      counters.bytesIn += bytes.length;
      const text = decoder.decode(bytes);
      freeBytes(bytes);
      const message = parseMessage(text);
      const tracing = isTracing();
      if (tracing) log.trace("Received message ({instance}): {text}", { instance, text });
      const publication = hub.publish(instance, message);
      const { outcome, receivers } = publication;
      if (tracing) log.trace("It was {outcome}, receivers: {receivers}.", { outcome, receivers });
      // A server that passes a message on does not wait for others: its next message waits behind this one.
      const isDetailed = request.headers.has(RECEIPT_HEADER);
      const waits = isDetailed && !request.headers.has(FINGERPRINT_HEADER);
      let reports: PeerReports | null = null;
      if (
        outcome === "published" ||
        (outcome === "touched" && request.headers.has(DELEGATE_HEADER))
      ) {
        attempt("passing a message on to the peers", () => {
          if (waits) reports = relay.relayReported(instance, publication);
          else relay.relay(instance, publication);
        });
      }
      // The message is published: a repost would be a duplicate, whatever else fails here.
      attempt("noting a message for the live page", () => {
        console.note(instance, message, publication);
      });
      counters.publishing.observe((performance.now() - began) / 1000);
      if (isDetailed) return await detailed(hub.fingerprint, publication, reports);
      return new Response(`{"fingerprint":"${hub.fingerprint}"}`, RECEIPT);
    } catch (error) {
      if (error instanceof InvalidMessage) {
        return this.#reject(request, remote, "invalid", 400, error.message);
      }
      if (error instanceof BodyError) return this.#rejectBody(request, remote, error);
      throw error;
    } finally {
      counters.requests--;
    }
  }

  /** Rejects a request whose body was not received. */
  #rejectBody(request: HttpRequest, remote: Remote, error: BodyError): Response {
    const reject = (
      reason: AdminRejection,
      status: number,
      text: string,
      further: { readonly detail?: unknown; readonly headers?: typeof RETRY } = {},
    ) => this.#reject(request, remote, reason, status, text, further);
    if (this.isStopping) return reject("stopping", 503, STOPPING);
    const { message: limit } = this.#options.rules().limits;
    if (error instanceof BodyTooLong) {
      return reject("large", 413, `The body is longer than ${limit} bytes`);
    }
    if (error instanceof NoRoom) {
      const text = "There is no room for the body beside those that are being received";
      return reject("busy", 503, text, { headers: RETRY });
    }
    if (error instanceof BodyTooSlow) return reject("slow", 408, "The body did not arrive in time");
    if (error instanceof BodyInterrupted) return reject("stopping", 503, INTERRUPTED);
    return reject("broken", 400, error.message, { detail: error.cause });
  }

  #misdirect(request: HttpRequest, path: string, remote: Remote): Response {
    if (path === "/") {
      const error = `This method is not for /: ${ROUTES}`;
      return this.#reject(request, remote, "misdirected", 405, error, {
        headers: { allow: "POST" },
      });
    }
    const error = `There is nothing here: ${ROUTES}`;
    return this.#reject(request, remote, "misdirected", 404, error);
  }

  #deny(
    request: HttpRequest,
    remote: Remote,
    { reason, status, error, headers }: AccessRejection,
  ): Response {
    return this.#reject(request, remote, reason, status, error, { headers });
  }

  /** Counts and logs a rejected request, and returns the error as small JSON. */
  #reject(
    { method, url }: HttpRequest,
    remote: Remote,
    reason: AdminRejection,
    status: number,
    error: string,
    { detail, headers = {} }: {
      readonly detail?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ): Response {
    const text = "<{remote}> Answered {status} to {method} {path}: {error}";
    // The path is for the log alone: it may be long, and hold anything. A query may hold a secret.
    const path = URL.parse(url)?.pathname ?? url.split("?", 1)[0];
    const values = { remote: nameOf(remote), status, method, path, error };
    const { rejected } = this.#options.counters;
    if (detail === undefined) rejected.report(reason, `${text}.`, values);
    else rejected.report(reason, `${text}: {detail}`, { ...values, detail });
    return Response.json({ error }, { status, headers: { ...CLOSE, ...headers } });
  }
}

/** The version that Phorge shows for a server whose protocol it knows (Phorge's `AphlictAdminServer.js`). */
const PROTOCOL_VERSION = 7;

/**
 * Returns the status page: the hub's status under the names and in the order of the original, and the fields that
 * the original does not have.
 *
 * @param cluster The status of each peer.
 * @param proof The answer to a challenge.
 */
export function statusPage(
  status: Status,
  cluster: readonly unknown[],
  proof: string | null,
): Readonly<Record<string, unknown>> {
  return {
    instance: status.instance,
    uptime: Math.floor(status.uptimeMs),
    "clients.active": status.active,
    "clients.total": status.total,
    "messages.in": status.messagesIn,
    "messages.out": status.messagesOut,
    version: PROTOCOL_VERSION,
    "history.size": status.historySize,
    "history.age": status.historyAgeMs === null ? null : Math.floor(status.historyAgeMs),
    fingerprint: status.fingerprint,
    ...proof === null ? {} : { proof },
    cluster,
  };
}

/** Tells whether a browser asks for a page to show. Programs that accept any type do not. */
function takesHtml({ headers }: HttpRequest): boolean {
  const types = tokensOf(headers.get("accept") ?? "");
  return types.some((each) => trimmed(each.split(";", 1)[0] ?? "") === "text/html");
}

/** Returns the receipt that {@linkcode RECEIPT_HEADER} asks for. */
async function detailed(
  fingerprint: string,
  { outcome, receivers }: Publication,
  reports: PeerReports | null,
): Promise<Response> {
  if (reports !== null) await within(PEERS_MS, reports.done);
  return Response.json({ fingerprint, outcome, receivers, peers: reports?.receipts() ?? [] });
}

/** Returns the name of a connection's other end in the log. */
function nameOf({ hostname, port }: Remote): string {
  return formatAddress(hostname, port);
}

/** Answers a request that met an internal error, and logs and counts that. */
export function answerFault(error: unknown): Response {
  fault("answering a request", error);
  return Response.json({ error: "Internal error" }, { status: 500, headers: CLOSE });
}

/** Characters of a host's name that an answer shows. A name has 253 at most (RFC 1035, section 2.3.4). */
const NAME_LENGTH = 253;

/** The header for a client that may retry in a moment, in seconds. */
const RETRY = { "retry-after": "1" } as const;

/** The header against caches: an answer of now is of no use later. */
const UNCACHED = { "cache-control": "no-store" } as const;

/**
 * The redirect from `/` and `/console` to the live page, whose own requests are relative to its path. It is relative
 * as well, and has nothing of the request in it: the page stays behind whatever proxy the request came through, and
 * the redirect leads nowhere else.
 */
const TO_CONSOLE = { "location": "console/", ...UNCACHED } as const;
