/**
 * What a peer can do to the service: nothing. Beside the bad ones stands a good one, a service of ours,
 * whose browser hears everything at once.
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "../assert.ts";
import {
  answering,
  type Behaviour,
  receipt,
  response,
  ScriptedPeer,
  STATUS,
  taking,
} from "./bad_peer.ts";
import { Browser } from "./browser.ts";
import { type Authority, makeAuthority, makeCertificate } from "./certificate.ts";
import type { PeerStatus } from "../../src/metrics/peer_status.ts";
import { peersOf, range } from "./cluster.ts";
import { peerAt, type PeerEntry, publish, residentBytes, run, type Running } from "./server.ts";
import { until } from "./until.ts";

/** How long a message may take to the good peer's browser on a busy machine; far less than 5 s. */
const SOON_MS = 4000;

/** More than the kernel holds for a connection on loopback, on either side. */
const BUFFERS = 12_000_000;

/** A service with a good peer and others, and a browser at the good one. */
class Site implements AsyncDisposable {
  readonly service: Running;
  readonly #good: Running;
  readonly #browser: Browser;
  #published = 0;

  private constructor(service: Running, good: Running, browser: Browser) {
    this.service = service;
    this.#good = good;
    this.#browser = browser;
  }

  /** @param ports Of the other peers. */
  static async start(...ports: readonly number[]): Promise<Site> {
    return await Site.among(ports.map((port) => peerAt(port)));
  }

  static async among(others: readonly PeerEntry[]): Promise<Site> {
    await using stack = new AsyncDisposableStack();
    const good = stack.use(await run());
    const browser = stack.use(await Browser.open(good.client, { topics: ["A"] }));
    const service = await run({ cluster: () => [...others, peerAt(good.admin)] });
    stack.move();
    return new Site(service, good, browser);
  }

  /** Publishes so many messages, and sees each of them arrive at the good peer before the next. */
  async publish(count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      const n = ++this.#published;
      const started = performance.now();
      await publish(this.service.admin, { subscribers: ["A"], n, uniqueID: `u${n}` });
      assertEquals(JSON.parse(await this.#browser.next()).n, n);
      const took = performance.now() - started;
      assert(took < SOON_MS, `message ${n} took ${took} ms to the good peer`);
    }
  }

  /** A peer's row of the status page. */
  async row(at: string): Promise<PeerStatus> {
    const rows = await peersOf(this.service.admin);
    const row = rows.find(({ peer }) => peer === `http://${at}/`);
    assert(row !== undefined, `no ${at} in ${JSON.stringify(rows)}`);
    return row;
  }

  /** The same when nothing waits for the peer any more. */
  async settled(at: string): Promise<PeerStatus> {
    await until(async () => (await this.row(at)).queued === 0);
    return await this.row(at);
  }

  /** Waits until the log warns of a peer. */
  async warned(at: string): Promise<void> {
    await this.service.process.line(new RegExp(`WARNING .*${at}`));
  }

  /** The levels of all lines about a peer from the first warning on. */
  tellings(at: string): string[] {
    const lines = this.service.log().split("\n").filter((line) => line.includes(at));
    const levels = lines.flatMap((line) => /\] ([A-Z]+) /.exec(line)?.[1] ?? []);
    const first = levels.indexOf("WARNING");
    return first < 0 ? [] : levels.slice(first);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]();
    await this.#browser[Symbol.asyncDispose]();
    await this.#good[Symbol.asyncDispose]();
  }

  /** Nothing that others do has cost the good peer anything. */
  async assertGood(published: number): Promise<void> {
    const { state, sent, failed, dropped } = await this.settled(`127.0.0.1:${this.#good.admin}`);
    assertEquals({ state, sent, failed, dropped }, {
      state: "up",
      sent: published,
      failed: 0,
      dropped: 0,
    });
  }
}

/** What must be seen of a peer that has been down since `published` messages were published. */
async function assertDown(
  site: Site,
  at: string,
  published: number,
  error: RegExp,
  what: string = at,
): Promise<void> {
  await site.warned(at);
  const { state, queued, sent, failed, dropped, "last.error": last } = await site.row(at);
  assertEquals({ state, queued, sent, dropped }, {
    state: "down",
    queued: published,
    sent: 0,
    dropped: 0,
  }, what);
  assert(failed > 0, what);
  assertMatch(last ?? "", error, what);
  assertNotMatch(last ?? "", /undefined|object|Error:|os error|\bat .*\.ts/, what);
  assertEquals(site.tellings(at), ["WARNING"], what);
}

