/**
 * Answers of proxies that are not set up as in the examples, or whose Aphlict is away: each row of the
 * guide's table, seen in the real program.
 */

import { Browser } from "../acceptance/browser.ts";
import { freePorts } from "../acceptance/ports.ts";
import { ROOT } from "../acceptance/program.ts";
import { run, type Running } from "../acceptance/server.ts";
import { until } from "../acceptance/until.ts";
import { requestWith, Wire } from "../acceptance/wire.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { type Changes, PROXIES, type Proxy } from "./proxies.ts";

/** A port that accepts connections and never answers. Dispose of it. */
class Mute implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections: Deno.Conn[] = [];
  readonly #accepted: Promise<void>;

  constructor() {
    this.#accepted = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#connections.push(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepted;
    for (const connection of this.#connections) connection.close();
  }
}

/** A fault, and the answer to a handshake through the proxy that has it. */
interface Fault {
  readonly proxy: string;
  /** The fault in words. */
  readonly what: string;
  /** Words of the example that are others. */
  readonly changes?: Changes;
  /** Keys of the client server. */
  readonly keys?: Readonly<Record<string, unknown>>;
  /** The program at the port of Aphlict. @default {"aphlict"} */
  readonly behind?: "aphlict" | "nothing" | "mute";
  /** Characters of each line of cookies of the browser. @default {[1]} */
  readonly cookies?: readonly number[];
  /** Name that the browser connects to. @default {"localhost"} */
  readonly host?: string;
  readonly status: number;
  /** Words of the guide about it, in the row of the status. */
  readonly told: string;
}

const SILENCE = "does not answer";
const DOWN = "does not run";

const FAULTS: readonly Fault[] = [
  {
    proxy: "Apache",
    what: "Phorge's RewriteRule takes the path",
    changes: { "RewriteRule ^/ws/ - [END]": "" },
    status: 200,
    told: "`RewriteRule`",
  },
  {
    proxy: "nginx",
    what: "no location has the path",
    changes: { "location = /ws/": "location = /other/" },
    status: 200,
    told: "`include` line",
  },
  {
    proxy: "Caddy",
    what: "no site has the name",
    host: "phorge.example.org",
    status: 200,
    told: "no site of Caddy",
  },
  ...["nginx", "Apache"].map((proxy) => ({
    proxy,
    what: "a header line of more than 8 KiB",
    cookies: [9000],
    status: 400,
    told: "8 KiB",
  })),
  {
    proxy: "HAProxy",
    what: "a head of more than 16 KiB",
    cookies: [17_000],
    status: 400,
    told: "`tune.bufsize`",
  },
  {
    proxy: "nginx",
    what: "the page is of another site",
    keys: { origins: ["https://phorge.example.com"] },
    status: 403,
    told: "`origins`",
  },
  {
    proxy: "nginx",
    what: "all browsers have its address",
    keys: { "limit.address": 1 },
    status: 429,
    told: "`proxies`",
  },
  ...["nginx", "Apache"].map((proxy) => ({
    proxy,
    what: "a head of more than 16 KiB, in many lines",
    cookies: Array(6).fill(4000),
    status: 431,
    told: "many short lines",
  })),
  {
    proxy: "Caddy",
    what: "a head of more than 16 KiB",
    cookies: [17_000],
    status: 431,
    told: "16 KiB",
  },
  {
    proxy: "nginx",
    what: "the header Upgrade is not passed on",
    changes: { "proxy_set_header Upgrade $http_upgrade;": "" },
    status: 501,
    told: "`Upgrade`",
  },
  {
    proxy: "nginx",
    what: "the header Connection is not passed on",
    changes: { "proxy_set_header Connection $aphlict_connection;": "" },
    status: 501,
    told: "`Connection`",
  },
  {
    proxy: "nginx",
    what: "HTTP/1.0 to Aphlict, which is no fault",
    changes: { "proxy_http_version 1.1;": "" },
    status: 101,
    told: "`proxy_http_version 1.1`",
  },
  {
    proxy: "Apache",
    what: "upgrade=websocket is missing",
    changes: { " upgrade=websocket": "" },
    status: 501,
    told: "`upgrade=websocket`",
  },
  { proxy: "nginx", what: DOWN, behind: "nothing", status: 502, told: DOWN },
  {
    proxy: "Caddy",
    what: `${DOWN}, and is not checked`,
    changes: { "health_uri /": "", "health_status 501": "", "health_interval 2s": "" },
    behind: "nothing",
    status: 502,
    told: DOWN,
  },
  ...["Apache", "HAProxy", "Caddy"].map((proxy) =>
    ({ proxy, what: DOWN, behind: "nothing", status: 503, told: DOWN }) as const
  ),
  {
    proxy: "HAProxy",
    what: "its check expects 200",
    changes: { "http-check expect status 501": "" },
    status: 503,
    told: "`http-check expect status 501`",
  },
  {
    proxy: "Caddy",
    what: "its check expects 200",
    changes: { "health_status 501": "" },
    status: 503,
    told: "`health_status 501`",
  },
  {
    proxy: "Apache",
    what: SILENCE,
    changes: { "timeout=3600": "timeout=1" },
    behind: "mute",
    status: 502,
    told: SILENCE,
  },
  {
    proxy: "nginx",
    what: SILENCE,
    changes: { "proxy_read_timeout 1d": "proxy_read_timeout 1s" },
    behind: "mute",
    status: 504,
    told: SILENCE,
  },
  {
    proxy: "HAProxy",
    what: SILENCE,
    // The check would notice it first.
    changes: { "timeout server 50s": "timeout server 1s", " check ": " " },
    behind: "mute",
    status: 504,
    told: SILENCE,
  },
];

