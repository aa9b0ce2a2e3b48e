/** What comes of a message while servers die, hang, come back, or are cut off. */

import { assert, assertEquals } from "../assert.ts";
import {
  Cluster,
  each,
  everything,
  mesh,
  numbers,
  range,
  reconnect,
  sorted,
  story,
  Stream,
} from "./cluster.ts";
import type { Cut } from "./link.ts";
import { until } from "./until.ts";

/** How a test cuts the ways between servers. */
const CUTS: readonly Cut[] = ["refused", "silent"];

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

/** Connects in the same way, and notes which stories come until the connection ends. */
async function follow(port: number, seen: Set<number>): Promise<void> {
  using wire = await reconnect(port);
  const decoder = new TextDecoder();
  for (let next = await wire.frame(); next?.opcode === 1; next = await wire.frame()) {
    for (const n of numbers([decoder.decode(next.payload)])) seen.add(n);
  }
}

Deno.test("servers that are stopped, and started again, lose nothing between them", async () => {
  await using cluster = await Cluster.start(mesh(3));
  const seen = range(0, 3).map(() => new Set<number>());
  const following = seen.map((set, index) => follow(cluster.server(index).client, set));
  const order = (n: number) => range(n, n + 3).map((place) => place % 3);
  const publishing = (n: number) => cluster.publish(story(n), { at: order(n) });
  await using stream = new Stream(publishing, { lanes: 2 });
  for (const [index, set] of seen.entries()) {
    await stream.more(50);
    await cluster.kill(index, "SIGTERM");
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

Deno.test("what the others have acknowledged arrives, once, although the server that took it is killed", async () => {
  await using cluster = await Cluster.start(mesh(3));
  await using second = await cluster.browser(1);
  await using third = await cluster.browser(2);
  const lanes = 4;
  const taken: number[] = [];
  const publishing = async (n: number) => {
    if (await cluster.publish(story(n), { at: [0, 1, 2] }) === 0) taken.push(n);
  };
  await using stream = new Stream(publishing, { everyMs: 1, lanes });
  await stream.more(200);
  const sure = [...taken];
  // Each lane may have published one more that was taken before some of these.
  await until(async () =>
    (await cluster.peers(0)).every(({ sent }) => sent >= sure.length + lanes)
  );
  await cluster.kill(0);
  await stream.more(200);
  await stream.stop();
  // Nothing of it needs the dead one to come back.
  await until(() => [second, third].every(({ waiting }) => waiting >= sure.length));
  await cluster.settled();
  for (const browser of [second, third]) {
    const got = sorted(numbers(await browser.all()));
    assertEquals(got, [...new Set(got)], "each once");
    assertEquals(sure.filter((n) => !got.includes(n)), []);
  }
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
  await cluster.findsDown(0, 2);
  const down = hangs();
  await until(() => hangs() > 20_000);
  const during = stream.published;
  await until(() => first.waiting >= during && second.waiting >= during);
  cluster.server(2).process.kill("SIGCONT");
  await stream.more(10);
  const count = await stream.stop();
  await cluster.connected();
  await cluster.settled();
  for (const browser of [first, second, third]) {
    assertEquals(numbers(await browser.all()), range(0, count));
  }
  assert(down > 3000 && down < 12_000, `It was down after ${down} ms`);
  assert(stream.slowestMs < 10_000, `Publishing took ${stream.slowestMs} ms`);
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
    await cluster.findsDown(0, 2);
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
