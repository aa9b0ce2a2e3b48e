import { changesOf, isRooted, restartReasons } from "../../src/config/change.ts";
import type { Config } from "../../src/config/config.ts";
import { assertEquals } from "../assert.ts";
import * as entries from "../entries.ts";
import { LOG_DEFAULTS } from "../entries.ts";

const CLIENT = { ...entries.CLIENT, port: 1 };
const ADMIN = { ...entries.ADMIN, port: 2 };
const { PEER } = entries;
const MEBIBYTE = 1024 * 1024;
const BEFORE = entries.configOf({
  servers: [CLIENT, ADMIN],
  logs: [{ ...LOG_DEFAULTS, path: "a.log" }],
  cluster: [PEER],
});

for (
  const [what, change] of [
    ["a log's level", { logs: [{ ...LOG_DEFAULTS, path: "a.log", level: "trace" }] }],
    ["a log's format", { logs: [{ ...LOG_DEFAULTS, path: "a.log", format: "json" }] }],
    ["the size of a log that rotates", {
      logs: [{ ...LOG_DEFAULTS, path: "a.log", rotateSize: 1 }],
    }],
    ["the drain", { drain: 7 }],
    ["the user", { user: "aphlict" }],
    ["how much outsiders can make the service hold", { memoryLimit: 1024 * MEBIBYTE }],
    ["fewer connections", {
      servers: [{ ...CLIENT, limits: { ...CLIENT.limits, connections: 100 } }, ADMIN],
    }],
    ["more connections and longer messages, as they need no other heap,", {
      servers: [{
        ...CLIENT,
        limits: { ...CLIENT.limits, connections: 1_000_000, message: 64 * MEBIBYTE },
      }, ADMIN],
    }],
    ["what browsers may do", {
      servers: [
        { ...CLIENT, limits: { ...CLIENT.limits, address: 5, commands: 10, idle: 5 } },
        ADMIN,
      ],
    }],
    ["which pages may connect", {
      servers: [{ ...CLIENT, origins: ["https://phorge.example.com"] }, ADMIN],
    }],
    ["whose word on an address is believed", {
      servers: [{ ...CLIENT, proxies: ["127.0.0.1"] }, ADMIN],
    }],
    ["what Phorge may do", {
      servers: [CLIENT, { ...ADMIN, limits: { message: 1024, requests: 1 } }],
    }],
    ["who is answered", { servers: [CLIENT, { ...ADMIN, allow: ["127.0.0.1"] }] }],
  ] satisfies [string, Partial<Config>][]
) {
  Deno.test(`${what} changes in place`, () => {
    assertEquals(restartReasons(BEFORE, { ...BEFORE, ...change }), []);
  });
}

const TLS = { key: "k", cert: "c", chain: null };

for (
  const [what, change, reasons] of [
    ["a port", { servers: [{ ...CLIENT, port: 3 }, ADMIN] }, ["servers"]],
    ["an address", { servers: [{ ...CLIENT, listen: "::" }, ADMIN] }, ["servers"]],
    ["an engine", { servers: [{ ...CLIENT, engine: "serve" }, ADMIN] }, ["servers"]],
    ["TLS", { servers: [{ ...CLIENT, tls: TLS }, ADMIN] }, ["servers"]],
    ["a token where there was none", {
      servers: [CLIENT, { ...ADMIN, token: "token" }],
    }, ["servers"]],
    ["the servers' order", { servers: [ADMIN, CLIENT] }, ["servers"]],
    ["a heap of another size", { memoryHint: 512, memoryLimit: 16 * MEBIBYTE }, ["memory.hint"]],
    ["an address, and the heap", {
      servers: [{ ...CLIENT, listen: "::" }, ADMIN],
      memoryHint: 512,
    }, ["servers", "memory.hint"]],
    ["a peer's token", { cluster: [{ ...PEER, token: "token" }] }, ["cluster"]],
    ["one server less", { servers: [CLIENT] }, ["servers"]],
    ["another peer", { cluster: [{ ...PEER, port: 2 }] }, ["cluster"]],
    ["a peer less", { cluster: [] }, ["cluster"]],
    ["a peer's authority", { cluster: [{ ...PEER, ca: "ca.pem" }] }, ["cluster"]],
    ["another log file", { logs: [{ ...LOG_DEFAULTS, path: "b.log" }] }, ["logs"]],
    ["more rotated files", { logs: [{ ...LOG_DEFAULTS, path: "a.log", rotateKeep: 9 }] }, ["logs"]],
    ["a log that rotates no more", { logs: [{ ...LOG_DEFAULTS, path: "a.log", rotateSize: 0 }] }, [
      "logs",
    ]],
    ["another link to the console", {
      logs: [{ ...LOG_DEFAULTS, path: "/dev/stdout", links: ["/b"] }],
    }, ["logs"]],
    ["the heap, and a log", { memoryHint: 512, logs: [] }, [
      "logs",
      "memory.hint",
    ]],
  ] satisfies [string, Partial<Config>, string[]][]
) {
  Deno.test(`${what} needs another service`, () => {
    assertEquals(restartReasons(BEFORE, { ...BEFORE, ...change }), reasons);
  });
}

Deno.test("a key at the top level that no reload takes over is told with its values", () => {
  const after = { ...BEFORE, user: "aphlict", pidfile: "other.pid", drain: 7 };
  assertEquals(changesOf("next restart", BEFORE, after), [
    { name: "user", from: null, to: "aphlict" },
  ]);
  assertEquals(changesOf("stop and start", BEFORE, after), [
    { name: "pidfile", from: "aphlict.pid", to: "other.pid" },
  ]);
  assertEquals(changesOf("next restart", BEFORE, BEFORE), []);
});

const ROOTED: Config = {
  ...BEFORE,
  path: "/aphlict.json",
  servers: BEFORE.servers.map((each) => ({ ...each, tls: { key: "/k", cert: "/c", chain: null } })),
  logs: [{ ...LOG_DEFAULTS, path: "/a.log" }],
  cluster: [PEER, { ...PEER, ca: "/ca.pem" }],
  pidfile: "/aphlict.pid",
};

Deno.test("a configuration is rooted when no path starts at the working directory", () => {
  assertEquals(isRooted(ROOTED), true);
  for (
    const change of [
      { path: "aphlict.json" },
      { servers: [{ ...CLIENT, tls: { key: "/k", cert: "/c", chain: "i" } }] },
      { logs: BEFORE.logs },
      { cluster: [{ ...PEER, ca: "ca.pem" }] },
      { cluster: [{ ...PEER, token: "token" }] },
      { servers: [CLIENT, { ...ADMIN, token: "token" }] },
      { pidfile: "aphlict.pid" },
    ] satisfies Partial<Config>[]
  ) {
    assertEquals(isRooted({ ...ROOTED, ...change }), false, JSON.stringify(change));
  }
});
