import type { Config, ServerConfig } from "../../src/config/config.ts";
import {
  CONNECTION_LIMIT,
  connectionsHeld,
  heapLimit,
  memoryWarning,
} from "../../src/config/memory.ts";
import { DEFAULT_LIMITS } from "../../src/websocket/socket.ts";
import { assertEquals } from "../assert.ts";

const PLAIN: ServerConfig = {
  type: "client",
  port: 22280,
  listen: "0.0.0.0",
  tls: null,
  engine: "socket",
};
const SECURED: ServerConfig = { ...PLAIN, port: 443, tls: { key: "k", cert: "c", chain: null } };
const ADMIN: ServerConfig = { ...PLAIN, type: "admin", port: 22281, engine: "serve" };

function configOf(memoryHint: number | null, ...servers: readonly ServerConfig[]): Config {
  return {
    path: "aphlict.json",
    servers: [...servers, ADMIN],
    logs: [],
    cluster: [],
    pidfile: "aphlict.pid",
    memoryHint,
    user: null,
    drain: 2,
  };
}

for (
  const [what, servers, expected] of [
    ["a plain client server", [PLAIN], 320],
    ["a client server with TLS", [SECURED], 576],
    ["both", [PLAIN, SECURED], 832],
  ] as const
) {
  Deno.test(`without a hint the heap of ${what} may be ${expected} MiB, and that is enough`, () => {
    assertEquals(heapLimit(configOf(null, ...servers)), expected);
    assertEquals(connectionsHeld(configOf(null, ...servers)), null);
  });
}

Deno.test("a hint is obeyed, whatever it comes to", () => {
  assertEquals(heapLimit(configOf(64, PLAIN)), 64);
});

Deno.test("the original's default of 256 MiB holds fewer connections than are accepted", () => {
  assertEquals(connectionsHeld(configOf(256, PLAIN)), 44_500);
  assertEquals(connectionsHeld(configOf(256, SECURED)), 20_500);
});

Deno.test("a hint that is too small for the service itself holds nobody", () => {
  assertEquals(connectionsHeld(configOf(32, PLAIN)), 0);
});

Deno.test("the connections that are counted are those that are accepted", () => {
  assertEquals(CONNECTION_LIMIT, DEFAULT_LIMITS.connections);
});

Deno.test("a hint that is too small is warned of, with what would do", () => {
  assertEquals(
    memoryWarning(configOf(256, PLAIN)),
    '"memory.hint" of 256 MB holds about 44500 connections, fewer than are accepted. Raise it to 320, ' +
      "or remove it, which comes to the same",
  );
});

Deno.test("a hint that is large enough, and none at all, are not warned of", () => {
  for (const hint of [320, 4096, null]) assertEquals(memoryWarning(configOf(hint, PLAIN)), null);
});
