import fc from "fast-check";
import { type AccessPolicy, rejectAddress, rejectToken } from "../../src/admin/access_policy.ts";
import { Networks } from "../../src/config/network.ts";
import { Token } from "../../src/config/token.ts";
import { assertEquals } from "../assert.ts";

const TEXT = "0123456789abcdef0123456789abcdef";
const OPEN: AccessPolicy = { allow: null, token: null };
const LISTED: AccessPolicy = {
  ...OPEN,
  allow: new Networks(["127.0.0.1", "10.0.0.0/8", "fd00::/8"]),
};
const LOCKED: AccessPolicy = { ...OPEN, token: new Token(TEXT) };

Deno.test("without a list everybody is answered, whatever their address", () => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (address) => {
    assertEquals(rejectAddress(OPEN, address), null);
  }));
});

for (
  const [address, isListed] of [
    ["127.0.0.1", true],
    ["::ffff:127.0.0.1", true],
    ["10.255.255.255", true],
    ["::FFFF:A00:1", true],
    ["fd12:3456::1", true],
    ["127.0.0.2", false],
    ["11.0.0.1", false],
    ["::1", false],
    ["fc00::1", false],
    ["192.0.2.7", false],
    ["unknown", false],
    ["", false],
  ] as const
) {
  Deno.test(`a list that has ${isListed ? "" : "not "}${address} answers accordingly`, () => {
    assertEquals(
      rejectAddress(LISTED, address),
      isListed ? null : {
        reason: "forbidden",
        status: 403,
        error: '"allow" of this server does not have your address',
        headers: {},
      },
    );
  });
}

Deno.test("without a token none is asked for, and one that is sent does not matter", () => {
  for (const header of [null, "", `Bearer ${TEXT}`, "Basic x"]) {
    assertEquals(rejectToken(OPEN, header), null);
    assertEquals(rejectToken(LISTED, header), null);
  }
});

Deno.test("the token opens, and without one it is said what to send", () => {
  assertEquals(rejectToken(LOCKED, `Bearer ${TEXT}`), null);
  assertEquals(rejectToken(LOCKED, null), {
    reason: "token",
    status: 401,
    error: "This server takes messages only with a token: send it as Authorization: Bearer",
    headers: { "www-authenticate": "Bearer" },
  });
});

Deno.test("another token does not open, and the answer does not tell the right one", () => {
  const denial = {
    reason: "token",
    status: 401,
    error: "The token is not the one that this server has",
    headers: { "www-authenticate": "Bearer" },
  } as const;
  for (
    const header of ["", "Bearer", `Bearer ${TEXT}0`, `Bearer ${TEXT.slice(1)}`, `Basic ${TEXT}`]
  ) {
    assertEquals(rejectToken(LOCKED, header), denial, header);
  }
  fc.assert(fc.property(fc.string(), (header) => {
    assertEquals(rejectToken(LOCKED, header), denial);
  }));
});

Deno.test("the list does not ask for a token, nor the token for a place on the list", () => {
  assertEquals(rejectAddress(LOCKED, "192.0.2.7"), null);
  const both = { allow: LISTED.allow, token: LOCKED.token };
  assertEquals(rejectAddress(both, "192.0.2.7")?.status, 403);
  assertEquals(rejectToken(both, `Bearer ${TEXT}`), null);
});
