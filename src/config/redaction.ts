/**
 * Removes a secret from the texts of others that know it, so that they can be shown and logged. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** The text in place of the secret. Because of its blank it is no fingerprint, and no other word of a protocol. */
const SHOWN = "[the token]";

/**
 * Characters from a secret's beginning that are hidden wherever they stand: a server that cuts its echo leaves the
 * beginning. The names in receipts and status pages, which a secret might begin with, are shorter.
 */
const LEAST = 16;

/**
 * A character as URLs (encoded up to three times), JSON within JSON (whose solidus may be escaped) and HTML write it.
 * Every repetition is bounded, so that the cost grows with the length of a text alone.
 */
const ESCAPE =
  /%(?:25){0,2}([0-9a-f]{2})|\\{1,3}(?:u00([0-9a-f]{2})|\/)|&#(?:x0{0,4}([0-9a-f]{2})|0{0,4}([0-9]{2,3}));/gi;

/** A function that takes a secret out of a text of others, which may echo what they are sent. */
export type Redact = (text: string) => string;

/** Hides one secret. Each character of a text costs the same, whatever it is and whatever the secret is. */
export class Redaction {
  readonly #needles: readonly Needle[];

  /** @param secret Printable ASCII of 16 characters and more. */
  constructor(secret: string) {
    this.#needles = [secret, ...encodingsOf(secret)].map((text) => new Needle(text));
  }

  /**
   * Returns a text without the secret as it is, escaped, or in Base64, as the password of `Authorization: Basic` is.
   * A beginning of it of 16 characters counts as well.
   *
   * @example
   * ```ts
   * import { Redaction } from "./redaction.ts";
   *
   * const redaction = new Redaction("kT2/9sLq+4vXz0bW");
   * redaction.apply("no such user: kT2%2F9sLq%2B4vXz0bW"); // "no such user: [the token]"
   * ```
   */
  apply(text: string): string {
    // A seeming escape may take in the first characters of the secret, so the text is searched as it is as well. That
    // comes second: done first, it would leave the end of a secret that is escaped there.
    const rest = text.search(ESCAPE) < 0 ? text : this.#hideIn(unescaped(text));
    return this.#hideIn({ text: rest, plain: rest, starts: null });
  }

  #hideIn({ text, plain, starts }: Searched): string {
    const found = this.#needles.flatMap((needle) => needle.find(plain));
    let shown = "";
    let end = 0;
    for (const [from, until] of merged(found)) {
      shown += text.slice(end, starts?.[from] ?? from) + SHOWN;
      end = starts?.[until] ?? until;
    }
    return shown + text.slice(end);
  }
}

/** A text as it is searched. */
interface Searched {
  readonly text: string;
  /** The same text without escapes. */
  readonly plain: string;
  /** The index in the text of each character of `plain`, and of its end; `null`: the same index. */
  readonly starts: readonly number[] | null;
}

/** The start and the end of a part of a text. */
type Range = readonly [from: number, until: number];

/** A text that is looked for (Knuth, Morris and Pratt). */
class Needle {
  readonly #text: string;
  /** The length of the longest shorter beginning that each beginning ends with. */
  readonly #borders: readonly number[];

  constructor(text: string) {
    const borders = [0, 0];
    for (let at = 1, border = 0; at < text.length; at++) {
      while (border > 0 && text.charAt(at) !== text.charAt(border)) border = borders[border] ?? 0;
      if (text.charAt(at) === text.charAt(border)) border++;
      borders.push(border);
    }
    this.#text = text;
    this.#borders = borders;
  }

  /** Finds all beginnings of {@linkcode LEAST} characters and more, in order. They may overlap. */
  find(text: string): Range[] {
    const found: Range[] = [];
    const first = text.indexOf(this.#text.slice(0, LEAST));
    if (first < 0) return found;
    let matched = 0;
    for (let at = first; at < text.length; at++) {
      matched = this.#step(matched, text.charAt(at));
      if (matched < LEAST) continue;
      // The last beginning has become longer by a character, or another one has begun.
      const [from = -1] = found.at(-1) ?? [];
      if (from === at + 1 - matched) found.pop();
      found.push([at + 1 - matched, at + 1]);
    }
    return found;
  }

  /** Returns the length of the longest beginning that a text ends with; `matched` is that before `character`. */
  #step(matched: number, character: string): number {
    const borders = this.#borders;
    let length = matched === this.#text.length ? borders[matched] ?? 0 : matched;
    while (length > 0 && character !== this.#text.charAt(length)) length = borders[length] ?? 0;
    return character === this.#text.charAt(length) ? length + 1 : length;
  }
}

/** Returns ranges in order, of which those that overlap or touch are one. */
function merged(ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const [from, until] of ranges.toSorted(([a], [b]) => a - b)) {
    const last = all.at(-1);
    if (last === undefined || from > last[1]) all.push([from, until]);
    else all[all.length - 1] = [last[0], Math.max(last[1], until)];
  }
  return all;
}

function unescaped(text: string): Searched {
  let plain = "";
  const starts: number[] = [];
  let end = 0;
  const take = (until: number) => {
    plain += text.slice(end, until);
    for (; end < until; end++) starts.push(end);
  };
  for (const match of text.matchAll(ESCAPE)) {
    const [whole, ofUrl, ofJson, ofHtml, decimal] = match;
    const hex = ofUrl ?? ofJson ?? ofHtml;
    take(match.index);
    starts.push(end);
    plain += hex !== undefined
      ? String.fromCharCode(parseInt(hex, 16))
      : decimal !== undefined
      ? String.fromCharCode(Number(decimal))
      : "/";
    end += whole.length;
  }
  take(text.length);
  starts.push(end);
  return { text, plain, starts };
}

/** Returns a secret in Base64, for each offset in the encoded text, in both alphabets. */
function encodingsOf(secret: string): readonly string[] {
  const cores = [0, 1, 2].map((before) => {
    const bytes = before + secret.length;
    // The characters at both ends hold parts of other bytes as well.
    return Buffer.from("\0".repeat(before) + secret, "latin1").toString("base64")
      .slice(Math.ceil(before * 8 / 6), Math.floor(bytes * 8 / 6));
  });
  const others = cores.map((core) => core.replaceAll("+", "-").replaceAll("/", "_"));
  return [...new Set([...cores, ...others])];
}
