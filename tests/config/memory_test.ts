import type { ClientServerConfig, Config } from "../../src/config/config.ts";
import {
  connectionLimit,
  connectionsHeld,
  heapLimit,
  memoryWarning,
} from "../../src/config/memory.ts";
import { assertEquals } from "../assert.ts";
import * as entries from "../entries.ts";

const PLAIN: ClientServerConfig = entries.CLIENT;
const SECURED: ClientServerConfig = {
  ...PLAIN,
  port: 443,
  tls: { key: "k", cert: "c", chain: null },
};

function configOf(memoryHint: number | null, ...clients: readonly ClientServerConfig[]): Config {
  return entries.configOf({ servers: [...clients, entries.ADMIN], memoryHint });
}

/** A client server that accepts so many connections. */
function holding(connections: number, server = PLAIN): ClientServerConfig {
  return { ...server, limits: { ...server.limits, connections } };
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
  assertEquals(connectionLimit(configOf(null, PLAIN)), PLAIN.limits.connections);
  assertEquals(connectionLimit(configOf(null, holding(7), holding(35, SECURED))), 42);
});

Deno.test("fewer or more connections take less or more of a heap", () => {
  assertEquals(heapLimit(configOf(null, holding(1))), 64);
  assertEquals(heapLimit(configOf(null, holding(100_000))), 576);
  assertEquals(heapLimit(configOf(null, holding(25_000), holding(25_000))), 320);
  assertEquals(connectionsHeld(configOf(64, holding(1000))), null);
});

Deno.test("longer messages take more of a heap, those of the default length do not", () => {
  const longer = { ...PLAIN, limits: { ...PLAIN.limits, message: 16 * 1024 * 1024 } };
  assertEquals(heapLimit(configOf(null, longer)), 768);
  assertEquals(
    heapLimit(configOf(null, { ...longer, limits: { ...longer.limits, message: 1 } })),
    320,
  );
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
