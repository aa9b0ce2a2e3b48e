/**
 * The examples for reverse proxies in nginx, Apache, HAProxy and Caddy: browsers speak TLS to the proxy,
 * and the proxy speaks plain HTTP to Aphlict, which believes its `X-Forwarded-For`.
 */

import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { Browser } from "../acceptance/browser.ts";
import { freePorts } from "../acceptance/ports.ts";
import { publish, run, type Running, status } from "../acceptance/server.ts";
import { until } from "../acceptance/until.ts";
import { requestWith, Wire } from "../acceptance/wire.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import { frame } from "../websocket/bytes.ts";
import { type Changes, PAGE, PROXIES, type Proxy } from "./proxies.ts";

/** A handshake at the path of the examples. */
function handshake(headers: Record<string, string> = {}): string {
  return requestWith(headers).replace("GET / ", "GET /ws/ ").replace("Host: x", "Host: localhost");
}

/** A connection from an address of this host. Dispose of it: it is cut. */
class From implements Disposable {
  readonly #socket;
  /** Resolves with the status of the answer; 0: the connection ended without one. */
  readonly status: Promise<number>;

  constructor(localAddress: string, proxy: Proxy, headers: Record<string, string> = {}) {
    const { tlsPort, authority } = proxy;
    const answer = Promise.withResolvers<number>();
    this.status = answer.promise;
    const socket = connect({ host: "127.0.0.1", port: tlsPort, localAddress });
    this.#socket = socket;
    const secure = connectTls({ socket, host: "127.0.0.1", ca: [authority] }, () => {
      secure.write(handshake(headers));
    });
    secure.on("error", answer.reject).once("close", () => answer.resolve(0));
    secure.once("data", (chunk) => {
      answer.resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(String(chunk))?.[1]));
    });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

async function opened(address: string, proxy: Proxy): Promise<From> {
  const from = new From(address, proxy);
  assertEquals(await from.status, 101);
  return from;
}

/** Starts a service that believes a proxy on this host. */
function serve(keys: Record<string, unknown>, ports?: readonly number[]): Promise<Running> {
  return run({
    servers: [{ type: "client", keys: { proxies: ["127.0.0.1"], ...keys } }, { type: "admin" }],
    verb: "debug",
    ...(ports ? { ports } : {}),
  });
}

/** The status of the answer to a GET of a proxy, and the body. */
async function get({ tlsPort }: Proxy, path: string, client: Deno.HttpClient) {
  const response = await fetch(`https://127.0.0.1:${tlsPort}${path}`, { client });
  return [response.status, await response.text()] as const;
}

/** Settings that allow three browsers: of the proxy, or of Aphlict when the proxy has no limit for them. */
const THREE: Readonly<Record<string, { keys?: Record<string, unknown>; changes?: Changes }>> = {
  "nginx": { keys: { "limit.connections": 3 } },
  "Apache": {
    changes: {
      "max=20": "max=3",
      "ServerLimit 25": "ServerLimit 1",
      "ThreadsPerChild 100": "ThreadsPerChild 6",
      "MaxRequestWorkers 2500": "MaxRequestWorkers 6",
    },
  },
  "HAProxy": { changes: { "maxconn 20000": "maxconn 3" } },
  "Caddy": { keys: { "limit.connections": 3 } },
};

/** Changes an example so that its time-out is a few seconds. Caddy has no time-out. */
function patience(name: string, seconds: number): Changes {
  switch (name) {
    case "nginx":
      return { "proxy_read_timeout 1d": `proxy_read_timeout ${seconds}s` };
    case "Apache":
      return { "timeout=3600": "", "ServerLimit 25": `ServerLimit 25\nTimeout ${seconds}` };
    case "HAProxy":
      return { "timeout tunnel 1h": `timeout tunnel ${seconds}s` };
    default:
      return {};
  }
}

/** Resolves when pings have kept a silent connection for twice `seconds`, which a proxy is patient. */
async function assertKept(name: string, running: Running, seconds: number): Promise<void> {
  await using proxy = await PROXIES[name]!(running.client, patience(name, seconds));
  using wire = await Wire.connect(proxy.tlsPort, [proxy.authority]);
  await wire.send(handshake());
  assertMatch(await wire.head(), /^HTTP\/1\.1 101 /);
  await wire.command("subscribe", [name]);
  const start = performance.now();
  while (performance.now() - start < 2000 * seconds) {
    const { opcode, payload } = await wire.frame() ?? {};
    assertEquals(opcode, 9, name);
    await wire.send(frame(payload ?? "", { opcode: 10 }));
  }
  await publish(running.admin, { subscribers: [name], n: 1 });
  assertEquals(JSON.parse(await wire.text()).n, 1);
}

