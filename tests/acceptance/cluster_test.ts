import { assert, assertEquals, assertMatch } from "../assert.ts";
import { concat, frame } from "../websocket/bytes.ts";
import { Browser } from "./browser.ts";
import { makeAuthority, makeCertificate } from "./certificate.ts";
import {
  Browsers,
  Cluster,
  line,
  mesh,
  meshWithSelf,
  numbers,
  peersOf,
  range,
  ring,
  star,
  story,
  Stream,
  type Topology,
} from "./cluster.ts";
import { type Cut, Link } from "./link.ts";
import { freePorts } from "./ports.ts";
import { type PeerEntry, publish, run, type Running, status } from "./server.ts";
import { until } from "./until.ts";
import { Wire } from "./wire.ts";

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

/** How a test cuts the ways between servers. */
const CUTS: readonly Cut[] = ["refused", "silent"];

function sorted(all: readonly number[]): number[] {
  return all.toSorted((a, b) => a - b);
}

function peerAt(port: number): PeerEntry {
  return { host: "127.0.0.1", port, protocol: "http" };
}

/** The same for each of the browsers. */
function each<T>(count: number, value: T): T[] {
  return Array(count).fill(value);
}

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

Deno.test("a server that was killed gets what it has missed, once and in order, while the others go on", async () => {
  await using cluster = await Cluster.start(mesh(3));
  await using first = await cluster.browser(0);
  await using second = await cluster.browser(1);
  await using stream = new Stream((n) => cluster.publish(story(n)));
  await stream.more(50);
  const before = stream.published;
  await cluster.kill(2);
  const killed = stream.published;
  await stream.more(100);
  await cluster.restart(2);
  using third = await reconnect(cluster.server(2).client);
  await stream.more(50);
  const count = await stream.stop();
  await cluster.connected();
  await cluster.settled();
  for (const browser of [first, second]) {
    assertEquals(numbers(await browser.all()), range(0, count));
  }
  const [start = count, ...more] = numbers(await everything(third));
  assertEquals([start, ...more], range(start, count));
  assert(start <= killed, `${start} is the first after ${before}..${killed}`);
});

/** Connects as a browser does that was there before: nothing can come between the two commands. */
async function reconnect(port: number): Promise<Wire> {
  const wire = await Wire.open(port, []);
  const commands = [{ command: "subscribe", data: ["A"] }, { command: "replay", data: {} }];
  await wire.send(concat(...commands.map((command) => frame(JSON.stringify(command)))));
  return wire;
}

/** Everything that the server has sent so far. */
async function everything(wire: Wire): Promise<string[]> {
  await wire.command("ping");
  const texts: string[] = [];
  for (;;) {
    const text = await wire.text();
    if (text === '{"type":"pong"}') return texts;
    texts.push(text);
  }
}

/** Connects in the same way, and notes which stories come until the connection ends. */
async function follow(port: number, seen: Set<number>): Promise<void> {
  using wire = await reconnect(port);
  const decoder = new TextDecoder();
  for (let next = await wire.frame(); next?.opcode === 1; next = await wire.frame()) {
    for (const n of numbers([decoder.decode(next.payload)])) seen.add(n);
  }
}

Deno.test("servers that are stopped or killed, and started again, lose nothing between them", async () => {
  await using cluster = await Cluster.start(mesh(3));
  const seen = range(0, 3).map(() => new Set<number>());
  const following = seen.map((set, index) => follow(cluster.server(index).client, set));
  const order = (n: number) => range(n, n + 3).map((place) => place % 3);
  const publishing = (n: number) => cluster.publish(story(n), { at: order(n) });
  await using stream = new Stream(publishing, { lanes: 2 });
  for (const [index, set] of seen.entries()) {
    await stream.more(50);
    await cluster.kill(index, index === 1 ? "SIGKILL" : "SIGTERM");
    await stream.more(50);
    await cluster.restart(index);
    following.push(follow(cluster.server(index).client, set));
    await cluster.connected();
  }
  const count = await stream.stop();
  await until(() => seen.every(({ size }) => size >= count));
  assertEquals(seen.map((set) => sorted([...set])), each(3, range(0, count)));
  for (const index of seen.keys()) await cluster.kill(index);
  await Promise.all(following);
});

