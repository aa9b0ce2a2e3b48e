/**
 * Every key of the configuration, once: its name, kind, default, what a reload does about it, and its
 * documentation. The types of `config.ts`, validation, what a reload takes over, `docs/configuration.md`,
 * `aphlict.json(5)` and the JSON Schema are derived from these tables.
 *
 * The keys that are as old as the original are those of Phorge's "Notifications User Guide: Setup and
 * Configuration".
 *
 * @module
 */

import { pathFault } from "./files.ts";
import { hostFault } from "./host_name.ts";
import { networkFault } from "./network.ts";
import { originFault } from "./origin.ts";
import {
  byteCount,
  entries,
  type JsonSchema,
  list,
  oneOf,
  text,
  type ValueKind,
  wholeNumber,
} from "./schema.ts";
import { type Draft, type Key, key, keysOf, object, objectSchema } from "./table.ts";

const MEBIBYTE = 1024 * 1024;
const MANY = 1_000_000;

const port = wholeNumber("a port", "a whole number from 1 to 65535", 1, 65_535);
const host = text("a host", "an IPv4 address, an IPv6 address or a host name", hostFault);
const network = text(
  "an address or a network",
  'an IP address, or a network such as "192.0.2.0/24"',
  networkFault,
);
const networks = list("a list of addresses and networks", network);
const origins = list(
  "a list of origins",
  text(
    "an origin",
    'the scheme and the host of Phorge as browsers show them, such as "https://phorge.example.com"',
    originFault,
  ),
);

/** A file that is written. */
const file = text("a path", "the path of a file in quotes", pathFault);

/** A file that the service reads. */
const inputFile: ValueKind<string> = { ...file, isInput: true };

/** Bytes of one message, which are held in memory as a whole. */
const message = byteCount(
  "a number of bytes from 1 KiB to 64 MiB",
  'bytes, or a text such as "64KiB"',
  1024,
  64 * MEBIBYTE,
);

/** Returns the kind of a number of things from `min` to `max`. */
function count(of: string, min: number, max: number): ValueKind<number> {
  return wholeNumber(`a number of ${of}`, `a whole number from ${min} to ${max}`, min, max);
}

/** The keys of an entry of `servers` of either type, whose defaults do not depend on the type. */
export const SERVER_KEYS = {
  type: key("type", oneOf("a type of server", "admin", "client"), {
    reload: "restart of the service",
    since: "original",
    doc: "`client` for browsers, `admin` for Phorge and for other servers.",
    example: "client",
  }),
  port: key("port", port, {
    reload: "restart of the service",
    since: "original",
    doc: "The port to listen on, another one for each server.",
    example: 22280,
  }),
  tls: {
    key: key("ssl.key", inputFile, {
      default: null,
      absent: "no TLS",
      reload: "restart of the service",
      since: "original",
      doc: "The PEM file of the private key; with `ssl.cert`, the server speaks TLS.",
      example: "/etc/aphlict/notify.key",
    }),
    cert: key("ssl.cert", inputFile, {
      default: null,
      absent: "no TLS",
      reload: "restart of the service",
      since: "original",
      doc: "The PEM file of the certificate, which may have its intermediates behind it.",
      example: "/etc/aphlict/notify.pem",
    }),
    chain: key("ssl.chain", inputFile, {
      default: null,
      absent: "none",
      reload: "restart of the service",
      since: "original",
      doc: "The PEM file of the intermediates, where `ssl.cert` does not have them.",
      example: "/etc/aphlict/chain.pem",
    }),
  },
  engine: key("engine", oneOf("an engine", "socket", "serve"), {
    default: null,
    absent: '`"socket"`; `"serve"` if `listen` is a host name',
    reload: "restart of the service",
    since: "0.1.0",
    doc: "`socket` is Aphlict's own HTTP server, `serve` the runtime's, which holds fewer limits.",
    example: "socket",
  }),
} as const;

