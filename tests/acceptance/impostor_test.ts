/** Entries that lead to one server, and entries that only seem to: what shows a fingerprint that is not its own. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { read } from "../metrics/prometheus.ts";
import { ScriptedPeer, showing } from "./bad_peer.ts";
import { Browser } from "./browser.ts";
import {
  each,
  everything,
  numbers,
  ours,
  peersOf,
  range,
  reconnect,
  sorted,
  story,
} from "./cluster.ts";
import { aphlict } from "./command.ts";
import { originals } from "./originals.ts";
import { freePorts } from "./ports.ts";
import { peerAt, publish, run, type Running, status } from "./server.ts";
import { until } from "./until.ts";

/** How soon the servers of a cluster must know who is who, on a busy machine, in ms. */
const SETTLING_MS = 10_000;

/** How the entries of a service are, as `state, proof` each. */
async function entries(service: Running): Promise<string[]> {
  return (await peersOf(service.admin)).map(({ state, proof }) => `${state}, ${proof}`);
}

async function become(service: Running, ...wanted: readonly string[]): Promise<void> {
  await until(async () => (await entries(service)).join() === wanted.join());
}

async function fingerprintOf(service: Running): Promise<string> {
  return String((await status(service.admin))["fingerprint"]);
}

/** What the metrics page counts for an entry. */
async function contradictions(service: Running, port: number): Promise<number> {
  const page = await fetch(`http://127.0.0.1:${service.admin}/metrics/`);
  const family = read(await page.text())
    .find(({ name }) => name === "aphlict_peer_contradictions_total");
  const sample = family?.samples.find(({ labels }) => labels["peer"]?.endsWith(`:${port}/`));
  assert(sample !== undefined);
  return sample.value;
}

/** What `aphlict doctor` says of the entries, in their order, with what to do. */
async function diagnose(service: Running): Promise<string[]> {
  const { output } = await aphlict(
    "doctor",
    "--config",
    `${service.folder}/aphlict.json`,
    "--json",
  );
  const findings: readonly Record<string, unknown>[] = JSON.parse(output);
  return findings.filter(({ step }) => step === "peer")
    .map(({ outcome, detail, hint }) => `${outcome}: ${detail} ${hint ?? ""}`.trimEnd());
}

Deno.test("two entries for one server, by address and by name, bring it each message by one post", async () => {
  await using second = await run();
  await using first = await run({
    cluster: () => [peerAt(second.admin), peerAt(second.admin, "localhost")],
  });
  await become(first, "up, proven", "up, proven");
  await using browser = await Browser.open(second.client, { topics: ["A"] });
  for (const n of range(0, 50)) await publish(first.admin, story(n));
  await until(() => browser.waiting >= 50);
  await until(async () => (await peersOf(first.admin)).every(({ queued }) => queued === 0));
  assertEquals(numbers(await browser.all()), range(0, 50));
  assertEquals((await status(second.admin))["messages.in"], 50);
  assertEquals(first.log().match(/WARNING/), null);
  assertMatch((await diagnose(first)).join("\n"), /^ok: .*\nok: .*$/);
});

for (const kind of originals()) {
  Deno.test(`two entries for one original bring it each message by one post (${kind.name})`, async () => {
    const [client = 0, admin = 0] = freePorts(2);
    await using _original = await kind.start({ ports: [client, admin], peers: [] });
    await using first = await run({ cluster: () => [peerAt(admin), peerAt(admin, "localhost")] });
    await become(first, "up, none", "up, none");
    // It tells its fingerprint to who posts alone: this one comes twice, as ever.
    await publish(first.admin, story(0));
    await until(async () =>
      (await peersOf(first.admin)).every(({ fingerprint }) => fingerprint !== null)
    );
    const posted = async () => Number((await status(admin))["messages.in"]);
    const before = await posted();
    for (const n of range(1, 51)) await publish(first.admin, story(n));
    await until(async () => await posted() >= before + 50);
    await until(async () => (await peersOf(first.admin)).every(({ queued }) => queued === 0));
    assertEquals([before, await posted()], [2, before + 50]);
    assertEquals(first.log().match(/WARNING/), null);
  });
}