Deno.test("Aphlict's pings keep a silent connection through every proxy", async () => {
  await using running = await serve({ "timeout.idle": 5 });
  await Promise.all(Object.keys(PROXIES).map((name) => assertKept(name, running, 7)));
});

for (const [name, start] of Object.entries(PROXIES)) {
  Deno.test(`${name} passes browsers with TLS on to Aphlict, instances too, and nothing else`, async () => {
    await using running = await serve({});
    await using proxy = await start(running.client);
    using client = proxy.trusting();
    const topics = ["PHID-USER-a"];
    const open = (path: string) => Browser.open(proxy.tlsPort, { path, client, topics });
    await using browser = await open("/ws/");
    await using acme = await open("/ws/~acme/");
    await publish(running.admin, { subscribers: topics, n: 1 }, { instance: "acme" });
    await publish(running.admin, { subscribers: topics, n: 2, large: "x".repeat(900_000) });
    const numbers = async (from: Browser) => (await from.all()).map((text) => JSON.parse(text).n);
    assertEquals([await numbers(browser), await numbers(acme)], [[2], [1]]);
    assertEquals(await get(proxy, "/ws/", client), [501, "HTTP/501 Use Websockets\n"]);
    for (const path of ["/", "/T1/", "/x/~acme/"]) {
      assertEquals(await get(proxy, path, client), [200, PAGE]);
    }
  });

  Deno.test(`behind ${name} an address has as many connections as it may, and another its own`, async () => {
    await using running = await serve({ "limit.address": 2 });
    await using proxy = await start(running.client);
    using _first = await opened("127.0.0.7", proxy);
    using _second = await opened("127.0.0.7", proxy);
    using third = new From("127.0.0.7", proxy);
    assertEquals(await third.status, 429);
    using other = new From("127.0.0.8", proxy);
    assertEquals(await other.status, 101);
    const { log } = running;
    await until(() => /Connected from 127\.0\.0\.8 via 127\.0\.0\.1:\d+\./.test(log()));
    assertMatch(
      log(),
      /<127\.0\.0\.7 via 127\.0\.0\.1:\d+> Refused a WebSocket: 127\.0\.0\.7 has 2 connections/,
    );
  });

  Deno.test(`behind ${name} a browser gets no other address by writing one`, async () => {
    await using running = await serve({ "limit.address": 1 });
    await using proxy = await start(running.client);
    using _first = await opened("127.0.0.7", proxy);
    for (
      const headers of [
        { "X-Forwarded-For": "192.0.2.1" },
        { "Forwarded": "for=192.0.2.1" },
        { "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1" },
      ]
    ) {
      using again = new From("127.0.0.7", proxy, headers);
      assertEquals(await again.status, 429, JSON.stringify(headers));
    }
  });

  if (name !== "Caddy") {
    Deno.test(`${name} ends a connection that is silent for longer than its time-out`, async () => {
      await using running = await serve({});
      await using proxy = await start(running.client, patience(name, 1));
      using client = proxy.trusting();
      await using browser = await Browser.open(proxy.tlsPort, { path: "/ws/", client });
      await browser.closed;
      await until(async () => (await status(running.admin))["clients.active"] === 0);
    });
  }

  Deno.test(`${name} refuses more browsers than it is set to, and still shows pages`, async () => {
    const { keys = {}, changes = {} } = THREE[name] ?? {};
    await using running = await serve(keys);
    await using proxy = await start(running.client, changes);
    using client = proxy.trusting();
    await using browsers = new AsyncDisposableStack();
    for (let opened = 0; opened < 3; opened++) {
      browsers.use(await Browser.open(proxy.tlsPort, { path: "/ws/", client }));
    }
    using further = new From("127.0.0.7", proxy);
    assertEquals(await further.status, 503);
    assertEquals(await get(proxy, "/", client), [200, PAGE]);
  });

  Deno.test(`${name} finds an Aphlict that was started again`, async () => {
    const ports = freePorts(2);
    await using proxy = await start(ports[0] ?? 0);
    using client = proxy.trusting();
    await until(async () => [502, 503].includes((await get(proxy, "/ws/", client))[0]));
    await using _running = await serve({}, ports);
    await until(async () => (await get(proxy, "/ws/", client))[0] === 501, 5000);
  });
}
