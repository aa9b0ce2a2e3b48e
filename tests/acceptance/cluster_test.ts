import { assertEquals, assertMatch } from "../assert.ts";
import { Browser } from "./browser.ts";
import { makeAuthority, makeCertificate } from "./certificate.ts";
import { Cluster, each, mesh, meshWithSelf, peersOf, range, story } from "./cluster.ts";
import { freePorts } from "./ports.ts";
import { publish, run, type Running, status } from "./server.ts";
import { until } from "./until.ts";

Deno.test("a stream of messages arrives at each server of a mesh once and in order, by one post to each other server, and none to itself", async () => {
  await using cluster = await Cluster.start(meshWithSelf(3));
  await using browsers = await cluster.browsers();
  const all = range(0, 200);
  const posted = await cluster.relays(all.length, async () => {
    for (const n of all) await cluster.publish(story(n));
  });
  assertEquals(posted, all.length * 2);
  assertEquals(await browsers.numbers(), each(3, all));
  const { state, fingerprint, sent } = await cluster.peer(0, 0);
  const { fingerprint: own } = await status(cluster.server(0).admin);
  assertEquals([state, fingerprint, sent], ["self", own as string, 0]);
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
