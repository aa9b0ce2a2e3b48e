/**
 * Parses JSON with comments and trailing commas: the one typed wrapper of `@std/jsonc`, whose package in
 * the import map has no types.
 *
 * @module
 */

import { parse } from "@std/jsonc";
import { quote } from "../text.ts";

/** The error of a text that is not JSONC. The message says where, what was found, and what to look for. */
export class JsoncSyntaxError extends Error {
  override readonly name = "JsoncSyntaxError";
  /** The line, counted from 1. */
  readonly line: number;
  /** The column in characters, counted from 1. */
  readonly column: number;

  constructor(before: string, reason: string, options?: ErrorOptions) {
    const lines = before.split(/\r\n|\r|\n/);
    const column = [...lines.at(-1) ?? ""].length + 1;
    super(`Syntax error at line ${lines.length}, column ${column}: ${reason}`, options);
    this.line = lines.length;
    this.column = column;
  }
}

/**
 * Parses JSONC. An object's keys become own properties, `__proto__` included. The last value of a key
 * that occurs twice counts, as in `JSON.parse`.
 *
 * @throws {JsoncSyntaxError} If the text is not JSONC.
 */
export function parseJsonc(text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    // The parser recurses, so deep nesting ends as "Maximum call stack size exceeded".
    if (cause instanceof RangeError) {
      throw new JsoncSyntaxError("", "brackets are nested too deeply.", { cause });
    }
    if (!(cause instanceof SyntaxError)) throw cause;
    const position = / at position (\d+)$/.exec(cause.message)?.[1];
    if (position === undefined) {
      throw new JsoncSyntaxError(text, endReason(text), { cause });
    }
    const before = text.slice(0, Number(position));
    throw new JsoncSyntaxError(before, tokenReason(text.slice(before.length)), { cause });
  }
}

/** Returns why the text must not end where it ends. */
function endReason(text: string): string {
  return text.trim() === ""
    ? "the file is empty. Write the configuration as a JSON object."
    : 'the file ends too early. Look for a missing "}", "]" or "*/".';
}

/** A string as JSON allows it: only the control characters below U+0020 need an escape. */
const STRING = /^"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/u;

/** Returns why `rest` must not start where it starts. */
function tokenReason(rest: string): string {
  if (rest.startsWith("'")) return "unexpected single quote. Use double quotes around texts.";
  const string = STRING.exec(rest)?.[0];
  if (string !== undefined) {
    const text = quote(JSON.parse(string));
    return `unexpected text ${text}. Look before it for a missing comma or colon.`;
  }
  if (rest.startsWith('"')) {
    return "this text is not closed on its line or holds an invalid escape. " +
      'Close it with a double quote; write a backslash as "\\\\".';
  }
  const token = quote(/^(?:[[\]{}:,]|[^\s[\]{}:,/]+|.)/su.exec(rest)?.[0]);
  return `unexpected ${token}. ` +
    "Look before it for a missing comma, colon or quote, or a bracket too many.";
}
