/**
 * The rules between the keys of an entry of `servers`, and between entries.
 *
 * @module
 */

import type { Engine, ServerConfig, ServerType } from "./config.ts";
import { knownAddresses } from "./host_name.ts";
import { ANY_SERVER_KEYS, foreignKeys, SERVER_TABLES, type TOP_KEYS } from "./keys.ts";
import type { Place } from "./schema.ts";
import { type Draft, filled, valuesOf } from "./table.ts";
import { quote } from "../text.ts";

/** An entry while it is read. */
type Entry = NonNullable<NonNullable<Draft<typeof TOP_KEYS>["servers"]>[number]>;

/** Returns the configuration of a server from a complete entry, with its defaults. */
export function serverConfig(entry: Entry): ServerConfig {
  const { tls: { key, cert, chain }, listen } = entry;
  const tls = key && cert ? { key, cert, chain: chain ?? null } : null;
  if (entry.type === "admin") {
    const engine = entry.engine ?? defaultEngine("admin", listen);
    return { ...filled(SERVER_TABLES.admin, entry), type: "admin", tls, engine };
  }
  const engine = entry.engine ?? defaultEngine("client", listen);
  return { ...filled(SERVER_TABLES.client, entry), type: "client", tls, engine };
}

/** Reports what is wrong between the keys of an entry, and between entries. */
export function checkServers(servers: readonly (Entry | undefined)[], place: Place): void {
  if (servers.length === 0) {
    place.report('There are no servers. Add one with the type "admin" and one with "client".');
    return;
  }
  // An entry whose type could not be read may be the one that seems to be missing.
  const types = new Set(servers.map((each) => each?.type));
  for (const wanted of types.has(undefined) ? [] : ["admin", "client"] as const) {
    if (types.has(wanted)) continue;
    place.report(`No server has the type "${wanted}". Add one: ${SERVES[wanted]}.`);
  }

  const ports = new Map<number, number>();
  servers.forEach((each, index) => {
    if (each === undefined) return;
    checkTls(each, place.at(index));
    checkKeys(each, place.at(index));
    if (
      each.engine === "socket" && typeof each.listen === "string" &&
      knownAddresses(each.listen) === null
    ) {
      place.at(index).key("engine").report(
        `The socket engine needs an address to listen on, and ${
          quote(each.listen)
        } is a host name: ` +
          'the permissions have to name what it resolves to. Write the address, or use "serve".',
      );
    }
    if (!each.port) return;
    const first = ports.get(each.port);
    if (first === undefined) {
      ports.set(each.port, index);
      return;
    }
    place.at(index).key("port").report(
      `${each.port} is also the port of servers[${first}]. ` +
        "Give each server a port of its own, even if they listen on different addresses.",
    );
  });
}

/** Returns `serve` for a host name, because the permissions of the other engine would have to name its address. */
function defaultEngine(type: ServerType, host: string | null | undefined): Engine {
  return knownAddresses(host ?? SERVER_TABLES[type].listen.default) !== null ? "socket" : "serve";
}

/** The task of a server of each type, which would not work without one. */
const SERVES: Readonly<Record<ServerType, string>> = {
  admin: "it takes the messages from Phorge",
  client: "it passes the messages to browsers",
};

/** Reports a limit that would not be held, or a list that lets no client in: it must not look as if it were of use. */
function checkKeys(each: Entry, place: Place): void {
  const foreign = new Set(each.type ? foreignKeys(each.type) : []);
  for (const [key, value] of valuesOf(ANY_SERVER_KEYS, each)) {
    if (!foreign.has(key) || value === null) continue;
    const owner = each.type === "admin" ? "a client server" : "an admin server";
    place.key(key.name).report(`Only ${owner} has this key. Move it, or remove it.`);
  }
  for (const name of ["origins", "allow"] as const) {
    if (each[name]?.length !== 0) continue;
    place.key(name).report("An empty list lets nobody in. Name somebody, or remove the key.");
  }
  if (
    each.type === "client" && (each.engine ?? defaultEngine("client", each.listen)) === "serve" &&
    typeof each.limits.handshake === "number"
  ) {
    place.key("timeout.handshake").report(
      'The engine "serve" cannot hold this limit. Remove the key, or use the engine "socket".',
    );
  }
}

function checkTls({ tls: { key, cert, chain } }: Entry, place: Place): void {
  const both = "Set both to serve TLS, or neither.";
  if (typeof key === "string" && cert === null) {
    place.key("ssl.cert").report(`"ssl.key" is set, but this is not. ${both}`);
  }
  if (typeof cert === "string" && key === null) {
    place.key("ssl.key").report(`"ssl.cert" is set, but this is not. ${both}`);
  }
  if (typeof chain === "string" && key === null && cert === null) {
    place.key("ssl.chain").report(
      `${quote(chain)} needs "ssl.key" and "ssl.cert". Set both to serve TLS, or remove the chain.`,
    );
  }
}
