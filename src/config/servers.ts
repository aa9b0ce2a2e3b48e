/**
 * The rules of an entry of `servers`: where it listens, whom it answers, and what it takes.
 *
 * @module
 */

import { DEFAULT_LISTEN, type Engine, type ServerConfig, type ServerType } from "./config.ts";
import { knownAddresses } from "./host.ts";
import { ADMIN_LIMITS, CLIENT_LIMITS } from "./limits.ts";
import { networkFault } from "./network.ts";
import { originFault } from "./origin.ts";
import {
  byteCount,
  type Complete,
  type Kind,
  list,
  object,
  oneOf,
  optional,
  type Place,
  type Read,
  readable,
  required,
  text,
  wholeNumber,
} from "./schema.ts";
import { file, host, NONE, port } from "./values.ts";
import { quote } from "../text.ts";

const type = oneOf("a type of server", "admin", "client");
const engine = oneOf("an engine", "socket", "serve");
const origin = text(
  "an origin",
  'the scheme and the host of Phorge as browsers show them, such as "https://phorge.example.com"',
  originFault,
);
const network = text(
  "an address or a network",
  'an IP address, or a network such as "192.0.2.0/24"',
  networkFault,
);

/** A whole number of something. */
function count(of: string, min: number, max: number): Kind<number> {
  return wholeNumber(`a number of ${of}`, `a whole number from ${min} to ${max}`, min, max);
}

const MEBIBYTE = 1024 * 1024;

/** Bytes of one message, which are held in memory as a whole. */
const message = byteCount(
  "a number of bytes from 1 KiB to 64 MiB",
  'bytes, or a text such as "64KiB"',
  1024,
  64 * MEBIBYTE,
);

const MANY = 1_000_000;

/** The keys that only a client server has. */
const CLIENT_KEYS = {
  "origins": optional(list("a list of origins", origin), null, [null]),
  "proxies": optional(list("a list of addresses and networks", network), null, [null]),
  "limit.connections": optional(count("connections", 1, MANY), null, [null]),
  "limit.address": optional(count("connections from one address", 0, MANY), null, [null]),
  "limit.subscriptions": optional(count("topics", 1, MANY), null, [null]),
  "limit.topic": optional(count("characters", 30, 64 * 1024), null, [null]),
  // A replay counts for ten, and would end every connection with less.
  "limit.commands": optional(count("commands in a second", 10, MANY), null, [null]),
  "limit.backlog": optional(
    byteCount(
      "a number of bytes from 64 KiB to 1 GiB",
      'bytes, or a text such as "1MiB"',
      64 * 1024,
      1024 * MEBIBYTE,
    ),
    null,
    [null],
  ),
  "timeout.handshake": optional(count("seconds", 1, 300), null, [null]),
  "timeout.idle": optional(count("seconds", 5, 3600), null, [null]),
} as const;

/** The keys that only an admin server has. */
const ADMIN_KEYS = {
  "allow": optional(list("a list of addresses and networks", network), null, [null]),
  "token.file": optional(file, null, NONE),
  "limit.requests": optional(count("requests", 1, MANY), null, [null]),
} as const;

/** One entry of `servers`. */
export const server = object('an object such as {"type": "client", "port": 22280}', {
  "type": required(type),
  "port": required(port),
  "listen": optional(host, null, NONE),
  "ssl.key": optional(file, null, NONE),
  "ssl.cert": optional(file, null, NONE),
  "ssl.chain": optional(file, null, NONE),
  "engine": optional(engine, null, NONE),
  "limit.message": optional(message, null, [null]),
  ...CLIENT_KEYS,
  ...ADMIN_KEYS,
});

type Entry = Read<typeof server>;

/** What an entry says, defaults filled in. */
export function serverConfig(each: Complete<Entry>): ServerConfig {
  const address = {
    port: each.port,
    listen: each.listen ?? DEFAULT_LISTEN[each.type],
    tls: each["ssl.key"] === null || each["ssl.cert"] === null
      ? null
      : { key: each["ssl.key"], cert: each["ssl.cert"], chain: each["ssl.chain"] },
    engine: each.engine ?? defaultEngine(each.type, each.listen),
  };
  if (each.type === "admin") {
    return {
      type: "admin",
      ...address,
      allow: each.allow && readable(each.allow),
      token: each["token.file"],
      limits: {
        message: each["limit.message"] ?? ADMIN_LIMITS.message,
        requests: each["limit.requests"] ?? ADMIN_LIMITS.requests,
      },
    };
  }
  return {
    type: "client",
    ...address,
    origins: each.origins && readable(each.origins),
    proxies: readable(each.proxies ?? []),
    limits: {
      connections: each["limit.connections"] ?? CLIENT_LIMITS.connections,
      address: each["limit.address"] ?? CLIENT_LIMITS.address,
      subscriptions: each["limit.subscriptions"] ?? CLIENT_LIMITS.subscriptions,
      topic: each["limit.topic"] ?? CLIENT_LIMITS.topic,
      message: each["limit.message"] ?? CLIENT_LIMITS.message,
      commands: each["limit.commands"] ?? CLIENT_LIMITS.commands,
      backlog: each["limit.backlog"] ?? CLIENT_LIMITS.backlog,
      handshake: each["timeout.handshake"] ?? CLIENT_LIMITS.handshake,
      idle: each["timeout.idle"] ?? CLIENT_LIMITS.idle,
    },
  };
}

/** What is wrong between the keys of an entry, and between entries. */
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
    if (each.port === undefined) return;
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

/** A server on a host name gets the runtime's engine, as the permissions of the other would have to name its address. */
function defaultEngine(type: ServerType, host: string | null): Engine {
  return knownAddresses(host ?? DEFAULT_LISTEN[type]) !== null ? "socket" : "serve";
}

/** What would not work without a server of each type. */
const SERVES: Readonly<Record<ServerType, string>> = {
  admin: "it takes the messages from Phorge",
  client: "it passes the messages to browsers",
};

/** A limit that would not be held, or a list that lets nobody in, must not look as if it were of use. */
function checkKeys(each: Entry, place: Place): void {
  const foreign = each.type === "admin" ? CLIENT_KEYS : each.type === "client" ? ADMIN_KEYS : {};
  for (
    const name of Object.keys(foreign) as (keyof typeof CLIENT_KEYS | keyof typeof ADMIN_KEYS)[]
  ) {
    if (each[name] === null) continue;
    const owner = each.type === "admin" ? "a client server" : "an admin server";
    place.key(name).report(`Only ${owner} has this key. Move it, or remove it.`);
  }
  for (const name of ["origins", "allow"] as const) {
    if (each[name]?.length !== 0) continue;
    place.key(name).report("An empty list lets nobody in. Name somebody, or remove the key.");
  }
  const host = typeof each.listen === "string" ? each.listen : null;
  if (
    each.type === "client" && (each.engine ?? defaultEngine("client", host)) === "serve" &&
    typeof each["timeout.handshake"] === "number"
  ) {
    place.key("timeout.handshake").report(
      'The engine "serve" cannot hold this limit. Remove the key, or use the engine "socket".',
    );
  }
}

function checkTls(each: Entry, place: Place): void {
  const { "ssl.key": key, "ssl.cert": cert, "ssl.chain": chain } = each;
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
