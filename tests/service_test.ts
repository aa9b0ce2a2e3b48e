import type { AdminServerConfig, Config, ServerConfig } from "../src/config/config.ts";
import { ACCOUNTS } from "../src/budget.ts";
import { hostMemory, memoryBudget } from "../src/config/memory.ts";
import { type Service, startService } from "../src/service.ts";
import { explainBindError, StartError } from "../src/server.ts";
import { FAMILIES, type Metrics, sumOf } from "../src/metrics/families.ts";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { ADMIN, CLIENT, configOf } from "./entries.ts";
import { Folder } from "./folder.ts";
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

const TOKEN = "0123456789abcdef0123456789abcdef";

/** A service whose admin server has a token, and what its file holds. */
class Guarded implements AsyncDisposable {
  readonly folder = new Folder();
  readonly config: Config;
  service!: Service;

  private constructor(ports: readonly number[]) {
    const [client = 0, admin = 0] = ports;
    const token = this.folder.write("token", `${TOKEN}\n`);
    this.config = configOf({
      servers: [server("client", client), { ...ADMIN, port: admin, token }],
    });
  }

  static async start(): Promise<Guarded> {
    const guarded = new Guarded(freePorts(2));
    guarded.service = await startService(guarded.config);
    return guarded;
  }

  /** The status of the answer to a message with this token. */
  async post(token: string): Promise<number> {
    const response = await fetch(this.service.listening[1]?.url ?? "", {
      method: "POST",
      body: '{"subscribers":[]}',
      headers: { authorization: `Bearer ${token}` },
    });
    await response.body?.cancel();
    return response.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.stop(0);
    this.folder[Symbol.dispose]();
  }
}

