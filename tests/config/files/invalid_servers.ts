/**
 * Files that are refused for their servers.
 *
 * @module
 */

import {
  ADMIN,
  admin,
  CLIENT,
  type InvalidFile,
  NO_COMMA,
  servers,
  USE_PATH,
  USE_PORT,
} from "./text.ts";

export const SERVERS: readonly InvalidFile[] = [
  ...["[]", "{}"].map((list): InvalidFile => ({
    what: `${list} for the servers`,
    text: `{"servers": ${list}, "pidfile": "aphlict.pid"}`,
    problems: [[
      "servers",
      `There are no servers. Add one with the type "admin" and one with "client".`,
    ]],
  })),
  {
    what: "a file without an admin server",
    text: servers(CLIENT),
    problems: [[
      "servers",
      `No server has the type "admin". Add one: it takes the messages from Phorge.`,
    ]],
  },
  {
    what: "a file without a client server",
    text: servers(ADMIN),
    problems: [[
      "servers",
      `No server has the type "client". Add one: it passes the messages to browsers.`,
    ]],
  },
  {
    what: "a server without type and port",
    text: servers(CLIENT, `{}`),
    problems: [
      ["servers[1].type", `The key is missing. Set it to "admin" or "client".`],
      ["servers[1].port", "The key is missing. Set it to a whole number from 1 to 65535."],
    ],
  },
  ...["Admin", "amdin", "admins"].map((type): InvalidFile => ({
    what: `the type "${type}", and suggests "admin"`,
    text: servers(CLIENT, `{"type": "${type}", "port": 22281}`),
    problems: [[
      "servers[1].type",
      `"${type}" is not a type of server. Did you mean "admin"? Use "admin" or "client".`,
    ]],
  })),
  {
    what: "a type that is like none, without a suggestion",
    text: servers(CLIENT, `{"type": "browser", "port": 22281}`),
    problems: [["servers[1].type", `"browser" is not a type of server. Use "admin" or "client".`]],
  },
  {
    what: "a type that is no text",
    text: servers(CLIENT, `{"type": ["admin"], "port": 22281}`),
    problems: [["servers[1].type", `["admin"] is not a type of server. Use "admin" or "client".`]],
  },
  ...["0", "-1", "65536", "1.5", "null", "true", `"http"`, `"70000"`].map((
    port,
  ): InvalidFile => ({
    what: `the port ${port}`,
    text: servers(CLIENT, `{"type": "admin", "port": ${port}}`),
    problems: [["servers[1].port", `is not a port. ${USE_PORT}`]],
  })),
  {
    what: "a port beyond all numbers, without calling it null",
    text: servers(CLIENT, `{"type": "admin", "port": 1e400}`),
    problems: [["servers[1].port", `Infinity is not a port. ${USE_PORT}`]],
  },
  {
    what: "a port in quotes, and says to remove them",
    text: servers(CLIENT, `{"type": "admin", "port": "22281"}`),
    problems: [["servers[1].port", `"22281" is not a port. Write it without quotes: 22281.`]],
  },
  {
    what: "two servers on one port, even on different addresses",
    text: servers(
      `{"type": "client", "port": 22280, "listen": "127.0.0.1"}`,
      `{"type": "admin", "port": 22280, "listen": "127.0.0.2"}`,
      `{"type": "admin", "port": 22280}`,
    ),
    problems: [
      ["servers[1].port", "22280 is also the port of servers[0]. Give each server a port"],
      ["servers[2].port", "22280 is also the port of servers[0]."],
    ],
  },
  {
    what: "an engine that is none, and suggests the one that was meant",
    text: servers(`{"type": "client", "port": 22280, "engine": "sockets"}`, ADMIN),
    problems: [[
      "servers[0].engine",
      `"sockets" is not an engine. Did you mean "socket"? Use "socket" or "serve".`,
    ]],
  },
  {
    what: "the socket engine on a host name",
    text: servers(
      `{"type": "client", "port": 22280, "listen": "notify.example.com", "engine": "socket"}`,
      ADMIN,
    ),
    problems: [[
      "servers[0].engine",
      `The socket engine needs an address to listen on, and "notify.example.com" is a host name: the ` +
      `permissions have to name what it resolves to. Write the address, or use "serve".`,
    ]],
  },
  {
    what: "the socket engine on an admin server's host name",
    text: admin(`"listen": "notify.example.com", "engine": "socket"`),
    problems: [[
      "servers[1].engine",
      `The socket engine needs an address to listen on, and "notify.example.com" is a host name: the ` +
      `permissions have to name what it resolves to. Write the address, or use "serve".`,
    ]],
  },
  {
    what: "two servers on one port, even if one of them has another problem",
    text: servers(CLIENT, `{"type": 1, "port": 22280}`),
    problems: [
      ["servers[1].type", "1 is not a type of server."],
      ["servers[1].port", "22280 is also the port of servers[0]."],
    ],
  },
];

export const TLS: readonly InvalidFile[] = [
  {
    what: "a key without a certificate, the chain left alone",
    text: admin(`"ssl.key": "k.pem", "ssl.chain": "i.pem"`),
    problems: [[
      "servers[1].ssl.cert",
      `"ssl.key" is set, but this is not. Set both to serve TLS, or neither.`,
    ]],
  },
  {
    what: "a certificate without a key, the chain left alone",
    text: admin(`"ssl.key": "", "ssl.cert": "c.pem", "ssl.chain": "i.pem"`),
    problems: [[
      "servers[1].ssl.key",
      `"ssl.cert" is set, but this is not. Set both to serve TLS, or neither.`,
    ]],
  },
  {
    what: "a chain without key and certificate",
    text: admin(`"ssl.key": null, "ssl.chain": "i.pem"`),
    problems: [[
      "servers[1].ssl.chain",
      `"i.pem" needs "ssl.key" and "ssl.cert". Set both to serve TLS, or remove the chain.`,
    ]],
  },
  {
    what: "a key of the wrong type, without missing the key then",
    text: admin(`"ssl.key": false, "ssl.cert": "c.pem", "ssl.chain": "i.pem"`),
    problems: [["servers[1].ssl.key", `false is not a path. ${USE_PATH}`]],
  },
  {
    what: "a certificate file with a comma",
    text: admin(`"ssl.key": "k.pem", "ssl.cert": "a,b.pem"`),
    problems: [["servers[1].ssl.cert", `"a,b.pem" is not a path. ${NO_COMMA}`]],
  },
];
