/**
 * What a peer can do to the service: nothing. Beside each bad one stands a good one, a service of
 * ours, whose browser hears everything at once.
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "../assert.ts";
import {
  answering,
  type Behaviour,
  FINGERPRINT,
  RECEIPT,
  response,
  ScriptedPeer,
  taking,
} from "./bad_peer.ts";
import { Browser } from "./browser.ts";
import { freePorts, type PeerEntry, publish, run, type Running, status } from "./server.ts";

/** How long a message may take to the good peer's browser on a busy machine; far less than 5 s. */
const SOON_MS = 2000;

/** How long a peer that takes everything may go on to have something queued. */
const SETTLE_LIMIT_MS = 20_000;

/** More than the kernel holds for a connection on loopback, on either side. */
const BUFFERS = 12_000_000;

/** A row of the status page's `cluster`. */
interface PeerStatus {
  readonly peer: string;
  readonly state: string;
  readonly fingerprint: string | null;
  readonly queued: number;
  readonly sent: number;
  readonly failed: number;
  readonly dropped: number;
  readonly "dropped.refused": number;
  readonly "last.error": string | null;
  readonly "last.contact": number | null;
}

/** A service with a bad and a good peer, and a browser at the good one. */
class Site implements AsyncDisposable {
  readonly service: Running;
  readonly #bad: PeerEntry;
  readonly #good: Running;
  readonly #browser: Browser;
  #published = 0;

  private constructor(service: Running, bad: PeerEntry, good: Running, browser: Browser) {
    this.service = service;
    this.#bad = bad;
    this.#good = good;
    this.#browser = browser;
  }

  static async start(port: number, host: string = "127.0.0.1"): Promise<Site> {
    await using stack = new AsyncDisposableStack();
    const good = stack.use(await run());
    const browser = stack.use(await Browser.open(good.client, { topics: ["A"] }));
    const bad: PeerEntry = { host, port, protocol: "http" };
    const service = await run({
      cluster: () => [bad, { host: "127.0.0.1", port: good.admin, protocol: "http" }],
    });
    stack.move();
    return new Site(service, bad, good, browser);
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

  /** The bad peer's row of the status page. */
  async bad(): Promise<PeerStatus> {
    return await this.#row(0);
  }

  /** The good peer's. */
  async good(): Promise<PeerStatus> {
    return await this.#row(1);
  }

  /** Waits until the log warns of the bad peer. */
  async warned(): Promise<void> {
    await this.service.process.line(new RegExp(`WARNING .*${this.#name}`));
  }

  /** The bad peer's row when nothing waits for it any more. */
  async settled(): Promise<PeerStatus> {
    const deadline = performance.now() + SETTLE_LIMIT_MS;
    for (;;) {
      const row = await this.bad();
      if (row.queued === 0) return row;
      assert(performance.now() < deadline, JSON.stringify(row));
    }
  }

  /** The levels of all lines about the bad peer, but for those that the start brings. */
  tellings(): string[] {
    const lines = this.service.log().split("\n").filter((line) => line.includes(this.#name));
    return lines.flatMap((line) => /\] ([A-Z]+) (?!Permissions: )/.exec(line)?.[1] ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]();
    await this.#browser[Symbol.asyncDispose]();
    await this.#good[Symbol.asyncDispose]();
  }

  get #name(): string {
    return `${this.#bad.host}:${this.#bad.port}`;
  }

  async #row(index: number): Promise<PeerStatus> {
    const rows = (await status(this.service.admin))["cluster"] as readonly PeerStatus[];
    const row = rows[index];
    assert(row !== undefined, `there are ${rows.length} peers`);
    return row;
  }
}

/** The numbers from 1 on. */
function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** What must be seen of a peer that has been down since `published` messages were published. */
async function assertDown(site: Site, published: number, error: RegExp): Promise<void> {
  await site.warned();
  const { state, queued, sent, failed, dropped, "last.error": last } = await site.bad();
  assertEquals({ state, queued, sent, dropped }, {
    state: "down",
    queued: published,
    sent: 0,
    dropped: 0,
  });
  assert(failed > 0);
  assertMatch(last ?? "", error);
  assertNotMatch(last ?? "", /undefined|object|Error:|os error|\bat .*\.ts/);
  assertEquals(site.tellings(), ["WARNING"]);
}

/** What must be seen when a peer that was down has taken everything. */
async function assertUp(site: Site, published: number): Promise<void> {
  const { state, queued, sent, dropped, fingerprint } = await site.settled();
  assertEquals({ state, queued, sent, dropped, fingerprint }, {
    state: "up",
    queued: 0,
    sent: published,
    dropped: 0,
    fingerprint: FINGERPRINT,
  });
  assertEquals(site.tellings(), ["WARNING", "INFO"]);
  const good = await site.good();
  assertEquals([good.state, good.sent, good.dropped], ["up", published, 0]);
}

