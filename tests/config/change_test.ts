import { isRooted, restartReasons } from "../../src/config/change.ts";
import type { Config } from "../../src/config/config.ts";
import { LOG_DEFAULTS } from "../../src/config/logs.ts";
import { assertEquals } from "../assert.ts";

const PEER = { host: "h", port: 1, protocol: "https", ca: null } as const;
const BEFORE: Config = {
  path: "aphlict.json",
  servers: [
    { type: "client", port: 1, listen: "0.0.0.0", tls: null, engine: "socket" },
    { type: "admin", port: 2, listen: "127.0.0.1", tls: null, engine: "serve" },
  ],
  logs: [{ ...LOG_DEFAULTS, path: "a.log" }],
  cluster: [PEER],
  pidfile: "aphlict.pid",
  memoryHint: null,
  user: null,
  drain: 2,
};
const [CLIENT, ADMIN] = BEFORE.servers;

for (
  const [what, change] of [
    ["a log's level", { logs: [{ ...LOG_DEFAULTS, path: "a.log", level: "trace" }] }],
    ["a log's format", { logs: [{ ...LOG_DEFAULTS, path: "a.log", format: "json" }] }],
    ["the size of a log that rotates", {
      logs: [{ ...LOG_DEFAULTS, path: "a.log", rotateSize: 1 }],
    }],
    ["the drain", { drain: 7 }],
    ["the user", { user: "aphlict" }],
  ] satisfies [string, Partial<Config>][]
) {
  Deno.test(`${what} changes in place`, () => {
    assertEquals(restartReasons(BEFORE, { ...BEFORE, ...change }), []);
  });
}

const TLS = { key: "k", cert: "c", chain: null };

for (
  const [what, change, reasons] of [
    ["a port", { servers: [{ ...CLIENT!, port: 3 }, ADMIN!] }, ["servers"]],
    ["an address", { servers: [{ ...CLIENT!, listen: "::" }, ADMIN!] }, ["servers"]],
    ["an engine", { servers: [{ ...CLIENT!, engine: "serve" }, ADMIN!] }, ["servers"]],
    ["TLS", { servers: [{ ...CLIENT!, tls: TLS }, ADMIN!] }, ["servers"]],
    ["one server less", { servers: [CLIENT!] }, ["servers"]],
    ["another peer", { cluster: [{ ...PEER, port: 2 }] }, ["cluster"]],
    ["a peer less", { cluster: [] }, ["cluster"]],
    ["a peer's authority", { cluster: [{ ...PEER, ca: "ca.pem" }] }, ["cluster"]],
    ["another log file", { logs: [{ ...LOG_DEFAULTS, path: "b.log" }] }, ["logs"]],
    ["more rotated files", { logs: [{ ...LOG_DEFAULTS, path: "a.log", rotateKeep: 9 }] }, ["logs"]],
    ["a log that rotates no more", { logs: [{ ...LOG_DEFAULTS, path: "a.log", rotateSize: 0 }] }, [
      "logs",
    ]],
    ["the heap, and a log", { memoryHint: 512, logs: [] }, ["logs", "memory.hint"]],
  ] satisfies [string, Partial<Config>, string[]][]
) {
  Deno.test(`${what} needs another service`, () => {
    assertEquals(restartReasons(BEFORE, { ...BEFORE, ...change }), reasons);
  });
}

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
      { servers: [{ ...CLIENT!, tls: { key: "/k", cert: "/c", chain: "i" } }] },
      { logs: BEFORE.logs },
      { cluster: [{ ...PEER, ca: "ca.pem" }] },
      { pidfile: "aphlict.pid" },
    ] satisfies Partial<Config>[]
  ) {
    assertEquals(isRooted({ ...ROOTED, ...change }), false, JSON.stringify(change));
  }
});
