import fc from "fast-check";
import {
  canonicalAddress,
  familyOf,
  isOwnNetwork,
  networkFault,
  Networks,
} from "../../src/config/network.ts";
import { assertEquals } from "../assert.ts";

/** The first and the last address of each network of one's own, but for loopback, and its width. */
const OWN = [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["fc00::", 7],
  ["fe80::", 10],
] as const;
const LOOPBACK = [["127.0.0.0", 8], ["::1", 128]] as const;

const BITS = { ipv4: 32, ipv6: 128 } as const;

/** An address as a number. */
function numberOf(address: string): bigint {
  if (address.includes(".")) {
    return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  }
  const [before = "", after = ""] = address.split("::");
  const [head, tail] = [before, after].map((side) => side === "" ? [] : side.split(":"));
  const gap = Array(8 - (head?.length ?? 0) - (tail?.length ?? 0)).fill("0");
  const words = address.includes("::") ? [...head ?? [], ...gap, ...tail ?? []] : head ?? [];
  return words.reduce((sum, word) => sum * 65536n + BigInt(`0x${word}`), 0n);
}

/** A number as an address, in a spelling without any abbreviation. */
function spell(number: bigint, family: "ipv4" | "ipv6"): string {
  const parts = (count: number, bits: bigint) =>
    Array.from({ length: count }, (_, index) => {
      const shift = bits * BigInt(count - 1 - index);
      return number >> shift & ((1n << bits) - 1n);
    });
  return family === "ipv4"
    ? parts(4, 8n).join(".")
    : parts(8, 16n).map((word) => word.toString(16).padStart(4, "0")).join(":");
}

function isWithin(address: string, networks: readonly (readonly [string, number])[]): boolean {
  const family = familyOf(address);
  return networks.some(([network, prefix]) => {
    const rest = BigInt(BITS[family] - prefix);
    return familyOf(network) === family &&
      numberOf(address) >> rest === numberOf(network) >> rest;
  });
}

/** Addresses of a family: any, and those around the edges of the networks. */
function addresses(family: "ipv4" | "ipv6"): fc.Arbitrary<string> {
  const edges = [...OWN, ...LOOPBACK].filter(([network]) => familyOf(network) === family)
    .flatMap(([network, prefix]) => {
      const first = numberOf(network);
      const next = first + (1n << BigInt(BITS[family] - prefix));
      return [first - 1n, first, next - 1n, next];
    });
  const max = (1n << BigInt(BITS[family])) - 1n;
  const inside = fc.constantFrom(
    ...[...OWN, ...LOOPBACK].filter(([each]) => familyOf(each) === family),
  ).chain(([network, prefix]) =>
    fc.bigInt({ min: 0n, max: (1n << BigInt(BITS[family] - prefix)) - 1n }).map((rest) =>
      numberOf(network) + rest
    )
  );
  return fc.oneof(fc.constantFrom(...edges), inside, fc.bigInt({ min: 0n, max }))
    .map((number) => spell(number, family));
}

/** IPv6 addresses that stand for no IPv4 address. */
const proper = addresses("ipv6").filter((address) => numberOf(address) >> 32n !== 0xffffn);

/** An address whose spelling is the canonical one. */
const canonical = fc.oneof(
  addresses("ipv4"),
  proper.map((address) => canonicalAddress(address) ?? ""),
);

Deno.test("an address is in a network of one's own exactly when its first bits say so", () => {
  fc.assert(fc.property(canonical, (address) => {
    assertEquals(isOwnNetwork(address), isWithin(address, [...OWN, ...LOOPBACK]), address);
  }));
});

Deno.test("all spellings of an IPv6 address have one canonical spelling, which is of the same address", () => {
  fc.assert(fc.property(proper, (full) => {
    const one = canonicalAddress(full) ?? "";
    assertEquals(numberOf(one), numberOf(full));
    const short = full.replaceAll(/\b0{1,3}(?=[0-9a-f])/g, "");
    for (const other of [short, full.toUpperCase(), one, `${full}%eth0`]) {
      assertEquals(canonicalAddress(other), one, other);
    }
  }));
});

Deno.test("an IPv4 address in IPv6 is the IPv4 address, however it is spelled", () => {
  fc.assert(fc.property(addresses("ipv4"), (address) => {
    const mapped = spell(0xffffn << 32n | numberOf(address), "ipv6");
    for (const each of [address, `::ffff:${address}`, `0:0:0:0:0:FFFF:${address}`, mapped]) {
      assertEquals(canonicalAddress(each), address, each);
    }
  }));
});