/** What must be seen of a peer that was down, when it has taken everything: in order, each once. */
async function assertUp(
  site: Site,
  peer: ScriptedPeer,
  published: number,
  what: string = "",
): Promise<void> {
  await peer.until(() => peer.taken.length >= published);
  const { state, queued, sent, dropped, fingerprint } = await site.settled(peer.at);
  assertEquals(peer.taken, range(1, published + 1), what);
  assertEquals({ state, queued, sent, dropped, fingerprint }, {
    state: "up",
    queued: 0,
    sent: published,
    dropped: 0,
    fingerprint: peer.fingerprint,
  }, what);
  assertEquals(site.tellings(peer.at), ["WARNING", "INFO"], what);
}

const silent: Behaviour = (connection) => connection.ended();

const hasty: Behaviour = () => Promise.resolve();

const random: Behaviour = async (connection) => {
  if (await connection.request() === null) return;
  await connection.send(crypto.getRandomValues(new Uint8Array(4096)));
  await connection.ended();
};

/** Nobody waits as long as this answer takes. */
const dripping: Behaviour = async (connection, peer) => {
  if (await connection.request() === null) return;
  const broken = Promise.withResolvers<void>();
  const answer = [...response("200 OK", receipt(peer.fingerprint))];
  const timer = setInterval(() => {
    connection.send(answer.shift() ?? "").catch(() => broken.resolve());
  }, 250);
  await Promise.race([broken.promise, connection.ended()]);
  clearInterval(timer);
};

/** Reads one request, and then sends the head of an answer and something without end. */
function endless(head: string, piece: string, sent: number[] = []): Behaviour {
  return async (connection) => {
    if (await connection.request() === null) return;
    await connection.send(head);
    sent.push(await connection.sendEndlessly(piece));
    assert(Math.max(...sent) < BUFFERS, `${head}: ${sent} bytes`);
  };
}

/** What bad peers do, and how the status page puts it. */
const BAD: Readonly<Record<string, readonly [Behaviour, RegExp]>> = {
  "answers 500": [answering(response("500 Internal Server Error", "oh")), /500/],
  "answers 400, about whatever it is": [answering(response("400 Bad Request", "")), /400/],
  "speaks no HTTP": [answering("SSH-2.0-OpenSSH_9.2\r\n"), /HTTP/],
  "speaks at random": [random, /HTTP|header/],
  "has a body that is no JSON": [answering(response("200 OK", "It works!")), /admin port/],
  "has no fingerprint": [answering(response("200 OK", "{}")), /admin port/],
  "answers nothing": [silent, /5 s/],
  "answers a byte at a time": [dripping, /5 s/],
  "closes each connection at once": [hasty, /closes|breaks/],
  "sends a body of 10 MB": [
    endless("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", " "),
    /more than/,
  ],
  "sends headers without end": [endless("HTTP/1.1 200 OK\r\n", "X-Header: x\r\n"), /more than/],
  "announces an answer without end": [
    endless("", "HTTP/1.1 100 Continue\r\n\r\n"),
    /more than/,
  ],
};

Deno.test("bad peers slow nobody, are shown, cost one line each, and get everything when they are good again", async () => {
  await using elsewhere = new ScriptedPeer(taking());
  await using stack = new AsyncDisposableStack();
  const location = `Location: http://${elsewhere.at}/\r\n`;
  const peers = Object.entries({
    ...BAD,
    "redirects": [answering(response("307 Temporary Redirect", "", location)), /307/] as const,
  }).map(([what, [behaviour, error]]) => ({
    what,
    error,
    peer: stack.use(new ScriptedPeer(behaviour)),
  }));
  await using site = await Site.start(...peers.map(({ peer }) => peer.port));
  await site.publish(3);
  for (const { what, error, peer } of peers) await assertDown(site, peer.at, 3, error, what);
  await site.publish(4);
  for (const { what, peer } of peers) assertEquals(site.tellings(peer.at), ["WARNING"], what);

  for (const { peer } of peers) peer.become(taking());
  for (const { what, peer } of peers) await assertUp(site, peer, 7, what);
  await site.assertGood(7);
  assertEquals(elsewhere.connections, 0);
});

