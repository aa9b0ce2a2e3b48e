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
  return parted(value, ",").slice(-HOPS).map((element) => parseNode(address(element.trim())));
}

/**
 * The parts of a header between separators, but for separators in quotes. Which quotes belong together is
 * found from the end on, where the nearest proxy has written: a quote that a client leaves open cannot
 * hide what follows it, nor can one that a proxy passes on in another parameter add an address.
 */
function parted(value: string, separator: "," | ";"): string[] {
  const parts: string[] = [];
  let end = value.length;
  let isQuoted = false;
  for (let index = end - 1; index >= 0; index--) {
    if (value[index] === '"' && !isEscaped(value, index)) isQuoted = !isQuoted;
    if (value[index] !== separator || isQuoted) continue;
    parts.push(value.slice(index + 1, end));
    end = index;
  }
  return [...parts, value.slice(0, end)].reverse();
}

/** Whether a backslash that counts stands before a character. */
function isEscaped(value: string, index: number): boolean {
  let first = index;
  while (value[first - 1] === "\\") first--;
  return (index - first) % 2 === 1;
}

/** The `for` of an element of `Forwarded`; `""` when there is none, or more than one. */
function forParameter(element: string): string {
  const found = parted(element, ";").flatMap((pair) => {
    const [, quoted, token] = /^\s*for\s*=\s*(?:"([^"\\]*)"|([^\s"]*))\s*$/i.exec(pair) ?? [];
    return quoted ?? token ?? [];
  });
  return found.length === 1 ? found.join() : "";
}

/** An address with or without its port, an IPv6 one in brackets or not. */
function parseNode(node: string): string | null {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\w+)?$/.exec(node) ?? [];
  return canonicalAddress(bracketed ?? plain ?? node);
}