/** Reads one request, and then sends the head of an answer and a body without end. */
function overflowing(head: string, piece: string, sent: (bytes: number) => void): Behaviour {
  return async (connection) => {
    if (await connection.request() === null) return;
    await connection.send(head);
    sent(await connection.sendEndlessly(piece));
  };
}

const silent: Behaviour = (connection) => connection.ended();

const hasty: Behaviour = () => Promise.resolve();

/** Nobody waits this long for the end of the answer. */
const dripping: Behaviour = async (connection) => {
  if (await connection.request() === null) return;
  const dripped = Promise.withResolvers<void>();
  const answer = [...response("200 OK", RECEIPT, "Content-Type: application/json\r\n")];
  const timer = setInterval(() => {
    connection.send(answer.shift() ?? "").catch(dripped.resolve);
  }, 250);
  await Promise.race([dripped.promise, connection.ended()]);
  clearInterval(timer);
};

/** What a bad peer does, and how the status page puts it. */
const BAD: Readonly<Record<string, readonly [Behaviour, RegExp]>> = {
  "answers 500": [answering(response("500 Internal Server Error", "oh")), /500/],
  "answers 503": [answering(response("503 Service Unavailable", "{}")), /503/],
  "answers 404": [answering(response("404 Not Found", "<html>")), /404/],
  "answers something that is no HTTP": [answering("SSH-2.0-OpenSSH_9.2\r\n"), /HTTP/],
  "answers bytes at random": [
    async (connection) => {
      if (await connection.request() === null) return;
      await connection.send(crypto.getRandomValues(new Uint8Array(4096)));
      await connection.ended();
    },
    /HTTP|long|head/,
  ],
  "answers with a negative length": [
    answering("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
    /HTTP|length/i,
  ],
  "answers with two lengths": [
    answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\n${RECEIPT}`),
    /HTTP|length/i,
  ],
  "answers a body that is no JSON": [answering(response("200 OK", "It works!")), /receipt/],
  "answers JSON without a fingerprint": [answering(response("200 OK", "{}")), /receipt/],
  "answers null": [answering(response("200 OK", "null")), /receipt/],
  "answers a number for a fingerprint": [
    answering(response("200 OK", '{"fingerprint":7}')),
    /receipt/,
  ],
  "answers a fingerprint of 10 kB": [
    answering(response("200 OK", `{"fingerprint":"${"x".repeat(10_000)}"}`)),
    /receipt/,
  ],
  "answers a fingerprint below __proto__": [
    answering(response("200 OK", `{"__proto__":${RECEIPT}}`)),
    /receipt/,
  ],
  "answers nothing": [silent, /5 s|answer/],
  "answers a byte at a time, too slowly": [dripping, /5 s|answer/],
  "closes each connection at once": [hasty, /closed/],
};

for (const [does, [behaviour, error]] of Object.entries(BAD)) {
  Deno.test(`a peer that ${does} slows nobody, and gets everything when it is good again`, async () => {
    await using peer = new ScriptedPeer(behaviour);
    await using site = await Site.start(peer.port);
    await site.publish(3);
    await assertDown(site, 3, error);
    await site.publish(4);
    assertEquals(site.tellings(), ["WARNING"], "one line for the outage");

    peer.become(taking());
    await peer.until(() => peer.taken.length >= 7);
    await assertUp(site, 7);
    assertEquals(peer.taken, upTo(7));
  });
}

for (const status of ["301 Moved Permanently", "307 Temporary Redirect"]) {
  Deno.test(`a peer that answers ${status} sends the service nowhere`, async () => {
    await using elsewhere = new ScriptedPeer(taking());
    const location = `Location: http://127.0.0.1:${elsewhere.port}/\r\n`;
    await using peer = new ScriptedPeer(answering(response(status, "", location)));
    await using site = await Site.start(peer.port);
    await site.publish(2);
    await assertDown(site, 2, new RegExp(status.slice(0, 3)));
    peer.become(taking());
    await peer.until(() => peer.taken.length >= 2);
    await assertUp(site, 2);
    assertEquals(peer.taken, [1, 2]);
    assertEquals(elsewhere.connections, 0);
  });
}

