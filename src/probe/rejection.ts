/**
 * Explains why a server's answer is not the expected one, and what an administrator can do about it.
 *
 * @module
 */

import { formatValue } from "../log/format.ts";
import type { ProbeAnswer } from "./request.ts";
import { objectOf } from "../json.ts";
import { RequestError } from "../http/failure.ts";

/** The body of an Aphlict's answer to a request for no WebSocket. */
const USE_WEBSOCKETS = "HTTP/501 Use Websockets";

/** Tells whether an answer to a request for no WebSocket is that of a client port, also of the original. */
export function isClientPort({ status, body }: ProbeAnswer): boolean {
  return status === 501 && body.startsWith(USE_WEBSOCKETS);
}

/** Tells whether an answer is the status page of an admin port, also of the original. */
export function isStatusPage({ status, body }: ProbeAnswer): boolean {
  return status === 200 && typeof objectOf(body)?.["version"] === "number";
}

/** A reverse proxy, and the words of its configuration. */
interface ReverseProxy {
  readonly name: string;
  /** The settings that make it pass WebSockets on. */
  readonly needs: string;
  /** The settings that name the server behind it; empty if each proxy has others. */
  readonly target: string;
  readonly examples: string;
}

/** The proxies that name themselves in the header `Server` (RFC 9110, section 10.2.4). HAProxy does not. */
const PROXIES: readonly (ReverseProxy & { readonly server: RegExp })[] = [
  {
    server: /^(nginx|openresty)(\/|$)/i,
    name: "nginx",
    needs: "a location for this path with proxy_http_version 1.1, proxy_set_header Upgrade and " +
      "proxy_set_header Connection",
    target: " (upstream, proxy_pass)",
    examples: "conf/examples/nginx",
  },
  {
    server: /^Apache([/ ]|$)/i,
    name: "Apache",
    needs: "ProxyPass for this path with upgrade=websocket, above Phorge's own RewriteRule",
    target: " (ProxyPass)",
    examples: "conf/examples/apache",
  },
  {
    server: /^Caddy(\/|$)/i,
    name: "Caddy",
    needs: "a handle of this path with reverse_proxy",
    target: " (reverse_proxy)",
    examples: "conf/examples/caddy",
  },
];

const UNNAMED: ReverseProxy = {
  name: "The proxy",
  needs: "to pass this path on to the client server, with its headers Upgrade and Connection",
  target: "",
  examples:
    "conf/examples/nginx, conf/examples/apache, conf/examples/haproxy or conf/examples/caddy",
};

/** Returns hints for a proxy that seems not to pass WebSockets on, and for one that does not reach Aphlict. */
function proxyHints(answer: ProbeAnswer): { readonly needs: string; readonly unreached: string } {
  const server = answer.header("server") ?? "";
  const { name, needs, target, examples } = PROXIES.find((each) => each.server.test(server)) ??
    UNNAMED;
  const subject = name === UNNAMED.name ? "the proxy" : name;
  return {
    needs: `${name} needs ${needs}: see ${examples}.`,
    unreached:
      `Look whether Aphlict runs, and compare the address that ${subject} passes this path on to${target} with ` +
      `that of the client server: see ${examples}.`,
  };
}

/** The hint for another program at the endpoint of a server of the configuration. */
const STRANGER_HINT = "Another program has the port. This shows which: ss -ltnp";

/** The answer of a web server to plain text at its TLS port (nginx, Apache). */
const WANTS_TLS = /plain HTTP request was sent to HTTPS|speaking plain HTTP to an SSL/i;

/**
 * Explains an answer to a request for a WebSocket that opens none.
 *
 * @param isDirect True if no proxy can have given the answer.
 */
