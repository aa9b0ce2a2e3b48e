/**
 * Warnings about peers, as far as the configuration tells. None of them keeps a service from starting.
 * `aphlict doctor` finds what only the network tells.
 *
 * @module
 */

import { type Config, type PeerConfig, type ServerConfig } from "./config.ts";
import { formatAddress } from "./host_name.ts";
import { type Problem } from "./error.ts";
import { canonicalAddress, isOwnNetwork } from "./network.ts";
import { quote } from "../text.ts";

/** Returns the warnings about the list of peers, each with the key that it is about. */
export function peerWarnings({ servers, cluster }: Pick<Config, "servers" | "cluster">): Problem[] {
  return cluster.flatMap((peer, index) => [
    ...ownClientServer(peer, `cluster[${index}]`, servers),
    ...unencrypted(peer, `cluster[${index}]`),
  ]);
}

/** The address that a connection to an unspecified address leads to. */
const UNSPECIFIED: ReadonlyMap<string, string> = new Map([["0.0.0.0", "127.0.0.1"], ["::", "::1"]]);

/** Returns the canonical addresses of a host that are known without a look-up. */
function addressesOf(host: string): readonly string[] {
  if (host === "localhost") return ["127.0.0.1", "::1"];
  const address = canonicalAddress(host);
  return address === null ? [] : [UNSPECIFIED.get(address) ?? address];
}

/** Warns about a peer that is no admin server, but a client server of this very configuration. */
function ownClientServer(
  { host, port }: PeerConfig,
  path: string,
  servers: readonly ServerConfig[],
): Problem[] {
  const index = servers.findIndex(({ type, listen, port: own }) => {
    if (type !== "client" || own !== port) return false;
    const bound = canonicalAddress(listen);
    // A server that listens everywhere may be reached at any address; the addresses of a name are not known here.
    return bound === null || UNSPECIFIED.has(bound) || addressesOf(host).includes(bound);
  });
  if (index < 0) return [];
  const message =
    `${
      quote(formatAddress(host, port))
    } has the port of servers[${index}], which is a client server: ` +
    "only an admin server takes messages from others. Set it to the port of the peer's admin server.";
  return [{ path: `${path}.port`, message }];
}

function unencrypted({ host, protocol }: PeerConfig, path: string): Problem[] {
  const [address] = addressesOf(host);
  if (protocol === "https" || address === undefined || isOwnNetwork(address)) return [];
  const message =
    `Messages go to ${address} unencrypted, and it is in no private network: who is on ` +
    'the way can read, change and post them. Use "https", or an address of a VPN.';
  return [{ path: `${path}.protocol`, message }];
}
