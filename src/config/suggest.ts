/**
 * Suggestions for keys and words of a configuration, "Did you mean ...?": the one typed wrapper of
 * `@std/text`, whose package in the import map has no types.
 *
 * @module
 */

import { closestString } from "@std/text";

/**
 * Returns the word of `known` that `word` was most likely meant to be; `null` when none is really close. A
 * close word has the same letters in another order, or edits in at most a third of its letters.
 */
export function suggest(word: string, known: readonly string[]): string | null {
  const swapped = known.find((each) => letters(each) === letters(word));
  if (swapped !== undefined) return swapped;
  // `closestString` tells no distance. The decoy is exactly `limit + 1` edits away and, standing
  // first, wins ties, so a known word comes back only if it is at most `limit` edits away.
  const limit = Math.floor(word.length / 3);
  const decoy = word + "\0".repeat(limit + 1);
  const closest: string = closestString(word, [decoy, ...known]);
  return closest === decoy ? null : closest;
}

function letters(word: string): string {
  return [...word.toLowerCase()].sort().join("");
}
