import { OpenFiles } from "../../src/config/open_files.ts";
import { WorkQueue } from "../../src/work_queue.ts";
import { Budget } from "../../src/budget.ts";
import { ClientLogs, ClientServer, rulesOf } from "../../src/client/client_server.ts";
import type { ClientServerConfig, Engine } from "../../src/config/config.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { HttpServerOptions } from "../../src/http/engine.ts";
import { Admission } from "../../src/websocket/admission.ts";
import { SocketCounters, type SocketServer } from "../../src/websocket/socket.ts";
import { listenWebSocket } from "../../src/websocket/web_socket_server.ts";
import { freePorts } from "../acceptance/ports.ts";
import { ENGINES } from "../acceptance/engines.ts";
import { until } from "../acceptance/until.ts";
import { REQUEST, Wire } from "../acceptance/wire.ts";
import { assert, assertEquals } from "../assert.ts";
import { CLIENT } from "../entries.ts";
import { makeHub, post } from "../hub/fixtures.ts";
import { value } from "../metrics/value.ts";
import { frame, hex } from "../websocket/bytes.ts";

/** More than all that is done here takes. */
const BUDGET = 64 * 1024 * 1024;

/** A client server that is bound. */
class Bound implements AsyncDisposable {
  readonly hub: Hub = makeHub().hub;
  readonly budget = new Budget(BUDGET);
  readonly port: number;
  readonly server: ClientServer;
  readonly #config: ClientServerConfig;
  readonly #servers: SocketServer[] = [];

  private constructor(config: ClientServerConfig) {
    this.port = config.port;
    this.#config = config;
    this.server = new ClientServer(config, {
      files: new OpenFiles(null).share("client"),
      workQueue: new WorkQueue().share(),
      hub: this.hub,
      budget: this.budget,
      warn() {},
      logs: new ClientLogs(),
    });
  }

  static async open(engine: Engine, change: Partial<ClientServerConfig> = {}): Promise<Bound> {
    const [port = 0] = freePorts(1);
    const bound = new Bound({ ...CLIENT, listen: "127.0.0.1", port, engine, ...change });
    await bound.listen();
    return bound;
  }

  async listen(port = this.port): Promise<void> {
    this.#servers.push(await this.server.listen({ hostname: "127.0.0.1", port, tls: null }));
  }

