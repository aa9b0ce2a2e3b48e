/**
 * Keys that occur twice in one object of a configuration file. The last one counts, for the parser as for PHP:
 * the value that the administrator has given to the first has no effect, and nothing says so.
 *
 * @module
 */

import { Place } from "./schema.ts";

/** A key that an object has twice. */
export interface Duplicate {
  /** The JSON path of the key. */
  readonly path: string;
  /** The lines on which the key occurs first, and again, counted from 1. */
  readonly lines: readonly [number, number];
}

/** An object or a list that is open where the scanner stands. */
interface Open {
  readonly place: Place;
  /** The line of each key so far; `null` for a list. */
  readonly keys: Map<string, number> | null;
  /** The index of the item of a list that the scanner stands in. */
  index: number;
  /** The key that the scanner stands behind; `null` where a key comes next. */
  key: string | null;
}

/** Finds the duplicates of a text that is JSONC. Costs one pass over it. */
export function findDuplicates(text: string): Duplicate[] {
  const found: Duplicate[] = [];
  const stack: Open[] = [];
  let line = 1;
  for (const token of tokensOf(text)) {
    const top = stack.at(-1);
    switch (token) {
      case "\n":
        line++;
        break;
      case "{":
      case "[":
        stack.push({
          place: placeOf(top),
          keys: token === "{" ? new Map() : null,
          index: 0,
          key: null,
        });
        break;
      case "}":
      case "]":
        stack.pop();
        break;
      case ",":
        if (top !== undefined) Object.assign(top, { index: top.index + 1, key: null });
        break;
      default: {
        if (top === undefined || top.keys === null || top.key !== null) break;
        const key: string = JSON.parse(token);
        const first = top.keys.get(key);
        if (first !== undefined) {
          found.push({ path: top.place.key(key).path, lines: [first, line] });
        }
        top.keys.set(key, line);
        top.key = key;
      }
    }
  }
  return found;
}

/** Returns the place of a value that begins now. */
function placeOf(open: Open | undefined): Place {
  if (open === undefined) return new Place("", []);
  return open.keys === null ? open.place.at(open.index) : open.place.key(open.key ?? "");
}

/** Yields the texts in quotes, the brackets and commas, and a line feed for each line's end, in their order. */
function* tokensOf(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const character = text.charAt(at);
    const pair = text.slice(at, at + 2);
    let end = at + 1;
    if (pair === "//") {
      while (end < text.length && !"\r\n".includes(text.charAt(end))) end++;
    } else if (pair === "/*") {
      end = text.indexOf("*/", at + 2) + 2;
      // The lines of a comment count as well.
      yield* text.slice(at, end).split(/\r\n|[\r\n]/).slice(1).map(() => "\n");
    } else if (character === '"') {
      while (end < text.length && text.charAt(end) !== '"') {
        end += text.charAt(end) === "\\" ? 2 : 1;
      }
      yield text.slice(at, ++end);
    } else if (character === "\r") {
      if (pair === "\r\n") end++;
      yield "\n";
    } else if ("\n{}[],".includes(character)) yield character;
    at = end;
  }
}