Deno.test("what was published at a server that is killed arrives at the others, once", async () => {
  await using cluster = await Cluster.start(mesh(3));
  await using second = await cluster.browser(1);
  await using third = await cluster.browser(2);
  const publishing = (n: number) => cluster.publish(story(n), { at: [0, 1, 2] });
  await using stream = new Stream(publishing, { everyMs: 1, lanes: 4 });
  await stream.more(200);
  await cluster.kill(0);
  await stream.more(200);
  const count = await stream.stop();
  // Nothing of it needs the dead one to come back.
  await until(() => second.waiting >= count && third.waiting >= count);
  await cluster.settled();
  for (const browser of [second, third]) {
    assertEquals(sorted(numbers(await browser.all())), range(0, count));
  }
});

Deno.test("killing a server that nothing was published at costs the others no posts", async () => {
  await using cluster = await Cluster.start(mesh(3));
  const posted = async () => {
    const pages = await Promise.all([0, 1].map((index) => status(cluster.server(index).admin)));
    return pages.map((page) => page["messages.in"]);
  };
  for (const n of range(0, 200)) await cluster.publish(story(n));
  await cluster.settled();
  assertEquals(await posted(), [200, 200]);
  await cluster.kill(2);
  await until(async () => {
    const seen = await Promise.all([cluster.peer(0, 2), cluster.peer(1, 2)]);
    return seen.every(({ state }) => state === "down");
  });
  await cluster.settled();
  assertEquals(await posted(), [200, 200]);
});

for (
  const [when, waitMs, isRestarted] of [
    ["soon", 0, false],
    ["just before it is found out", 4000, false],
    ["soon, and is started again at once", 0, true],
  ] as const
) {
  Deno.test(`what a server has not brought to one that hangs arrives by the third one, when it dies ${when}`, async () => {
    await using cluster = await Cluster.start(mesh(3));
    await using second = await cluster.browser(1);
    await using third = await cluster.browser(2);
    cluster.server(2).process.kill("SIGSTOP");
    const stopped = performance.now();
    for (const n of range(0, 100)) await cluster.publish(story(n));
    await until(() => second.waiting >= 100 && performance.now() - stopped >= waitMs);
    await cluster.kill(0);
    if (isRestarted) await cluster.restart(0);
    cluster.server(2).process.kill("SIGCONT");
    await until(() => third.waiting >= 100);
    await cluster.settled();
    for (const browser of [second, third]) {
      assertEquals(sorted(numbers(await browser.all())), range(0, 100));
    }
  });
}

Deno.test("what a dead server had passed on waits for a server that is down, before what is newer", async () => {
  await using cluster = await Cluster.start(mesh(3), { links: [[0, 2], [1, 2]] });
  await using third = await cluster.browser(2);
  cluster.cut(1, 2, "refused");
  await until(async () => (await cluster.peer(1, 2)).state === "down");
  cluster.cut(0, 2, "silent");
  for (const n of range(0, 20)) await cluster.publish(story(n));
  await cluster.kill(0);
  await until(async () => (await cluster.peer(1, 0)).state === "down");
  for (const n of range(20, 40)) await cluster.publish(story(n), { at: [1] });
  cluster.heal(1, 2);
  await until(() => third.waiting >= 40);
  await cluster.settled();
  assertEquals(numbers(await third.all()), range(0, 40));
});

Deno.test("what a dead server had passed on arrives by one that could not reach it before either", async () => {
  await using cluster = await Cluster.start(mesh(3), { links: [[0, 1], [0, 2]] });
  await using third = await cluster.browser(2);
  cluster.cutWay(1, 0, "refused");
  await until(async () => (await cluster.peer(1, 0)).state === "down");
  cluster.cut(0, 2, "silent");
  for (const n of range(0, 20)) await cluster.publish(story(n));
  await cluster.kill(0);
  await until(() => third.waiting >= 20);
  await cluster.settled();
  assertEquals(numbers(await third.all()), range(0, 20));
});

