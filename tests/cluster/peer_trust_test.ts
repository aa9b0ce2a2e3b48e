import fc from "fast-check";
import { PeerIdentity } from "../../src/cluster/peer_identity.ts";
import {
  ASK_AGAIN_MS,
  judgeFingerprints,
  type Proof,
  type ShownFingerprint,
  type Trust,
} from "../../src/cluster/peer_trust.ts";
import { assert, assertEquals } from "../assert.ts";

const OWN = "own";

/** Entries in a short form: each a fingerprint and its proof. */
function trusts(...entries: readonly (readonly [string | null, Proof])[]): Trust[] {
  return judgeFingerprints(shownBy(entries), OWN).map(({ trust }) => trust);
}

function shownBy(entries: readonly (readonly [string | null, Proof])[]): ShownFingerprint[] {
  return entries.map(([fingerprint, proof]) => ({ fingerprint, proof }));
}

Deno.test("an entry that shows nothing is unknown, and one that no other resembles is believed", () => {
  assertEquals(trusts([null, "pending"], [null, "none"], ["a", "pending"], ["b", "none"]), [
    "unknown",
    "unknown",
    "believed",
    "believed",
  ]);
  assertEquals(trusts(["a", "good"]), ["believed"]);
});

Deno.test("two entries for one server are believed when both have proven it", () => {
  assertEquals(trusts(["a", "good"], ["a", "pending"]), ["believed", "unknown"]);
  assertEquals(trusts(["a", "good"], ["a", "good"]), ["believed", "believed"]);
});

Deno.test("two entries that answer no challenge are believed, as those of an original", () => {
  assertEquals(trusts(["a", "pending"], ["a", "pending"]), ["unknown", "unknown"]);
  assertEquals(trusts(["a", "none"], ["a", "pending"]), ["believed", "unknown"]);
  assertEquals(trusts(["a", "none"], ["a", "none"]), ["believed", "believed"]);
});

Deno.test("an entry that cannot prove what another one has proven is contradicted, whichever came first", () => {
  for (const proof of ["none", "bad"] as const) {
    assertEquals(trusts(["a", "good"], ["a", proof]), ["believed", "contradicted"]);
    assertEquals(trusts(["a", proof], ["a", "good"]), ["contradicted", "believed"]);
    const [, second] = judgeFingerprints(
      shownBy([["b", "good"], ["a", proof], ["a", "good"]]),
      OWN,
    );
    assertEquals(second, { trust: "contradicted", isContested: true, rival: 2 });
  }
  assertEquals(trusts(["a", "bad"]), ["contradicted"], "its proof is false, whoever else there is");
});

Deno.test("an entry is this server when it has proven it, and never otherwise", () => {
  const all: readonly Proof[] = ["pending", "none", "good", "bad"];
  assertEquals(all.map((proof) => trusts([OWN, proof])[0]), [
    "unknown",
    "contradicted",
    "self",
    "contradicted",
  ]);
  assertEquals(trusts([OWN, "good"], [OWN, "none"], [OWN, "good"]), [
    "self",
    "contradicted",
    "self",
  ]);
});

Deno.test("an entry is contested that shows the fingerprint of another one, or this server's own", () => {
  const contested = judgeFingerprints(
    shownBy([["a", "good"], ["b", "good"], ["a", "none"], [OWN, "good"], ["c", "bad"], [
      null,
      "none",
    ]]),
    OWN,
  ).map(({ isContested }) => isContested);
  assertEquals(contested, [true, false, true, true, true, false]);
});

const anyProof = fc.constantFrom<Proof>("pending", "none", "good", "bad");
const anyShown = fc.record({
  fingerprint: fc.constantFrom("a", "b", OWN, null),
  proof: anyProof,
});

Deno.test("for any entries, the order of the list changes no judgement", () => {
  fc.assert(
    fc.property(
      fc.array(anyShown, { maxLength: 6 }).chain((entries) =>
        fc.tuple(
          fc.constant(entries),
          fc.shuffledSubarray([...entries.keys()], { minLength: entries.length }),
        )
      ),
      ([entries, order]) => {
        const straight = judgeFingerprints(entries, OWN);
        const shuffled = judgeFingerprints(order.flatMap((index) => entries[index] ?? []), OWN);
        for (const [place, index] of order.entries()) {
          assertEquals(shuffled[place]?.trust, straight[index]?.trust);
          assertEquals(shuffled[place]?.isContested, straight[index]?.isContested);
        }
      },
    ),
  );
});

Deno.test("for any entries, who has proven its fingerprint is believed, and beside it only those who have, too", () => {
  fc.assert(
    fc.property(fc.array(anyShown, { maxLength: 6 }), (entries) => {
      const judgements = judgeFingerprints(entries, OWN);
      for (const [index, { fingerprint, proof }] of entries.entries()) {
        const trust = judgements[index]?.trust;
        if (fingerprint !== null && proof === "good") {
          assertEquals(trust, fingerprint === OWN ? "self" : "believed");
        }
        if (trust === "self") assertEquals([fingerprint, proof], [OWN, "good"]);
        const isProven = entries.some((each) =>
          each.fingerprint === fingerprint && each.proof === "good"
        );
        if (trust === "believed" && isProven) assertEquals(proof, "good");
      }
    }),
  );
});

