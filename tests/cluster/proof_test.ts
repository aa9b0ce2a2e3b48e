import { Buffer } from "node:buffer";
import fc from "fast-check";
import { checkProof, drawChallenge, fingerprintOf, ServerKey } from "../../src/cluster/proof.ts";
import { assert, assertEquals, assertMatch } from "../assert.ts";

const key = new ServerKey();
const other = new ServerKey();

/** The answer of a key to a challenge, which it must give. */
function proofOf(prover: ServerKey, challenge: string): string {
  const proof = prover.prove(challenge);
  assert(proof !== null);
  return proof;
}

Deno.test("a key has a fingerprint of the original's form, and another one each time", () => {
  const keys = Array.from({ length: 100 }, () => new ServerKey());
  for (const { fingerprint } of keys) {
    assertMatch(
      fingerprint,
      /^[23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ]{16}$/,
    );
  }
  assertEquals(new Set(keys.map(({ fingerprint }) => fingerprint)).size, keys.length);
});

Deno.test("a proof is good for the fingerprint of its key and the challenge that was asked, and for no other", () => {
  const [asked, another] = [drawChallenge(), drawChallenge()];
  const proof = proofOf(key, asked);
  assertEquals(checkProof(key.fingerprint, asked, proof), "good");
  assertEquals(checkProof(key.fingerprint, another, proof), "bad", "it was recorded");
  assertEquals(checkProof(other.fingerprint, asked, proof), "bad");
  assertEquals(checkProof(key.fingerprint, asked, proofOf(other, asked)), "bad");
  assertEquals(checkProof(key.fingerprint, asked, null), "none", "as an original answers");
});

Deno.test("a fingerprint is not proven by its own key with another's signature, nor the other way round", () => {
  const challenge = drawChallenge();
  const [ownKey = "", ownSignature = ""] = proofOf(key, challenge).split(".");
  const [otherKey = "", otherSignature = ""] = proofOf(other, challenge).split(".");
  for (const { fingerprint } of [key, other]) {
    for (const proof of [`${ownKey}.${otherSignature}`, `${otherKey}.${ownSignature}`]) {
      assertEquals(checkProof(fingerprint, challenge, proof), "bad");
    }
  }
});

Deno.test("a proof in which one character is another one is bad", () => {
  const challenge = drawChallenge();
  const proof = proofOf(key, challenge);
  // The last character of each part has bits that stand for nothing.
  const places = [...proof].flatMap((_, at) => at === 42 || at === proof.length - 1 ? [] : [at]);
  for (const at of places) {
    const changed = proof.slice(0, at) + (proof.charAt(at) === "A" ? "B" : "A") +
      proof.slice(at + 1);
    assertEquals(checkProof(key.fingerprint, challenge, changed), "bad", changed);
  }
});

Deno.test("whatever is shown in place of a proof is bad, and no error", () => {
  const challenge = drawChallenge();
  const like = fc.stringMatching(/^[\w-]{43}\.[\w-]{86}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), like), (proof) => {
      assertEquals(checkProof(key.fingerprint, challenge, proof), "bad");
    }),
  );
});

Deno.test("whoever shows the fingerprint of a key that is no point of the curve proves nothing", () => {
  const challenge = drawChallenge();
  const [, signature = ""] = proofOf(key, challenge).split(".");
  let refused = 0;
  for (let first = 0; first < 256; first++) {
    const point = new Uint8Array(32);
    point[0] = first;
    const fingerprint = fingerprintOf(point);
    const shown = `${Buffer.from(point).toString("base64url")}.${signature}`;
    if (checkProof(fingerprint, challenge, shown) === "bad") refused++;
  }
  assertEquals(refused, 256);
});

Deno.test("a challenge of 1 to 64 characters of printable ASCII is answered, and nothing else", () => {
  for (const challenge of ["!", "~".repeat(64), drawChallenge()]) {
    assertEquals(checkProof(key.fingerprint, challenge, key.prove(challenge)), "good");
  }
  for (const challenge of [null, "", "~".repeat(65), "a b", "a\n", "ü", "x".repeat(16_000)]) {
    assertEquals(key.prove(challenge), null);
  }
});

Deno.test("a challenge is of 128 random bits, and another one each time", () => {
  assertEquals(drawChallenge((bytes) => bytes.fill(255)), `${"_".repeat(21)}w`);
  assertEquals(new Set(Array.from({ length: 1000 }, () => drawChallenge())).size, 1000);
});
