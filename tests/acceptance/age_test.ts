/**
 * What has waited for too long, and what has waited for nearly as long as it may. It takes as long as that,
 * so it is a file of its own, which runs beside others.
 */

import { assert, assertEquals } from "../assert.ts";
import { ScriptedPeer, taking } from "./bad_peer.ts";
import { Cluster, mesh, numbers, peersOf, range, story } from "./cluster.ts";
import { freePorts } from "./ports.ts";
import { publish, run } from "./server.ts";
import { until } from "./until.ts";

/** How long a message waits for a peer that is down, in ms. */
const AGE_MS = 60_000;

Deno.test("what has waited for 60 s is dropped, counted and told of once, and what is younger arrives", async () => {
  const [port = 0] = freePorts(1);
  await using service = await run({
    cluster: () => [{ host: "127.0.0.1", port, protocol: "http" }],
  });
  const row = async () => {
    const [peer] = await peersOf(service.admin);
    return { old: peer?.["dropped.old"], dropped: peer?.dropped, queued: peer?.queued };
  };
  const started = performance.now();
  for (const n of range(0, 5)) await publish(service.admin, story(n));
  await until(() => performance.now() - started > AGE_MS / 2, AGE_MS);
  for (const n of range(5, 10)) await publish(service.admin, story(n));
  assertEquals(await row(), { old: 0, dropped: 0, queued: 10 });

  await until(async () => (await row()).queued !== 10, AGE_MS);
  await until(async () => (await row()).queued === 5);
  assertEquals(await row(), { old: 5, dropped: 5, queued: 5 });
  await using peer = new ScriptedPeer(taking(), port);
  await peer.until(() => peer.taken.length >= 5);
  assertEquals(peer.taken, range(5, 10));
  await service.process.line(/were dropped here/);
  const lines = service.log().split("\n").filter((line) => line.includes("dropped"));
  const told = lines.map((line) => line.replace(/^.*\] /, "").replace(peer.at, "PEER"));
  assertEquals(told, [
    "WARNING Messages for peer http://PEER/ are being dropped here: they have waited for 60 s.",
    "WARNING 5 messages for peer http://PEER/ were dropped here meanwhile; another server may have " +
    "brought them.",
  ]);
});

Deno.test("what a server had passed on is not lost when its power fails, however late that is noticed", async () => {
  await using cluster = await Cluster.start(mesh(3), { links: [[0, 1], [0, 2]] });
  await using third = await cluster.browser(2);
  const contact = async () => (await cluster.peer(1, 0))["last.contact"] ?? Infinity;
  // It is looked at every 15 s.
  await until(async () => await contact() > 10_000, 20_000);
  await until(async () => await contact() < 1000, 20_000);
  await until(async () => await contact() > 11_000, 20_000);
  cluster.cut(0, 2, "silent");
  for (const n of range(0, 20)) await cluster.publish(story(n));
  await until(async () => await contact() < 1000, 20_000);
  assertEquals((await cluster.peer(0, 2)).state, "up", "it does not know yet");
  cluster.cut(0, 1, "silent");
  const failed = performance.now();
  await cluster.findsDown(1, 0, 30_000);
  assert(performance.now() - failed > 15_000);
  await until(() => third.waiting >= 20);
  assertEquals(numbers(await third.all()), range(0, 20));
});
