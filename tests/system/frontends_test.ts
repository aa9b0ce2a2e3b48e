/**
 * Reverse proxies and load balancers in front of both ports, plain and with TLS on either side of them.
 * These tests need nginx, HAProxy and Caddy.
 */

import { assertEquals, assertMatch } from "../assert.ts";
import { Browser } from "../acceptance/browser.ts";
import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { ENGINES } from "../acceptance/engines.ts";
import { freePorts } from "../acceptance/ports.ts";
import { publish, run, type Running, status } from "../acceptance/server.ts";
import { until } from "../acceptance/until.ts";
import { Wire } from "../acceptance/wire.ts";
import { concat, utf8 } from "../websocket/bytes.ts";
import type { Engine } from "../../src/config/config.ts";
import { Frontend, Haproxy, startCaddy, startNginx, type Upstream } from "./frontends.ts";

const authority = makeAuthority("The service's");
/** Valid for so long that no server warns of its end. */
const pair = makeCertificate(authority, 90 * 24 * 3600_000);

/** Starts a service, plain or with TLS on both ports. */
function serve(engine: Engine, isSecure: boolean, ports?: readonly number[]): Promise<Running> {
  const files = { "server.key": pair.key, "server.crt": pair.cert };
  const tls = isSecure ? { tls: { key: "server.key", cert: "server.crt" } } : {};
  return run({
    engine,
    // So few that neither engine warns of memory that they could take.
    servers: [{ type: "client", keys: { "limit.connections": 1000 }, ...tls }, {
      type: "admin",
      ...tls,
    }],
    files,
    ...(ports ? { ports } : {}),
  });
}

/** The directives of nginx's manual for WebSockets. */
const UPGRADE =
  "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;";
const WEBSOCKET = `proxy_http_version 1.1; ${UPGRADE}`;

/** The directives of nginx's manual for connections to a server that are kept alive. */
const KEPT_ALIVE = 'proxy_http_version 1.1; proxy_set_header Connection "";';

/** The times of Debian's configuration of HAProxy. */
const DEFAULT_TIMES = "timeout connect 5000\ntimeout client 50000\ntimeout server 50000";

/** The further header lines of a handshake, as HAProxy writes them. */
const HANDSHAKE = "hdr Sec-WebSocket-Version 13 hdr Sec-WebSocket-Key dGhlIHNhbXBsZSBub25jZQ==";

/** Checks of HAProxy that say what a healthy server answers. */
const CHECKS = {
  client: `option httpchk
    http-check send meth GET uri / ver HTTP/1.1 hdr Host phorge.example.com
    http-check expect status 501`,
  admin: "option httpchk GET /status/",
};

/** A kind of frontend. */
interface Kind {
  readonly name: string;
  /** Whether it speaks TLS to the service. */
  readonly isSecure: boolean;
  /** Its answer while it finds the service down. */
  readonly down: number;
  readonly start: (upstream: Upstream) => Promise<Frontend>;
}

const KINDS: readonly Kind[] = [
  {
    name: "nginx, with HTTP/1.0 to the admin port, its default",
    down: 502,
    isSecure: false,
    start: (upstream) => startNginx(upstream, { tls: false, client: WEBSOCKET, admin: "" }),
  },
  {
    name: "nginx, with HTTP/1.0 to both ports",
    down: 502,
    isSecure: false,
    start: (upstream) => startNginx(upstream, { tls: false, client: UPGRADE, admin: "" }),
  },
  {
    name: "nginx with TLS, and connections to the admin port that are kept alive",
    down: 502,
    isSecure: false,
    start: (upstream) =>
      startNginx(upstream, {
        tls: true,
        client: WEBSOCKET,
        admin: `${KEPT_ALIVE} proxy_request_buffering off;`,
        upstream: "keepalive 4;",
      }),
  },
  {
    name: "nginx with TLS on both sides",
    down: 502,
    isSecure: true,
    start: (upstream) =>
      startNginx(upstream, {
        tls: true,
        client: WEBSOCKET,
        admin: KEPT_ALIVE,
        upstream: "keepalive 4;",
      }),
  },
  {
    name: "HAProxy",
    down: 503,
    isSecure: false,
    start: (upstream) =>
      Haproxy.start(upstream, { tls: false, timeouts: DEFAULT_TIMES, checks: CHECKS }),
  },
  {
    name: "HAProxy with TLS on both sides",
    down: 503,
    isSecure: true,
    start: (upstream) =>
      Haproxy.start(upstream, {
        tls: true,
        timeouts: `${DEFAULT_TIMES}\ntimeout tunnel 1h`,
        checks: CHECKS,
      }),
  },
  {
    name: "Caddy",
    down: 503,
    isSecure: false,
    start: (upstream) => startCaddy(upstream, { tls: false }),
  },
  {
    name: "Caddy with TLS, of an authority of its own",
    down: 503,
    isSecure: false,
    start: (upstream) => startCaddy(upstream, { tls: true }),
  },
  {
    name: "Caddy with TLS on both sides",
    down: 503,
    isSecure: true,
    start: (upstream) => startCaddy(upstream, { tls: true }),
  },
];

