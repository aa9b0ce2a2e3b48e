/**
 * Configuration files that are accepted, and what of each is worth a look.
 *
 * @module
 */

import type { Config, PeerConfig } from "../../../src/config/config.ts";
import { ADMIN as admin, CLIENT as client, LOG_DEFAULTS, PEER } from "../../entries.ts";
import { ADMIN, CLIENT, keys, servers } from "./text.ts";

/** A file that is accepted. */
export interface ValidFile {
  /** Completes "Validation accepts ...". */
  readonly what: string;
  readonly text: string;
  /** The parts of the configuration that the file is about. */
  readonly expected: Partial<Config>;
}

const MEBIBYTE = 1024 * 1024;

/** A peer that shows no certificate. */
const PLAIN_PEER: PeerConfig = { ...PEER, host: "10.0.0.1", protocol: "http" };

/** A file whose client server listens on `host`, and the engine that it gets. */
function listening(
  host: string,
  engine: "socket" | "serve" = "socket",
): Pick<ValidFile, "text" | "expected"> {
  return {
    text: servers(`{"type": "client", "port": 22280, "listen": "${host}"}`, ADMIN),
    expected: { servers: [{ ...client, listen: host, engine }, admin] },
  };
}

export const VALID_FILES: readonly ValidFile[] = [
  {
    what: "the schema that an editor checks the file with",
    text: keys(`"$schema": "https://example.com/aphlict.schema.json"`),
    expected: {},
  },
  {
    what: "the file that Phorge ships",
    text: `{
      "servers": [
        {
          "type": "client", "port": 22280, "listen": "0.0.0.0",
          "ssl.key": null, "ssl.cert": null, "ssl.chain": null
        },
        {
          "type": "admin", "port": 22281, "listen": "127.0.0.1",
          "ssl.key": null, "ssl.cert": null, "ssl.chain": null
        }
      ],
      "logs": [{ "path": "/var/log/aphlict.log" }],
      "pidfile": "/var/tmp/aphlict/pid/aphlict.pid"
    }`,
    expected: {
      path: "aphlict.json",
      servers: [client, admin],
      logs: [{ ...LOG_DEFAULTS, path: "/var/log/aphlict.log" }],
      cluster: [],
      pidfile: "/var/tmp/aphlict/pid/aphlict.pid",
      memoryLimit: null,
      memoryHint: null,
    },
  },
  {
    what: "each engine on a client server, and none",
    text: servers(
      `{"type": "client", "port": 22280, "engine": "serve"}`,
      `{"type": "client", "port": 1, "engine": "socket"}`,
      `{"type": "client", "port": 2, "engine": null}`,
      ADMIN,
    ),
    expected: {
      servers: [
        { ...client, engine: "serve" },
        { ...client, port: 1 },
        { ...client, port: 2 },
        admin,
      ],
    },
  },
  {
    what: "the least that a file must say, and fills in the defaults",
    text: servers(CLIENT, ADMIN),
    expected: {
      path: "aphlict.json",
      servers: [client, admin],
      logs: [],
      cluster: [],
      pidfile: "aphlict.pid",
      memoryLimit: null,
      memoryHint: null,
    },
  },
  {
    what: "comments and trailing commas",
    text: `// One of each.
      {"servers": [${CLIENT}, /* for Phorge */ ${ADMIN},], "pidfile": "aphlict.pid",}`,
    expected: { servers: [client, admin] },
  },
  {
    what: "several servers of a type, in the order of the file",
    text: servers(
      ADMIN,
      CLIENT,
      `{"type": "client", "port": 1}`,
      `{"type": "admin", "port": 65535}`,
    ),
    expected: {
      servers: [admin, client, { ...client, port: 1 }, { ...admin, port: 65_535 }],
    },
  },
  {
    what: "TLS with a chain",
    text: servers(
      `{"type": "client", "port": 22280, "ssl.key": "k.pem", "ssl.cert": "c.pem", "ssl.chain": "i.pem"}`,
      ADMIN,
    ),
    expected: {
      servers: [{ ...client, tls: { key: "k.pem", cert: "c.pem", chain: "i.pem" } }, admin],
    },
  },
  {
    what: "TLS without a chain, key and certificate in one file that two servers share",
    text: servers(
      `{"type": "client", "port": 22280, "ssl.key": "all.pem", "ssl.cert": "all.pem"}`,
      `{"type": "admin", "port": 22281, "ssl.key": "all.pem", "ssl.cert": "all.pem", "ssl.chain": ""}`,
    ),
    expected: {
      servers: [
        { ...client, tls: { key: "all.pem", cert: "all.pem", chain: null } },
        { ...admin, tls: { key: "all.pem", cert: "all.pem", chain: null } },
      ],
    },
  },
  {
    what: "empty texts for the keys of TLS and for listen as their absence",
    text: servers(
      `{"type": "client", "port": 22280, "listen": "", "ssl.key": "", "ssl.cert": "", "ssl.chain": ""}`,
      `{"type": "admin", "port": 22281, "listen": null, "ssl.key": null, "ssl.cert": ""}`,
    ),
    expected: { servers: [client, admin] },
  },
  { what: "an IPv4 address to listen on", ...listening("192.168.0.1") },
  { what: "an IPv6 address to listen on", ...listening("2001:db8::1") },
  { what: "the IPv6 address of every interface", ...listening("::") },
  { what: "an IPv6 address that ends as an IPv4 address", ...listening("::ffff:127.0.0.1") },
  { what: "localhost to listen on, whose addresses are known", ...listening("localhost") },
  {
    what: "a host name with digits, hyphens and underscores",
    ...listening("1a-b_c.example.com", "serve"),
  },
  { what: "a host name that ends in a dot", ...listening("notify.example.com.", "serve") },
  {
    what: "a host name whose last label only begins with a digit",
    ...listening("node.1st", "serve"),
  },
  {
    what: "a host name with a label of 63 letters",
    ...listening(`${"a".repeat(63)}.example`, "serve"),
  },
  {
    what: "two logs",
    text: keys(`"logs": [{"path": "a.log"}, {"path": "logs/a.log"}]`),
    expected: {
      logs: [{ ...LOG_DEFAULTS, path: "a.log" }, { ...LOG_DEFAULTS, path: "logs/a.log" }],
    },
  },
  {
    what: "two logs whose names only look like rotated ones",
    text: keys(`"logs": [{"path": "a.log"}, {"path": "a.log.6"}, {"path": "a.log.01"}]`),
    expected: {
      logs: [{ ...LOG_DEFAULTS, path: "a.log" }, { ...LOG_DEFAULTS, path: "a.log.6" }, {
        ...LOG_DEFAULTS,
        path: "a.log.01",
      }],
    },
  },
  {
    what: "a path with spaces, quotes and letters of any alphabet",
    text: keys(`"logs": [{"path": "/var/log/Ära \\"1\\" '2' $HOME.log"}]`),
    expected: { logs: [{ ...LOG_DEFAULTS, path: `/var/log/Ära "1" '2' $HOME.log` }] },
  },
  {
    what: "a log with a size, a number of files, a level and a format of its own",
    text: keys(
      `"logs": [{"path": "a.log", "rotate.size": "3 KiB", "rotate.keep": 2, "level": "warning",
        "format": "json"}, {"path": "b.log", "rotate.size": 0, "rotate.keep": null, "level": ""}]`,
    ),
    expected: {
      logs: [
        {
          ...LOG_DEFAULTS,
          path: "a.log",
          rotateSize: 3072,
          rotateKeep: 2,
          level: "warning",
          format: "json",
        },
        { ...LOG_DEFAULTS, path: "b.log", rotateSize: 0 },
      ],
    },
  },
  {
    what: "a log named as a rotated file of one that never rotates",
    text: keys(`"logs": [{"path": "a.log", "rotate.size": 0}, {"path": "a.log.1"}]`),
    expected: {
      logs: [
        { ...LOG_DEFAULTS, path: "a.log", rotateSize: 0 },
        { ...LOG_DEFAULTS, path: "a.log.1" },
      ],
    },
  },
  {
    what: "a user and a drain",
    text: keys(`"user": "www-data", "drain": 0`),
    expected: { user: "www-data", drain: 0 },
  },
  { what: "an empty list of logs", text: keys(`"logs": []`), expected: { logs: [] } },
  {
    what: "an empty object for an empty list, as PHP does",
    text: keys(`"logs": {}, "cluster": {}`),
    expected: { logs: [], cluster: [] },
  },
  {
    what: "peers",
    text: keys(
      `"cluster": [
        {"host": "10.0.0.1", "port": 22281, "protocol": "http"},
        {"host": "10.0.0.1", "port": 22282, "protocol": "http"},
        {"host": "::1", "port": 22281, "protocol": "http"},
        {"host": "notify2.example.com", "port": 443, "protocol": "https"},
        {"host": "notify3.example.com", "port": 443, "protocol": "https", "ssl.ca": "ca.pem"},
        {"host": "notify4.example.com", "port": 443, "protocol": "http", "ssl.ca": ""}
      ]`,
    ),
    expected: {
      cluster: [
        PLAIN_PEER,
        { ...PLAIN_PEER, port: 22282 },
        { ...PLAIN_PEER, host: "::1" },
        { ...PEER, port: 443 },
        { ...PEER, host: "notify3.example.com", port: 443, ca: "ca.pem" },
        { ...PLAIN_PEER, host: "notify4.example.com", port: 443 },
      ],
    },
  },
  {
    what: "a peer that is a server of this file",
    text: keys(`"cluster": [{"host": "127.0.0.1", "port": 22281, "protocol": "http"}]`),
    expected: { cluster: [{ ...PLAIN_PEER, host: "127.0.0.1" }] },
  },
  { what: "a memory hint", text: keys(`"memory.hint": 512`), expected: { memoryHint: 512 } },
  {
    what: "a memory hint of 0 as the default, as PHP does",
    text: keys(`"memory.hint": 0`),
    expected: { memoryHint: null },
  },
  ...([
    ["16777216", 16 * MEBIBYTE],
    ['"16MiB"', 16 * MEBIBYTE],
    ['"512 MiB"', 512 * MEBIBYTE],
    ['"16384KiB"', 16 * MEBIBYTE],
    ['"2GiB"', 2048 * MEBIBYTE],
    ["16777217", 16 * MEBIBYTE + 1],
    ["null", null],
  ] as const).map(([limit, memoryLimit]): ValidFile => ({
    what: `${limit} for the limit of memory`,
    text: keys(`"limit.memory": ${limit}`),
    expected: { memoryLimit, memoryHint: null },
  })),
  {
    what: "a limit of memory beside a memory hint, whichever is larger",
    text: keys(`"limit.memory": "1GiB", "memory.hint": 64`),
    expected: { memoryLimit: 1024 * MEBIBYTE, memoryHint: 64 },
  },
  {
    what: "the last of two values for one key, as PHP does",
    text: keys(`"memory.hint": 64, "memory.hint": 128`),
    expected: { memoryHint: 128 },
  },
];
