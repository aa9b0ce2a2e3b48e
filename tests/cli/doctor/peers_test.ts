import type { ConsoleData } from "../../../src/admin/console.ts";
import { ServerKey } from "../../../src/cluster/proof.ts";
import type { PeerStatus } from "../../../src/metrics/peer_status.ts";
import { Findings } from "../../../src/cli/doctor/findings.ts";
import { examinePeers } from "../../../src/cli/doctor/peers.ts";
import { UNKNOWN_PEER } from "../../admin/fixtures.ts";
import { assertEquals, assertMatch } from "../../assert.ts";
import { PEER } from "../../entries.ts";

Deno.test("what the service says of a peer is told of that one, wherever the file has it now", async () => {
  await using peer = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json({ version: 7, fingerprint: "peer" }),
  );
  const { port } = peer.addr;
  const down = { ...UNKNOWN_PEER, state: "down", "last.error": "was away" } as const;
  const told = {
    now: {
      fingerprint: "ours",
      peers: [down, { ...UNKNOWN_PEER, peer: `http://127.0.0.1:${port}/`, state: "up" }],
    },
  } as unknown as ConsoleData;
  const findings = new Findings(() => {});
  const cluster = [{ ...PEER, host: "127.0.0.1", port, protocol: "http" as const }];
  await examinePeers(findings, cluster, { told, isOfOther: false });
  assertEquals(findings.all.map(({ step, outcome }) => [step, outcome]), [
    ["peer", "ok"],
    ["clock", "ok"],
  ]);
});

/** An admin server that shows a fingerprint, and proves it with a key. */
function admin(fingerprint: string, key: ServerKey | null): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ headers }) => {
    const proof = key?.prove(headers.get("aphlict-challenge")) ?? null;
    return Response.json({ version: 7, fingerprint, ...proof && { proof } });
  });
}

/** What doctor says of some peers. */
async function examine(
  servers: readonly Deno.HttpServer<Deno.NetAddr>[],
  own: string | null,
  view: Partial<PeerStatus> = {},
): Promise<string[]> {
  const peers = servers.map(({ addr: { port } }) => ({
    ...UNKNOWN_PEER,
    peer: `http://127.0.0.1:${port}/`,
    ...view,
  }));
  const told = own === null ? null : { now: { fingerprint: own, peers } } as unknown as ConsoleData;
  const findings = new Findings(() => {});
  const cluster = servers.map(({ addr: { port } }) => ({
    ...PEER,
    host: "127.0.0.1",
    port,
    protocol: "http" as const,
  }));
  await examinePeers(findings, cluster, { told, isOfOther: false });
  return findings.all.filter(({ step }) => step === "peer")
    .map(({ outcome, detail, hint }) => `${outcome}: ${detail} ${hint ?? ""}`);
}

Deno.test("a peer is this server itself when it has proven that, and something else when it cannot", async () => {
  const key = new ServerKey();
  await using self = admin(key.fingerprint, key);
  await using thief = admin(key.fingerprint, null);
  await using liar = admin(key.fingerprint, new ServerKey());
  const told = await examine([self, thief, liar], key.fingerprint);
  assertMatch(told[0] ?? "", /^ok: \S+ is this server itself\./);
  for (const each of told.slice(1)) {
    assertMatch(each, /^failed: \S+ answers with the fingerprint of this server and cannot prove/);
    assertMatch(each, /Look which program answers there/);
  }
});

Deno.test("of two peers with one fingerprint the one is told of that cannot prove it, whether the service runs or not", async () => {
  const key = new ServerKey();
  await using thief = admin(key.fingerprint, null);
  await using owner = admin(key.fingerprint, key);
  await using alias = admin(key.fingerprint, key);
  for (const own of [null, "ours"]) {
    const told = await examine([thief, owner, alias], own);
    assertMatch(
      told[0] ?? "",
      new RegExp(
        `^failed: .* fingerprint of http://127\\.0\\.0\\.1:${owner.addr.port}/ and cannot`,
      ),
    );
    assertMatch(told[1] ?? "", /^ok/);
    assertMatch(told[2] ?? "", /^ok/);
  }
});

Deno.test("what the service has seen a peer show is told, now and before", async () => {
  await using peer = admin("peer", null);
  const [now = ""] = await examine([peer], "ours", { proof: "contradicted", contradictions: 3 });
  assertMatch(now, /^failed: .* has shown the service the fingerprint of another server\. Look/);
  const [before = ""] = await examine([peer], "ours", { state: "up", contradictions: 3 });
  assertMatch(before, /^warning: .* of another server 3 times before\. Look/);
});
