import fc from "fast-check";
import { canonicalAddress, Networks } from "../../src/config/network.ts";
import { clientAddress } from "../../src/net/forwarded.ts";
import { assert, assertEquals } from "../assert.ts";

/** This host's proxy, a network of them, and one by IPv6. */
const PROXIES = new Networks(["127.0.0.1", "10.0.0.0/8", "2001:db8:ffff::/48"]);

/** Headers as they were sent, by name. */
type Headers = Readonly<Record<string, string>>;

/** The client of a connection from the proxy on this host. */
function client(headers: Headers, remote = "127.0.0.1"): string {
  return clientAddress(remote, (name) => headers[name] ?? null, PROXIES);
}

for (
  const [what, value, expected] of [
    ["one address", "192.0.2.7", "192.0.2.7"],
    ["one IPv6 address", "2001:DB8:0::7", "2001:db8::7"],
    ["one IPv6 address in brackets", "[2001:db8::7]", "2001:db8::7"],
    ["an address with a port", "192.0.2.7:50122", "192.0.2.7"],
    ["an IPv6 address with a port", "[2001:db8::7]:50122", "2001:db8::7"],
    ["an IPv4 address in IPv6", "::ffff:192.0.2.7", "192.0.2.7"],
    ["an IPv4 address in IPv6, in brackets", "[::FFFF:c000:207]:80", "192.0.2.7"],
    ["what the client has written before it", "198.51.100.1, 192.0.2.7", "192.0.2.7"],
    ["a chain of proxies", "192.0.2.7, 10.1.1.1, 2001:db8:ffff::1", "192.0.2.7"],
    ["spaces and tabs, or none", " 192.0.2.7\t,10.1.1.1 ", "192.0.2.7"],
    ["proxies alone: the first of them", "10.1.1.1, 10.2.2.2", "10.1.1.1"],
    ["this host's own address", "127.0.0.1", "127.0.0.1"],
    ["what the last proxy does not know", "192.0.2.7, unknown", "127.0.0.1"],
    ["what another proxy does not know", "192.0.2.7, unknown, 10.1.1.1", "10.1.1.1"],
    ["an obfuscated name", "192.0.2.7, _hidden", "127.0.0.1"],
    ["an empty element at the end", "192.0.2.7,", "127.0.0.1"],
    ["an empty element between", "192.0.2.7,,10.1.1.1", "10.1.1.1"],
    ["an empty element before", ",192.0.2.7", "192.0.2.7"],
    ["nothing", "", "127.0.0.1"],
    ["commas alone", ",,,", "127.0.0.1"],
    ["a name", "client.example.com", "127.0.0.1"],
    ["a number", "3221225991", "127.0.0.1"],
    ["an address with zeros before it", "192.0.02.7", "127.0.0.1"],
    ["an address in quotes", '"192.0.2.7"', "127.0.0.1"],
    ["an address with an empty port", "192.0.2.7:", "127.0.0.1"],
    ["an address with a zone", "fe80::7%eth0", "fe80::7"],
    ["an unclosed bracket", "[2001:db8::7", "127.0.0.1"],
    ["two addresses without a comma", "192.0.2.7 192.0.2.8", "127.0.0.1"],
    ["what a client has left open", 'a"b, 192.0.2.7', "192.0.2.7"],
  ] as const
) {
  Deno.test(`X-Forwarded-For with ${what}: ${expected}`, () => {
    assertEquals(client({ "x-forwarded-for": value }), expected);
  });
}