Deno.test("of what a dead server had passed on the newest is brought that takes no other message's place", async () => {
  await using cluster = await Cluster.start(mesh(3), { links: [[0, 2]] });
  await using third = await cluster.browser(2);
  const hundred = range(0, 100);
  for (let n = 0; n < 2400; n += 100) {
    await Promise.all(hundred.flatMap((more) => [
      cluster.publish(story(n + more)),
      // Each instance remembers so many of its own.
      cluster.publish(story(n + more), { instance: "other" }),
    ]));
  }
  await until(() => third.waiting >= 2400);
  await cluster.settled();
  await third.all();
  cluster.server(2).process.kill("SIGSTOP");
  cluster.cut(0, 2, "silent");
  for (const n of range(4980, 5000)) await cluster.publish(story(n));
  await cluster.kill(0);
  await until(async () => (await cluster.peer(1, 2)).queued >= 4096);
  for (const n of range(5000, 5140)) await cluster.publish(story(n), { at: [1] });
  cluster.server(2).process.kill("SIGCONT");
  await until(() => third.waiting >= 160);
  await cluster.settled();
  assertEquals(numbers(await third.all()), range(4980, 5140));
  const { sent, dropped } = await cluster.peer(1, 2);
  assertEquals({ sent, dropped }, { sent: 140, dropped: 0 }, "what it had counts as neither");
});

Deno.test("a way that is cut again and again costs the posts of what was passed on over it once", async () => {
  await using cluster = await Cluster.start(mesh(3), { links: [[0, 1]] });
  for (const n of range(0, 100)) await cluster.publish(story(n));
  const flap = () =>
    cluster.relays(0, async () => {
      cluster.cut(0, 1, "refused");
      await until(async () => (await cluster.peer(1, 0)).state === "down");
      cluster.heal(0, 1);
      await cluster.connected();
    });
  assertEquals([await flap(), await flap()], [100, 0]);
});

Deno.test("a server that hangs for 20 s slows nobody, and gets everything when it goes on", async () => {
  await using cluster = await Cluster.start(mesh(3));
  await using first = await cluster.browser(0);
  await using second = await cluster.browser(1);
  await using third = await cluster.browser(2);
  await using stream = new Stream((n) => cluster.publish(story(n)), { everyMs: 50 });
  await stream.more(10);
  const stopped = performance.now();
  const hangs = () => performance.now() - stopped;
  cluster.server(2).process.kill("SIGSTOP");
  await until(async () => (await cluster.peer(0, 2)).state === "down");
  const down = hangs();
  await until(() => hangs() > 20_000);
  const during = stream.published;
  await until(() => first.waiting >= during && second.waiting >= during, 1000);
  cluster.server(2).process.kill("SIGCONT");
  await stream.more(10);
  const count = await stream.stop();
  await cluster.connected();
  await cluster.settled();
  for (const browser of [first, second, third]) {
    assertEquals(numbers(await browser.all()), range(0, count));
  }
  assert(down > 3000 && down < 12_000, `It was down after ${down} ms`);
  assert(stream.slowestMs < 1000, `Publishing took ${stream.slowestMs} ms`);
});

