import { assertEquals, assertMatch } from "../assert.ts";
import { Browser } from "./browser.ts";
import { makeAuthority, makeCertificate } from "./certificate.ts";
import {
  Cluster,
  each,
  line,
  mesh,
  meshWithSelf,
  peersOf,
  range,
  ring,
  sorted,
  star,
  story,
  type Topology,
} from "./cluster.ts";
import { freePorts } from "./ports.ts";
import { publish, run, type Running, status } from "./server.ts";
import { until } from "./until.ts";

/** Clusters in which some messages reach a server by more than one way, or through another one. */
const DETOURS: readonly (readonly [string, Topology])[] = [
  ["a ring of five", ring(5)],
  ["a line of five", line(5)],
  ["a star of five", star(5)],
];

/** Clusters in which all list each other, as Phorge's guide has it. */
const MESHES: readonly (readonly [string, Topology])[] = [
  ["a mesh of two", mesh(2)],
  ["a mesh of three", mesh(3)],
  ["a mesh of five", mesh(5)],
  ["a mesh of three that list themselves", meshWithSelf(3)],
];

for (const [name, topology] of DETOURS) {
  Deno.test(`every browser gets every message once, wherever it is published, in ${name}`, async () => {
    await using cluster = await Cluster.start(topology);
    await using browsers = await cluster.browsers();
    const all = range(0, 4 * cluster.size);
    for (const n of all) await cluster.publish(story(n), { at: [n % cluster.size] });
    await cluster.settled();
    assertEquals((await browsers.numbers()).map(sorted), each(cluster.size, all));
  });
}

Deno.test("a message without a uniqueID arrives by each of two ways of the same length, and no more", async () => {
  await using cluster = await Cluster.start(ring(4));
  await using browsers = await cluster.browsers();
  await cluster.publish(story(0, { uniqueID: undefined }));
  await cluster.settled();
  assertEquals(await browsers.numbers(), [[0], [0], [0, 0], [0]]);
});

for (const [name, topology] of MESHES) {
  Deno.test(`every browser gets every message once, by one post to each other server, in ${name}`, async () => {
    await using cluster = await Cluster.start(topology);
    await using browsers = await cluster.browsers();
    for (const [first, more] of [[0, {}], [20, { uniqueID: undefined }]] as const) {
      const all = range(first, first + 20);
      const posted = await cluster.relays(all.length, async () => {
        for (const n of all) await cluster.publish(story(n, more), { at: [n % cluster.size] });
      });
      assertEquals(posted, all.length * (cluster.size - 1));
      assertEquals((await browsers.numbers()).map(sorted), each(cluster.size, all));
    }
  });
}

Deno.test("a server that lists itself says so, and posts nothing to itself", async () => {
  await using cluster = await Cluster.start(meshWithSelf(2));
  await cluster.publish(story(0));
  await cluster.settled();
  const { state, fingerprint, sent } = await cluster.peer(0, 0);
  const { fingerprint: own } = await status(cluster.server(0).admin);
  assertEquals([state, fingerprint, sent], ["self", own as string, 0]);
});

Deno.test("a stream of messages keeps its order at every server", async () => {
  await using cluster = await Cluster.start(mesh(3));
  await using browsers = await cluster.browsers();
  for (const n of range(0, 500)) await cluster.publish(story(n));
  await cluster.settled();
  assertEquals(await browsers.numbers(), each(3, range(0, 500)));
});

Deno.test("a message keeps its characters and its instance, whatever the name", async () => {
  await using cluster = await Cluster.start(mesh(2));
  const name = "a&b ü/~";
  // A browser's instance is what stands in the path, as it stands there.
  const path = encodeURIComponent("a&b ü/");
  await using browsers = await cluster.browsers(["A"], `/~${path}/`);
  await using other = await cluster.browser(1);
  const text = "Grüße, 世界 😀\u0000\u2028";
  await cluster.publish(story(0, { text }), { instance: path });
  await cluster.publish(story(1), { instance: name });
  await cluster.settled();
  for (const browser of browsers.all) {
    assertEquals((await browser.all()).map((each) => JSON.parse(each).text), [text]);
  }
  assertEquals((await status(cluster.server(1).admin, name))["history.size"], 1);
  assertEquals(await other.all(), [], "and no other instance hears of it");
});

