import { AdminServer } from "../../src/admin/admin_server.ts";
import type { HttpServer, HttpServerOptions } from "../../src/http/engine.ts";
import { ADMIN } from "../entries.ts";
import { assert, assertEquals } from "../assert.ts";
import { Office } from "./fixtures.ts";

const SERVER: HttpServer = {
  finished: Promise.resolve(),
  refuse() {},
  async shutdown() {},
};

/** Returns what an admin server hands to its engine. */
async function handedOver(
  office: Office,
): Promise<HttpServerOptions & { readonly server: AdminServer }> {
  const all: HttpServerOptions[] = [];
  const server = new AdminServer(
    (options) => {
      all.push(options);
      return Promise.resolve(SERVER);
    },
    office.rules(),
    office,
  );
  await server.listen({ hostname: "127.0.0.1", port: 22281, tls: null });
  const [options] = all;
  assert(options !== undefined);
  return { ...options, server };
}

Deno.test("the engine is handed the limits that docs/limits.md promises", async () => {
  const { limits } = await handedOver(new Office());
  assertEquals(limits(), {
    bodyBytes: 1024 * 1024,
    bodies: 1000,
    bodyMs: 30_000,
    connections: 2000,
    headMs: 10_000,
    idleMs: 75_000,
    answerMs: 30_000,
    closeMs: 3000,
  });
});

Deno.test("limits that are read again hold at once, and there are 1,024 connections at least", async () => {
  const office = new Office();
  const { limits, server } = await handedOver(office);
  for (const [requests, connections] of [[3000, 6000], [513, 1026], [512, 1024], [1, 1024]]) {
    server.adopt({
      ...office.rules(),
      limits: { ...ADMIN.limits, message: 5000, requests: requests ?? 0 },
    });
    const { bodies, bodyBytes, connections: allowed } = limits();
    assertEquals([bodies, bodyBytes, allowed], [requests, 5000, connections]);
  }
});
