import fc from "fast-check";
import { Networks } from "../../src/config/network.ts";
import { Origins } from "../../src/config/origin.ts";
import { Admission, type Admitted, behind, type Refusal } from "../../src/websocket/admission.ts";
import type { SocketLimits, SocketRules } from "../../src/websocket/rules.ts";
import { assert, assertEquals } from "../assert.ts";
import { socketRules } from "../entries.ts";

const ORIGIN = "https://phorge.example.com";

/** A door whose rules can be changed while somebody is inside. */
class Door {
  rules: SocketRules;
  readonly admission = new Admission(() => this.rules);

  constructor(limits: Partial<SocketLimits> = {}, change: Parameters<typeof socketRules>[1] = {}) {
    this.rules = socketRules(limits, change);
  }

  knock(remote: string, headers: Readonly<Record<string, string>> = {}): Admitted | Refusal {
    return this.admission.admit(remote, (name) => headers[name] ?? null);
  }

  /** What somebody is counted under who must be let in. */
  enter(remote: string, headers: Readonly<Record<string, string>> = {}): Admitted["network"] {
    const answer = this.knock(remote, headers);
    assert(!("kind" in answer), JSON.stringify(answer));
    return answer.network;
  }

  /** Why somebody is not let in. */
  kind(remote: string, headers: Readonly<Record<string, string>> = {}): string | null {
    const answer = this.knock(remote, headers);
    return "kind" in answer ? answer.kind : null;
  }
}

Deno.test("where origins are listed, the others are refused with 403, and so is having none", () => {
  const door = new Door({}, { origins: new Origins([ORIGIN]) });
  assertEquals(door.knock("192.0.2.7", { origin: ORIGIN }), {
    address: "192.0.2.7",
    network: null,
  });
  assertEquals(door.knock("192.0.2.7", { origin: "https://evil.net" }), {
    kind: "origin",
    address: "192.0.2.7",
    status: 403,
    reason: 'Its Origin https://evil.net is none of "origins"',
  });
  assertEquals(door.knock("192.0.2.7"), {
    kind: "origin",
    address: "192.0.2.7",
    status: 403,
    reason: 'It names no Origin, as every browser does, and "origins" is set',
  });
  assertEquals(door.admission.open, 1);
});

Deno.test("where no origins are listed, any page may connect", () => {
  const door = new Door();
  for (const origin of ["https://evil.net", "null", ""]) door.enter("192.0.2.7", { origin });
  door.enter("192.0.2.7");
  assertEquals(door.admission.open, 4);
});

Deno.test("one connection too many is refused with 503, until another one has left", () => {
  const door = new Door({ connections: 2 });
  const first = door.enter("192.0.2.1");
  door.enter("192.0.2.1");
  const full = (address: string) => ({
    kind: "connections",
    address,
    status: 503,
    reason: "There are 2 connections, as many as there may be",
  } as const);
  for (const other of ["192.0.2.2", "192.0.2.3"]) assertEquals(door.knock(other), full(other));
  door.admission.leave(first);
  door.enter("192.0.2.2");
  assertEquals(door.knock("192.0.2.3"), full("192.0.2.3"));
});

Deno.test("who would be refused for its origin learns nothing of how many there are", () => {
  const door = new Door({ connections: 1, address: 1 }, { origins: new Origins([ORIGIN]) });
  door.enter("192.0.2.1", { origin: ORIGIN });
  assertEquals(door.kind("192.0.2.1", { origin: "https://evil.net" }), "origin");
  assertEquals(door.kind("192.0.2.1", { origin: ORIGIN }), "connections");
});

