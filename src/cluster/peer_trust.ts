/**
 * Judgement of the entries of the list: whether each leads to the server whose fingerprint it shows. Pure.
 *
 * A fingerprint that one entry alone shows takes nothing from another entry, so it is believed. A fingerprint that
 * two entries show, or that is this server's own, has to be proven. The exception is where none of them proves
 * anything, as with an original. See docs/decisions/0015-peers-prove-themselves.md.
 *
 * @module
 */

/**
 * The interval at which an entry that shows the fingerprint of another one, or this server's own, has to prove it
 * again, in ms. The entry is asked within 15 s after that.
 */
export const ASK_AGAIN_MS = 3 * 60_000;

/**
 * The proof that an entry has shown for its fingerprint:
 *
 * - `pending`: it has not been asked since it showed that, or could not be.
 * - `none`: it answers no challenge, as an original.
 * - `good`: it has proven it.
 * - `bad`: its proof is false.
 */
export type Proof = "pending" | "none" | "good" | "bad";

/** The fingerprint and the proof that an entry has shown. */
export interface ShownFingerprint {
  /** `null`: none, or several in turn. */
  readonly fingerprint: string | null;
  readonly proof: Proof;
}

/**
 * The server that an entry is taken for:
 *
 * - `unknown`: any server. It is sent every message.
 * - `believed`: the server with this fingerprint.
 * - `self`: this server.
 * - `contradicted`: not the server with this fingerprint. It is sent every message, as one that is unknown.
 */
export type Trust = "unknown" | "believed" | "self" | "contradicted";

/** The judgement about one entry. */
export interface Judgement {
  readonly trust: Trust;
  /** True if its fingerprint has to be proven: another entry shows it too, or it is this server's own. */
  readonly isContested: boolean;
  /** The index of the entry that has proven the same fingerprint; `null` also if that is this server's own. */
  readonly rival: number | null;
}

/**
 * Judges all entries. Costs the square of their number, which is small.
 *
 * @param own This server's fingerprint; `null` when it is not known.
 */
export function judgeFingerprints(
  entries: readonly ShownFingerprint[],
  own: string | null,
): Judgement[] {
  return entries.map((entry, index): Judgement => {
    const { fingerprint, proof } = entry;
    if (fingerprint === null) return { trust: "unknown", isContested: false, rival: null };
    const isOwn = fingerprint === own;
    const others = [...entries.keys()].filter((each) =>
      each !== index && entries[each]?.fingerprint === fingerprint
    );
    const rival = others.find((each) => entries[each]?.proof === "good") ?? null;
    return {
      trust: judgeOne(proof, { isOwn, isShared: others.length > 0, isProven: rival !== null }),
      isContested: isOwn || others.length > 0 || proof === "bad",
      rival: isOwn ? null : rival,
    };
  });
}

/**
 * @param claim True if: the fingerprint is this server's own; another entry shows it; another has proven it.
 */
function judgeOne(
  proof: Proof,
  { isOwn, isShared, isProven }: {
    readonly isOwn: boolean;
    readonly isShared: boolean;
    readonly isProven: boolean;
  },
): Trust {
  if (proof === "good") return isOwn ? "self" : "believed";
  if (proof === "bad") return "contradicted";
  // The server that has it can prove it.
  if (isOwn || isProven) return proof === "none" ? "contradicted" : "unknown";
  // No server can, as far as is known.
  return proof === "none" || !isShared ? "believed" : "unknown";
}