for (const how of CUTS) {
  Deno.test(`what was published on both sides of a partition arrives on the other one when it is healed, once (${how})`, async () => {
    await using cluster = await Cluster.start(mesh(3), { links: [[0, 1], [0, 2]] });
    await using browsers = await cluster.browsers();
    for (const other of [1, 2]) cluster.cut(0, other, how);
    const apart = async () => {
      const seen = await Promise.all([cluster.peer(0, 1), cluster.peer(0, 2), cluster.peer(2, 0)]);
      return seen.every(({ state }) => state === "down");
    };
    // What is published before they know, and what after.
    for (const n of range(0, 20)) await cluster.publish(story(n), { at: [n % 2] });
    await until(apart);
    for (const n of range(20, 40)) await cluster.publish(story(n), { at: [n % 2] });
    await until(() => browsers.all.every(({ waiting }) => waiting >= 20));
    assertEquals(browsers.all.map(({ waiting }) => waiting), [20, 20, 20]);
    for (const other of [1, 2]) cluster.heal(0, other);
    await cluster.connected();
    await cluster.settled();
    assertEquals((await browsers.numbers()).map(sorted), each(3, range(0, 40)));
  });

  Deno.test(`two servers that do not reach each other get each other's messages by the third one (${how})`, async () => {
    await using cluster = await Cluster.start(mesh(3), { links: [[0, 2]] });
    await using browsers = await cluster.browsers();
    cluster.cut(0, 2, how);
    for (const n of range(0, 20)) await cluster.publish(story(n), { at: [n % 2 === 0 ? 0 : 2] });
    await until(() => browsers.all.every(({ waiting }) => waiting >= 20));
    // They know by now, and still do not reach each other.
    await until(async () => (await cluster.peer(0, 2)).state === "down");
    for (const n of range(20, 40)) await cluster.publish(story(n), { at: [n % 2 === 0 ? 0 : 2] });
    await until(() => browsers.all.every(({ waiting }) => waiting >= 40));
    cluster.heal(0, 2);
    await cluster.connected();
    await cluster.settled();
    assertEquals((await browsers.numbers()).map(sorted), each(3, range(0, 40)));
  });
}

for (const how of CUTS) {
  Deno.test(`two servers that one cannot reach at the same time both get its messages by the last one (${how})`, async () => {
    await using cluster = await Cluster.start(mesh(4), { links: [[0, 2], [0, 3]] });
    await using browsers = await cluster.browsers();
    for (const other of [2, 3]) cluster.cut(0, other, how);
    for (const n of range(0, 20)) await cluster.publish(story(n));
    await until(() => browsers.all.every(({ waiting }) => waiting >= 20));
    for (const other of [2, 3]) cluster.heal(0, other);
    await cluster.connected();
    await cluster.settled();
    assertEquals((await browsers.numbers()).map(sorted), each(4, range(0, 20)));
  });
}

for (const how of CUTS) {
  Deno.test(`what waits at one of two entries for a server that is cut arrives by the other one, once (${how})`, async () => {
    await using second = await run();
    const [port = 0] = freePorts(1);
    await using link = new Link(port, second.admin);
    await using first = await run({
      cluster: () => [peerAt(link.port), peerAt(second.admin)],
    });
    const both = async (state: string) =>
      (await peersOf(first.admin)).every((peer) => peer.state === state);
    await until(() => both("up"));
    await using browser = await Browser.open(second.client, { topics: ["A"] });
    for (const n of range(0, 20)) await publish(first.admin, story(n));
    await until(() => browser.waiting >= 20);
    link.cut(how);
    for (const n of range(20, 40)) await publish(first.admin, story(n));
    await until(() => browser.waiting >= 40);
    // The receipts come after the deliveries.
    await until(async () => (await peersOf(first.admin)).every(({ queued }) => queued === 0));
    const seen = (await peersOf(first.admin)).map(({ state, dropped }) => ({ state, dropped }));
    assertEquals(seen, [{ state: "down", dropped: 0 }, { state: "up", dropped: 0 }]);
    link.heal();
    await until(() => both("up"));
    // What was under way when it was cut has arrived behind the others.
    assertEquals(numbers(await browser.all()), range(0, 40));
  });
}

for (const [which, healed] of [["first", 0], ["second", 1]] as const) {
  Deno.test(`what waits for a server with two entries that are both cut arrives by the ${which} one, once`, async () => {
    await using second = await run();
    const ports = freePorts(2);
    const links = ports.map((port) => new Link(port, second.admin));
    await using _links = new AsyncDisposableStack();
    for (const link of links) _links.use(link);
    await using first = await run({ cluster: () => ports.map(peerAt) });
    const all = async (state: string) =>
      (await peersOf(first.admin)).every((peer) => peer.state === state);
    await until(() => all("up"));
    await using browser = await Browser.open(second.client, { topics: ["A"] });
    for (const [index, link] of links.entries()) {
      link.cut("refused");
      await until(async () => (await peersOf(first.admin))[index]?.state === "down");
      for (const n of range(20 * index, 20 * index + 20)) await publish(first.admin, story(n));
    }
    await until(() => all("down"));
    for (const n of range(40, 60)) await publish(first.admin, story(n));
    links[healed]?.heal();
    await until(() => browser.waiting >= 40);
    assertEquals(numbers(await browser.all()), range(0, 60));
  });
}