/** Answers without end: the head, and what is sent again and again. */
const ENDLESS: Readonly<Record<string, readonly [head: string, piece: string]>> = {
  "a body of 10 MB": ["HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", " "],
  "a chunked body without end": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    `400\r\n${" ".repeat(1024)}\r\n`,
  ],
  "one chunk without end": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    " ",
  ],
  "a body that only the end of the connection ends": ["HTTP/1.0 200 OK\r\n\r\n", " "],
  "an error with a body without end": ["HTTP/1.0 500 Oh\r\n\r\n", "x"],
  "headers without end": ["HTTP/1.1 200 OK\r\n", "X-Header: x\r\n"],
  "a header without end": ["HTTP/1.1 200 OK\r\nX-Header: ", "x"],
  "a status line without end": ["HTTP/1.1 200 ", "x"],
  "chunk extensions without end": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
    "x=y;",
  ],
  "trailers without end": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "X-Trailer: x\r\n",
  ],
  "announcements of an answer without end": ["", "HTTP/1.1 100 Continue\r\n\r\n"],
};

for (const [what, [head, piece]] of Object.entries(ENDLESS)) {
  Deno.test(`a peer that answers with ${what} is cut short`, async () => {
    const sent: number[] = [];
    await using peer = new ScriptedPeer(
      overflowing(head, piece, (bytes) => sent.push(bytes)),
    );
    await using site = await Site.start(peer.port);
    await site.publish(1);
    await assertDown(site, 1, /./);
    await peer.until(() => sent.length > 0);
    assert(Math.max(...sent) < BUFFERS, `it took ${sent} bytes`);
    peer.become(taking());
    await peer.until(() => peer.taken.length > 0);
    await assertUp(site, 1);
  });
}

Deno.test("answers without end leave nothing in the service's memory", async () => {
  let ended = 0;
  await using peer = new ScriptedPeer(
    overflowing("HTTP/1.0 200 OK\r\n\r\n", " ", () => ended++),
  );
  await using site = await Site.start(peer.port);
  await site.publish(5);
  await peer.until(() => ended > 0);
  const before = memory(site.service);
  const already = ended;
  await peer.until(() => ended >= already + 3);
  const grown = memory(site.service) - before;
  assert(grown < 10_000_000, `it has grown by ${grown} bytes`);
});

/** Resident memory of a service, in bytes. */
function memory({ process }: Running): number {
  const text = Deno.readTextFileSync(`/proc/${process.pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]) * 1024;
}

Deno.test("a peer that is not there yet gets everything when it has started", async () => {
  const [port = 0] = freePorts(1);
  await using site = await Site.start(port);
  await site.publish(3);
  await assertDown(site, 3, /refused|listen/);
  await site.publish(4);
  await using peer = new ScriptedPeer(taking(), port);
  await peer.until(() => peer.taken.length >= 7);
  await assertUp(site, 7);
  assertEquals(peer.taken, upTo(7));
});

Deno.test("a peer whose name nobody knows slows nobody, and is shown with its name", async () => {
  await using site = await Site.start(22281, "nonexistent.invalid");
  await site.publish(3);
  await assertDown(site, 3, /name|resolve|lookup/);
});

/** How else than usual a good peer may write its answers, and whether it closes after each. */
const ODD: Readonly<Record<string, readonly [write: (body: string) => string, once: boolean]>> = {
  "closes after each answer, and says so": [
    (body) => response("200 OK", body, "Connection: close\r\n"),
    true,
  ],
  "speaks HTTP/1.0": [
    (body) => response("200 OK", body).replace("1.1", "1.0"),
    true,
  ],
  "speaks HTTP/1.0 without a length": [(body) => `HTTP/1.0 200 OK\r\n\r\n${body}`, true],
  "speaks HTTP/1.1 without a length": [(body) => `HTTP/1.1 200 OK\r\n\r\n${body}`, true],
  "answers as Node.js does": [
    (body) =>
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" +
      "Date: Tue, 24 Nov 2026 08:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n" +
      `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    false,
  ],
  "answers in chunks with extensions and trailers": [
    (body) =>
      "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n" +
      [...body].map((byte) => `0001;x="y;z";q\r\n${byte}\r\n`).join("") +
      "000;last\r\nX-Trailer: a\r\nX-Other: b\r\n\r\n",
    false,
  ],
  "announces each answer": [
    (body) => `HTTP/1.1 100 Continue\r\n\r\n${response("200 OK", body)}`,
    false,
  ],
  "gives early hints": [
    (body) => `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${response("200 OK", body)}`,
    false,
  ],
  "answers with more than the receipt and less than a reason": [
    (body) => response("200", body.replace("{", '{ "also": [1, {}], ')),
    false,
  ],
};

