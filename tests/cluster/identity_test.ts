import { Identity } from "../../src/cluster/identity.ts";
import { assertEquals } from "../assert.ts";

const MINUTE_MS = 60_000;

Deno.test("a server that is started again has a new fingerprint", () => {
  const identity = new Identity();
  assertEquals(identity.fingerprint(0), null);
  assertEquals(["a", "a", "b", "c"].map((each) => identity.learn(each, true, 0)), [
    "first",
    "same",
    "new",
    "new",
  ]);
  assertEquals(identity.fingerprint(0), "c");
});

Deno.test("a thousand starts are those of one server, and take no more memory than some", () => {
  const identity = new Identity();
  for (let n = 0; n < 1000; n++) {
    assertEquals(identity.learn(`f${n}`, true, n), n === 0 ? "first" : "new");
  }
  assertEquals(identity.learn("f0", true, 1000), "new", "long forgotten");
  assertEquals(identity.learn("f999", true, 1000), "several");
});

Deno.test("an address that comes back to a former fingerprint leads to several servers, for ten minutes", () => {
  const identity = new Identity();
  for (const each of ["a", "b"]) identity.learn(each, true, 0);
  assertEquals(identity.learn("a", true, 0), "several");
  assertEquals([identity.last, identity.fingerprint(0), identity.isOfOurKind(0)], [
    "a",
    null,
    false,
  ]);
  assertEquals(identity.fingerprint(10 * MINUTE_MS - 1), null);
  assertEquals(identity.fingerprint(10 * MINUTE_MS), "a");
  assertEquals(identity.isOfOurKind(10 * MINUTE_MS), true);
  assertEquals(identity.learn("b", true, 25 * MINUTE_MS), "new", "it was long ago");
});

Deno.test("who tells its fingerprint in its status page is of our kind, until it has another one", () => {
  const identity = new Identity();
  const learn = (fingerprint: string, fromStatus: boolean) => {
    identity.learn(fingerprint, fromStatus, 0);
    return identity.isOfOurKind(0);
  };
  assertEquals([learn("a", false), learn("a", true), learn("a", false), learn("b", false)], [
    false,
    true,
    true,
    false,
  ]);
});

Deno.test("who tells no fingerprint in its status page is not of our kind", () => {
  const identity = new Identity();
  identity.learn("a", true, 0);
  identity.learnNone();
  assertEquals([identity.last, identity.isOfOurKind(0)], ["a", false]);
});