/** The keys that only a client server has, and those whose default is another one there. */
export const CLIENT_KEYS = {
  listen: key("listen", host, {
    default: "0.0.0.0",
    reload: "restart of the service",
    since: "original",
    doc: "The address to listen on.",
    example: "127.0.0.1",
  }),
  origins: key("origins", origins, {
    default: null,
    absent: "all",
    reload: "reload",
    since: "0.1.0",
    doc: "The sites whose pages may connect; `https://*.example.com` is every host below.",
    example: ["https://phorge.example.com"],
  }),
  proxies: key("proxies", networks, {
    default: [],
    absent: "none",
    reload: "reload",
    since: "0.1.0",
    doc: "The proxies whose `X-Forwarded-For` or `Forwarded` is believed.",
    example: ["127.0.0.1", "10.0.0.0/8"],
  }),
  limits: {
    message: key("limit.message", message, {
      default: 64 * 1024,
      reload: "reload",
      since: "0.1.0",
      doc: "Bytes of one message of a browser, all fragments together.",
      example: "64KiB",
    }),
    connections: key("limit.connections", count("connections", 1, MANY), {
      default: 50_000,
      reload: "reload",
      since: "0.1.0",
      doc: "WebSockets at a time.",
      example: 10_000,
    }),
    address: key("limit.address", count("connections from one address", 0, MANY), {
      default: 0,
      reload: "reload",
      since: "0.1.0",
      doc:
        "WebSockets at a time from one address, or one IPv6 network of 64 bits; 0 is any number.",
      example: 200,
    }),
    subscriptions: key("limit.subscriptions", count("topics", 1, MANY), {
      default: 512,
      reload: "reload",
      since: "0.1.0",
      doc: "Topics that one browser may be subscribed to.",
      example: 1024,
    }),
    topic: key("limit.topic", count("characters", 30, 64 * 1024), {
      default: 256,
      reload: "reload",
      since: "0.1.0",
      doc: "Characters of one topic; a PHID has about 30.",
      example: 64,
    }),
    // A replay counts for ten: it would end every connection if the limit were smaller.
    commands: key("limit.commands", count("commands in a second", 10, MANY), {
      default: 100,
      reload: "reload",
      since: "0.1.0",
      doc: "Commands of one browser in a second; twice as many are taken at once.",
      example: 50,
    }),
    backlog: key(
      "limit.backlog",
      byteCount(
        "a number of bytes from 64 KiB to 1 GiB",
        'bytes, or a text such as "1MiB"',
        64 * 1024,
        1024 * MEBIBYTE,
      ),
      {
        default: MEBIBYTE,
        reload: "reload",
        since: "0.1.0",
        doc: "Bytes that may wait for one slow browser.",
        example: "256KiB",
      },
    ),
    handshake: key("timeout.handshake", count("seconds", 1, 300), {
      default: 10,
      reload: "reload",
      since: "0.1.0",
      doc: "Seconds from connecting to the end of the request; the engine `serve` cannot hold it.",
      example: 5,
    }),
    idle: key("timeout.idle", count("seconds", 5, 3600), {
      default: 60,
      reload: "reload",
      since: "0.1.0",
      doc: "Seconds without a byte before a ping; the connection ends 30 s later.",
      example: 30,
    }),
  },
} as const;

/** The keys that only an admin server has, and those whose default is another one there. */
export const ADMIN_KEYS = {
  listen: key("listen", host, {
    default: "127.0.0.1",
    reload: "restart of the service",
    since: "original",
    doc: "The address to listen on.",
    example: "10.0.0.1",
  }),
  allow: key("allow", networks, {
    default: null,
    absent: "all",
    reload: "reload",
    since: "0.1.0",
    doc: "The addresses and networks that are answered.",
    example: ["127.0.0.1", "10.0.0.0/24"],
  }),
  token: key("token.file", inputFile, {
    default: null,
    absent: "none",
    reload: "restart of the service",
    since: "0.1.0",
    doc: "The file of a token that publishing takes as `Authorization: Bearer`; Phorge sends none.",
    example: "/etc/aphlict/token",
  }),
  limits: {
    message: key("limit.message", message, {
      default: MEBIBYTE,
      reload: "reload",
      since: "0.1.0",
      doc: "Bytes of one posted message.",
      example: "4MiB",
    }),
    requests: key("limit.requests", count("requests", 1, MANY), {
      default: 1000,
      reload: "reload",
      since: "0.1.0",
      doc: "Messages that are being received or answered at a time.",
      example: 100,
    }),
  },
} as const;

