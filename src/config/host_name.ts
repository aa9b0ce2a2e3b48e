/**
 * Hosts as `listen` and `host` may name them: only names that a URL and Deno's `--allow-net` both
 * understand, as the same host.
 *
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";
import { quote } from "../text.ts";

/** Returns advice about a host that cannot be used; `""` when there is nothing particular to say. */
export function hostFault(host: string): string | null {
  if (isIPv4(host)) return null;
  if (host.includes("%")) {
    return "Remove the zone after the address: neither a URL nor a permission can name one.";
  }
  if (isIPv6(host)) return null;
  if (host.includes("//")) return "Write the host alone, without a scheme or a path.";
  if (/^[^:]+:\d+$|\]:\d+$/.test(host)) return 'Write the host alone; the port goes into "port".';
  if (/^\[.*\]$/.test(host)) {
    return `Write an IPv6 address without brackets: ${quote(host.slice(1, -1))}.`;
  }
  const name = host.replace(/\.$/, "");
  const labels = name.split(".");
  if (/^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) ?? "")) {
    // A URL takes 1.2.3 for 1.2.0.3 and 0127.0.0.1 for 87.0.0.1; `--allow-net` does not.
    return "Write an IPv4 address as four numbers from 0 to 255, without leading zeros.";
  }
  if (/\P{ASCII}/u.test(host)) {
    return "Write a host name in ASCII; an international one in the form that starts with xn--.";
  }
  if (name.length > 253 || labels.some((label) => label.length > 63)) {
    return "Use at most 253 characters, and at most 63 between two dots.";
  }
  return labels.every((label) => /^[\w-]+$/.test(label)) && canonicalHost(host) !== null
    ? null
    : "";
}

/**
 * Returns the addresses that a process binds for a host, as far as they are known without a look-up;
 * `null` for a host name that has to be resolved.
 */
export function knownAddresses(host: string): readonly string[] | null {
  if (isIPv4(host) || isIPv6(host)) return [host];
  return host.toLowerCase() === "localhost" ? ["127.0.0.1", "::1"] : null;
}

/** Returns the spelling that two names of one host have in common; `null` if a URL cannot hold the host. */
export function canonicalHost(host: string): string | null {
  return URL.parse(`http://${formatAddress(host, 1)}`)?.hostname.replace(/\.$/, "") ?? null;
}

/** Tells whether a URL's host is an address, and no name. */
export function isAddressInUrl(hostname: string): boolean {
  return /^(\[.*\]|[\d.]+)$/.test(hostname);
}

/** Returns `host:port` as a URL and Deno's permission flags write it: IPv6 addresses in brackets. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