Deno.test("a server with two entries that is started again gets everything in order, though one of them is cut", async () => {
  const [client = 0, admin = 0, port = 0] = freePorts(3);
  await using link = new Link(port, admin);
  await using first = await run({ cluster: () => [peerAt(port), peerAt(admin)] });
  const peers = async () => await peersOf(first.admin);
  const all = async (state: string) => (await peers()).every((peer) => peer.state === state);
  {
    await using _second = await run({ ports: [client, admin] });
    await until(() => all("up"));
    link.cut("refused");
    await until(async () => (await peers())[0]?.state === "down");
  }
  await until(() => all("down"));
  for (const n of range(0, 20)) await publish(first.admin, story(n));
  await using _second = await run({ ports: [client, admin] });
  using browser = await reconnect(client);
  await until(async () => (await peers())[1]?.state === "up");
  for (const n of range(20, 40)) await publish(first.admin, story(n));
  link.heal();
  await until(() => all("up"));
  for (const n of range(40, 60)) await publish(first.admin, story(n));
  await until(async () => (await peers()).every(({ queued }) => queued === 0));
  assertEquals(numbers(await everything(browser)), range(0, 60));
  assertEquals((await peers()).map(({ dropped }) => dropped), [0, 0]);
});

Deno.test("what waits at two entries, as one of them was not known to be the same server, arrives once", async () => {
  await using second = await run();
  const ports = freePorts(2);
  const [one = 0, other = 0] = ports;
  await using known = new Link(one, second.admin);
  await using unknown = new Link(other, second.admin);
  unknown.cut("refused");
  await using first = await run({ cluster: () => ports.map(peerAt) });
  const peers = async () => await peersOf(first.admin);
  await until(async () => (await peers())[0]?.state === "up");
  await using browser = await Browser.open(second.client, { topics: ["A"] });
  known.cut("refused");
  await until(async () => (await peers()).every(({ state }) => state === "down"));
  for (const n of range(0, 200)) await publish(first.admin, story(n));
  assertEquals((await peers()).map(({ queued }) => queued), [200, 200]);
  unknown.heal();
  await until(async () => (await peers()).every(({ queued }) => queued === 0));
  assertEquals(numbers(await browser.all()), range(0, 200));
  const posted = (await status(second.admin))["messages.in"] as number;
  // Nothing is posted twice but what showed which server is there.
  assert(posted <= 201, `${posted} posts`);
});

Deno.test("an address that moves to a server with another entry does not speak for the one that it led to", async () => {
  const [moving = 0, fixed = 0] = freePorts(2);
  await using second = await run();
  await using third = await run();
  await using way = new Link(fixed, second.admin);
  await using before = new Link(moving, second.admin);
  await using first = await run({ cluster: () => [moving, fixed, third.admin].map(peerAt) });
  const states = async () => (await peersOf(first.admin)).map(({ state }) => state);
  await until(async () => (await states()).every((state) => state === "up"));
  await using browser = await Browser.open(second.client, { topics: ["A"] });
  way.cut("refused");
  await before[Symbol.asyncDispose]();
  await until(async () => (await states())[1] === "down");
  await using _after = new Link(moving, third.admin);
  await until(async () => (await states())[0] === "up");
  for (const n of range(0, 20)) await publish(first.admin, story(n));
  way.heal();
  await until(async () => (await states())[1] === "up");
  for (const n of range(20, 40)) await publish(first.admin, story(n));
  await until(() => browser.waiting >= 40);
  assertEquals(numbers(await browser.all()), range(0, 40));
});

