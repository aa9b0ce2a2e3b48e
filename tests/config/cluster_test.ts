import { clusterWarnings, type Unresolved } from "../../src/config/cluster.ts";
import { fileURLToPath } from "node:url";
import type { Config, PeerConfig } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { assertEquals, assertStringIncludes } from "../assert.ts";
import { ADMIN, CLIENT, PEER } from "../entries.ts";

/** What names resolve to. */
const NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ["localhost", ["127.0.0.1", "::1"]],
  // As Debian writes a host's own name into /etc/hosts.
  ["self.example", ["127.0.1.1"]],
  ["both.example", ["10.0.0.2", "fd00::2"]],
  ["four.example", ["10.0.0.4"]],
  ["six.example", ["fd00:0:0::6"]],
  ["public.example", ["10.0.0.5", "203.0.113.5"]],
]);

function resolve(name: string): Promise<readonly string[] | Unresolved> {
  return Promise.resolve(NAMES.get(name) ?? { reason: "nobody knows it" });
}

/** A peer at a host, by https as far as nothing else is said. */
function peer(host: string, change: Partial<PeerConfig> = {}): PeerConfig {
  return { ...PEER, host, ...change };
}

/** A configuration's part: admin servers by where they listen, and peers. */
function site(
  listens: readonly string[],
  ...peers: readonly PeerConfig[]
): Pick<Config, "servers" | "cluster"> {
  return {
    servers: [{ ...CLIENT, listen: "::" }, ...listens.map((listen) => ({ ...ADMIN, listen }))],
    cluster: peers,
  };
}

for (
  const [what, config] of [
    ["no peers", site(["127.0.0.1"])],
    [
      "three servers that list each other, this one by a name that is loopback here",
      site(["0.0.0.0"], peer("self.example"), peer("four.example"), peer("both.example")),
    ],
    [
      "servers on this host alone",
      site(
        ["127.0.0.1"],
        peer("127.0.0.1", { protocol: "http" }),
        peer("127.0.0.1", { port: 2, protocol: "http" }),
      ),
    ],
    [
      "an admin server for Phorge on loopback, and one for peers",
      site(["127.0.0.1", "10.0.0.1"], peer("10.0.0.2")),
    ],
    ["an admin server on a name", site(["four.example"], peer("both.example"))],
    ["an admin server on ::, which IPv4 reaches as well", site(["::"], peer("10.0.0.2"))],
    ["an admin server on an IPv4 address in IPv6", site(["::ffff:10.0.0.1"], peer("10.0.0.2"))],
    [
      "peers of both families, where one has this server's",
      site(["10.0.0.1"], peer("six.example"), peer("four.example")),
    ],
    ["one host with two ports", site(["::"], peer("10.0.0.2"), peer("10.0.0.2", { port: 2 }))],
    [
      "http to private networks",
      site(
        ["::"],
        ...["10.0.0.2", "fd00::7", "both.example"].map((host, port) =>
          peer(host, { port: port + 1, protocol: "http" })
        ),
      ),
    ],
    ["https through the internet", site(["::"], peer("public.example"))],
  ] as const
) {
  Deno.test(`nothing is wrong with ${what}`, async () => {
    assertEquals(await clusterWarnings(config, resolve), []);
  });
}

