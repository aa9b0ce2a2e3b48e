/**
 * Helpers for text that know nothing of the runtime.
 *
 * @module
 */

/** UTF-16 code units that one call makes a string of. Each of them is an argument. */
const CHUNK = 4096;

/** Characters from which on V8 refers to the whole of which a text is a part. */
const SLICED_LENGTH = 13;

/** Returns a text without the characters at its end that equal `character`. */
export function withoutEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text.charAt(end - 1) === character) end--;
  return text.slice(0, end);
}

/**
 * Returns an equal text that shares no memory with `text`.
 *
 * In V8 a part of a text that has 13 characters or more refers to the whole: a path of 20 characters keeps the
 * 8 KiB of its request alive. Use this for each part that outlives the text that it comes from.
 *
 * @example
 * ```ts
 * import { flatCopy } from "./text.ts";
 *
 * const head = "GET /~acme/notifications/ HTTP/1.1";
 * const path = flatCopy(head.slice(4, 25));
 * ```
 */
export function flatCopy(text: string): string {
  // V8 has copied it already.
  if (text.length < SLICED_LENGTH) return text;
  const parts: string[] = [];
  for (let at = 0; at < text.length; at += CHUNK) {
    const codes = new Uint16Array(Math.min(CHUNK, text.length - at));
    for (let index = 0; index < codes.length; index++) codes[index] = text.charCodeAt(at + index);
    parts.push(String.fromCharCode(...codes));
  }
  return parts.join("");
}

/**
 * Matches each character that breaks a line, steers a terminal, reorders the text around it or is not seen: control
 * characters (C0, DEL, C1), bidirectional controls, separators other than the space, unpaired surrogates, and
 * what has no width, tags and variation selectors among it.
 */
export const UNPRINTABLE = /(?! )[\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{DI}]/gu;

/**
 * Returns a text that is safe to print in one line. It names each {@linkcode UNPRINTABLE} character by its number.
 *
 * @example
 * ```ts
 * import { printable } from "./text.ts";
 *
 * printable("a\x1b[2J"); // "a\\u{1b}[2J"
 * ```
 */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/**
 * Returns JSON in one line that means the same and is safe to print.
 *
 * @param json Without white space outside of its strings other than spaces, as `JSON.stringify` writes it.
 */
export function printableJson(json: string): string {
  return json.replace(
    UNPRINTABLE,
    (character) =>
      character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
        .join(""),
  );
}