/** The keys of an entry of `logs`. */
export const LOG_KEYS = {
  path: key("path", file, {
    reload: "by its files",
    since: "original",
    doc: "The file, in a folder that the service may write; `/dev/stdout` is the console.",
    example: "/var/log/aphlict/aphlict.log",
  }),
  rotateSize: key(
    "rotate.size",
    byteCount("a number of bytes", 'bytes, a text such as "16MiB", or 0 for never'),
    {
      default: 16 * MEBIBYTE,
      reload: "by its files",
      since: "0.1.0",
      doc: "Bytes before the file is renamed to `PATH.1`; 0 is never.",
      example: "64MiB",
    },
  ),
  // Nobody looks through more than 100 rotated files, and each is named in the service's flags.
  rotateKeep: key("rotate.keep", count("files", 1, 100), {
    default: 5,
    reload: "by its files",
    since: "0.1.0",
    doc: "How many renamed files are kept.",
    example: 9,
  }),
  level: key("level", oneOf("a level", "trace", "debug", "info", "warning", "error"), {
    default: null,
    absent: '`"info"`; `"trace"` under `aphlict debug`',
    reload: "reload",
    since: "0.1.0",
    doc: "The log shows lines of this level and above; `error` is the highest.",
    example: "warning",
  }),
  format: key("format", oneOf("a format", "text", "json"), {
    default: "text",
    reload: "reload",
    since: "0.1.0",
    doc: "`json` is one object a line.",
    example: "json",
  }),
} as const;

/** The keys of an entry of `cluster`. */
export const PEER_KEYS = {
  host: key("host", host, {
    reload: "restart of the service",
    since: "original",
    doc: "The address or the name of the host of an admin server.",
    example: "notify2.example.com",
  }),
  port: key("port", port, {
    reload: "restart of the service",
    since: "original",
    doc: "The port of that admin server.",
    example: 22281,
  }),
  protocol: key("protocol", oneOf("a protocol", "http", "https"), {
    reload: "restart of the service",
    since: "original",
    doc: "`https` if that admin server has `ssl.key` and `ssl.cert`, else `http`.",
    example: "https",
  }),
  ca: key("ssl.ca", inputFile, {
    default: null,
    absent: "the usual public ones alone",
    reload: "restart of the service",
    since: "0.1.0",
    doc: "The PEM file of authorities for that server's certificate, beside the usual public ones.",
    example: "/etc/aphlict/cluster-ca.pem",
  }),
  token: key("token.file", inputFile, {
    default: null,
    absent: "none",
    reload: "restart of the service",
    since: "0.1.0",
    doc: "The file of the token that the admin server requires.",
    example: "/etc/aphlict/token",
  }),
} as const;

/** The tables of each type of server. */
export const SERVER_TABLES = {
  client: { ...SERVER_KEYS, ...CLIENT_KEYS },
  admin: { ...SERVER_KEYS, ...ADMIN_KEYS },
} as const;

/** The keys of every server: an entry is read with them before its type is known. */
export const ANY_SERVER_KEYS = {
  ...SERVER_KEYS,
  ...CLIENT_KEYS,
  ...ADMIN_KEYS,
  limits: { ...CLIENT_KEYS.limits, ...ADMIN_KEYS.limits },
} as const;

/** Returns the keys that only the other type of server has. */
export function foreignKeys(type: keyof typeof SERVER_TABLES): readonly Key<unknown>[] {
  const own = new Set(keysOf(SERVER_TABLES[type]).map(({ name }) => name));
  return keysOf(ANY_SERVER_KEYS).filter(({ name }) => !own.has(name));
}

const server = {
  ...object('an object such as {"type": "client", "port": 22280}', ANY_SERVER_KEYS),
  json: {
    if: { type: "object", properties: { type: { const: "admin" } }, required: ["type"] },
    then: serverSchema("admin"),
    else: serverSchema("client"),
  },
};