for (
  const [what, config, warnings] of [
    [
      "peers on other hosts, and admin servers on loopback alone",
      site(["127.0.0.1", "::1"], peer("self.example"), peer("10.0.0.2"), peer("six.example")),
      [[
        "servers[1].listen",
        '"127.0.0.1" is for this host alone, as is every admin server here: peers on other hosts ' +
        "(10.0.0.2:22281, six.example:22281) cannot relay to this server. Let one listen where they,",
      ]],
    ],
    [
      "many peers on other hosts, naming a few of them",
      site(["localhost"], ...[2, 3, 4, 5].map((n) => peer(`10.0.0.${n}`))),
      [[
        "servers[1].listen",
        '"localhost" is for this host alone, as is every admin server here: peers on other hosts ' +
        "(10.0.0.2:22281, 10.0.0.3:22281, 10.0.0.4:22281, ...) cannot relay",
      ]],
    ],
    [
      "a peer list without this server's own family, IPv4",
      site(["0.0.0.0"], peer("six.example"), peer("fd00::2")),
      [["cluster", "No peer has an IPv4 address, and the admin servers here are reached by IPv4"]],
    ],
    [
      "a peer list without this server's own family, IPv6",
      site(["fd00::1"], peer("four.example")),
      [["cluster", "No peer has an IPv6 address, and the admin servers here are reached by IPv6"]],
    ],
    [
      "a peer list whose family only an admin server on loopback has",
      site(["127.0.0.1", "fd00::1"], peer("four.example")),
      [["cluster", "No peer has an IPv6 address,"]],
    ],
    [
      "peers on this host alone, of the other family",
      site(["::1"], peer("127.0.0.1", { port: 2 })),
      [["cluster", "No peer has an IPv6 address,"]],
    ],
    [
      "one peer by name and by address",
      site(["::"], peer("10.0.0.4"), peer("four.example")),
      [[
        "cluster[1]",
        'Like cluster[0], "four.example:22281" leads to 10.0.0.4:22281: one of the two is ' +
        "of no use. Name each peer once.",
      ]],
    ],
    [
      "one peer by two names, by IPv4 in IPv6, and by the address that stands for any",
      site(
        ["::"],
        peer("localhost"),
        peer("::ffff:127.0.0.1"),
        peer("0.0.0.0"),
        peer("::"),
        peer("::ffff:7f00:1", { port: 2 }),
      ),
      [
        ["cluster[1]", 'Like cluster[0], "[::ffff:127.0.0.1]:22281" leads to 127.0.0.1:22281:'],
        ["cluster[2]", 'Like cluster[0], "0.0.0.0:22281" leads to 127.0.0.1:22281:'],
        ["cluster[3]", 'Like cluster[0], "[::]:22281" leads to [::1]:22281:'],
      ],
    ],
    [
      "a name that cannot be resolved, and guesses nothing from it",
      site(["fd00::1"], peer("10.0.0.2"), peer("gone.example")),
      [[
        "cluster[1].host",
        '"gone.example" cannot be resolved now: nobody knows it. It is tried anew for each',
      ]],
    ],
    [
      "an admin server on a name that cannot be resolved, which is not its business",
      site(["gone.example"], peer("10.0.0.2")),
      [],
    ],
    [
      "http through the internet, by address and by a name of several",
      site(
        ["::"],
        peer("2001:DB8::1", { protocol: "http" }),
        peer("public.example", { protocol: "http" }),
      ),
      [
        ["cluster[0].protocol", "Messages go to 2001:db8::1 unencrypted, and it is in no private"],
        ["cluster[1].protocol", "Messages go to public.example (203.0.113.5) unencrypted,"],
      ],
    ],
  ] as const
) {
  const verb = warnings.length > 0 ? "tells of" : "is silent about";
  Deno.test(`the check of a cluster ${verb} ${what}`, async () => {
    const found = await clusterWarnings(config, resolve);
    assertEquals(found.map(({ path }) => path), warnings.map(([path]) => path));
    warnings.forEach(([, message], index) => {
      assertStringIncludes(found[index]?.message ?? "", message);
    });
  });
}

Deno.test("nothing is wrong with the example of a cluster, on any of its hosts", async () => {
  const config = loadConfig(
    fileURLToPath(new URL("../../conf/examples/cluster.json", import.meta.url)),
  );
  const hosts = config.cluster.map(({ host }) => host);
  assertEquals(hosts.length, 3);
  for (const self of hosts) {
    const addresses = hosts.map((host, index) => host === self ? "127.0.1.1" : `10.0.0.${index}`);
    const names = new Map(hosts.map((host, index) => [host, [addresses[index] ?? ""]]));
    assertEquals(await clusterWarnings(config, async (name) => await names.get(name) ?? []), []);
  }
});
