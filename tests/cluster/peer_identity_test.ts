import { PeerIdentity } from "../../src/cluster/peer_identity.ts";
import { assertEquals } from "../assert.ts";

const MINUTE_MS = 60_000;

Deno.test("a server that is started again has a new fingerprint", () => {
  const identity = new PeerIdentity();
  assertEquals(identity.fingerprint(0), null);
  assertEquals(["a", "a", "b", "c"].map((each) => identity.learn(each, "none", 0)), [
    "first",
    "same",
    "new",
    "new",
  ]);
  assertEquals(identity.fingerprint(0), "c");
});

Deno.test("a thousand starts are those of one server, and take no more memory than some", () => {
  const identity = new PeerIdentity();
  for (let n = 0; n < 1000; n++) {
    assertEquals(identity.learn(`f${n}`, "none", n), n === 0 ? "first" : "new");
  }
  assertEquals(identity.learn("f0", "none", 1000), "new", "long forgotten");
  assertEquals(identity.learn("f999", "none", 1000), "several");
});

Deno.test("an address that comes back to a former fingerprint leads to several servers, for ten minutes", () => {
  const identity = new PeerIdentity();
  for (const each of ["a", "b"]) identity.learn(each, "none", 0);
  assertEquals(identity.learn("a", "none", 0), "several");
  assertEquals([identity.last, identity.fingerprint(0), identity.isOfOurKind(0)], [
    "a",
    null,
    false,
  ]);
  assertEquals(identity.fingerprint(10 * MINUTE_MS - 1), null);
  assertEquals(identity.fingerprint(10 * MINUTE_MS), "a");
  assertEquals(identity.isOfOurKind(10 * MINUTE_MS), true);
  assertEquals(identity.learn("b", "none", 25 * MINUTE_MS), "new", "it was long ago");
});

Deno.test("who tells its fingerprint in its status page is of our kind, until it has another one", () => {
  const identity = new PeerIdentity();
  const learn = (fingerprint: string, fromStatus: boolean) => {
    identity.learn(fingerprint, fromStatus ? "none" : null, 0);
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
  const identity = new PeerIdentity();
  identity.learn("a", "none", 0);
  identity.learnNone(0);
  assertEquals([identity.last, identity.isOfOurKind(0)], ["a", false]);
});

Deno.test("a proof is for the fingerprint that it came with, and holds until the page shows another one, or none", () => {
  const identity = new PeerIdentity();
  const look = () => {
    const { fingerprint, proof } = identity.shown(0);
    return [fingerprint, proof];
  };
  assertEquals(look(), [null, "pending"]);
  identity.learn("a", null, 0);
  assertEquals(look(), ["a", "pending"]);
  identity.learn("a", "good", 0);
  identity.learn("a", null, 0);
  identity.disconnect();
  assertEquals(look(), ["a", "good"], "what an entry has proven is believed while it is away");
  identity.learn("b", null, 0);
  assertEquals(look(), ["b", "pending"]);
  identity.learn("b", "good", 0);
  identity.learn("b", "none", 0);
  assertEquals(look(), ["b", "none"]);
  identity.learn("b", "good", 0);
  identity.forgetProof(0);
  assertEquals(look(), ["b", "pending"]);
});

Deno.test("an original has no proof from its status page on, and a fingerprint from its first receipt on", () => {
  const identity = new PeerIdentity();
  identity.learnNone(0);
  assertEquals(identity.shown(0), { fingerprint: null, proof: "none" });
  identity.learn("a", null, 0);
  assertEquals(identity.shown(0), { fingerprint: "a", proof: "none" });
  identity.learnNone(0);
  assertEquals(identity.shown(0), { fingerprint: "a", proof: "none" });
});

Deno.test("what a status page has shown is not the fingerprint of an original that has taken the address", () => {
  const identity = new PeerIdentity();
  identity.learn("a", "good", 0);
  identity.learnNone(0);
  assertEquals(identity.shown(0), { fingerprint: null, proof: "none" });
  identity.learn("b", null, 0);
  assertEquals(identity.shown(0), { fingerprint: "b", proof: "none" });
});

Deno.test("an address whose status page told no fingerprint may have one on the next connection", () => {
  const identity = new PeerIdentity();
  identity.learnNone(0);
  identity.disconnect();
  identity.learn("a", null, 0);
  assertEquals(identity.shown(0), { fingerprint: "a", proof: "pending" });
});

Deno.test("an entry for a server that another entry has seen started again keeps what was believed of it", () => {
  const identity = new PeerIdentity();
  identity.learn("a", "good", 0);
  assertEquals(identity.follow("b", 0), "new");
  assertEquals(identity.shown(0), { fingerprint: "b", proof: "good" });
  assertEquals([identity.isOfOurKind(0), identity.isDue(0)], [true, true]);
});

Deno.test("a proof is due at once, and three minutes after the last status page", () => {
  const identity = new PeerIdentity();
  assertEquals(identity.isDue(0), true);
  identity.learn("a", "good", 0);
  assertEquals(identity.isDue(3 * MINUTE_MS - 1), false);
  assertEquals(identity.isDue(3 * MINUTE_MS), true);
  identity.forgetProof(3 * MINUTE_MS);
  assertEquals(identity.isDue(3 * MINUTE_MS), false, "it has been asked");
  identity.learn("a", null, 4 * MINUTE_MS);
  assertEquals(identity.isDue(4 * MINUTE_MS), false);
  identity.learn("b", null, 4 * MINUTE_MS);
  assertEquals(identity.isDue(4 * MINUTE_MS), true, "another one has not been asked");
});
