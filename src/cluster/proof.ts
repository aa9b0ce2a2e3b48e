/**
 * Proofs that a server has the fingerprint that it shows.
 *
 * A fingerprint is public. So it is the hash of a public key whose private key stays in one process, from its start
 * to its end. A server that asks for the status page sends a challenge. The page then holds the key and its
 * signature of that challenge. See docs/decisions/0015-peers-prove-themselves.md.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { generateFingerprint } from "../hub/fingerprint.ts";
import type { Proof } from "./peer_trust.ts";

/** Random bytes of a challenge. */
const CHALLENGE_BYTES = 16;

/** Characters of a challenge that is answered, at most. */
const CHALLENGE_LIMIT = 64;

/** Bytes of an Ed25519 public key (RFC 8032). */
const KEY_BYTES = 32;

/** The bytes before those of a public key in SubjectPublicKeyInfo (RFC 8410, section 4). */
const KEY_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** Proves a fingerprint. */
export interface Prover {
  /**
   * Answers a challenge.
   *
   * @param challenge 1 to 64 characters of printable ASCII; everything else gets `null`.
   */
  prove(challenge: string | null): string | null;
}

/**
 * The key pair of one process.
 *
 * @example
 * ```ts
 * const key = new ServerKey();
 * const challenge = drawChallenge();
 * checkProof(key.fingerprint, challenge, key.prove(challenge)); // "good"
 * ```
 */
export class ServerKey implements Prover {
  /** The hash of the public key, in the form that the original gives a fingerprint. */
  readonly fingerprint: string;
  readonly #privateKey: KeyObject;
  /** The public key, as a proof has it. */
  readonly #publicKey: string;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const bytes = publicKey.export({ format: "der", type: "spki" }).subarray(-KEY_BYTES);
    this.#privateKey = privateKey;
    this.#publicKey = encode(bytes);
    this.fingerprint = fingerprintOf(bytes);
  }

  prove(challenge: string | null): string | null {
    if (
      challenge === null || challenge.length > CHALLENGE_LIMIT || !/^[!-~]+$/.test(challenge)
    ) return null;
    const signature = sign(null, statement(this.fingerprint, challenge), this.#privateKey);
    return `${this.#publicKey}.${encode(signature)}`;
  }
}

/**
 * Draws a challenge that cannot be foreseen.
 *
 * @param random Fills an array with random bytes; `crypto.getRandomValues` outside tests.
 */
export function drawChallenge(
  random: (bytes: Uint8Array<ArrayBuffer>) => void = (bytes) => crypto.getRandomValues(bytes),
): string {
  const bytes = new Uint8Array(CHALLENGE_BYTES);
  random(bytes);
  return encode(bytes);
}

/**
 * Checks the answer to a challenge.
 *
 * @param proof The answer; `null`: there is none, as of an original.
 */
export function checkProof(
  fingerprint: string,
  challenge: string,
  proof: string | null,
): Exclude<Proof, "pending"> {
  if (proof === null) return "none";
  const [, key = "", signature = ""] = /^([\w-]{43})\.([\w-]{86})$/.exec(proof) ?? [];
  const publicKey = Buffer.from(key, "base64url");
  // Any other key is another server's, and is not even looked at.
  if (publicKey.length !== KEY_BYTES || fingerprintOf(publicKey) !== fingerprint) return "bad";
  const signed = Buffer.from(signature, "base64url");
  return isSigned(statement(fingerprint, challenge), publicKey, signed) ? "good" : "bad";
}

function isSigned(statement: Uint8Array, publicKey: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = Buffer.concat([KEY_PREFIX, publicKey]);
    const parsed = createPublicKey({ key, format: "der", type: "spki" });
    return verify(null, statement, parsed, signature);
  } catch {
    // The other side chooses the bytes, which may be no point of the curve.
    return false;
  }
}

/** Returns the hash of a public key as a fingerprint: about 92 bits. */
export function fingerprintOf(publicKey: Uint8Array): string {
  let round = 0;
  return generateFingerprint((bytes) => {
    const hash = createHash("sha256").update(`aphlict fingerprint ${round++}\n`).update(publicKey);
    bytes.set(hash.digest().subarray(0, bytes.length));
  });
}

/** Returns the bytes to sign. This key signs nothing else. */
function statement(fingerprint: string, challenge: string): Uint8Array {
  return Buffer.from(`aphlict ${fingerprint} answers ${challenge}`, "utf8");
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