Deno.test("answers without end leave nothing in the service's memory", async () => {
  const sent: number[] = [];
  await using peer = new ScriptedPeer(endless("HTTP/1.0 200 OK\r\n\r\n", " ", sent));
  await using site = await Site.start(peer.port);
  await site.publish(5);
  await peer.until(() => sent.length > 0);
  const before = residentBytes(site.service);
  const already = sent.length;
  await peer.until(() => sent.length >= already + 3);
  const grown = residentBytes(site.service) - before;
  assert(grown < 10_000_000, `it has grown by ${grown} bytes`);
});

Deno.test("a peer whose name nobody knows slows nobody, and is shown with its name", async () => {
  await using site = await Site.among([peerAt(22_281, "nonexistent.invalid")]);
  await site.publish(3);
  await assertDown(
    site,
    "nonexistent.invalid:22281",
    3,
    /host name that (cannot be resolved|no name server)/,
  );
});

Deno.test("the service runs with flags that name its own addresses and its peers', and no other", async () => {
  await using service = await run({
    cluster: () => [
      peerAt(22_291),
      peerAt(22_292, "::1"),
      { host: "peer.invalid", port: 22_293, protocol: "https" },
    ],
  });
  const command = Deno.readTextFileSync(`/proc/${service.process.pid}/cmdline`).split("\0");
  assertEquals(command.filter((word) => word.startsWith("--allow-net")), [
    `--allow-net=127.0.0.1:${service.client},127.0.0.1:${service.admin}` +
    ",127.0.0.1:22291,[::1]:22292,peer.invalid:22293",
  ]);
});

const TOKEN = "kT2x9sLq4vXz/0bWq7YtRe8m+Pd1A9Hn";

/** The same as a name of a certificate. */
const TOKEN_IN_TLS = "kt2x9slq4vxz0bwq7ytre8mpd1a9hn";

/** What a peer answers to a request for its status page, and to a message. */
interface Echo {
  /** What the log has of it. */
  readonly seen: RegExp;
  page(authorization: string): string;
  receipt(authorization: string): string;
}

/** Says that it is an Aphlict, and refuses each message with a text. */
const refusing = (seen: RegExp, write: (authorization: string) => string): Echo => ({
  seen,
  page: () => response("200 OK", STATUS),
  receipt: (authorization) => response("400 Bad Request", write(authorization)),
});

/** Answers each request in the same way. */
const always = (seen: RegExp, answer: (authorization: string) => string): Echo => ({
  seen,
  page: answer,
  receipt: answer,
});

const bare = (authorization: string) => authorization.replace("Bearer ", "");