Deno.test("what is no IP address has no canonical spelling", () => {
  for (const text of ["localhost", "", "1.2.3", "01.2.3.4", "[::1]", "::1::", "10.0.0.0/8"]) {
    assertEquals(canonicalAddress(text), null, text);
  }
});

for (
  const [address, isOwn] of [
    ["9.255.255.255", false],
    ["10.255.255.255", true],
    ["100.63.255.255", false],
    ["100.127.255.255", true],
    ["126.255.255.255", false],
    ["127.255.255.255", true],
    ["172.15.255.255", false],
    ["172.31.255.255", true],
    ["172.32.0.0", false],
    ["192.167.255.255", false],
    ["192.169.0.0", false],
    ["::", false],
    ["::1", true],
    ["::2", false],
    ["fbff::1", false],
    ["fdff::1", true],
    ["fe00::1", false],
    ["febf::1", true],
    ["fec0::1", false],
    ["2001:db8::1", false],
  ] as const
) {
  Deno.test(`${address} is ${isOwn ? "" : "not "}in a network of one's own`, () => {
    assertEquals(isOwnNetwork(address), isOwn);
  });
}

for (
  const [network, fault] of [
    ["", ""],
    ["/", ""],
    ["/8", ""],
    ["*", ""],
    ["1", ""],
    ["[::1]", ""],
    ["10.0.0/8", ""],
    ["010.0.0.1", ""],
    [" 10.0.0.1", ""],
    ["localhost", "Write addresses: names are not looked up."],
    ["phorge.example.com/24", "Write addresses: names are not looked up."],
    ["fe80::1%eth0", "Remove the zone after the address."],
    ["fe80::%eth0/64", "Remove the zone after the address."],
    ["10.0.0.0/", "After the slash stands a whole number from 0 to 32."],
    ["10.0.0.0/33", "After the slash stands a whole number from 0 to 32."],
    ["10.0.0.0/08", "After the slash stands a whole number from 0 to 32."],
    ["10.0.0.0/-1", "After the slash stands a whole number from 0 to 32."],
    ["10.0.0.0/8/8", "After the slash stands a whole number from 0 to 32."],
    ["10.0.0.0/1e1", "After the slash stands a whole number from 0 to 32."],
    ["10.0.0.0/ 8", "After the slash stands a whole number from 0 to 32."],
    ["10.0.0.0/255.0.0.0", "After the slash stands a whole number from 0 to 32."],
    ["2001:db8::/129", "After the slash stands a whole number from 0 to 128."],
    [
      "::ffff:10.0.0.0/8",
      "Write an IPv4 network in the form 192.0.2.0/24, and an IPv6 network beside it.",
    ],
    [
      "::FFFF:A00:0/95",
      "Write an IPv4 network in the form 192.0.2.0/24, and an IPv6 network beside it.",
    ],
  ] as const
) {
  Deno.test(`${JSON.stringify(network)} is no network, and the fault says what to do`, () => {
    assertEquals(networkFault(network), fault);
  });
}

/** Every spelling that the tests know of an address. */
function spellings(address: string): string[] {
  if (familyOf(address) === "ipv6") {
    const full = spell(numberOf(address), "ipv6");
    const short = full.replaceAll(/\b0{1,3}(?=[0-9a-f])/g, "");
    return [address, full, short, full.toUpperCase(), `${address}%eth0`];
  }
  const mapped = spell(0xffffn << 32n | numberOf(address), "ipv6");
  const short = mapped.replace(/^(0000:){5}/, "::").replaceAll(/\b0{1,3}(?=[0-9a-f])/g, "");
  return [address, `::ffff:${address}`, `0:0:0:0:0:FFFF:${address}`, mapped, short];
}

/** A network of any width, and how it may be written; bits of a host may be set. */
const networks = fc.oneof(
  fc.tuple(addresses("ipv4"), fc.integer({ min: 0, max: 32 })),
  fc.tuple(proper, fc.integer({ min: 0, max: 128 })),
).chain(([network, prefix]) => {
  const mapped = familyOf(network) === "ipv4"
    ? spellings(network).slice(1).map((each) => `${each}/${96 + prefix}`)
    : spellings(network).slice(1, 4).map((each) => `${each}/${prefix}`);
  return fc.record({
    network: fc.constant([network, prefix] as const),
    text: fc.constantFrom(`${network}/${prefix}`, ...mapped),
  });
});