/** What there is behind an address: a server of ours, an original, or what shows another's fingerprint. */
type Kind = "ours" | "original" | "impostor" | "posing as an original";
const KINDS: readonly Kind[] = ["ours", "original", "impostor", "posing as an original"];

/** What runs somewhere. The real owner of its fingerprint is `ours` or `original`. */
interface Program {
  readonly kind: Kind;
  readonly fingerprint: string;
}

/** What happens at an entry. */
type Event =
  | { readonly at: number; readonly what: "status" | "receipt" | "closes" | "refuses" }
  | { readonly at: number; readonly what: "moves"; readonly to: Program }
  | { readonly at: number; readonly what: "waits"; readonly ms: number };

const SIZE = 3;
/** `a` and `b` are of ours, `own` is this server's, `o` an original's. */
const OURS = ["a", "b", OWN];

const anyProgram: fc.Arbitrary<Program> = fc.constantFrom(...KINDS).chain((kind) =>
  fc.record({
    kind: fc.constant(kind),
    fingerprint: kind === "original" ? fc.constant("o") : fc.constantFrom(...OURS),
  })
);

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    at: fc.nat(SIZE - 1),
    what: fc.constantFrom(
      "status" as const,
      "receipt" as const,
      "closes" as const,
      "refuses" as const,
    ),
  }),
  fc.record({ at: fc.nat(SIZE - 1), what: fc.constant("moves" as const), to: anyProgram }),
  fc.record({
    at: fc.nat(SIZE - 1),
    what: fc.constant("waits" as const),
    ms: fc.nat(2 * ASK_AGAIN_MS),
  }),
);

/** The entries of a list, and what runs at their addresses. */
class World {
  readonly entries: { identity: PeerIdentity; program: Program; lastStatus: Program | null }[];
  now = 0;

  constructor(programs: readonly Program[]) {
    this.entries = programs.map((program) => ({
      identity: new PeerIdentity(),
      program,
      lastStatus: null,
    }));
  }

  play(event: Event): void {
    const entry = this.entries[event.at];
    assert(entry !== undefined);
    const { identity, program: { kind, fingerprint } } = entry;
    switch (event.what) {
      case "waits":
        this.now += event.ms;
        break;
      case "moves":
        entry.program = event.to;
        // Whoever listens at an address has connections of its own.
        identity.disconnect();
        break;
      case "closes":
        identity.disconnect();
        break;
      case "refuses":
        identity.forgetProof(this.now);
        break;
      case "receipt":
        identity.learn(fingerprint, null, this.now);
        break;
      case "status":
        entry.lastStatus = entry.program;
        if (kind === "ours") identity.learn(fingerprint, "good", this.now);
        else if (kind === "impostor") identity.learn(fingerprint, "none", this.now);
        else identity.learnNone(this.now);
    }
  }

  judge(): Trust[] {
    return judgeFingerprints(this.entries.map(({ identity }) => identity.shown(this.now)), OWN)
      .map(({ trust }) => trust);
  }
}

Deno.test("for any order of events, an entry is taken for a server of ours, beside an entry that is, only if it led there when it was last asked", () => {
  fc.assert(
    fc.property(
      fc.array(anyProgram, { minLength: SIZE, maxLength: SIZE }),
      fc.array(anyEvent, { maxLength: 40 }),
      (programs, events) => {
        const world = new World(programs);
        for (const event of events) {
          world.play(event);
          const trust = world.judge();
          const shown = world.entries.map(({ identity }) => identity.shown(world.now));
          for (const [index, { lastStatus }] of world.entries.entries()) {
            const fingerprint = shown[index]?.fingerprint;
            const isReal = lastStatus?.kind === "ours" && lastStatus.fingerprint === fingerprint;
            if (trust[index] === "self") assert(isReal, "self");
            const isProven = shown.some((each, other) =>
              other !== index && each.fingerprint === fingerprint && each.proof === "good"
            );
            if (trust[index] === "believed" && isProven) assert(isReal, `${fingerprint}`);
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("for any order of events before, everything is as it is once each entry was asked", () => {
  fc.assert(
    fc.property(
      fc.array(anyProgram, { minLength: SIZE, maxLength: SIZE }),
      fc.array(anyEvent, { maxLength: 40 }),
      (programs, events) => {
        const world = new World(programs);
        for (const event of events) world.play(event);
        // An address that has led to several servers is known again ten minutes later.
        world.now += 10 * 60_000;
        for (const what of ["closes", "status", "receipt", "status"] as const) {
          for (let at = 0; at < SIZE; at++) world.play({ at, what });
        }
        world.now += 10 * 60_000;
        const real = world.entries.flatMap(({ program }) =>
          program.kind === "ours" ? [program] : []
        );
        const expected = world.entries.map(({ program: { kind, fingerprint } }): Trust => {
          if (kind === "ours") return fingerprint === OWN ? "self" : "believed";
          if (fingerprint === OWN) return "contradicted";
          return real.some((each) => each.fingerprint === fingerprint)
            ? "contradicted"
            : "believed";
        });
        assertEquals(world.judge(), expected);
      },
    ),
    { numRuns: 2000 },
  );
});
