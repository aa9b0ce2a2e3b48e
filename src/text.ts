/**
 * Text for people: numbers, bytes, durations, quoting, and what is safe to print. Knows nothing of the runtime.
 *
 * @module
 */

/** The number of UTF-16 code units that one call makes a string of. Each of them is an argument. */
const CHUNK = 4096;

/** The number of characters from which on V8 refers to the whole of which a text is a part. */
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
 * Matches each character that breaks a line, steers a terminal, reorders the text around it or is invisible:
 * control characters (C0, DEL, C1), bidirectional controls, separators other than the space, unpaired surrogates,
 * and characters without width, such as tags and variation selectors.
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

/** A quoted value longer than this many characters is cut. */
const QUOTE_LENGTH = 60;

/**
 * Returns a value as compact JSON, short enough for a line of text and safe to print on a terminal.
 *
 * @example
 * ```ts
 * import { quote } from "./text.ts";
 *
 * `${quote("22x80")} is not a port`; // '"22x80" is not a port'
 * ```
 */
export function quote(value: unknown): string {
  // JSON.parse reads 1e400 as Infinity, which JSON.stringify would call null.
  const json = typeof value === "number" ? String(value) : JSON.stringify(value);
  const characters = [...printable(json)];
  return characters.length <= QUOTE_LENGTH
    ? characters.join("")
    : `${characters.slice(0, QUOTE_LENGTH - 3).join("")}...`;
}

/**
 * Returns a number such as `1,234` or `12.3`; `?` for what is no number, as another program may have sent it.
 *
 * @param digits The digits after the point, of numbers below 100.
 */
export function formatNumber(value: number, digits: number = 0): string {
  if (!Number.isFinite(value)) return "?";
  // Not `toLocaleString`, whose first call takes 15 ms of every command.
  const rounded = Number(value.toFixed(value < 100 ? digits : 0));
  let text = String(rounded);
  if (rounded < 1000) return text;
  for (let at = text.length - 3; at > 0; at -= 3) text = `${text.slice(0, at)},${text.slice(at)}`;
  return text;
}

/** Returns a count with its noun, such as `1 peer` or `2 peers`. */
export function formatCount(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Returns a size such as `12 bytes` or `1.5 MiB`. */
export function formatBytes(count: number): string {
  const units = ["KiB", "MiB", "GiB"];
  let value = count;
  let unit = "";
  while (value >= 1024 && units.length > 0) {
    value /= 1024;
    unit = units.shift() ?? "";
  }
  return unit === "" ? formatCount(count, "byte") : `${formatNumber(value, 1)} ${unit}`;
}

/** Returns a size in whole mebibytes, such as `256 MiB`, for sizes that are compared with each other. */
export function formatMebibytes(count: number): string {
  return `${Math.round(count / 1024 ** 2)} MiB`;
}

/** Returns a duration by its two largest parts, such as `3d 4h` or `5m 6s`; `null` is `unknown`. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null) return "unknown";
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0s";
  return parts.slice(first, first + 2).map(([count, unit]) => `${count}${unit}`).join(" ");
}

/** Returns the message of an error; what is thrown and is no error, as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