/** Sends a handshake, and returns the connection. Dispose of it: it is cut. */
async function send(
  proxy: Proxy,
  cookies: readonly number[] = [1],
  host: string = "localhost",
): Promise<Wire> {
  const wire = await Wire.connect(proxy.tlsPort, [proxy.authority]);
  // A browser has one line for them; who adds others may be a proxy.
  const headers = Object.fromEntries(
    cookies.map((length, index) => [index === 0 ? "Cookie" : `X-${index}`, "x".repeat(length)]),
  );
  const request = requestWith(headers).replace("GET / ", "GET /ws/ ").replace(
    "Host: x",
    `Host: ${host}`,
  );
  await wire.send(request);
  return wire;
}

/** The status of the answer to a handshake. */
async function handshake(...how: Parameters<typeof send>): Promise<number> {
  using wire = await send(...how);
  return Number(/^HTTP\/1\.[01] (\d+)/.exec(await wire.head())?.[1]);
}

/** The row of the guide's table for a status: WebSockets that are open are 101. */
function rowOf(status: number | "none"): string {
  const guide = Deno.readTextFileSync(`${ROOT}docs/troubleshooting.md`);
  const [, table = ""] = guide.split("## What a proxy answers");
  return table.split("\n").find((line) => line.replaceAll("`", "").startsWith(`| ${status}`)) ?? "";
}

for (const fault of FAULTS) {
  const { proxy: name, what, changes = {}, behind = "aphlict", keys = {}, status, told } = fault;
  Deno.test(`${name} answers a browser with ${status} when: ${what}; the guide says why`, async () => {
    await using stack = new AsyncDisposableStack();
    const port = behind === "nothing"
      ? freePorts(1)[0] ?? 0
      : behind === "mute"
      ? stack.use(new Mute()).port
      : stack.use(await run({ servers: [{ type: "client", keys }, { type: "admin" }] })).client;
    await using proxy = await (PROXIES[name] ?? never)(port, changes);
    const { cookies, host } = fault;
    // The first one of an address gets in, and stays.
    if (status === 429) await stack.use(await send(proxy)).head();
    // A check takes some time to find fault.
    await until(async () => await handshake(proxy, cookies, host) === status, 10_000);
    assertStringIncludes(rowOf(status), name);
    assertStringIncludes(rowOf(status), told);
  });
}

Deno.test("Apache answers nothing while browsers have all its threads", async () => {
  await using running = await run();
  await using proxy = await (PROXIES["Apache"] ?? never)(running.client, {
    "max=20": "max=6",
    "ServerLimit 25": "ServerLimit 1",
    "ThreadsPerChild 100": "ThreadsPerChild 6",
    "MaxRequestWorkers 2500": "MaxRequestWorkers 6",
  });
  await using browsers = new AsyncDisposableStack();
  for (let opened = 0; opened < 6; opened++) {
    const wire = browsers.use(await send(proxy));
    assertMatch(await wire.head(), /^HTTP\/1\.1 101 /);
  }
  let answered = false;
  const seventh = handshake(proxy).then((status) => {
    answered = true;
    return status;
  });
  await proxy.process.line(/server reached MaxRequestWorkers setting/);
  assertEquals(answered, false);
  await browsers.disposeAsync();
  assertEquals(await seventh, 101);
  assertStringIncludes(rowOf("none"), "no thread is free");
});

function never(): never {
  throw new Error("There is no such proxy");
}

/** Opens a browser behind a proxy. */
async function open(start: (client: number) => Promise<Proxy>, running: Running) {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(await start(running.client));
  const client = stack.adopt(proxy.trusting(), (client) => client.close());
  const browser = stack.use(await Browser.open(proxy.tlsPort, { path: "/ws/", client }));
  const all = stack.move();
  return { proxy, browser, [Symbol.asyncDispose]: () => all[Symbol.asyncDispose]() };
}

Deno.test("nginx, Apache and HAProxy keep browsers over a reload, and Caddy ends them", async () => {
  await using running = await run();
  const signals = {
    nginx: ["SIGHUP", /reconfiguring/],
    Apache: ["SIGUSR1", /Doing graceful restart/],
    HAProxy: ["SIGUSR2", /Reloading HAProxy/],
  } as const;
  for (const [name, [signal, told]] of Object.entries(signals)) {
    await using site = await open(PROXIES[name] ?? never, running);
    const { process } = site.proxy;
    let looks = 0;
    await until(() => {
      // HAProxy's first process loses a signal while it starts: once a second is often enough.
      if (looks++ % 50 === 0) process.kill(signal);
      return told.test(process.output);
    });
    // A new process serves newcomers.
    await until(async () => await handshake(site.proxy) === 101);
    await site.browser.pong();
  }
  await using site = await open(PROXIES["Caddy"] ?? never, running);
  const reload = new Deno.Command("caddy", {
    args: [
      ...["reload", "--force", "--adapter", "caddyfile"],
      ...["--config", `${site.proxy.path}/Caddyfile.test`],
    ],
    env: { HOME: site.proxy.path },
  });
  assertEquals((await reload.output()).success, true);
  await site.browser.closed;
  await until(async () => await handshake(site.proxy) === 101);
});