for (
  const [what, value, expected] of [
    ["one address", "for=192.0.2.7", "192.0.2.7"],
    ["one address in quotes, with a port", 'for="192.0.2.7:50122"', "192.0.2.7"],
    ["an IPv6 address", 'for="[2001:DB8:0::7]"', "2001:db8::7"],
    ["an IPv6 address with a port", 'for="[2001:db8::7]:50122"', "2001:db8::7"],
    ["a port without quotes, as some write it", "for=192.0.2.7:50122", "192.0.2.7"],
    ["an obfuscated port", 'for="192.0.2.7:_p"', "192.0.2.7"],
    ["the name in any case", "FoR=192.0.2.7", "192.0.2.7"],
    ["other pairs", "proto=https;for=192.0.2.7;by=203.0.113.43;host=x", "192.0.2.7"],
    ["spaces around everything", ' proto = https ; for = "192.0.2.7" ', "192.0.2.7"],
    ["what the client has written before it", "for=198.51.100.1, for=192.0.2.7", "192.0.2.7"],
    ["a chain of proxies", 'for=192.0.2.7, for="[2001:db8:ffff::1]", for=10.1.1.1', "192.0.2.7"],
    ["what the last proxy does not know", "for=192.0.2.7, for=unknown", "127.0.0.1"],
    ["an obfuscated name", "for=192.0.2.7, for=_hidden", "127.0.0.1"],
    ["an obfuscated name in quotes", 'for=192.0.2.7, for="_hidden:1"', "127.0.0.1"],
    ["no address in the last element", "for=192.0.2.7, proto=https", "127.0.0.1"],
    ["no address in an element before", "for=192.0.2.7, by=x, for=10.1.1.1", "10.1.1.1"],
    ["an empty address", "for=", "127.0.0.1"],
    ["an empty address in quotes", 'for=""', "127.0.0.1"],
    ["two addresses in one element", "for=198.51.100.1;for=192.0.2.7", "127.0.0.1"],
    ["a name that only ends like it", "xfor=192.0.2.7", "127.0.0.1"],
    ["nothing", "", "127.0.0.1"],
    ["a backslash in quotes", 'for="192.0.2.7\\\\"', "127.0.0.1"],
    ["an escaped quote at the end of another pair", 'host="x\\"";for=192.0.2.7', "192.0.2.7"],
    ["an escaped backslash there", 'host="x\\\\";for=192.0.2.7', "192.0.2.7"],
    // What a client has made its Host header, and a proxy passes on in quotes.
    ["an element in another pair's quotes", 'for=192.0.2.7;host="x,for=198.51.100.1"', "192.0.2.7"],
    ["an element in quotes, closed", 'for=192.0.2.7;host="x,for=198.51.100.1;y="', "192.0.2.7"],
    ["a pair in another pair's quotes", 'host="x;for=198.51.100.1;y=";for=192.0.2.7', "192.0.2.7"],
    ["escaped quotes in quotes", 'for=192.0.2.7;host="\\",for=198.51.100.1,\\""', "192.0.2.7"],
    // What a client has written itself.
    ["a quote that a client left open", 'for="198.51.100.1, for=192.0.2.7', "192.0.2.7"],
    [
      "a quote that a client left open, before one of the proxy's",
      'for="198.51.100.1, for="192.0.2.7";host="x"',
      "192.0.2.7",
    ],
    ["a backslash that a client left open", 'for="198.51.100.1\\, for="192.0.2.7"', "192.0.2.7"],
  ] as const
) {
  Deno.test(`Forwarded with ${what}: ${expected}`, () => {
    assertEquals(client({ forwarded: value }), expected);
  });
}

Deno.test("headers that agree count, and headers that contradict each other do not", () => {
  const both = (xff: string, forwarded: string) =>
    client({ "x-forwarded-for": xff, forwarded }, "10.9.9.9");
  assertEquals(both("192.0.2.7", "for=192.0.2.7"), "192.0.2.7");
  assertEquals(both("2001:db8::7", 'for="[2001:DB8::0:7]:80"'), "2001:db8::7");
  assertEquals(both("198.51.100.1, 192.0.2.7", "for=192.0.2.7, for=10.1.1.1"), "192.0.2.7");
  assertEquals(both("192.0.2.7", "for=198.51.100.1"), "10.9.9.9");
  assertEquals(both("192.0.2.7", "for=unknown"), "10.9.9.9");
  assertEquals(both("192.0.2.7", ""), "10.9.9.9");
});

Deno.test("a proxy that sends no header is the client", () => {
  assertEquals(client({}), "127.0.0.1");
  assertEquals(client({}, "::ffff:7f00:1"), "127.0.0.1");
  assertEquals(client({ "x-forwarded-for": "192.0.2.7" }, "::FFFF:127.0.0.1"), "192.0.2.7");
});