/** What echoes of a token may look like: error pages, debuggers, proxies, servers that are none. */
const ECHOES: Readonly<Record<string, Echo>> = {
  "in its reason": always(
    /answers 418 \[the token\]/,
    (header) => response(`418 ${bare(header)}`, ""),
  ),
  "in a reason that is cut": always(
    /answers 500 x{45} Bearer \[/,
    (header) => response(`500 ${"x".repeat(45)} ${header}`, ""),
  ),
  "in a reason, encoded": always(
    /answers 403 token=\[the token\]&x/,
    (header) => response(`403 token=${encodeURIComponent(bare(header))}&x`, ""),
  ),
  "in the text of a 400": refusing(
    /with 400.*No such token: \[the token\]</,
    (header) => `<h1>No such token: ${bare(header)}</h1>`,
  ),
  "in JSON of PHP": refusing(
    /with 400.*"Bearer \[the token\]"/,
    (header) => JSON.stringify({ authorization: header }).replaceAll("/", "\\/"),
  ),
  "in a URL": refusing(
    /with 400.*token=\[the token\]&/,
    (header) => `/?token=${encodeURIComponent(bare(header))}&x`,
  ),
  "as a password": refusing(
    /with 400.*Basic YXBobGljdDp\[the token\]/,
    (header) => `Authorization: Basic ${btoa(`aphlict:${bare(header)}`)}`,
  ),
  "beyond what is shown of a text": refusing(
    /with 400.*x{180}: \[the token\]/,
    (header) => `${"x".repeat(180)}: ${bare(header)}`,
  ),
  "as its fingerprint": always(
    /does not answer as the admin port/,
    (header) => response("200 OK", receipt(bare(header))),
  ),
  "as its fingerprint, escaped": always(
    /does not answer as the admin port/,
    (header) =>
      response(
        "200 OK",
        receipt(
          [...bare(header)].map((each) => `\\u00${each.charCodeAt(0).toString(16)}`).join(""),
        ),
      ),
  ),
  "as the fingerprint of its status page": {
    seen: /answers 500 Oh/,
    page: (header) => response("200 OK", JSON.stringify({ version: 7, fingerprint: bare(header) })),
    receipt: () => response("500 Oh", ""),
  },
};

/** The ways in which a token may be written. */
function written(token: string): string[] {
  return [
    token,
    encodeURIComponent(token),
    token.replaceAll("/", "\\/"),
    btoa(`aphlict:${token}`),
    token.slice(0, 16),
    token.slice(-12),
  ];
}

/** Listens with a certificate that has a name of its own, and says nothing. */
class TlsPeer implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.TlsListener;
  readonly #done: Promise<void>;

  constructor(authority: Authority, name: string) {
    const names = { name: "subjectAltName", altNames: [{ type: 2, value: name }] };
    const pair = makeCertificate(authority, undefined, names);
    this.#listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair });
    this.port = this.#listener.addr.port;
    this.#done = this.#accept();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      // The other side does not take the certificate.
      await connection.handshake().catch(() => {});
      connection.close();
    }
  }
}

Deno.test("a peer that echoes its token gets it neither into the status, nor the live page, nor the log", async () => {
  await using stack = new AsyncDisposableStack();
  const authority = makeAuthority("Peers");
  const tlsPeer = stack.use(new TlsPeer(authority, `${TOKEN_IN_TLS}.example`));
  const peers = Object.entries(ECHOES).map(([what, echo]) => {
    const asked: string[] = [];
    const behaviour: Behaviour = async (connection) => {
      for (;;) {
        const request = await connection.request();
        if (request === null) return;
        const authorization = request.headers.get("authorization") ?? "";
        const isMessage = request.method === "POST";
        await connection.send(isMessage ? echo.receipt(authorization) : echo.page(authorization));
        asked.push(request.method);
      }
    };
    return { what, ...echo, asked, peer: stack.use(new ScriptedPeer(behaviour)) };
  });
  const withToken = (folder: string, port: number, token = "token") => ({
    ...peerAt(port),
    "token.file": `${folder}/${token}`,
  });
  await using service = await run({
    files: { token: `${TOKEN}\n`, "token-tls": TOKEN_IN_TLS, "ca.pem": authority.cert },
    cluster: (folder) => [
      ...peers.map(({ peer }) => withToken(folder, peer.port)),
      {
        ...withToken(folder, tlsPeer.port, "token-tls"),
        protocol: "https",
        "ssl.ca": `${folder}/ca.pem`,
      },
    ],
  });
  await publish(service.admin, { subscribers: ["A"], n: 1 });
  for (const { what, seen, peer, asked } of peers) {
    const line = await service.process.line(new RegExp(`${peer.at}.*${seen.source}`));
    assert(line.includes("WARNING"), what);
    // It has been judged by what it had shown when it is asked again.
    if (!seen.source.startsWith("with 400")) {
      await until(() => asked.filter((method) => method === "GET").length > 1);
    }
  }
  await service.process.line(
    new RegExp(
      `:${tlsPeer.port}/ is down.*a certificate for \\[the token\\]\\.example, not for 127`,
    ),
  );
  const pages = await Promise.all(
    ["status/", "console/data/", "metrics/"].map(async (path) =>
      await (await fetch(`http://127.0.0.1:${service.admin}/${path}`)).text()
    ),
  );
  assertMatch(pages.join(), /answers 418 \[the token\]/);
  for (const text of [...pages, service.log(), service.process.output]) {
    for (const echo of [TOKEN, TOKEN_IN_TLS].flatMap(written)) {
      assert(!text.includes(echo), `${echo} stands in ${text}`);
    }
  }
});
