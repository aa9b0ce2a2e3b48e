import { getHeapStatistics } from "node:v8";
import type { ClientServerConfig, Config } from "../../src/config/config.ts";
import {
  connectionLimit,
  connectionsHeld,
  type HostMemory,
  hostMemory,
  memoryBudget,
  memoryWarning,
} from "../../src/config/memory.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import * as entries from "../entries.ts";

const MEBIBYTE = 1024 * 1024;

const PLAIN: ClientServerConfig = entries.CLIENT;
const SECURED: ClientServerConfig = {
  ...PLAIN,
  port: 443,
  tls: { key: "k", cert: "c", chain: null },
};

/** A configuration with these client servers. */
function configOf(clients: readonly ClientServerConfig[], change: Partial<Config> = {}): Config {
  return entries.configOf({ servers: [...clients, entries.ADMIN], ...change });
}

/** A client server that accepts so many connections. */
function holding(connections: number, server = PLAIN): ClientServerConfig {
  return { ...server, limits: { ...server.limits, connections } };
}

/** A host, in MiB. */
function host(heap: number, granted: number | null = null): HostMemory {
  return { heap: heap * MEBIBYTE, granted: granted === null ? null : granted * MEBIBYTE };
}

/** A host that has room for everything. */
const LARGE = host(64 * 1024);

/** The budget of these client servers, in MiB. */
function budgetOf(clients: readonly ClientServerConfig[], memory: HostMemory = LARGE): number {
  return memoryBudget(configOf(clients), memory) / MEBIBYTE;
}

Deno.test("without a hint the heap is what V8 gives every process of this host", () => {
  assertEquals(hostMemory(configOf([PLAIN]), null), {
    heap: getHeapStatistics().heap_size_limit,
    granted: null,
  });
});

Deno.test("with a hint the heap is the hint, whatever it comes to", () => {
  for (const memoryHint of [32, 512, 1_000_000]) {
    assertEquals(hostMemory(configOf([PLAIN], { memoryHint }), 7), {
      heap: memoryHint * MEBIBYTE,
      granted: 7,
    });
  }
});

for (
  const [what, clients, expected] of [
    // 50,000 times 8 KiB, or 40 with TLS, are 11/16 of it: a quarter is theirs alone, 7/16 are for all.
    ["a plain client server", [PLAIN], 569],
    ["a client server with TLS", [SECURED], 2841],
    ["the engine serve, which was not measured", [{ ...PLAIN, engine: "serve" }], 2841],
    ["both", [PLAIN, SECURED], 3410],
    ["twice the connections", [holding(100_000)], 1137],
    ["connections of two servers", [holding(20_000), holding(30_000)], 569],
  ] satisfies [string, readonly ClientServerConfig[], number][]
) {
  Deno.test(`the budget of ${what} is ${expected} MiB, and that holds all connections`, () => {
    assertEquals(budgetOf(clients), expected);
    const config = configOf(clients);
    assertEquals(connectionsHeld(config, expected * MEBIBYTE), null);
    assertEquals(connectionsHeld(config, (expected - 1) * MEBIBYTE) === null, false);
    assertEquals(memoryWarning(config, LARGE), null);
  });
}

Deno.test("a budget is no less than 256 MiB, however few connections there are", () => {
  assertEquals(budgetOf([holding(1)]), 256);
  assertEquals(budgetOf([holding(22_528)]), 256, "which is just enough for them");
  assertEquals(budgetOf([holding(22_529)]), 257);
});

for (
  const [what, memory, expected] of [
    ["half of V8's heap", host(1000), 500],
    ["half of V8's heap, where much memory is granted", host(1000, 64 * 1024), 500],
    ["a quarter of the memory that is granted", host(64 * 1024, 2000), 500],
    ["the smaller of the two", host(1000, 1999), 499],
    ["less than the minimum, where the host has no room for it", host(511), 255],
    ["less than the minimum, where little is granted", host(1024, 256), 64],
    ["whole MiB", host(1000.9, 1999.9), 499],
  ] satisfies [string, HostMemory, number][]
) {
  Deno.test(`a budget is at most ${what}`, () => {
    assertEquals(budgetOf([PLAIN], memory), expected);
  });
}

Deno.test("a budget is what the connections need where the host has room for just that", () => {
  assertEquals([1137, 1138, 1140].map((heap) => budgetOf([PLAIN], host(heap))), [568, 569, 569]);
  assertEquals([2275, 2276, 2280].map((granted) => budgetOf([PLAIN], host(64 * 1024, granted))), [
    568,
    569,
    569,
  ]);
});

Deno.test("limit.memory is the budget, whatever the host has and the connections need", () => {
  for (const memoryLimit of [16 * MEBIBYTE, 16 * MEBIBYTE + 1, 1e15]) {
    const config = configOf([PLAIN], { memoryLimit });
    for (const memory of [LARGE, host(32, 64)]) {
      assertEquals(memoryBudget(config, memory), memoryLimit);
    }
  }
});