/** Bytes of the text of a message whose body is a little below the limit of 1 MiB. */
const LARGE = 900_000;

/** The numbers of the messages that have come to a browser, in order. */
async function numbers(browser: Browser): Promise<number[]> {
  return (await browser.all()).map((text) => JSON.parse(text).n);
}

/** Posts messages one behind the other over one connection; the connection has to stay. */
async function postKeptAlive(
  { admin, authority }: Frontend,
  messages: readonly unknown[],
): Promise<void> {
  using wire = await Wire.connect(admin, authority === null ? undefined : [authority]);
  for (const message of messages) {
    const body = utf8(JSON.stringify(message));
    const head = `POST / HTTP/1.1\r\nHost: 127.0.0.1:${admin}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    await wire.send(concat(utf8(head), body));
    const answer = await wire.answer();
    assertEquals(answer.status, 200, answer.head);
    assertMatch(answer.body, /^\{"fingerprint":"\w{16}"\}$/);
  }
}

/** An HTTP client that trusts a frontend's certificate; a plain frontend has none. */
function clientOf(
  { authority }: Frontend,
  http2: boolean,
): { client?: Deno.HttpClient } & Disposable {
  if (authority === null) return { [Symbol.dispose]() {} };
  const client = Deno.createHttpClient({ caCerts: [authority], http2 });
  return { client, [Symbol.dispose]: () => client.close() };
}

/** What a frontend answers at a port of its own: the status, and the body. */
async function get(
  frontend: Frontend,
  port: "client" | "admin",
  path: string,
): Promise<[number, string]> {
  using browser = clientOf(frontend, true);
  const scheme = frontend.authority === null ? "http" : "https";
  const response = await fetch(`${scheme}://127.0.0.1:${frontend[port]}${path}`, browser);
  return [response.status, await response.text()];
}

/** Waits until a frontend answers these at its two ports. */
async function answers(frontend: Frontend, client: number, admin: number): Promise<void> {
  await until(async () =>
    (await get(frontend, "client", "/"))[0] === client &&
    (await get(frontend, "admin", "/status/"))[0] === admin
  );
}

/** What passes through a frontend. */
async function assertPasses(frontend: Frontend): Promise<void> {
  using phorge = clientOf(frontend, true);
  // A browser offers no HTTP/2 for a WebSocket to a server that has not announced it.
  using page = clientOf(frontend, false);
  const { admin } = frontend;

  await using browser = await Browser.open(frontend.client, { topics: ["A"], ...page });
  const path = "/~acme/";
  await using acme = await Browser.open(frontend.client, { path, topics: ["A"], ...page });
  await publish(admin, { subscribers: ["A"], n: 1, text: "é😀" }, phorge);
  await publish(admin, { subscribers: ["A"], n: 2 }, { instance: "acme", ...phorge });
  const [first = "", ...rest] = await browser.all();
  assertEquals([JSON.parse(first).text, rest], ["é😀", []]);
  assertEquals(await numbers(acme), [2]);

  const large = "x".repeat(LARGE);
  await publish(admin, { subscribers: ["A"], n: 3, large }, phorge);
  assertEquals(JSON.parse(await browser.next()).large.length, LARGE);

  // A body of which the length is not known beforehand.
  const { body } = new Response(JSON.stringify({ subscribers: ["A"], n: 4 }));
  const scheme = frontend.authority === null ? "http" : "https";
  const receipt = await fetch(`${scheme}://127.0.0.1:${admin}/`, {
    method: "POST",
    body,
    ...phorge,
  });
  assertEquals(receipt.status, 200, await receipt.text());
  assertEquals(await numbers(browser), [4]);

  const series = Array.from({ length: 20 }, (_, index) => 100 + index);
  await postKeptAlive(frontend, series.map((n) => ({ subscribers: ["A"], n })));
  assertEquals(await numbers(browser), series);

  assertEquals(await get(frontend, "client", "/"), [501, "HTTP/501 Use Websockets\n"]);
  const [status, text] = await get(frontend, "admin", "/status/");
  assertEquals([status, JSON.parse(text)["clients.active"]], [200, 1]);
}

for (const engine of ENGINES) {
  for (const { name, isSecure, down, start } of KINDS) {
    Deno.test(`${name} passes all, and knows when the service is down (${engine} engine)`, async () => {
      const [client = 0, admin = 0] = freePorts(2);
      await using frontend = await start({
        client,
        admin,
        authority: isSecure ? authority.cert : null,
      });
      await answers(frontend, down, down);
      await using running = await serve(engine, isSecure, [client, admin]);
      await answers(frontend, 501, 200);
      await assertPasses(frontend);
      running.process.kill("SIGTERM");
      await answers(frontend, down, down);
      assertEquals((await running.process.ended()).code, 0);
      assertEquals(faults(running), []);
    });
  }
}

/** The warnings and errors of a service. */
function faults({ process }: Running): string[] {
  return process.output.match(/ (WARNING|ERROR) .*/g) ?? [];
}

/** A way in which HAProxy looks at servers, and what it finds. */
interface Check {
  readonly name: string;
  readonly client: string;
  readonly admin: string;
  readonly finds: { readonly client: string; readonly admin: string };
}

/** @param isSecure Whether it looks by TLS. */
function checks(isSecure: boolean): readonly Check[] {
  const connected = isSecure ? "UP L6OK" : "UP L4OK";
  return [
    {
      name: "its check of HTTP with the answers that are right",
      ...CHECKS,
      finds: { client: "UP L7OK 501", admin: "UP L7OK 200" },
    },
    {
      name: "its check of HTTP without settings, and finds fault with the answers",
      client: "option httpchk",
      admin: "option httpchk",
      finds: { client: "DOWN L7STS 501", admin: "DOWN L7STS 405" },
    },
    {
      name: "a handshake, which it asks to be the connection's last request",
      client: `option httpchk
        http-check send meth GET uri / ver HTTP/1.1 hdr Host x hdr Upgrade websocket ${HANDSHAKE}
        http-check expect status 501`,
      admin: "option httpchk HEAD /status/",
      finds: { client: "UP L7OK 501", admin: "UP L7OK 200" },
    },
    {
      name: "its check of the connection alone",
      client: "",
      admin: "",
      finds: { client: connected, admin: connected },
    },
  ];
}

for (const engine of ENGINES) {
  for (const isSecure of [false, true]) {
    for (const { name, finds, ...check } of checks(isSecure)) {
      const how = isSecure ? "by TLS" : "plain";
      Deno.test(`HAProxy looks at both ports with ${name} (${how}, ${engine} engine)`, async () => {
        await using running = await serve(engine, isSecure);
        const upstream = { ...running, authority: isSecure ? authority.cert : null };
        const setup = { tls: false, timeouts: DEFAULT_TIMES, checks: check };
        await using haproxy = await Haproxy.start(upstream, setup);
        const look = async (backend: "client" | "admin") => {
          await until(async () => !(await haproxy.server(backend)).check.endsWith("INI"));
          const { status, check: outcome, code } = await haproxy.server(backend);
          return `${status} ${outcome} ${code}`.trim();
        };
        assertEquals({ client: await look("client"), admin: await look("admin") }, finds);
        assertEquals(faults(running), []);
      });
    }
  }
}

Deno.test("HAProxy ends a WebSocket that is silent for its time, and none within its tunnel's", async () => {
  await using running = await serve("socket", false);
  const upstream = { ...running, authority: null };
  const setup = { tls: false, checks: { client: "", admin: "" } };
  const timeouts = "timeout connect 5s\ntimeout client 1s\ntimeout server 1s";
  await using brief = await Haproxy.start(upstream, { ...setup, timeouts });
  const withTunnel = `${timeouts}\ntimeout tunnel 1h`;
  await using patient = await Haproxy.start(upstream, { ...setup, timeouts: withTunnel });
  await using lasting = await Browser.open(patient.client, { topics: ["A"] });
  await using ended = await Browser.open(brief.client, { topics: ["A"] });
  await ended.closed;
  await until(async () => (await status(running.admin))["clients.active"] === 1);
  await publish(patient.admin, { subscribers: ["A"], n: 1 });
  assertEquals(await numbers(lasting), [1]);
});