for (const [does, [write, once]] of Object.entries(ODD)) {
  Deno.test(`a peer that ${does} gets everything in order, and is no outage`, async () => {
    await using peer = new ScriptedPeer(taking(write, once));
    await using site = await Site.start(peer.port);
    await site.publish(20);
    await peer.until(() => peer.taken.length >= 20);
    const connections = peer.connections;
    await site.publish(1);
    await peer.until(() => peer.taken.length >= 21);
    assertEquals(peer.taken, upTo(21));
    const { state, queued, sent, failed, dropped, fingerprint } = await site.settled();
    assertEquals({ state, queued, sent, failed, dropped, fingerprint }, {
      state: "up",
      queued: 0,
      sent: 21,
      failed: 0,
      dropped: 0,
      fingerprint: FINGERPRINT,
    });
    assertEquals(site.tellings().filter((level) => level !== "INFO"), []);
    assert(connections < 60, `${connections} connections for 20 messages`);
    if (!once) assertEquals(connections, 1);
  });
}

for (const name of ["__proto__", "constructor"]) {
  Deno.test(`a peer whose fingerprint is ${name} is a peer like any other`, async () => {
    await using peer = new ScriptedPeer(
      taking((body) => response("200 OK", body.replace(FINGERPRINT, name))),
    );
    await using site = await Site.start(peer.port);
    await site.publish(3);
    await peer.until(() => peer.taken.length >= 3);
    const { state, sent, fingerprint } = await site.settled();
    assertEquals({ state, sent, fingerprint }, { state: "up", sent: 3, fingerprint: name });
    assertEquals(peer.taken, [1, 2, 3]);
  });
}

Deno.test("a peer that closes after each answer is not connected to again and again for nothing", async () => {
  await using peer = new ScriptedPeer(
    taking((body) => response("200 OK", body, "Connection: close\r\n"), true),
  );
  await using site = await Site.start(peer.port);
  await site.publish(1);
  await peer.until(() => peer.taken.length > 0);
  const before = peer.connections;
  // Nothing tells that nothing happens.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  assert(peer.connections - before < 5, `${peer.connections - before} connections in 2 s`);
});

Deno.test("an answer that nobody asked for is not taken for the next one's", async () => {
  let broken = 0;
  await using peer = new ScriptedPeer(async (connection, peer) => {
    let request = await connection.request();
    while (request?.method === "GET") {
      await connection.send(response("200 OK", "{}"));
      request = await connection.request();
    }
    if (request === null) return;
    await connection.send(response("200 OK", RECEIPT).repeat(3));
    peer.take(request);
    await connection.ended();
    broken++;
  });
  await using site = await Site.start(peer.port);
  for (const n of [1, 2, 3]) {
    await site.publish(1);
    await peer.until(() => peer.taken.length >= n && broken >= n);
  }
  assertEquals(peer.taken, [1, 2, 3]);
});

for (const code of ["400 Bad Request", "413 Payload Too Large"]) {
  for (const once of [false, true]) {
    const how = once ? "and closes" : "and goes on";
    Deno.test(`a message that a peer answers with ${code}, ${how}, is dropped alone`, async () => {
      const refusing: Behaviour = async (connection, peer) => {
        for (;;) {
          const request = await connection.request();
          if (request === null) return;
          if (request.method === "POST" && JSON.parse(request.body).n % 3 === 2) {
            const close = once ? "Connection: close\r\n" : "";
            await connection.send(response(code, '{"error":"x"}', close));
            if (once) return await connection.finish();
          } else {
            await connection.send(response("200 OK", RECEIPT));
            if (request.method === "POST") peer.take(request);
          }
        }
      };
      await using peer = new ScriptedPeer(refusing);
      await using site = await Site.start(peer.port);
      await site.publish(9);
      await peer.until(() => peer.taken.length >= 6);
      assertEquals(peer.taken, [1, 3, 4, 6, 7, 9]);
      const { state, queued, sent, dropped, "dropped.refused": refused } = await site.settled();
      assertEquals({ state, queued, sent, dropped, refused }, {
        state: "up",
        queued: 0,
        sent: 6,
        dropped: 3,
        refused: 3,
      });
      assertEquals(site.tellings().filter((level) => level === "WARNING").length, 1);
    });
  }
}

Deno.test("the service runs with flags that name its own addresses and its peers', and no other", async () => {
  const peers: PeerEntry[] = [
    { host: "127.0.0.1", port: 22_291, protocol: "http" },
    { host: "::1", port: 22_292, protocol: "http" },
    { host: "peer.invalid", port: 22_293, protocol: "https" },
  ];
  await using service = await run({ cluster: () => peers });
  const command = Deno.readTextFileSync(`/proc/${service.process.pid}/cmdline`).split("\0");
  assertEquals(command.filter((word) => word.startsWith("--allow-net")), [
    `--allow-net=127.0.0.1:${service.client},127.0.0.1:${service.admin}` +
    ",127.0.0.1:22291,[::1]:22292,peer.invalid:22293",
  ]);
});
