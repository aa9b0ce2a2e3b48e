/**
 * IP addresses: one spelling for each, networks of them, and the networks that are one's own.
 *
 * @module
 */

import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";

/** The networks that are not routed through the internet. */
const OWN: readonly (readonly [network: string, prefix: number])[] = [
  // RFC 1918: private.
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  // RFC 6598: behind a provider's NAT, and in some VPNs.
  ["100.64.0.0", 10],
  // RFC 3927 and 4291: of one link.
  ["169.254.0.0", 16],
  ["fe80::", 10],
  // RFC 4193: private.
  ["fc00::", 7],
];

const LOOPBACK: typeof OWN = [["127.0.0.0", 8], ["::1", 128]];

const own = blockList([...OWN, ...LOOPBACK]);

/**
 * Returns the one spelling of an IP address: IPv6 as a URL has it, without a zone, and an IPv4-mapped one as
 * the IPv4 address that it stands for. `null` for a text that is no address.
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

/**
 * Returns the unit that counts as one client. For IPv6 it is a network of 64 bits, as a client with one address has
 * all of them.
 */
export function networkOf(text: string): string {
  if (!text.includes(":")) return text;
  const address = canonicalAddress(text) ?? text;
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const before = groups(head);
  const after = groups(tail ?? "");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const all = [...before, ...Array<string>(Math.max(0, zeros)).fill("0"), ...after];
  return `${canonicalAddress(`${all.slice(0, 4).join(":")}::`)}/64`;
}

/** Returns advice about a network that cannot be used; `""` when there is nothing particular to say. */
export function networkFault(text: string): string | null {
  const { address, prefix } = split(text);
  if (canonicalAddress(address) === null) {
    return /^[a-z][\w.-]*$/i.test(address) ? "Write addresses: names are not looked up." : "";
  }
  if (address.includes("%")) return "Remove the zone after the address.";
  const bits = isIPv4(address) ? 32 : 128;
  if (prefix === null) return null;
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bits) {
    return `After the slash stands a whole number from 0 to ${bits}.`;
  }
  return isMapped(address) && Number(prefix) < MAPPED_BITS
    ? "Write an IPv4 network in the form 192.0.2.0/24, and an IPv6 network beside it."
    : null;
}

/** Addresses and networks such as `192.0.2.7` and `2001:db8::/32`, none with a {@linkcode networkFault}. */
export class Networks {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  constructor(networks: readonly string[]) {
    this.#isEmpty = networks.length === 0;
    for (const network of networks) {
      const { address, prefix } = split(network);
      const canonical = canonicalAddress(address);
      if (canonical === null) continue;
      const family = familyOf(canonical);
      const bits = family === "ipv4" ? 32 : 128;
      const mapped = isMapped(address) ? MAPPED_BITS : 0;
      this.#list.addSubnet(canonical, prefix === null ? bits : Number(prefix) - mapped, family);
    }
  }

  /** Tells whether an address, in whatever spelling, is in one of them. A text that is no address is in none. */
  has(address: string): boolean {
    if (this.#isEmpty) return false;
    const canonical = canonicalAddress(address);
    return canonical !== null && this.#list.check(canonical, familyOf(canonical));
  }
}

/** Bits before the IPv4 address in one that is mapped (RFC 4291, section 2.5.5.2). */
const MAPPED_BITS = 96;

/** Tells whether an address is an IPv4 one written as IPv6. */
function isMapped(address: string): boolean {
  return !isIPv4(address) && isIPv4(canonicalAddress(address) ?? "");
}

function split(network: string): { readonly address: string; readonly prefix: string | null } {
  const slash = network.indexOf("/");
  return slash < 0
    ? { address: network, prefix: null }
    : { address: network.slice(0, slash), prefix: network.slice(slash + 1) };
}

/** Tells whether a canonical address is in a network of one's own, or loopback. */
export function isOwnNetwork(address: string): boolean {
  return own.check(address, familyOf(address));
}

/** Returns the family of a canonical address. */
export function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}

function blockList(networks: typeof OWN): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, familyOf(network));
  return list;
}
