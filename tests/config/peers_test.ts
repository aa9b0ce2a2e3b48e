import { fileURLToPath } from "node:url";
import { peerWarnings } from "../../src/config/peers.ts";
import type { Config, PeerConfig } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { assertEquals, assertStringIncludes } from "../assert.ts";
import { ADMIN, CLIENT, PEER } from "../entries.ts";

/** A peer at a host, by https as far as nothing else is said. */
function peer(host: string, change: Partial<PeerConfig> = {}): PeerConfig {
  return { ...PEER, host, ...change };
}

/** A configuration's part: a client server by where it listens, and peers. */
function site(
  listen: string,
  ...peers: readonly PeerConfig[]
): Pick<Config, "servers" | "cluster"> {
  return { servers: [ADMIN, { ...CLIENT, listen }], cluster: peers };
}

const { port } = CLIENT;

for (
  const [what, config, warnings] of [
    ["no peers", site("::"), []],
    ["another port of this host", site("::", peer("127.0.0.1", { protocol: "http" })), []],
    [
      "a client server's port at another address",
      site("127.0.0.1", peer("10.0.0.2", { port })),
      [],
    ],
    ["https through the internet", site("::", peer("203.0.113.5")), []],
    [
      "http to a name, of which nothing is known",
      site("::", peer("a.example", { protocol: "http" })),
      [],
    ],
    [
      "http to private networks",
      site("::", ...["10.0.0.2", "fd00::7"].map((host) => peer(host, { protocol: "http" }))),
      [],
    ],
    [
      "this configuration's client server, by any of its addresses",
      site(
        "127.0.0.1",
        ...["127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1"].map((host) =>
          peer(host, { port })
        ),
      ),
      [0, 1, 2, 3].map((index) => [
        `cluster[${index}].port`,
        "has the port of servers[1], which is a client server: only an admin server takes messages",
      ]),
    ],
    [
      "the port of a client server that listens everywhere",
      site("0.0.0.0", peer("a.example", { port })),
      [[
        "cluster[0].port",
        '"a.example:22280" has the port of servers[1], which is a client server',
      ]],
    ],
    [
      "http through the internet",
      site("::", peer("2001:DB8::1", { protocol: "http" })),
      [["cluster[0].protocol", "Messages go to 2001:db8::1 unencrypted, and it is in no private"]],
    ],
  ] as const
) {
  const verb = warnings.length > 0 ? "tells of" : "is silent about";
  Deno.test(`the check of a cluster ${verb} ${what}`, () => {
    const found = peerWarnings(config);
    assertEquals(found.map(({ path }) => path), warnings.map(([path = ""]) => path));
    warnings.forEach(([, message = ""], index) => {
      assertStringIncludes(found[index]?.message ?? "", message);
    });
  });
}

Deno.test("nothing is wrong with the example of a cluster", () => {
  const path = fileURLToPath(new URL("../../conf/examples/cluster.json", import.meta.url));
  assertEquals(peerWarnings(loadConfig(path)), []);
});