Deno.test("a budget holds its share of the connections, in hundreds", () => {
  const held = (budget: number, ...clients: readonly ClientServerConfig[]) =>
    connectionsHeld(configOf(clients), budget * MEBIBYTE);
  assertEquals([569, 568, 284, 16, 0].map((budget) => held(budget, PLAIN)), [
    null,
    49_900,
    24_900,
    1400,
    0,
  ]);
  assertEquals([2841, 569].map((budget) => held(budget, SECURED)), [null, 10_000]);
  assertEquals(held(569, PLAIN, SECURED), 16_600, "of both servers together");
  assertEquals(held(16, holding(1000)), null);
});

Deno.test("the connections that are counted are those that are accepted", () => {
  assertEquals(connectionLimit(configOf([PLAIN])), PLAIN.limits.connections);
  assertEquals(connectionLimit(configOf([holding(7), holding(35, SECURED)])), 42);
});

Deno.test("connections that the host has no memory for are warned of, with what would do", () => {
  assertEquals(
    memoryWarning(configOf([PLAIN]), host(4096, 1024)),
    "The service may hold 256 MiB for its connections, enough for about 22500 of the 50000 that are " +
      "accepted. That is a quarter of the 1024 MiB that the host or the container grants: give the host or the " +
      'container more memory, or lower "limit.connections"',
  );
});

Deno.test("connections that a hint leaves no memory for are warned of, with what would do", () => {
  const memoryHint = 256;
  const config = configOf([PLAIN], { memoryHint });
  assertEquals(
    memoryWarning(config, hostMemory(config, null)),
    "The service may hold 128 MiB for its connections, enough for about 11200 of the 50000 that are " +
      `accepted. That is half of the 256 MiB that V8's heap may have: set a larger "memory.hint", or lower ` +
      '"limit.connections"',
  );
});

Deno.test("connections with TLS that V8's heap is too small for are warned of without a hint as well", () => {
  assertEquals(
    memoryWarning(configOf([SECURED]), host(4096, 24 * 1024)),
    "The service may hold 2048 MiB for its connections, enough for about 36000 of the 50000 that are " +
      `accepted. That is half of the 4096 MiB that V8's heap may have: set a larger "memory.hint", or lower ` +
      '"limit.connections"',
  );
});

Deno.test("connections that limit.memory is too small for are warned of, with how large it may be", () => {
  const config = configOf([PLAIN], { memoryLimit: 100 * MEBIBYTE });
  const warning = (needed: number) =>
    "The service may hold 100 MiB for its connections, enough for about 8800 of the 50000 that are " +
    `accepted. Raise "limit.memory" to ${needed} MiB, or lower "limit.connections"`;
  assertEquals(memoryWarning(config, LARGE), warning(569));
  assertEquals(
    memoryWarning(config, host(64 * 1024, 1000)),
    warning(250),
    "as the host has no more",
  );
  assertEquals(
    memoryWarning(config, host(64 * 1024, 400))?.includes("give the host or the container more"),
    true,
    "as it is all that the host has",
  );
});

Deno.test("a limit.memory that is more than the host has room for is warned of", () => {
  const warned = (memoryLimit: number, memoryHint: number | null, memory: HostMemory) =>
    memoryWarning(configOf([holding(100)], { memoryLimit, memoryHint }), memory);
  const sentence = (limit: number, room: number, bound: string) =>
    `"limit.memory" of ${limit} MiB is more than ${room} MiB, ${bound}: the service may be ended when it is ` +
    'used up. Lower "limit.memory", or ';
  for (const memoryHint of [null, 1024]) {
    assertEquals(
      warned(513 * MEBIBYTE, memoryHint, host(1024)),
      `${
        sentence(513, 512, "half of the 1024 MiB that V8's heap may have")
      }set a larger "memory.hint"`,
    );
  }
  assertEquals(
    warned(257 * MEBIBYTE, 4096, host(4096, 1024)),
    `${
      sentence(257, 256, "a quarter of the 1024 MiB that the host or the container grants")
    }give the host or the container more memory`,
  );
  assertEquals(warned(512 * MEBIBYTE, null, host(1024)), null);
  assertEquals(warned(256 * MEBIBYTE, null, host(1024, 1024)), null);
});

Deno.test("a host whose memory is not known is not warned of for that", () => {
  assertEquals(memoryWarning(configOf([PLAIN]), host(1138, null)), null);
});

Deno.test("a message that is accepted and that there is no memory for is warned of", () => {
  const { ADMIN } = entries;
  const memoryLimit = 240 * MEBIBYTE;
  const warned = (message: number) => {
    const admin = { ...ADMIN, limits: { ...ADMIN.limits, message: message * MEBIBYTE } };
    const config = entries.configOf({ servers: [holding(10), admin], memoryLimit });
    return memoryWarning(config, LARGE);
  };
  assertEquals(warned(40), null);
  assertEquals(
    warned(41),
    `The admin server at port ${ADMIN.port} accepts messages of 41 MiB, and there is memory for one of 40 MiB. ` +
      'Lower its "limit.message", or raise "limit.memory"',
  );
  const large = { ...PLAIN, limits: { ...PLAIN.limits, connections: 10, message: 31 * MEBIBYTE } };
  assertMatch(
    memoryWarning(configOf([large], { memoryLimit }), LARGE) ?? "",
    /^The client server at port \d+ accepts messages of 31 MiB, and there is memory for one of 30 MiB\./,
  );
});