/** Returns the JSON Schema of a server. The keys of the other type may stand there only as if they were absent. */
function serverSchema(type: keyof typeof SERVER_TABLES): JsonSchema {
  return objectSchema(
    SERVER_TABLES[type],
    Object.fromEntries(foreignKeys(type).map(({ name, blank }) => [name, { enum: blank }])),
  );
}

const log = object('an object such as {"path": "/var/log/aphlict.log"}', LOG_KEYS);
const peer = object(
  'an object such as {"host": "notify2.example.com", "port": 22281, "protocol": "https"}',
  PEER_KEYS,
);

/** The keys at the top level. */
export const TOP_KEYS = {
  servers: key("servers", entries("a list of objects, one for each server", server), {
    reload: "by entry",
    since: "original",
    doc: "The servers, at least one of each type.",
    example: [{ type: "client", port: 22280 }, { type: "admin", port: 22281 }],
  }),
  logs: key("logs", entries("a list of objects, one for each log file", log), {
    default: [],
    absent: "none: the log is the console alone",
    reload: "by entry",
    since: "original",
    doc: "The log files.",
    example: [{ path: "/var/log/aphlict/aphlict.log" }],
  }),
  cluster: key("cluster", entries("a list of objects, one for each peer", peer), {
    default: [],
    absent: "none",
    reload: "by entry",
    since: "original",
    doc: "The servers that messages are relayed to; the list may name this server itself.",
    example: [{ host: "notify2.example.com", port: 22281, protocol: "https" }],
  }),
  pidfile: key("pidfile", file, {
    reload: "stop and start",
    since: "original",
    doc: "The file that the supervisor writes its process number into, and locks.",
    example: "/run/aphlict/aphlict.pid",
  }),
  memoryLimit: key(
    "limit.memory",
    byteCount(
      "a number of bytes from 16 MiB on",
      'bytes, or a text such as "512MiB"',
      16 * MEBIBYTE,
    ),
    {
      default: null,
      absent: "what `limit.connections` needs, as far as the host has it",
      reload: "reload",
      since: "0.1.0",
      doc: "Bytes that outsiders can make the service hold, all together.",
      example: "512MiB",
    },
  ),
  // In MiB: with 8 the service does not get as far as listening.
  memoryHint: key(
    "memory.hint",
    wholeNumber(
      "a number of megabytes",
      "a whole number of megabytes from 32 on, or 0 for the default",
      32,
    ),
    {
      default: null,
      absent: "what the runtime says",
      blank: [0],
      reload: "restart of the service",
      since: "original",
      doc: "Megabytes that the heap of the runtime may have; 0 is the default.",
      example: 512,
    },
  ),
  user: key(
    "user",
    text("an ordinary user", "the name or the number of a user in quotes", userFault),
    {
      default: null,
      absent: "root is refused",
      reload: "next restart",
      since: "0.1.0",
      doc: "The name or the number of the user that root becomes.",
      example: "aphlict",
    },
  ),
  drain: key(
    "drain",
    wholeNumber("a number of seconds", "a whole number from 0 to 300", 0, 300),
    {
      default: 2,
      reload: "reload",
      since: "0.1.0",
      doc: "Seconds over which a stop ends the connections of browsers.",
      example: 10,
    },
  ),
  schema: key(
    "$schema",
    text("a schema", "the URL or the path of a JSON Schema in quotes", () => null),
    {
      default: null,
      absent: "none",
      reload: "reload",
      since: "0.1.0",
      doc: "The URL or the path of a JSON Schema, for editors; Aphlict does not read it.",
      example: "aphlict.schema.json",
    },
  ),
} as const;

/** A configuration file. */
export const ROOT: ValueKind<Draft<typeof TOP_KEYS>> = object(
  "an object with the keys servers and pidfile",
  TOP_KEYS,
);

/** Returns what is wrong with a user, which becomes an argument of `setpriv` and `id`. */
function userFault(name: string): string | null {
  if (/^(root|0+)$/.test(name)) {
    return "Name a user of Aphlict's own, or remove the key: root runs it as root only when told so with --as-root.";
  }
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(name) ? null : "";
}
