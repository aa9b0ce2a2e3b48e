/**
 * Servers of ours in one cluster with originals: the real one where this machine has it, and a
 * stand-in for it everywhere.
 */

import { assertEquals } from "../assert.ts";
import type { Browser } from "./browser.ts";
import { Cluster, each, mesh, numbers, ours, range, sorted, story } from "./cluster.ts";
import { type Kind, originals } from "./originals.ts";
import { until } from "./until.ts";

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

/** The next message that a browser gets, as it is. */
async function next(browser: Browser): Promise<Record<string, unknown>> {
  await until(() => browser.waiting > 0);
  return JSON.parse(await browser.next());
}

for (const kind of originals()) {
  Deno.test(`what is published arrives everywhere, and at ours once (${kind.name})`, async () => {
    await using cluster = await start(kind, 2, 1);
    await using browsers = await cluster.browsers();
    const posted = await cluster.relays(20, async () => {
      for (const n of range(0, 20)) await cluster.publish(story(n), { at: [n % 2] });
      await until(() => browsers.all.every(({ waiting }) => waiting >= 20));
    });
    assertEquals(posted, 20 * 2);
    assertEquals((await browsers.numbers()).map(sorted), each(3, range(0, 20)));

    for (const n of range(20, 40)) await cluster.publish(story(n), { at: [2] });
    await until(() => browsers.all.every(({ waiting }) => waiting >= 20));
    await cluster.settled();
    const [first, second, other = []] = (await browsers.numbers()).map(sorted);
    assertEquals([first, second], each(2, range(20, 40)));
    assertEquals([...new Set(other)], range(20, 40));
  });

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
}