Deno.test("an address that moves to a server that is not known does not speak for one that is heard of since", async () => {
  const [moving = 0, fixed = 0] = freePorts(2);
  await using second = await run();
  await using third = await run();
  await using way = new Link(fixed, second.admin);
  await using before = new Link(moving, second.admin);
  await using first = await run({ cluster: () => [moving, fixed].map(peerAt) });
  const peers = async () => await peersOf(first.admin);
  await until(async () => (await peers()).every(({ state }) => state === "up"));
  await using browser = await Browser.open(second.client, { topics: ["A"] });
  await before[Symbol.asyncDispose]();
  await until(async () => (await peers())[0]?.state === "down");
  await using _after = new Link(moving, third.admin);
  await until(async () => (await peers())[0]?.state === "up");
  for (const n of range(0, 20)) await publish(first.admin, story(n));
  await until(async () => (await peers())[1]?.sent === 20);
  way.cut("refused");
  await until(async () => (await peers())[1]?.state === "down");
  for (const n of range(20, 40)) await publish(first.admin, story(n));
  assertEquals((await peers())[1]?.queued, 20);
  way.heal();
  await until(() => browser.waiting >= 40);
  assertEquals(numbers(await browser.all()), range(0, 40));
});

Deno.test("an address that leads to several servers in turn is told of once, and brings each of them everything, once", async () => {
  const ports = freePorts(7);
  const [, admin0 = 0, , admin1 = 0, , admin2 = 0, port = 0] = ports;
  await using link = new Link(port, admin1, admin2);
  const start = (index: number, ...peers: readonly number[]) =>
    run({ ports: ports.slice(index, index + 2), cluster: () => peers.map(peerAt) });
  await using second = await start(2, admin0, admin2);
  await using third = await start(4, admin0, admin1);
  await using first = await start(0, link.port);
  const browsers = await Promise.all(
    [first, second, third].map(({ client }) => Browser.open(client, { topics: ["A"] })),
  );
  await using all = new Browsers(browsers);
  const admins = [admin0, admin1, admin2];
  await using stream = new Stream((n) => publish(admins[n % 3] ?? 0, story(n)));
  for (let more = 0; more < 8; more++) {
    await stream.more(30);
    link.interrupt();
  }
  await first.process.line(/WARNING Peer \S+ leads to different servers /);
  const count = await stream.stop();
  await until(() => browsers.every(({ waiting }) => waiting >= count));
  assertEquals((await all.numbers()).map(sorted), each(3, range(0, count)));
  assertEquals(first.log().match(/leads to different servers/g)?.length, 1);
});

for (const how of ["refused", "silent"] as const) {
  Deno.test(`what reached nobody goes to all by way of whom it reaches first, in order (${how})`, async () => {
    await using cluster = await Cluster.start(mesh(3), { links: [[0, 1], [0, 2], [1, 2]] });
    await using browsers = await cluster.browsers();
    for (const other of [1, 2]) cluster.cut(0, other, how);
    for (let n = 1; n <= 20; n++) await cluster.publish(story(n));
    await until(async () => (await cluster.peers(0)).every(({ state }) => state === "down"));
    for (let n = 21; n <= 40; n++) await cluster.publish(story(n));
    // The other way stays cut.
    cluster.heal(0, 1);
    const got: number[] = [];
    await until(() => {
      got.push(...numbers(browsers.all[2]?.taken() ?? []));
      return got.length >= 40;
    });
    assertEquals(got, range(1, 41));
  });
}

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
  await until(async () => (await cluster.peer(0, 1)).state === "down");
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
  ["that no trusted authority vouches for", /unknown authority/, {
    trusted: makeAuthority("Another Root").cert,
  }],
  ["whose certificate is for another name", /certificate .*\bname\b/i, { host: "127.0.0.2" }],
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
  await until(async () => (await cluster.peer(0, 1)).state === "down");
  const { process } = cluster.server(0);
  process.kill("SIGTERM");
  assertEquals((await process.ended()).code, 0);
  assertMatch(process.output, /WARNING This server stops while 3 messages wait for peer http:/);
});