Deno.test("a peer that is down keeps the last 4,096 messages waiting; the rest is counted, and told of once", async () => {
  await using cluster = await Cluster.start(mesh(2));
  // Of two that start at the same time, one may have found the other one down.
  const { length } = cluster.server(0).log();
  await cluster.kill(1);
  const count = 4096 + 104;
  const hundred = range(0, 100);
  for (let n = 0; n < count; n += 100) {
    await Promise.all(hundred.map((more) => cluster.publish(story(n + more))));
  }
  await cluster.findsDown(0, 1);
  const { queued, dropped, "dropped.full": full } = await cluster.peer(0, 1);
  assertEquals({ queued, dropped, full }, { queued: 4096, dropped: 104, full: 104 });
  await cluster.restart(1);
  await cluster.connected();
  await cluster.settled();
  const { admin } = cluster.server(1);
  assertEquals((await status(admin))["messages.in"], 4096);
  assertEquals((await cluster.peer(0, 1)).queued, 0);
  const log = cluster.server(0).log().slice(length);
  const lines = log.split("\n").filter((line) => /[Pp]eer http/.test(line));
  const outage = [
    /WARNING Peer \S+ is down: /,
    /WARNING Messages for peer \S+ are being dropped here: /,
    /INFO Peer \S+ is up again /,
    /WARNING 104 messages for peer \S+ were dropped here /,
  ];
  assertEquals(lines.length, outage.length, lines.join("\n"));
  for (const [index, pattern] of outage.entries()) assertMatch(lines[index] ?? "", pattern);
});

const authority = makeAuthority("Cluster Root");
const certificate = makeCertificate(authority);

/** What of {@linkcode secured} is not as it should be. */
interface Insecurity {
  /** PEM certificate of the authority that each trusts. @default {The one that signed theirs} */
  readonly trusted?: string;
  /** What both present. @default {A good one for 127.0.0.1} */
  readonly presented?: { readonly key: string; readonly cert: string };
  /** Where each looks for the other one, which is there. @default {"127.0.0.1"} */
  readonly host?: string;
}

/** Two servers that reach each other by https alone. */
async function secured(
  { trusted = authority.cert, presented = certificate, host = "127.0.0.1" }: Insecurity = {},
): Promise<readonly [Running, Running]> {
  const ports = freePorts(6);
  const [, , one, , , two] = ports;
  const tls = { key: "server.key", cert: "server.crt" };
  const start = (own: readonly number[], port: number = 0) =>
    run({
      servers: [{ type: "client" }, { type: "admin" }, { type: "admin", listen: host, tls }],
      ports: own,
      files: { "server.key": presented.key, "server.crt": presented.cert, "ca.crt": trusted },
      cluster: (folder) => [
        { host, port, protocol: "https", "ssl.ca": `${folder}/ca.crt` },
      ],
    });
  return await Promise.all([start(ports.slice(0, 3), two), start(ports.slice(3), one)]);
}

Deno.test("peers of https are trusted by a private authority", async () => {
  const [first, second] = await secured();
  await using _first = first;
  await using _second = second;
  await using browser = await Browser.open(second.client, { topics: ["A"] });
  await publish(first.admin, story(0, { text: "😀" }));
  await until(() => browser.waiting > 0);
  assertEquals(JSON.parse(await browser.next()).text, "😀");
  // The receipt comes after the delivery.
  await until(async () => (await peersOf(first.admin))[0]?.state === "up");
});

/** What is wrong with a peer of https, and how its status page puts it. */
const INSECURE: readonly (readonly [what: string, error: RegExp, Insecurity])[] = [
  ["that no trusted authority vouches for", /unknown issuer/, {
    trusted: makeAuthority("Another Root").cert,
  }],
  [
    "whose certificate is for another name",
    /certificate for localhost, 127\.0\.0\.1, not for 127\.0\.0\.2\. Name the server by/,
    { host: "127.0.0.2" },
  ],
  ["whose certificate has expired", /certificate .*expired/i, {
    presented: makeCertificate(authority, -60_000),
  }],
];

for (const [what, error, insecurity] of INSECURE) {
  Deno.test(`a peer of https ${what} gets nothing, and is shown with the reason`, async () => {
    const [first, second] = await secured(insecurity);
    await using _first = first;
    await using _second = second;
    await using browser = await Browser.open(second.client, { topics: ["A"] });
    await publish(first.admin, story(0));
    await until(async () => {
      const [peer] = await peersOf(first.admin);
      // As long as the other one starts, it refuses the connection.
      return peer?.state === "down" && !/refuses/.test(peer["last.error"] ?? "");
    });
    assertMatch((await peersOf(first.admin))[0]?.["last.error"] ?? "", error);
    assertEquals(await browser.all(), []);
    assertEquals((await status(second.admin))["messages.in"], 0);
  });
}

Deno.test("a server that is stopped tells how many messages a peer that is down does not get", async () => {
  await using cluster = await Cluster.start(mesh(2));
  await cluster.kill(1);
  for (const n of range(0, 3)) await cluster.publish(story(n));
  await cluster.findsDown(0, 1);
  const { process } = cluster.server(0);
  process.kill("SIGTERM");
  assertEquals((await process.ended()).code, 0);
  assertMatch(process.output, /WARNING This server stops while 3 messages wait for peer http:/);
});
