/**
 * What has waited for too long, and what has waited for nearly as long as it may. It takes as long as that,
 * so it is a file of its own, which runs beside others.
 */

import { assertEquals } from "../assert.ts";
import { ScriptedPeer, taking } from "./bad_peer.ts";
import { peersOf, range, story } from "./cluster.ts";
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
