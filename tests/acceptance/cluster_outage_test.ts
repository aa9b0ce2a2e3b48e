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
import { until } from "./until.ts";

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

Deno.test("a server that hangs slows nobody, is down within seconds, and gets everything when it goes on", async () => {
  await using cluster = await Cluster.start(mesh(3));
  await using browsers = await cluster.browsers();
  await using stream = new Stream((n) => cluster.publish(story(n)), { everyMs: 50 });
  await stream.more(10);
  const stopped = performance.now();
  cluster.server(2).process.kill("SIGSTOP");
  await cluster.findsDown(0, 2);
  const down = performance.now() - stopped;
  await stream.more(10);
  const during = stream.published;
  await until(() => browsers.all.slice(0, 2).every(({ waiting }) => waiting >= during));
  cluster.server(2).process.kill("SIGCONT");
  const count = await stream.stop();
  await cluster.connected();
  await cluster.settled();
  assertEquals(await browsers.numbers(), each(3, range(0, count)));
  assert(down > 3000 && down < 12_000, `It was down after ${down} ms`);
  assert(stream.slowestMs < 10_000, `Publishing took ${stream.slowestMs} ms`);
});

Deno.test("what was published on both sides of a partition arrives on the other one when it is healed, once", async () => {
  await using cluster = await Cluster.start(mesh(3), { links: [[0, 1], [0, 2]] });
  await using browsers = await cluster.browsers();
  for (const other of [1, 2]) cluster.cut(0, other);
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