/** An address of the same network, or next to it. */
function near([network, prefix]: readonly [string, number]): fc.Arbitrary<string> {
  const family = familyOf(network);
  const bits = BITS[family];
  const size = 1n << BigInt(bits - prefix);
  const first = numberOf(network) / size * size;
  const all = 1n << BigInt(bits);
  const wrap = (number: bigint) => spell((number + all) % all, family);
  return fc.oneof(
    fc.bigInt({ min: 0n, max: size - 1n }).map((rest) => wrap(first + rest)),
    fc.constantFrom(first - 1n, first, first + size - 1n, first + size).map(wrap),
    fc.nat(bits - 1).map((bit) => wrap(numberOf(network) ^ (1n << BigInt(bit)))),
  );
}

Deno.test("an address is in a network exactly when its first bits say so, in all spellings", () => {
  fc.assert(
    fc.property(
      fc.array(networks, { maxLength: 4 }).chain((all) =>
        fc.record({
          all: fc.constant(all),
          address: fc.oneof(
            addresses("ipv4"),
            proper,
            ...all.map(({ network }) => near(network)),
          ),
        })
      ),
      ({ all, address }) => {
        for (const { text } of all) assertEquals(networkFault(text), null, text);
        const list = new Networks(all.map(({ text }) => text));
        const stands = canonicalAddress(address) ?? "";
        const expected = isWithin(stands, all.map(({ network }) => network));
        for (const each of spellings(stands)) assertEquals(list.has(each), expected, each);
      },
    ),
    { numRuns: 2000 },
  );
});

for (
  const [family, sample] of [["ipv4", "192.0.2.77"], ["ipv6", "2001:db8:1:2:3:4:5:6"]] as const
) {
  Deno.test(`each prefix of ${family} has exactly its addresses, whatever the host's bits`, () => {
    for (let prefix = 0; prefix <= BITS[family]; prefix++) {
      const list = new Networks([`${sample}/${prefix}`]);
      assertEquals(list.has(sample), true, `${prefix}`);
      for (let bit = 0; bit < BITS[family]; bit++) {
        const other = spell(numberOf(sample) ^ (1n << BigInt(bit)), family);
        assertEquals(list.has(other), bit < BITS[family] - prefix, `${other} /${prefix}`);
      }
    }
  });
}

Deno.test("an address without a prefix is a network of one", () => {
  const list = new Networks(["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.9"]);
  for (const address of ["192.0.2.7", "::ffff:c000:207", "2001:DB8::7", "192.0.2.9"]) {
    assertEquals(list.has(address), true, address);
  }
  for (const address of ["192.0.2.6", "192.0.2.8", "2001:db8::6", "::c000:207", "::"]) {
    assertEquals(list.has(address), false, address);
  }
});

Deno.test("all of IPv6 does not hold IPv4, nor the other way around", () => {
  for (const address of ["10.0.0.1", "::ffff:10.0.0.1"]) {
    assertEquals(new Networks(["::/0"]).has(address), false);
    assertEquals(new Networks(["0.0.0.0/0"]).has(address), true);
  }
  assertEquals(new Networks(["0.0.0.0/0"]).has("::1"), false);
});

Deno.test("what is no address is in no network, and no networks hold nothing", () => {
  const all = new Networks(["0.0.0.0/0", "::/0"]);
  fc.assert(fc.property(fc.string(), (text) => {
    if (canonicalAddress(text) === null) assertEquals(all.has(text), false, text);
  }));
  for (
    const text of ["", "unknown", "localhost", "10.0.0.1:80", "[::1]", "010.0.0.1", "10.0.0.0/8"]
  ) {
    assertEquals(all.has(text), false, text);
  }
  fc.assert(fc.property(canonical, (address) => {
    assertEquals(new Networks([]).has(address), false);
    assertEquals(all.has(address), true);
  }));
});

Deno.test("any text either has a fault or is a network that holds its own address", () => {
  const piece = fc.constantFrom(
    ..."0123456789abcdf.:/% ",
    "ffff",
    "255",
    "::",
    "10.0.0.1",
    "/8",
    "/96",
  );
  const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(fc.oneof(text, fc.string(), fc.ipV4(), fc.ipV6()), (text) => {
      if (networkFault(text) !== null) return;
      assertEquals(new Networks([text]).has(text.replace(/\/.*/, "")), true, text);
    }),
    { numRuns: 2000 },
  );
});
