/** Entries that only seem to lead to a server: they show a fingerprint that is not their own. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { read } from "../metrics/prometheus.ts";
import { ScriptedPeer, showing } from "./bad_peer.ts";
import { Browser } from "./browser.ts";
import { numbers, peersOf, range, sorted, story } from "./cluster.ts";
import { aphlict } from "./command.ts";
import { peerAt, publish, run, type Running, status } from "./server.ts";
import { until } from "./until.ts";

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
  const { stdout } = await aphlict(
    "doctor",
    "--config",
    `${service.folder}/aphlict.json`,
    "--json",
  );
  const findings: readonly Record<string, unknown>[] = JSON.parse(stdout);
  return findings.filter(({ step }) => step === "peer")
    .map(({ outcome, detail, hint }) => `${outcome}: ${detail} ${hint ?? ""}`.trimEnd());
}

Deno.test("what shows another server's fingerprint takes nothing from it, and is told of", async () => {
  await using second = await run();
  const fingerprint = await fingerprintOf(second);
  await using thief = new ScriptedPeer(showing(fingerprint));
  // It shows the fingerprint of the server that it is a peer of, when that is known.
  let ofFirst = "none yet";
  await using double = new ScriptedPeer((connection, peer) => showing(ofFirst)(connection, peer));
  await using first = await run({
    cluster: () => [thief.port, second.admin, double.port].map((port) => peerAt(port)),
  });
  ofFirst = await fingerprintOf(first);
  // It has been asked before, or will be.
  double.become((connection, peer) => showing(ofFirst)(connection, peer));
  await using browser = await Browser.open(second.client, { topics: ["A"] });
  for (const n of range(0, 100)) await publish(first.admin, story(n));
  await until(() => browser.waiting >= 100);
  await become(first, "up, contradicted", "up, proven", "up, contradicted");
  for (const n of range(100, 200)) await publish(first.admin, story(n));
  await until(() => browser.waiting >= 200);
  assertEquals(sorted(numbers(await browser.all())), range(0, 200));
  for (const impostor of [thief, double]) {
    await impostor.until(() => new Set(impostor.taken).size >= 200);
  }

  const lines = first.log().split("\n").filter((line) => line.includes("cannot prove"));
  assertEquals(lines.length, 2);
  for (
    const line of [
      `Peer http://${thief.at}/ answers with the fingerprint of peer ` +
      `http://127.0.0.1:${second.admin}/ (${fingerprint}) and cannot prove`,
      `Peer http://${double.at}/ answers with the fingerprint of this server (${ofFirst}) and cannot`,
    ]
  ) assert(lines.some((each) => each.includes(`WARNING ${line}`)), line);
  assert(await contradictions(first, thief.port) >= 1);
  assertEquals(await contradictions(first, second.admin), 0);
  const told = await diagnose(first);
  assertMatch(told[0] ?? "", /^failed: .* fingerprint of .*Look which program/);
  assertMatch(told[1] ?? "", /^ok: .* answers, and takes messages\.$/);
  assertMatch(told[2] ?? "", /^failed: \S+ answers with the fingerprint of this server and cannot/);
  const { output } = await aphlict("status", "--config", `${first.folder}/aphlict.json`);
  assertMatch(output, /its fingerprint is another server's: aphlict doctor/);
});
