/**
 * The token that an admin server may require for publishing, and that a peer is sent: RFC 6750.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { Redaction } from "./redaction.ts";
import { IrregularFile, readRegularText } from "./regular_file.ts";
import { messageOf } from "../text.ts";

/** The fewest characters of a token: that many random ones cannot be guessed. */
const LENGTH_MIN = 16;

/** The most bytes of a token's file. */
const FILE_LIMIT = 4096;

/** The error of a file that holds no token. The message names it and says what to do. */
export class TokenError extends Error {
  override readonly name = "TokenError";
}

/** A token, in private fields, so that it is not shown by accident. */
export class Token {
  readonly #digest: Uint8Array;
  readonly #text: string;
  readonly #redaction: Redaction;

  constructor(text: string) {
    this.#text = text;
    this.#redaction = new Redaction(text);
    this.#digest = digest(text);
  }

  /** Returns the header `Authorization` that its holder sends. */
  get header(): string {
    return `Bearer ${this.#text}`;
  }

  /** Returns a text of others without the token, to be shown or logged: see {@linkcode Redaction}. */
  redact(text: string): string {
    return this.#redaction.apply(text);
  }

  /**
   * Tells whether an `Authorization` header holds it. A wrong one takes as long, whatever is wrong with it.
   */
  matches(header: string | null): boolean {
    const [, text = ""] = /^Bearer +(\S+)$/i.exec(header ?? "") ?? [];
    return timingSafeEqual(digest(text), this.#digest);
  }
}

/**
 * Reads the token of a file; white space around it does not belong to it.
 *
 * @throws {TokenError} If the file cannot be read, or holds no token.
 */
export function readToken(path: string): Token {
  let text: string;
  try {
    text = readRegularText(path, { limit: FILE_LIMIT });
  } catch (error) {
    throw new TokenError(`Token file ${path} ${tokenReadFault(error)}`);
  }
  const token = text.trim();
  if (!/^[\w.~+/-]+=*$/.test(token) || token.length < LENGTH_MIN) {
    throw new TokenError(
      `Token file ${path} does not hold a token: ${LENGTH_MIN} to ${FILE_LIMIT} letters, digits and -._~+/ in one line. ` +
        "Make one: (umask 077; openssl rand -hex 32 > FILE).",
    );
  }
  return new Token(token);
}

/** Returns why a token's file cannot be read, and what to do about it, as a clause that follows its name. */
export function tokenReadFault(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "does not exist. Make it: (umask 077; openssl rand -hex 32 > FILE).";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "may not be read by this user. Change its owner or mode.";
  }
  if (error instanceof IrregularFile) return `cannot be used: it ${error.message}.`;
  return `cannot be read: ${messageOf(error)}.`;
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