Deno.test("when a token cannot be read, it is named with all that is wrong, and nothing is bound", async () => {
  const [client = 0, admin = 0] = freePorts(2);
  const tls = { key: "/missing/key.pem", cert: "/missing/key.pem", chain: null };
  const config = configOf({
    servers: [
      { ...CLIENT, port: client, listen: "127.0.0.1", tls },
      { ...ADMIN, port: admin, token: "/missing/token" },
    ],
  });
  const { message } = await assertRejects(() => startService(config), StartError);
  const lines = message.split("\n");
  assertEquals(
    lines.at(-1)?.startsWith("servers[1].token.file: Token file /missing/token does "),
    true,
  );
  assertEquals(lines.slice(0, -1).every((line) => line.startsWith("servers[0].ssl.")), true);
  assertEquals(lines.length, 3);
  for (const port of [client, admin]) Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("a token that its file holds anew is used when the files are read", async () => {
  await using guarded = await Guarded.start();
  assertEquals([await guarded.post(TOKEN), await guarded.post("x".repeat(32))], [200, 401]);
  guarded.folder.write("token", "x".repeat(32));
  assertEquals(await guarded.post(TOKEN), 200, "nobody has read it yet");
  const use = await guarded.service.read(guarded.config);
  assertEquals(await guarded.post(TOKEN), 200, "nor is it used yet");
  assertEquals(await use(), []);
  assertEquals([await guarded.post(TOKEN), await guarded.post("x".repeat(32))], [401, 200]);
});

Deno.test("a token's file that holds none is refused, and nothing changes", async () => {
  await using guarded = await Guarded.start();
  const { folder, config, service } = guarded;
  folder.write("token", "too short");
  const allow = ["192.0.2.7"];
  const changed = configOf({
    servers: config.servers.map((each) => each.type === "admin" ? { ...each, allow } : each),
  });
  const { message } = await assertRejects(() => service.read(changed), StartError);
  assertEquals(message.startsWith(`servers[1].token.file: Token file ${folder.path}/token`), true);
  assertEquals(await guarded.post(TOKEN), 200);
});

Deno.test("whom an admin server answers, and how much it takes, changes in place", async () => {
  await using guarded = await Guarded.start();
  const { config, service } = guarded;
  const adopt = async (change: Partial<AdminServerConfig>) => {
    const servers = config.servers.map((each) =>
      each.type === "admin" ? { ...each, ...change } : each
    );
    await (await service.read(configOf({ servers })))();
  };
  await adopt({ allow: ["192.0.2.7"] });
  assertEquals(await guarded.post(TOKEN), 403);
  await adopt({ allow: ["192.0.2.7", "127.0.0.0/8"] });
  assertEquals(await guarded.post(TOKEN), 200);
  await adopt({ limits: { ...ADMIN.limits, message: 5 } });
  assertEquals(await guarded.post(TOKEN), 413);
  await adopt({});
  assertEquals(await guarded.post(TOKEN), 200);
});

Deno.test("what an administrator sees has everything but the token", async () => {
  await using guarded = await Guarded.start();
  const url = guarded.service.listening[1]?.url ?? "";
  assertEquals(await guarded.post(TOKEN), 200);
  const texts = await Promise.all(
    ["metrics/", "status/", "console/", "console/data/", "health/ready"].map(async (path) => {
      const response = await fetch(`${url}${path}`);
      assertEquals(response.status, 200, path);
      return await response.text();
    }),
  );
  for (const text of texts) assertEquals(text.includes(TOKEN), false);
  const { now, messages, configuration } = JSON.parse(texts[3] ?? "");
  assertEquals(
    now.servers.map(({ type, url }: Record<string, unknown>) => [type, url]),
    guarded.service.listening.map(({ type, url }) => [type, url]),
  );
  const metrics: Metrics = now.metrics;
  assertEquals(
    metrics.aphlict_server_listening.map(([{ server }, isListening]) => [server, isListening]),
    guarded.service.listening.map(({ url }) => [url, 1]),
  );
  assertEquals([metrics.aphlict_ready, metrics.aphlict_restarts_total], [[[{}, 1]], []]);
  assertEquals(now.fingerprint, guarded.service.fingerprint);
  assertEquals([sumOf(metrics.aphlict_messages_total), messages.length], [1, 1]);
  assertEquals(configuration.settings, JSON.parse(JSON.stringify(guarded.config)));
  assertEquals(configuration.flags.includes(`${guarded.folder.path}/token`), true);
});

Deno.test("a service contributes every family that there is, in the order of the metrics page", async () => {
  await using guarded = await Guarded.start();
  const page = await (await fetch(`${guarded.service.listening[1]?.url}metrics/`)).text();
  const told = [...page.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name);
  // It has no supervisor, no certificate and no peer, and was told nothing of its host.
  const conditional = /^aphlict_(peer_|restarts_|certificate_|memory_granted_|files_)|_max_fds$/;
  const expected = Object.keys(FAMILIES).filter((name) => !conditional.test(name));
  assertEquals(told, expected);
  assertEquals(Object.keys(FAMILIES).length - expected.length, 11);
});

/** A service on a host with so many bytes of memory, and what it says of memory. */
class Measured implements AsyncDisposable {
  readonly config: Config;
  service!: Service;

  private constructor(ports: readonly number[], change: Partial<Config>) {
    const [client = 0, admin = 0] = ports;
    this.config = configOf({
      servers: [server("client", client), server("admin", admin)],
      ...change,
    });
  }

  static async start(granted: number | null, change: Partial<Config> = {}): Promise<Measured> {
    const measured = new Measured(freePorts(2), change);
    const host = { restarts: null, openFiles: null, memory: granted };
    measured.service = await startService(measured.config, { host });
    return measured;
  }

  async metrics(): Promise<Metrics> {
    const response = await fetch(`${this.service.listening[1]?.url}console/data/`);
    return (await response.json()).now.metrics;
  }

  /** Bytes that outsiders can make it hold. */
  async limit(): Promise<number> {
    return sumOf((await this.metrics()).aphlict_memory_limit_bytes);
  }

  async adopt(change: Partial<Config>): Promise<void> {
    await (await this.service.read({ ...this.config, ...change }))();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.stop(0);
  }
}

const MEBIBYTE = 1024 * 1024;

Deno.test("outsiders can make a service hold a quarter of the memory that it was told of", async () => {
  await using measured = await Measured.start(400 * MEBIBYTE);
  const metrics = await measured.metrics();
  assertEquals(metrics.aphlict_memory_limit_bytes, [[{}, 100 * MEBIBYTE]]);
  assertEquals(metrics.aphlict_memory_granted_bytes, [[{}, 400 * MEBIBYTE]]);
  const accounts = metrics.aphlict_memory_bytes.map(([{ account }]) => account);
  assertEquals(accounts, Object.keys(ACCOUNTS));
});

Deno.test("a service that was told of no memory goes by what V8 gives it", async () => {
  await using measured = await Measured.start(null);
  const metrics = await measured.metrics();
  const host = hostMemory(measured.config, null);
  const limit = memoryBudget(measured.config, host);
  assertEquals(metrics.aphlict_memory_limit_bytes, [[{}, limit]]);
  assertEquals(metrics.aphlict_memory_granted_bytes, []);
});

Deno.test("how much outsiders can make a service hold changes in place, with limit.memory and connections", async () => {
  await using measured = await Measured.start(400 * MEBIBYTE, { memoryLimit: 50 * MEBIBYTE });
  assertEquals(await measured.limit(), 50 * MEBIBYTE);
  await measured.adopt({ memoryLimit: 16 * MEBIBYTE });
  assertEquals(await measured.limit(), 16 * MEBIBYTE);
  await measured.adopt({ memoryLimit: null });
  assertEquals(await measured.limit(), 100 * MEBIBYTE, "what the host has room for");
});

Deno.test("a WebSocket that a service has no memory for is refused, and the metrics tell of it", async () => {
  // A request takes 8 KiB of a quarter of it at most, a WebSocket as much of what is left.
  await using measured = await Measured.start(null, { memoryLimit: 64 * 1024 });
  const [client, admin] = measured.service.listening;
  const sockets: WebSocket[] = [];
  for (let isRefused = false; !isRefused;) {
    const socket = new WebSocket(client?.url ?? "");
    isRefused = await new Promise((resolve) => {
      socket.onerror = () => resolve(true);
      socket.onopen = () => resolve(false);
    });
    sockets.push(socket);
  }
  await Promise.all(sockets.map(async (socket) => {
    if (socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await closed;
  }));
  const text = await (await fetch(`${admin?.url}metrics/`)).text();
  const counted = text.split("\n").filter((line) =>
    /^aphlict_refused_connections_total\{.*reason="memory"\} [1-9]/.test(line) ||
    /^aphlict_memory_refused_total\{account="(requests|connections)"\} [1-9]/.test(line)
  );
  assert(counted.length >= 2, counted.join("\n"));
});