  adopt(change: Partial<ClientServerConfig>): void {
    this.server.adopt({ ...this.#config, ...change });
  }

  /** The status of the answer to a page of this origin. */
  async status(origin: string): Promise<number> {
    using wire = await Wire.connect(this.port);
    await wire.send(REQUEST.replace("Host: x\r\n", `Host: x\r\nOrigin: ${origin}\r\n`));
    return Number(/^HTTP\/1\.1 (\d{3}) /.exec(await wire.head())?.[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.shutdown(0)));
  }
}

function never(): never {
  throw new Error("Nothing is accepted here");
}

/** Returns what a client server hands to its engine. */
async function handedOver(config: ClientServerConfig): Promise<HttpServerOptions> {
  const all: HttpServerOptions[] = [];
  await listenWebSocket({
    ...{ hostname: "127.0.0.1", port: 22280, tls: null },
    rules: () => rulesOf(config),
    admission: new Admission(() => rulesOf(config)),
    counters: new SocketCounters(),
    fallback: { status: 501, body: "" },
    budget: new Budget(BUDGET),
    files: new OpenFiles(null).share("client"),
    workQueue: new WorkQueue().share(),
    accept: never,
    warn() {},
    refused() {},
  }, (options) => {
    all.push(options);
    return Promise.resolve({ finished: Promise.resolve(), refuse() {}, async shutdown() {} });
  });
  const [options] = all;
  assert(options !== undefined);
  return options;
}

Deno.test("browsers are held to the limits that docs/limits.md and docs/protocol.md promise", async () => {
  assertEquals(rulesOf(CLIENT).limits, {
    messageBytes: 64 * 1024,
    bytesPerSecond: 128 * 1024,
    connections: 50_000,
    address: 0,
    handshakes: 4096,
    handshakeMs: 10_000,
    messageMs: 30_000,
    idleMs: 60_000,
    pongMs: 30_000,
    closeMs: 3000,
  });
  assertEquals((await handedOver(CLIENT)).limits(), {
    bodyBytes: 0,
    bodies: 1,
    bodyMs: 10_000,
    connections: 4096,
    headMs: 10_000,
    idleMs: 3000,
    answerMs: 3000,
    closeMs: 3000,
  });
});

Deno.test("each limit of the configuration bounds what it says, and nothing else", async () => {
  const limits = {
    ...CLIENT.limits,
    ...{ message: 2048, connections: 3, address: 2, handshake: 5, idle: 7 },
  };
  const { limits: none } = rulesOf(CLIENT);
  assertEquals(rulesOf({ ...CLIENT, limits }).limits, {
    ...none,
    ...{ messageBytes: 2048, bytesPerSecond: 4096, connections: 3, address: 2 },
    ...{ handshakeMs: 5000, idleMs: 7000 },
  });
  const { bodyMs, headMs, connections } = (await handedOver({ ...CLIENT, limits })).limits();
  assertEquals([bodyMs, headMs, connections], [5000, 5000, 4096]);
});

for (const engine of ENGINES) {
  Deno.test(`what browsers do is in the metrics, and stays there (${engine} engine)`, async () => {
    await using bound = await Bound.open(engine);
    const { server, hub } = bound;
    assertEquals(value(server, "aphlict_connections"), 0);
    {
      using wire = await Wire.open(bound.port, ["A"]);
      await wire.send(frame("no command"));
      await until(() => value(server, "aphlict_commands_total") === 2);
      post(hub, "default", { subscribers: ["A"] });
      await wire.text();
      assertEquals([
        value(server, "aphlict_connections"),
        value(server, "aphlict_connects_total"),
        value(server, "aphlict_connections_limit"),
      ], [1, 1, 50_000]);
      assertEquals(server.metrics().aphlict_ignored_commands_total, [
        [{ reason: "invalid" }, 1],
        [{ reason: "subscriptions" }, 0],
        [{ reason: "memory" }, 0],
        [{ reason: "replay" }, 0],
      ]);
      assertEquals(value(server, "aphlict_received_bytes_total") > 20, true);
      assertEquals(value(server, "aphlict_sent_bytes_total") > 20, true);
      await wire.send(frame(hex("03 e8"), { opcode: 8 }));
      await until(() => value(server, "aphlict_connections") === 0);
    }
    assertEquals(value(server, "aphlict_disconnects_total", { reason: "client" }), 1);
    assertEquals(value(server, "aphlict_connects_total"), 1);
    assertEquals(value(hub, "aphlict_listeners"), 0);
    using plain = await Wire.connect(bound.port);
    await plain.send(REQUEST.replace("Version: 13", "Version: 12"));
    await plain.head();
    assertEquals(value(server, "aphlict_refused_connections_total", { reason: "malformed" }), 1);
  });

  Deno.test(`another configuration is held to from then on (${engine} engine)`, async () => {
    await using bound = await Bound.open(engine, { origins: ["https://old.example.com"] });
    using wire = await Wire.connect(bound.port);
    await wire.send(
      REQUEST.replace("Host: x\r\n", "Host: x\r\nOrigin: https://old.example.com\r\n"),
    );
    await wire.head();
    bound.adopt({
      origins: ["https://*.new.example.com"],
      limits: { ...CLIENT.limits, subscriptions: 1, connections: 2 },
    });
    assertEquals(await bound.status("https://old.example.com"), 403);
    assertEquals(await bound.status("https://phorge.new.example.com"), 101);
    assertEquals(value(bound.server, "aphlict_connections_limit"), 2);
    // Who is connected stays, and is held to the limits.
    await wire.command("subscribe", ["A", "B"]);
    await until(() =>
      value(bound.server, "aphlict_ignored_commands_total", { reason: "subscriptions" }) === 1
    );
    assertEquals(value(bound.hub, "aphlict_subscriptions"), 1);
    bound.adopt({ origins: null });
    assertEquals(await bound.status("https://anything.example.com"), 101);
    assertEquals(value(bound.server, "aphlict_refused_connections_total", { reason: "origin" }), 1);
    await wire.send(frame(hex("03 e8"), { opcode: 8 }));
  });
}

Deno.test("the metrics of one that was bound again are of all its engines", async () => {
  await using bound = await Bound.open("socket");
  using first = await Wire.open(bound.port, ["A"]);
  const [other = 0] = freePorts(1);
  await bound.listen(other);
  using second = await Wire.open(other, ["A"]);
  await until(() => value(bound.hub, "aphlict_subscriptions") === 2);
  assertEquals(value(bound.server, "aphlict_connections"), 2);
  assertEquals(value(bound.server, "aphlict_connects_total"), 2);
  for (const wire of [first, second]) await wire.send(frame(hex("03 e8"), { opcode: 8 }));
  await until(() => value(bound.server, "aphlict_disconnects_total", { reason: "client" }) === 2);
  assertEquals(value(bound.server, "aphlict_connections"), 0);
});

for (const engine of ENGINES) {
  Deno.test(`the sockets of a former bound server count as well (${engine} engine)`, async () => {
    const limits = { ...CLIENT.limits, connections: 1 };
    await using bound = await Bound.open(engine, { limits });
    using _first = await Wire.open(bound.port, []);
    const [again = 0] = freePorts(1);
    await bound.listen(again);
    using second = await Wire.connect(again);
    await second.send(REQUEST);
    assertEquals((await second.head()).slice(0, 13), "HTTP/1.1 503 ");
    assertEquals(value(bound.server, "aphlict_connections"), 1);
  });
}

for (const engine of ENGINES) {
  Deno.test(`a WebSocket is charged to the budget until it is gone (${engine} engine)`, async () => {
    await using bound = await Bound.open(engine);
    const { budget, server } = bound;
    const charged = () => budget.account("connections").bytes;
    {
      using wire = await Wire.open(bound.port, []);
      assertEquals(charged() >= 8 * 1024, true);
      await wire.send(frame(hex("03 e8"), { opcode: 8 }));
      await until(() => value(server, "aphlict_connections") === 0);
    }
    await until(() => budget.bytes === 0);
    assertEquals(
      (budget.metrics().aphlict_memory_bytes ?? []).every(([, bytes]) => bytes === 0),
      true,
    );
  });

  Deno.test(`a WebSocket that there is no memory for is refused with 503 (${engine} engine)`, async () => {
    await using bound = await Bound.open(engine);
    bound.budget.limit = 1024;
    using wire = await Wire.connect(bound.port);
    await wire.send(REQUEST);
    assertEquals((await wire.head()).slice(0, 13), "HTTP/1.1 503 ");
    assertEquals(value(bound.server, "aphlict_connections"), 0);
    assertEquals(value(bound.server, "aphlict_connects_total"), 0);
    const reason = "memory";
    assertEquals(value(bound.server, "aphlict_refused_connections_total", { reason }), 1);
    bound.budget.limit = BUDGET;
    using _open = await Wire.open(bound.port, []);
    assertEquals(value(bound.server, "aphlict_connects_total"), 1);
  });

  Deno.test(`an instance with too long a name ends its WebSocket with 1008 (${engine} engine)`, async () => {
    await using bound = await Bound.open(engine);
    using wire = await Wire.connect(bound.port);
    await wire.send(REQUEST.replace("GET / ", `GET /~${"x".repeat(257)}/ `));
    assertEquals((await wire.head()).slice(0, 13), "HTTP/1.1 101 ");
    assertEquals(await wire.farewell(), 1008);
    await wire.send(frame(hex("03 f0"), { opcode: 8 }));
    await until(() =>
      value(bound.server, "aphlict_disconnects_total", { reason: "instance" }) === 1
    );
    assertEquals(bound.hub.instances, 0);
  });
}
