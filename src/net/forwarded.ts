/**
 * The client behind a reverse proxy: `X-Forwarded-For`, and RFC 7239's `Forwarded`. Pure.
 *
 * @module
 */

import { canonicalAddress, type Networks } from "../config/network.ts";
import { flatCopy } from "../text.ts";
import { lastParts, parseParameter } from "./fields.ts";

/** The most addresses that are read, from the last on; a header has room for more. */
const HOPS = 32;

/** The most characters of an address with brackets, zone and port; a longer text is no address. */
const NODE_LENGTH = 256;

/**
 * Returns the address of a connection's client. Each proxy adds the address that it was connected from, so the client
 * is the last one that is no proxy. Text that a client has written itself stands before that and is not read.
 *
 * If both headers are there, a proxy may have passed on one that the client has made up. They count only if they agree.
 *
 * @param remote The address that the connection comes from.
 * @param header Returns a header's value by its name in lower case; several are joined by commas.
 * @returns In the one spelling of `canonicalAddress`; `remote` itself if no other address is certain.
 */
export function clientAddress(
  remote: string,
  header: (name: string) => string | null,
  proxies: Networks,
): string {
  const nearest = canonicalAddress(remote) ?? remote;
  if (!proxies.has(nearest)) return nearest;
  const found = [
    chainOf(header("x-forwarded-for"), (element) => element),
    chainOf(header("forwarded"), forParameter),
  ].filter((chain) => chain.length > 0).map((chain) => lastForeign(nearest, chain, proxies));
  const [first = nearest, second = first] = found;
  // A copy, because the address outlives the request, of whose head it may be a part.
  return first === second ? flatCopy(first) : nearest;
}

/** Returns the last address that is no proxy; for an unreadable one, the proxy that wrote it. */
function lastForeign(
  nearest: string,
  chain: readonly (string | null)[],
  proxies: Networks,
): string {
  let known = nearest;
  for (const address of chain.toReversed()) {
    if (address === null) return known;
    known = address;
    if (!proxies.has(address)) return known;
  }
  return known;
}

/** Returns the addresses of a header, the nearest last; `null` is one that cannot be read. */
function chainOf(
  value: string | null,
  address: (element: string) => string,
): (string | null)[] {
  if (value === null) return [];
  return lastParts(value, ",", HOPS).map((element) => parseNode(address(element)));
}

/** Returns the `for` of an element of `Forwarded`; `""` when there is none, or more than one. */
function forParameter(element: string): string {
  let found: string | null = null;
  for (const part of lastParts(element, ";", Infinity)) {
    const parameter = parseParameter(part);
    if (parameter?.name !== "for") continue;
    if (found !== null) return "";
    found = parameter.value;
  }
  return found ?? "";
}

/** Reads an address with or without its port, an IPv6 one in brackets or not. */
function parseNode(node: string): string | null {
  if (node.length > NODE_LENGTH) return null;
  if (node.startsWith("[")) {
    const bracket = node.indexOf("]");
    return bracket > 0 && isPort(node.slice(bracket + 1))
      ? canonicalAddress(node.slice(1, bracket))
      : null;
  }
  const colon = node.indexOf(":");
  // An IPv6 address has more than one colon.
  const hasPort = colon >= 0 && colon === node.lastIndexOf(":");
  if (!hasPort) return canonicalAddress(node);
  return isPort(node.slice(colon)) ? canonicalAddress(node.slice(0, colon)) : null;
}

/** Tells whether a text is `""` or a port with its colon, which may be obfuscated (RFC 7239, section 6). */
function isPort(text: string): boolean {
  return text === "" || /^:\w{1,64}$/.test(text);
}
