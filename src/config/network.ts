/**
 * IP addresses: one spelling for each, and which networks are one's own.
 *
 * @module
 */

import { BlockList, isIP, isIPv4 } from "node:net";

/** Networks that nobody routes through the internet. */
const OWN: readonly (readonly [network: string, prefix: number])[] = [
  // RFC 1918: private.
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  // RFC 6598: behind a provider's NAT, and what some VPNs give out.
  ["100.64.0.0", 10],
  // RFC 3927 and 4291: of one link.
  ["169.254.0.0", 16],
  ["fe80::", 10],
  // RFC 4193: private.
  ["fc00::", 7],
];

const LOOPBACK: typeof OWN = [["127.0.0.0", 8], ["::1", 128]];

const own = blockList([...OWN, ...LOOPBACK]);
const loopback = blockList(LOOPBACK);

/**
 * The one spelling of an IP address: IPv6 as a URL has it, without a zone, and an IPv4-mapped one as the
 * IPv4 address that it stands for. `null` for what is no address.
 */
export function canonicalAddress(address: string): string | null {
  if (isIP(address) === 0) return null;
  if (isIPv4(address)) return address;
  const hostname = URL.parse(`http://[${address.replace(/%.*/, "")}]/`)?.hostname ?? "[]";
  const [, high, low] = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname) ?? [];
  if (high === undefined || low === undefined) return hostname.slice(1, -1);
  return [high, low].flatMap((word) => [parseInt(word, 16) >> 8, parseInt(word, 16) & 255])
    .join(".");
}

/** Whether a canonical address is of this host alone. */
export function isLoopback(address: string): boolean {
  return loopback.check(address, familyOf(address));
}

/** Whether a canonical address is in a network of one's own, or loopback. */
export function isOwnNetwork(address: string): boolean {
  return own.check(address, familyOf(address));
}

/** The family of a canonical address. */
export function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}

function blockList(networks: typeof OWN): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, familyOf(network));
  return list;
}