Deno.test("of more than 32 addresses those before are not looked at", () => {
  const proxies = (count: number) =>
    Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}`).join(", ");
  assertEquals(client({ "x-forwarded-for": `192.0.2.7, ${proxies(31)}` }), "192.0.2.7");
  assertEquals(client({ "x-forwarded-for": `192.0.2.7, ${proxies(32)}` }), "10.0.0.1");
  assertEquals(client({ "x-forwarded-for": `${"x,".repeat(10_000)}192.0.2.7` }), "192.0.2.7");
});

const address = fc.oneof(fc.ipV4(), fc.ipV6());
const foreign = address.map((each) => canonicalAddress(each) ?? "").filter((each) =>
  each !== "" && !PROXIES.has(each)
);
const proxy = fc.oneof(
  fc.ipV4().map((each) => each.replace(/^\d+/, "10")),
  fc.constantFrom("127.0.0.1", "2001:db8:ffff::1", "2001:db8:ffff:1::"),
);
const port = fc.option(fc.integer({ min: 1, max: 65_535 }));

/** What a client may put into a header of its own: anything that HTTP allows. */
const madeUp = fc.oneof(
  fc.array(
    fc.oneof(
      address,
      proxy,
      fc.constantFrom(...["for=", '"', "\\", ",", ";", " ", "[", "]", "unknown", "_x", "=", ":80"]),
    ),
    { maxLength: 12 },
  ).map((parts) => parts.join("")),
  fc.string({ unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)) }),
);

/** The address of a connection as a proxy writes it into `X-Forwarded-For`. */
function plain(address: string, port: number | null): string {
  if (port === null) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The same in `Forwarded`, with what the client has put into its Host header. */
function element(address: string, port: number | null, host: string | null): string {
  const node = address.includes(":") ? `[${address}]` : address;
  const quoted = host?.replaceAll(/["\\]/g, "\\$&");
  return `for="${node}${port === null ? "" : `:${port}`}"` +
    (quoted === undefined ? "" : `;host="${quoted}";proto=https`);
}

Deno.test("whatever a client writes itself, the address that the first proxy saw is its own", () => {
  fc.assert(
    fc.property(
      madeUp,
      foreign,
      port,
      fc.array(proxy, { maxLength: 4 }),
      fc.option(madeUp),
      fc.constantFrom("xff", "forwarded", "both"),
      (madeUp, client, port, proxies, host, which) => {
        const hops = [[client, port] as const, ...proxies.map((each) => [each, null] as const)];
        const headers = {
          "x-forwarded-for": [madeUp, ...hops.map((each) => plain(...each))].join(", "),
          "forwarded": [madeUp, ...hops.map((each) => element(...each, host))].join(", "),
        };
        const header = (name: string) =>
          name === "x-forwarded-for" && which !== "forwarded" ||
            name === "forwarded" && which !== "xff"
            ? headers[name]
            : null;
        assertEquals(clientAddress("127.0.0.1", header, PROXIES), client);
      },
    ),
    { numRuns: 5000 },
  );
});

Deno.test("a connection from who is no proxy is of that client, whatever its headers say", () => {
  fc.assert(fc.property(foreign, madeUp, madeUp, (remote, xff, forwarded) => {
    const header = (name: string) => name === "forwarded" ? forwarded : xff;
    assertEquals(clientAddress(remote, header, PROXIES), remote);
    assertEquals(clientAddress("127.0.0.1", header, new Networks([])), "127.0.0.1");
  }));
});

Deno.test("what nobody can read is of the proxy that wrote it, and never text of the header", () => {
  fc.assert(
    fc.property(madeUp, fc.constantFrom("x-forwarded-for", "forwarded"), (value, name) => {
      const found = client({ [name]: value });
      assertEquals(canonicalAddress(found), found);
      assert(found === "127.0.0.1" || value !== "");
    }),
    { numRuns: 2000 },
  );
});

Deno.test("a remote that is no address is called as it is", () => {
  assertEquals(client({ "x-forwarded-for": "192.0.2.7" }, "unknown"), "unknown");
});
