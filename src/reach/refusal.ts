/**
 * Why a server's answer is not what was asked for, and what an administrator can do about it.
 *
 * @module
 */

import { formatValue } from "../log/format.ts";
import { type Answer } from "./ask.ts";
import { objectOf } from "../json.ts";
import { ReachError } from "./dial.ts";

/** The body of an Aphlict's answer to whatever asks for no WebSocket. */
const USE_WEBSOCKETS = "HTTP/501 Use Websockets";

/** Whether an answer to no WebSocket's request is that of a client port, ours or the original's. */
export function isClientPort({ status, text }: Answer): boolean {
  return status === 501 && text.startsWith(USE_WEBSOCKETS);
}

/** Whether an answer is the status page of an admin port, ours or the original's. */
export function isStatusPage({ status, text }: Answer): boolean {
  return status === 200 && typeof objectOf(text)?.["version"] === "number";
}

/** What nginx needs, told wherever a proxy seems to lack it. */
const PROXY_HINT = "The proxy needs a location for this path with proxy_http_version 1.1, " +
  "proxy_set_header Upgrade and proxy_set_header Connection: see conf/examples/nginx.";

/** An answer to a request for a WebSocket, which is none. */
export function explainRefusal(answer: Answer, origin: string): ReachError {
  const { status } = answer;
  const location = answer.header("location");
  const fail = (message: string, hint: string) =>
    new ReachError("answer", `answers ${status}${message}`, hint);
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
        ? fail(": the request came to Aphlict without its Upgrade header", PROXY_HINT)
        : fail("", "");
    case 400:
    case 426:
      return fail(": it takes the request for no WebSocket's", PROXY_HINT);
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
        objectOf(answer.text)?.["error"] === undefined
          ? PROXY_HINT
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
      return fail(
        ": the proxy does not reach Aphlict",
        "Compare the address that the proxy passes on to (upstream, proxy_pass) with that of the client " +
          "server, and whether Aphlict runs.",
      );
    case 503:
      return fail(
        ": there are as many connections as there may be, or the server stops",
        '"limit.connections" of the client server tells how many. `aphlict status` tells how many there ' +
          "are.",
      );
    default:
      return status === 200
        ? fail(": that is a web page, no WebSocket", PROXY_HINT)
        : fail("", PROXY_HINT);
  }
}

/** An admin server's answer that is not 200. */
export function explainDenial(answer: Answer): ReachError {
  const { status } = answer;
  const error = objectOf(answer.text)?.["error"];
  if (isClientPort(answer)) {
    return new ReachError("answer", "answers 501: that is a client port", "Name its admin port.");
  }
  const said = typeof error === "string" ? `: ${formatValue(error)}` : "";
  return new ReachError("answer", `answers ${status}${said}`, DENIAL_HINTS.get(status) ?? "");
}

const DENIAL_HINTS: ReadonlyMap<number, string> = new Map([
  [400, "Correct the message."],
  [401, 'Send the token of the server\'s "token.file".'],
  [403, 'Add the address to "allow" of the admin server.'],
  [413, 'Send a shorter message, or raise "limit.message" of the admin server.'],
  [503, "Send it again in a moment."],
]);
