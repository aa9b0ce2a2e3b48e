import type { ConsoleData } from "../../../src/admin/console.ts";
import { Findings } from "../../../src/cli/doctor/findings.ts";
import { examinePeers } from "../../../src/cli/doctor/peers.ts";
import { UNKNOWN_PEER } from "../../admin/fixtures.ts";
import { assertEquals } from "../../assert.ts";
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
