import fc from "fast-check";
import { canonicalAddress, familyOf, isLoopback, isOwnNetwork } from "../../src/config/network.ts";
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

Deno.test("an address is loopback exactly when its first bits say so", () => {
  fc.assert(fc.property(canonical, (address) => {
    assertEquals(isLoopback(address), isWithin(address, LOOPBACK), address);
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