Deno.test("one connection too many from an address is refused with 429, another address not", () => {
  const door = new Door({ address: 2 });
  const network = door.enter("192.0.2.7");
  door.enter("::ffff:192.0.2.7");
  const refusal = {
    kind: "address",
    address: "192.0.2.7",
    status: 429,
    reason: "192.0.2.7 has 2 connections, as many as one address may have",
  } as const;
  for (const same of ["192.0.2.7", "::FFFF:192.0.2.7", "::ffff:c000:207"]) {
    assertEquals(door.knock(same), refusal, same);
  }
  for (const other of ["192.0.2.6", "192.0.2.8", "193.0.2.7", "::c000:207"]) door.enter(other);
  door.admission.leave(network);
  door.enter("192.0.2.7");
  assertEquals(door.knock("192.0.2.7"), refusal);
});

Deno.test("an IPv6 address is counted with its 64 bits, however it is spelled", () => {
  const same = [
    "2001:db8::1",
    "2001:DB8::2",
    "2001:db8:0:0::3",
    "2001:0db8:0000:0000:ffff:ffff:ffff:ffff",
    "2001:db8:0:0:1::",
    "2001:db8::192.0.2.7",
  ];
  const door = new Door({ address: same.length });
  for (const address of same) assertEquals(door.enter(address)?.text, "2001:db8::/64", address);
  for (const address of same) assertEquals(door.kind(address), "address", address);
  for (const other of ["2001:db8:0:1::1", "2001:db8:1::1", "2001:db9::1", "::2001:db8:0:0"]) {
    assertEquals(door.kind(other), null, other);
  }
});