for (const asOriginal of [false, true]) {
  for (const isFirst of [true, false]) {
    const how = `${asOriginal ? "as an original" : "as one of ours"}, ${
      isFirst ? "before" : "behind"
    } it in the list`;
    Deno.test(`what shows another server's fingerprint takes nothing from it, and is told of (${how})`, async () => {
      await using second = await run();
      const fingerprint = await fingerprintOf(second);
      await using impostor = new ScriptedPeer(showing({ fingerprint, asOriginal }));
      const ports = isFirst ? [impostor.port, second.admin] : [second.admin, impostor.port];
      await using first = await run({ cluster: () => ports.map((port) => peerAt(port)) });
      await using browser = await Browser.open(second.client, { topics: ["A"] });
      for (const n of range(0, 100)) await publish(first.admin, story(n));
      await until(() => browser.waiting >= 100);
      await impostor.until(() => impostor.taken.length >= 100);
      const [thief, owner] = ["up, contradicted", "up, proven"];
      await become(first, ...isFirst ? [thief, owner] : [owner, thief]);
      for (const n of range(100, 200)) await publish(first.admin, story(n));
      await until(() => browser.waiting >= 200);
      assertEquals(sorted(numbers(await browser.all())), range(0, 200));
      await impostor.until(() => impostor.taken.length >= 200);

      const lines = first.log().split("\n").filter((line) => line.includes("cannot prove"));
      assertEquals(lines.length, 1);
      assertMatch(
        lines[0] ?? "",
        new RegExp(
          `WARNING Peer http://${impostor.at}/ answers with the fingerprint of peer ` +
            `http://127\\.0\\.0\\.1:${second.admin}/ \\(${fingerprint}\\) and cannot prove`,
        ),
      );
      assert(await contradictions(first, impostor.port) >= 1);
      assertEquals(await contradictions(first, second.admin), 0);
      const told = await diagnose(first);
      assertMatch(told[isFirst ? 0 : 1] ?? "", /^failed: .* fingerprint of .*Look which program/);
      assertMatch(told[isFirst ? 1 : 0] ?? "", /^ok: .* answers, and takes messages\.$/);
    });
  }
}

Deno.test("what shows this server's own fingerprint is not taken for it, and is told of", async () => {
  let fingerprint = "none yet";
  await using impostor = new ScriptedPeer((connection, peer) =>
    showing({ fingerprint })(connection, peer)
  );
  await using first = await run({ cluster: () => [peerAt(impostor.port)] });
  fingerprint = await fingerprintOf(first);
  // It has been asked before, or will be.
  impostor.become((connection, peer) => showing({ fingerprint })(connection, peer));
  await become(first, "up, contradicted");
  for (const n of range(0, 20)) await publish(first.admin, story(n));
  await impostor.until(() => impostor.taken.length >= 20);
  await first.process.line(
    /WARNING Peer http:\S+ answers with the fingerprint of this server \(\w+\) and cannot prove/,
  );
  assert(await contradictions(first, impostor.port) >= 1);
  assertMatch(
    (await diagnose(first)).join("\n"),
    /^failed: \S+ answers with the fingerprint of this server and cannot prove .*Look which program/,
  );
  const { output } = await aphlict("status", "--config", `${first.folder}/aphlict.json`);
  assertMatch(output, /its fingerprint is another server's: aphlict doctor/);
});

Deno.test("what passes requests for the status page on to a server is taken for a proxy, and brings it everything", async () => {
  await using second = await run();
  await using proxy = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url, method, headers, body }) => {
      const { pathname, search } = new URL(url);
      const target = `http://127.0.0.1:${second.admin}${pathname}${search}`;
      return fetch(target, { method, headers, body });
    },
  );
  await using first = await run({
    cluster: () => [peerAt(proxy.addr.port), peerAt(second.admin)],
  });
  await become(first, "up, proven", "up, proven");
  await using browser = await Browser.open(second.client, { topics: ["A"] });
  for (const n of range(0, 50)) await publish(first.admin, story(n));
  await until(() => browser.waiting >= 50);
  assertEquals(numbers(await browser.all()), range(0, 50));
  assertEquals((await status(second.admin))["messages.in"], 50);
});

Deno.test("three servers with one list know themselves within seconds, and lose nothing that is published meanwhile", async () => {
  const ports = freePorts(6);
  const seats = [0, 1, 2].map((index) =>
    [ports[2 * index] ?? 0, ports[2 * index + 1] ?? 0] as const
  );
  const peers = seats.map(([, admin]) => peerAt(admin));
  const started = performance.now();
  await using stack = new AsyncDisposableStack();
  const servers = await Promise.all(seats.map(async (ports, index) => {
    const server = stack.use(await ours({ ports, peers }));
    for (const n of range(20 * index, 20 * index + 20)) await publish(server.admin, story(n));
    return server;
  }));
  const look = async () => {
    const pages = await Promise.all(servers.map(({ admin }) => peersOf(admin)));
    return pages.map((page) => page.map(({ state, proof }) => `${state}, ${proof}`).join("; "));
  };
  const up = "up, proven";
  const known = seats.map((_, own) =>
    seats.map((_, index) => index === own ? "self, proven" : up).join("; ")
  );
  await until(async () => (await look()).join() === known.join(), SETTLING_MS);
  const took = performance.now() - started;
  assert(took < SETTLING_MS, `It took ${took} ms`);
  for (const [index, { admin }] of servers.entries()) {
    const page = await peersOf(admin);
    assertEquals([page[index]?.sent, page[index]?.dropped], [0, 0], "to itself");
    assertEquals(page.map(({ contradictions }) => contradictions), [0, 0, 0]);
  }
  const wires = await Promise.all(servers.map(({ client }) => reconnect(client)));
  const got = wires.map(() => new Set<number>());
  await until(async () => {
    for (const [index, wire] of wires.entries()) {
      for (const n of numbers(await everything(wire))) got[index]?.add(n);
    }
    return got.every(({ size }) => size >= 60);
  });
  for (const wire of wires) wire[Symbol.dispose]();
  assertEquals(got.map((set) => sorted([...set])), each(3, range(0, 60)));
});
