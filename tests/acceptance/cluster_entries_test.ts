/** Several entries of a list that lead to one server, and entries that lead to another one than before. */

import { assert, assertEquals } from "../assert.ts";
import { Browser } from "./browser.ts";
import {
  Browsers,
  each,
  everything,
  numbers,
  peersOf,
  range,
  reconnect,
  sorted,
  story,
  Stream,
} from "./cluster.ts";
import { Link } from "./link.ts";
import { freePorts } from "./ports.ts";
import { peerAt, publish, run, status } from "./server.ts";
import { until } from "./until.ts";

for (const how of ["refused", "silent"] as const) {
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
    await using first = await run({ cluster: () => ports.map((port) => peerAt(port)) });
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
  await using first = await run({ cluster: () => ports.map((port) => peerAt(port)) });
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
  await using first = await run({
    cluster: () => [moving, fixed, third.admin].map((port) => peerAt(port)),
  });
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
  await using first = await run({ cluster: () => [moving, fixed].map((port) => peerAt(port)) });
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
    run({ ports: ports.slice(index, index + 2), cluster: () => peers.map((port) => peerAt(port)) });
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
