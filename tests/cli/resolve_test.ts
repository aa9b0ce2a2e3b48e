import { resolveName } from "../../src/cli/resolve.ts";
import { assertEquals } from "../assert.ts";

Deno.test("a name of this host is resolved without any name server", async () => {
  const found = await resolveName("localhost");
  const addresses = "reason" in found ? [] : found;
  const isLoopback = addresses.every((each) => each === "::1" || each.startsWith("127."));
  assertEquals(addresses.length > 0 && isLoopback, true, JSON.stringify(found));
});

// An empty label is in no question that a name server could be asked.
Deno.test("a name that nobody knows has a reason in place of addresses", async () => {
  assertEquals(await resolveName("no..name"), { reason: "nobody who could be asked knows it" });
});

Deno.test({
  name: "a name that the permissions keep from being resolved says so",
  permissions: { net: ["127.0.0.1:22281"] },
  fn: async () => {
    assertEquals(await resolveName("localhost"), { reason: "deno was not permitted to ask" });
  },
});

Deno.test("a resolver that does not answer is given up on", async () => {
  const { promise, resolve } = Promise.withResolvers<[]>();
  assertEquals(await resolveName("a.example", { limitMs: 10, ask: () => promise }), {
    reason: "no answer within 0.01 s",
  });
  resolve([]);
});

Deno.test("what a resolver says beyond the usual is told as it is", async () => {
  const ask = () => Promise.reject(new Error("out of order"));
  assertEquals(await resolveName("a.example", { ask }), { reason: "out of order" });
});