for (
  const [address, network] of [
    ["::", "::/64"],
    ["::1", "::/64"],
    ["1::", "1::/64"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4::/64"],
    ["1:2:3::", "1:2:3::/64"],
    ["::4:5:6:7:8", "0:0:0:4::/64"],
    ["1::4:5:6:7:8", "1:0:0:4::/64"],
    ["fe80::7%eth0", "fe80::/64"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["192.0.2.7", "192.0.2.7"],
    ["unknown", "unknown"],
  ] as const
) {
  Deno.test(`${address} is counted under ${network}`, () => {
    assertEquals(new Door({ address: 1 }).enter(address)?.text, network);
  });
}

Deno.test("two IPv6 addresses are counted together exactly when their first 64 bits are the same", () => {
  const group = fc.constantFrom("0", "1", "db8", "ffff");
  const address = fc.array(group, { minLength: 8, maxLength: 8 })
    // Those that stand for an IPv4 address are not of IPv6.
    .filter((groups) => groups.slice(0, 6).join(":") !== "0:0:0:0:0:ffff");
  fc.assert(fc.property(address, address, (one, other) => {
    const door = new Door({ address: 1 });
    door.enter(one.join(":"));
    const isSame = one.slice(0, 4).join(":") === other.slice(0, 4).join(":");
    assertEquals(door.kind(other.join(":")), isSame ? "address" : null);
  }));
});

Deno.test("behind a proxy the client is counted, and what it says itself is not believed", () => {
  const door = new Door({ address: 1 }, { proxies: new Networks(["127.0.0.1"]) });
  const forwarded = (value: string) => ({ "x-forwarded-for": value });
  const admitted = door.enter("127.0.0.1", forwarded("192.0.2.7"));
  assertEquals(admitted?.text, "192.0.2.7");
  assertEquals(door.kind("127.0.0.1", forwarded("198.51.100.1, 192.0.2.7")), "address");
  assertEquals(door.kind("127.0.0.1", forwarded("192.0.2.8")), null);
  assertEquals(door.kind("192.0.2.7", forwarded("198.51.100.2")), "address");
});

Deno.test("rules that change hold from the next request on, and nobody has to leave", () => {
  const door = new Door({ connections: 10, address: 3 });
  const networks = [1, 2, 3].map(() => door.enter("192.0.2.7"));
  door.rules = socketRules({ connections: 2, address: 3 });
  assertEquals([door.kind("192.0.2.8"), door.admission.open], ["connections", 3]);
  door.rules = socketRules({ connections: 10, address: 1 });
  for (const network of networks) {
    assertEquals(door.kind("192.0.2.7"), "address");
    door.admission.leave(network);
  }
  door.enter("192.0.2.7");
  door.rules = socketRules({}, { origins: new Origins([ORIGIN]) });
  assertEquals(door.kind("192.0.2.7"), "origin");
});

Deno.test("a limit that is set later does not count those who came before, nor when they leave", () => {
  const door = new Door();
  const before = [1, 2, 3].map(() => door.enter("192.0.2.7"));
  door.rules = socketRules({ address: 2 });
  for (let round = 0; round < 2; round++) door.enter("192.0.2.7");
  assertEquals(door.kind("192.0.2.7"), "address");
  for (const network of before) door.admission.leave(network);
  assertEquals([door.kind("192.0.2.7"), door.admission.open], ["address", 2]);
});

Deno.test("a limit that is taken away and set again counts those who are still there", () => {
  const door = new Door({ address: 1 });
  const network = door.enter("192.0.2.7");
  door.rules = socketRules();
  const uncounted = door.enter("192.0.2.7");
  door.rules = socketRules({ address: 1 });
  assertEquals(door.kind("192.0.2.7"), "address");
  door.admission.leave(uncounted);
  assertEquals(door.kind("192.0.2.7"), "address");
  door.admission.leave(network);
  assertEquals(door.kind("192.0.2.7"), null);
});

Deno.test("never are more inside than may be, and all can come back when all have left", () => {
  const step = fc.record({
    remote: fc.constantFrom("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"),
    leaves: fc.option(fc.nat()),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.nat(3),
      fc.array(step),
      (connections, address, steps) => {
        const door = new Door({ connections, address });
        const inside: { network: Admitted["network"]; remote: string }[] = [];
        for (const { remote, leaves } of steps) {
          if (leaves !== null) {
            const [gone] = inside.splice(leaves % Math.max(1, inside.length), 1);
            if (gone !== undefined) door.admission.leave(gone.network);
          }
          const answer = door.knock(remote);
          const its = remote.slice(0, 8) === "2001:db8" ? "2001:db8" : remote;
          const already = inside.filter((each) => each.remote.startsWith(its)).length;
          const expected = inside.length >= connections
            ? "connections"
            : address > 0 && already >= address
            ? "address"
            : null;
          assertEquals("kind" in answer ? answer.kind : null, expected);
          if ("network" in answer) inside.push({ network: answer.network, remote });
          assertEquals(door.admission.open, inside.length);
        }
        for (const { network } of inside) door.admission.leave(network);
        const room = Math.min(connections, address || connections);
        for (let index = 0; index < room; index++) door.enter("192.0.2.1");
        assertEquals(door.kind("192.0.2.1") === null, false);
      },
    ),
  );
});

for (
  const [address, connection, name] of [
    ["192.0.2.7", "192.0.2.7:50122", "192.0.2.7:50122"],
    ["2001:db8::7", "[2001:db8::7]:50122", "[2001:db8::7]:50122"],
    ["2001:db8::7", "[2001:DB8:0::7]:50122", "[2001:DB8:0::7]:50122"],
    ["192.0.2.7", "[::ffff:192.0.2.7]:50122", "[::ffff:192.0.2.7]:50122"],
    ["unknown", "unknown:0", "unknown:0"],
    ["192.0.2.7", "127.0.0.1:50122", "192.0.2.7 via 127.0.0.1:50122"],
    ["2001:db8::7", "[::1]:50122", "2001:db8::7 via [::1]:50122"],
    ["10.0.0.1", "10.0.0.10:50122", "10.0.0.1 via 10.0.0.10:50122"],
    ["2001:db8::1", "[2001:db8::10]:50122", "2001:db8::1 via [2001:db8::10]:50122"],
  ] as const
) {
  Deno.test(`the log calls ${address} on ${connection} ${name}`, () => {
    assertEquals(behind(address, connection), name);
  });
}
