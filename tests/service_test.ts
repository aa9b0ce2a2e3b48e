import type { ServerConfig } from "../src/config/config.ts";
import { explainBindError, StartError, startService } from "../src/service.ts";
import { assertEquals, assertRejects } from "./assert.ts";
import { ADMIN, CLIENT, configOf } from "./entries.ts";
import { freePorts } from "./acceptance/ports.ts";

const SERVER: ServerConfig = { ...CLIENT, port: 80, listen: "2001:db8::1" };

for (
  const [error, reason] of [
    [
      new Deno.errors.AddrInUse(),
      'the address is already in use. Stop the other program or set "port" of servers[2].',
    ],
    [
      new Deno.errors.AddrNotAvailable(),
      'this host has no such address. Set "listen" of servers[2] to one that it has.',
    ],
    [
      new Deno.errors.PermissionDenied(),
      "the system does not let this user bind it. Ports below 1024 are reserved: set " +
      '"port" of servers[2] to a higher one.',
    ],
    [
      new Deno.errors.NotCapable(),
      "the process was started without the permission. Start it with bin/aphlict, or with the " +
      "flags that `aphlict permissions` prints.",
    ],
    [
      new Error("Name or service not known"),
      'Name or service not known. Correct "listen" of servers[2].',
    ],
  ] as const
) {
  Deno.test(`an address that cannot be bound for ${error.name} is explained`, () => {
    assertEquals(
      explainBindError(SERVER, 2, error),
      `Cannot bind client server [2001:db8::1]:80: ${reason}`,
    );
  });
}

function server(type: "admin" | "client", port: number): ServerConfig {
  return { ...(type === "client" ? CLIENT : ADMIN), port, listen: "127.0.0.1" };
}

Deno.test("when one server cannot be bound, none is", async () => {
  const [client = 0, admin = 0] = freePorts(2);
  const config = configOf({ servers: [server("client", client), server("admin", admin)] });
  {
    using _taken = Deno.listen({ hostname: "127.0.0.1", port: admin });
    const error = await assertRejects(() => startService(config), StartError);
    assertEquals(
      error.message,
      `Cannot bind admin server 127.0.0.1:${admin}: the address is already in use. ` +
        'Stop the other program or set "port" of servers[1].',
    );
    // The first one, which could be bound, is free again when the caller learns of the second.
    Deno.listen({ hostname: "127.0.0.1", port: client }).close();
  }
  // Both are free again, so the same configuration now starts.
  const service = await startService(config);
  assertEquals(service.listening.map(({ url }) => url), [
    `ws://127.0.0.1:${client}/`,
    `http://127.0.0.1:${admin}/`,
  ]);
  await service.stop(0);
});

Deno.test("when TLS files cannot be read, they are named and nothing is bound", async () => {
  const [client = 0, admin = 0] = freePorts(2);
  const tls = { key: "/missing/key.pem", cert: "/missing/cert.pem", chain: null };
  const config = configOf({
    servers: [server("client", client), { ...server("admin", admin), tls }],
  });
  const error = await assertRejects(() => startService(config), StartError);
  assertEquals(
    error.message,
    ["key", "cert"].map((name) =>
      `servers[1].ssl.${name}: Cannot read /missing/${name}.pem: it does not exist. ` +
      "Correct the path or the file's permissions."
    ).join("\n"),
  );
  for (const port of [client, admin]) Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("a service that has stopped leaves its ports free, and another has a new name", async () => {
  const [client = 0, admin = 0] = freePorts(2);
  const config = configOf({ servers: [server("client", client), server("admin", admin)] });
  const fingerprints = new Set<string>();
  for (let turn = 0; turn < 3; turn++) {
    const service = await startService(config);
    fingerprints.add(service.fingerprint);
    await service.stop(0);
  }
  assertEquals(fingerprints.size, 3);
});
