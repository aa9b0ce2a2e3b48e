/**
 * What is likely to be a mistake in a list of peers, as far as names and addresses tell. None of it keeps
 * a service from starting.
 *
 * @module
 */

import { type Config, formatAddress, type PeerConfig, type ServerConfig } from "./config.ts";
import { type Problem, quote } from "./error.ts";
import { canonicalAddress, familyOf, isLoopback, isOwnNetwork } from "./network.ts";

/** Why a name has no addresses now; completes "It cannot be resolved now: ...". */
export interface Unresolved {
  readonly reason: string;
}

/** Looks a host name up, as a connection to it would. */
export type Resolver = (name: string) => Promise<readonly string[] | Unresolved>;

/** A host, and the canonical addresses that are known of it. */
interface Resolved {
  readonly host: string;
  readonly addresses: readonly string[];
  /** `null` when all addresses are known. */
  readonly unresolved: Unresolved | null;
}

interface Peer extends Resolved, Pick<PeerConfig, "port" | "protocol"> {
  /** JSON path. */
  readonly path: string;
}

/** An admin server. */
interface Admin extends Resolved {
  /** JSON path. */
  readonly path: string;
}

/** What an administrator should look at in the list of peers, each with the key it is about. */
export async function clusterWarnings(
  { servers, cluster }: Pick<Config, "servers" | "cluster">,
  resolve: Resolver,
): Promise<Problem[]> {
  const lookup = async (host: string): Promise<Resolved> => {
    const literal = canonicalAddress(host);
    const found = literal === null ? await resolve(host) : [literal];
    return "reason" in found
      ? { host, addresses: [], unresolved: found }
      : { host, addresses: [...new Set(found.flatMap(canonical))], unresolved: null };
  };
  const peers = await Promise.all(
    cluster.map(async ({ host, port, protocol }, index): Promise<Peer> => {
      const { addresses, ...rest } = await lookup(host);
      const reached = [...new Set(addresses.map((each) => UNSPECIFIED.get(each) ?? each))];
      return { ...rest, addresses: reached, port, protocol, path: `cluster[${index}]` };
    }),
  );
  const admins = await Promise.all(
    // Only with peers does it matter where they listen.
    (peers.length === 0 ? [] : servers).map(async ({ type, listen }: ServerConfig, index) =>
      type === "admin" ? [{ ...await lookup(listen), path: `servers[${index}]` }] : []
    ),
  );
  return [
    ...peers.flatMap(unresolvable),
    ...peers.flatMap((each) => ownClientServer(each, servers)),
    ...duplicates(peers),
    ...unreachable(admins.flat(), peers),
    ...peers.flatMap(readable),
  ];
}

/** Where a connection to the address that stands for any goes. */
const UNSPECIFIED: ReadonlyMap<string, string> = new Map([["0.0.0.0", "127.0.0.1"], ["::", "::1"]]);

function unresolvable({ host, unresolved, path }: Peer): Problem[] {
  if (unresolved === null) return [];
  const message = `${quote(host)} cannot be resolved now: ${unresolved.reason}. It is tried anew ` +
    "for each connection; correct it if no peer has this name.";
  return [{ path: `${path}.host`, message }];
}

/** Entries that differ, and lead to the same place. */
function duplicates(peers: readonly Peer[]): Problem[] {
  const first = new Map<string, string>();
  return peers.flatMap(({ host, addresses, port, path }) => {
    const places = addresses.map((address) => formatAddress(address, port));
    const taken = places.find((place) => first.has(place));
    for (const place of places) first.set(place, first.get(place) ?? path);
    if (taken === undefined) return [];
    const message = `Like ${first.get(taken)}, ${quote(formatAddress(host, port))} leads to ` +
      `${taken}: one of the two is of no use. Name each peer once.`;
    return [{ path, message }];
  });
}

/** A peer that is no admin server, but a client server of this very configuration. */
function ownClientServer(
  { host, addresses, port, path }: Peer,
  servers: readonly ServerConfig[],
): Problem[] {
  const index = servers.findIndex(({ type, listen, port: own }) => {
    if (type !== "client" || own !== port) return false;
    const bound = canonicalAddress(listen);
    // What listens everywhere may be reached at any address; a name is known to nobody here.
    return bound === null || UNSPECIFIED.has(bound) || addresses.includes(bound);
  });
  if (index < 0) return [];
  const message =
    `${
      quote(formatAddress(host, port))
    } has the port of servers[${index}], which is a client server: ` +
    "only an admin server takes messages from others. Set it to the port of the peer's admin server.";
  return [{ path: `${path}.port`, message }];
}

/** Whether peers that list this server as it lists them would get through to it. */
function unreachable(admins: readonly Admin[], peers: readonly Peer[]): Problem[] {
  const listening = admins.flatMap(({ addresses }) => addresses);
  const open = listening.filter((address) => !isLoopback(address));
  const elsewhere = peers.filter(({ addresses }) =>
    addresses.some((address) => !isLoopback(address))
  );
  const [admin] = admins;
  if (admin === undefined || admins.some(({ unresolved }) => unresolved !== null)) return [];
  if (elsewhere.length > 0 && open.length === 0) {
    const some = elsewhere.slice(0, 3).map(({ host, port }) => formatAddress(host, port)).join(
      ", ",
    );
    const message = `${quote(admin.host)} is for this host alone, as is every admin server here: ` +
      `peers on other hosts (${some}${elsewhere.length > 3 ? ", ..." : ""}) cannot relay to this ` +
      "server. Let one listen where they, and nobody else but Phorge, can reach it, unless a proxy " +
      "or a tunnel brings them here.";
    return [{ path: `${admin.path}.listen`, message }];
  }
  // Of what cannot be resolved nobody knows.
  if (peers.some(({ unresolved }) => unresolved !== null)) return [];
  const families = new Set((elsewhere.length > 0 ? open : listening).flatMap(familiesOf));
  const known = peers.flatMap(({ addresses }) => addresses);
  if (known.length === 0 || known.some((address) => families.has(familyOf(address)))) return [];
  const family = families.has("ipv4") ? "IPv4" : "IPv6";
  const message = `No peer has an ${family} address, and the admin servers here are reached by ` +
    `${family} alone, so the peers may not be able to relay to this server. List every server on ` +
    'every server, this one included, and correct "listen" or the hosts.';
  return [{ path: "cluster", message }];
}

/** The families by which a server is reached that listens on an address. */
function familiesOf(address: string): ("ipv4" | "ipv6")[] {
  return address === "::" ? ["ipv4", "ipv6"] : [familyOf(address)];
}

function readable({ host, addresses, protocol, path }: Peer): Problem[] {
  const foreign = addresses.find((address) => !isOwnNetwork(address));
  if (protocol === "https" || foreign === undefined) return [];
  const where = foreign === canonicalAddress(host) ? foreign : `${host} (${foreign})`;
  const message =
    `Messages go to ${where} unencrypted, and it is in no private network: who is on ` +
    'the way can read, change and post them. Use "https", or an address of a VPN.';
  return [{ path: `${path}.protocol`, message }];
}

function canonical(address: string): string[] {
  return [canonicalAddress(address) ?? []].flat();
}