export function explainNoWebSocket(
  answer: ProbeAnswer,
  origin: string,
  isDirect: boolean,
): RequestError {
  const { status, body } = answer;
  const location = answer.header("location");
  const proxy = proxyHints(answer);
  const fail = (message: string, hint: string) =>
    new RequestError("answer", `answers ${status}${message}`, hint);
  if (WANTS_TLS.test(body)) {
    return fail(": it speaks TLS", "Name it with wss:// in place of ws://.");
  }
  if (isDirect && !isOurs(answer)) return fail(", which no client port does", STRANGER_HINT);
  if (status >= 300 && status < 400) {
    return fail(
      location === null ? "" : `, a redirect to ${formatValue(location, 200)}`,
      "Browsers follow no redirect for a WebSocket. Name the address where it is (wss:// rather than " +
        "ws://), or have the proxy answer this path itself.",
    );
  }
  switch (status) {
    case 501:
      return isClientPort(answer)
        ? fail(": the request came to Aphlict without its Upgrade header", proxy.needs)
        : fail("", "");
    case 400:
    case 426:
      return fail(": it takes the request for no WebSocket's", proxy.needs);
    case 401:
      return fail(
        ": it asks for a password",
        "A browser's WebSocket has none to give. Exempt this path in the proxy.",
      );
    case 403:
      return fail(
        `: the Origin ${formatValue(origin, 200)} may not connect`,
        '"origins" of the client server has to name it, unless a proxy in between has refused it.',
      );
    case 404:
      return fail(
        ": nothing is at this path",
        errorIn(answer) === null
          ? proxy.needs
          : "That is the admin port of an Aphlict. Name its client port.",
      );
    case 405:
      return fail(
        ": it is for something else than WebSockets",
        "That may be the admin port of an Aphlict. Name its client port.",
      );
    case 429:
      return fail(
        ": this address has as many connections as it may",
        '"limit.address" of the client server tells how many. Behind a proxy, "proxies" has to name it.',
      );
    case 502:
    case 504:
      return fail(": the proxy does not reach Aphlict", proxy.unreached);
    case 503:
      // Aphlict says when to try again.
      if (!isDirect && answer.header("retry-after") === null) {
        return fail(
          ": the proxy does not reach Aphlict, or has as many connections to it as it may have",
          proxy.unreached,
        );
      }
      return fail(
        ": there are as many connections as there may be, or the server stops",
        '"limit.connections" of the client server tells how many. `aphlict status` tells how many there ' +
          "are.",
      );
    default:
      return status === 200
        ? fail(": that is a web page, no WebSocket", proxy.needs)
        : fail("", proxy.needs);
  }
}

/** Tells whether an Aphlict may have answered this to a request for a WebSocket. */
function isOurs(answer: ProbeAnswer): boolean {
  return isClientPort(answer) || [403, 429, 503].includes(answer.status) ||
    errorIn(answer) !== null;
}

/** Returns the error in an admin port's answer; `null` when the answer is none of its rejections. */
function errorIn({ body }: ProbeAnswer): string | null {
  const error = objectOf(body)?.["error"];
  return typeof error === "string" ? error : null;
}

/** The hints for each status with which an admin server rejects, and for a program that is none. */
export interface RejectionHints {
  readonly byStatus: ReadonlyMap<number, string>;
  readonly stranger: string;
}

/** Explains an admin server's answer that is not 200. */
export function explainRejection(
  answer: ProbeAnswer,
  hints: RejectionHints = OWN_HINTS,
): RequestError {
  const { status, body } = answer;
  const fail = (message: string, hint: string) =>
    new RequestError("answer", `answers ${status}${message}`, hint);
  if (WANTS_TLS.test(body)) return fail(": it speaks TLS", "Reach it by https.");
  if (isClientPort(answer)) return fail(": that is a client port", "Name its admin port.");
  if (status === 502 || status === 504) {
    return fail(": a proxy does not reach it", "Look whether Aphlict runs behind that.");
  }
  const error = errorIn(answer);
  return error === null
    ? fail(", which no admin port does", hints.stranger)
    : fail(`: ${formatValue(error)}`, hints.byStatus.get(status) ?? "");
}

/** Returns why an answer is not the status page of an admin port; `null` when it is. */
export function statusPageFault(
  answer: ProbeAnswer,
  hints: RejectionHints = OWN_HINTS,
): RequestError | null {
  if (answer.status !== 200) return explainRejection(answer, hints);
  return isStatusPage(answer) ? null : new RequestError(
    "answer",
    "does not answer as the admin port of an Aphlict does",
    hints.stranger,
  );
}

/** The hints for a server of the configuration. */
const OWN_HINTS: RejectionHints = {
  byStatus: new Map([
    [400, "Correct the message."],
    [401, 'Send the token of the server\'s "token.file".'],
    [403, 'Add the address to "allow" of the admin server.'],
    [413, 'Send a shorter message, or raise "limit.message" of the admin server.'],
    [503, "Send it again in a moment."],
  ]),
  stranger: STRANGER_HINT,
};

/**
 * Returns the hints for a peer, whose configuration is not here.
 *
 * @param entry The path of the peer in the configuration, such as `cluster[0]`.
 */
export function peerHints(entry: string): RejectionHints {
  return {
    byStatus: new Map([
      [401, `Write the token that its admin server has in the "token.file" of ${entry}.`],
      [403, 'Add this host\'s address to "allow" of that admin server.'],
      [413, 'Raise "limit.message" of that admin server.'],
    ]),
    stranger: `Correct host, port and protocol of ${entry}.`,
  };
}
