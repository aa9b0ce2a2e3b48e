/**
 * Who is behind a reverse proxy: `X-Forwarded-For`, and RFC 7239's `Forwarded`. Pure.
 *
 * @module
 */

import { canonicalAddress, type Networks } from "../config/network.ts";

/** Addresses that are looked at, from the last on; a header has room for more. */
const HOPS = 32;

/**
 * The address of the client of a connection. Each proxy adds the address that it was connected from, so the
 * client is the last one that is no proxy. What a client has written itself stands before that and is not
 * looked at.
 *
 * Where both headers are there a proxy may have passed one on that the client has made up: they count
 * only if they agree.
 *
 * @param remote The address that the connection comes from.
 * @param header A header's value by its name in lower case; several are joined by commas.
 * @returns In the one spelling of `canonicalAddress`; `remote` itself where nothing else is certain.
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
  return first === second ? first : nearest;
}

/** The last address that is no proxy; where one cannot be read, the proxy that wrote it. */
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

/** The addresses of a header, the nearest last; `null` is one that cannot be read. */
function chainOf(
  value: string | null,
  address: (element: string) => string,
): (string | null)[] {
  if (value === null) return [];
  return value.split(",").slice(-HOPS).map((element) => parseNode(address(element.trim())));
}

/** The `for` of an element of `Forwarded`. */
function forParameter(element: string): string {
  for (const pair of element.split(";")) {
    const [, quoted, token] = /^\s*for\s*=\s*(?:"([^"\\]*)"|([^\s"]*))\s*$/i.exec(pair) ?? [];
    if (quoted !== undefined || token !== undefined) return quoted ?? token ?? "";
  }
  return "";
}

/** An address with or without its port, an IPv6 one in brackets or not. */
function parseNode(node: string): string | null {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\w+)?$/.exec(node) ?? [];
  return canonicalAddress(bracketed ?? plain ?? node);
}
