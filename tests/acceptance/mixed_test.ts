/**
 * Servers of ours in one cluster with originals: the real one where this machine has it, and a
 * stand-in for it everywhere.
 */

import { assert, assertEquals, assertNotMatch } from "../assert.ts";
import type { Browser } from "./browser.ts";
import { type Browsers, Cluster, mesh, numbers, ours, range, story } from "./cluster.ts";
import { type Kind, originals } from "./originals.ts";
import { status } from "./server.ts";
import { until } from "./until.ts";

/** How many servers of ours come first, and how many originals after them. */
const ARRANGEMENTS = [[1, 1], [2, 1], [1, 2]] as const;

/** Numbers of the messages that a cluster gets before what a test looks at. */
const WARMING = 1000;

/** Starts a mesh in which everybody knows everybody: an original learns from receipts alone. */
async function start(kind: Kind, own: number, others: number): Promise<Cluster> {
  const kinds = [...Array(own).fill(ours), ...Array(others).fill(kind.start)];
  const cluster = await Cluster.start(mesh(kinds.length), { kinds });
  for (const index of [...kinds.keys(), ...kinds.keys()]) {
    await cluster.publish(story(WARMING + index), { at: [index] });
    await cluster.settled();
  }
  return cluster;
}

/** The different messages that each browser gets, when all that is expected has come. */
async function distinct(cluster: Cluster, browsers: Browsers, count: number): Promise<number[][]> {
  await until(() => browsers.all.every(({ waiting }) => waiting >= count));
  await cluster.settled();
  const all = await browsers.numbers();
  return all.map((got) => [...new Set(got)].toSorted((a, b) => a - b));
}

/** The next message that a browser gets, as it is. */
async function next(browser: Browser): Promise<Record<string, unknown>> {
  await until(() => browser.waiting > 0);
  return JSON.parse(await browser.next());
}

for (const kind of originals()) {
  for (const [own, others] of ARRANGEMENTS) {
    const among = `${own} of ours, ${others} of the others: ${kind.name}`;

    Deno.test(`what is published at ours arrives everywhere once, by one post for each other server (${among})`, async () => {
      await using cluster = await start(kind, own, others);
      await using browsers = await cluster.browsers();
      const posted = await cluster.relays(20, async () => {
        for (const n of range(0, 20)) await cluster.publish(story(n), { at: [n % own] });
        await until(() => browsers.all.every(({ waiting }) => waiting >= 20));
      });
      assertEquals(posted, 20 * (cluster.size - 1));
      const got = (await browsers.numbers()).map((all) => all.toSorted((a, b) => a - b));
      assertEquals(got, Array(cluster.size).fill(range(0, 20)));
    });

    Deno.test(`what is published at an original arrives everywhere, and at ours once (${among})`, async () => {
      await using cluster = await start(kind, own, others);
      await using browsers = await cluster.browsers();
      await using single = await cluster.browser(0);
      for (const n of range(0, 20)) await cluster.publish(story(n), { at: [own + n % others] });
      const got = await distinct(cluster, browsers, 20);
      assertEquals(got, Array(cluster.size).fill(range(0, 20)));
      const once = numbers(await single.all()).toSorted((a, b) => a - b);
      assertEquals(once, range(0, 20));
    });
  }

  Deno.test(`ours sends text whole, and what an original cuts short costs no other message (${kind.name})`, async () => {
    await using cluster = await start(kind, 1, 1);
    await using own = await cluster.browser(0);
    await using other = await cluster.browser(1);
    await cluster.publish(story(0, { text: "Grüße 😀" }), { at: [0] });
    assertEquals((await next(other)).text, "Grüße 😀");
    await cluster.publish(story(1, { text: "Grüße 😀" }), { at: [1] });
    await cluster.server(0).process.line(/Answered 400/);
    await cluster.publish(story(2, { text: "Greetings" }), { at: [1] });
    assertEquals((await next(own)).text, "Grüße 😀");
    assertEquals((await next(own)).text, "Greetings");
    assertEquals(numbers(await other.all()), [1, 2]);
  });

  Deno.test(`an original that is started again gets what it has missed, and what comes then (${kind.name})`, async () => {
    await using cluster = await start(kind, 2, 1);
    await cluster.kill(2);
    await cluster.publish(story(0));
    await cluster.findsDown(0, 2);
    await cluster.publish(story(1));
    await cluster.restart(2);
    await cluster.connected();
    await until(async () => Number((await status(cluster.server(2).admin))["messages.in"]) >= 2);
    await cluster.settled();
    await using browser = await cluster.browser(2);
    await cluster.publish(story(2));
    assertEquals((await next(browser)).n, 2);
    const { fingerprint } = await cluster.peer(0, 2);
    await cluster.settled();
    assertEquals(await browser.all(), []);
    assert(fingerprint !== null, "its new one is known");
    assertNotMatch(cluster.server(0).log(), /Answered 400/);
  });
}
