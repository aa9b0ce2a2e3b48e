/**
 * The pages that may open a WebSocket, by the `Origin` that a browser sends with it (RFC 6455, section 10.2):
 * a page of another site cannot lie about its own.
 *
 * @module
 */

import { isAddressInUrl } from "./host_name.ts";
import { quote } from "../text.ts";

/** Returns advice about a pattern that cannot be used; `""` when there is nothing particular to say. */
export function originFault(pattern: string): string | null {
  if (pattern === "*") return "Remove the key to let any page connect.";
  if (!/^https?:\/\//i.test(pattern)) {
    return pattern.includes("://")
      ? "An origin starts with https:// or http://, as the address of Phorge does."
      : `Begin it with the scheme: ${quote(`https://${pattern}`)}.`;
  }
  const url = parse(pattern);
  if (url === null) return "";
  if (/^[^/]*\/\/[^/?#\\]*@/.test(pattern)) return "Remove what stands before the @.";
  // A URL leaves out invisible characters, and takes a backslash for a slash.
  if (/[\p{Cc}\s]/u.test(pattern)) return "";
  if (/^https?:\/\/[^/?#\\]*[/?#\\]/i.test(pattern)) {
    return `An origin ends with the host or its port: ${quote(normalized(pattern, url))}.`;
  }
  if (/\*/.test(withoutStar(pattern))) {
    return "A * stands only for the first part of the host, as in https://*.example.com.";
  }
  if (isWild(pattern) && isAddressInUrl(url.hostname)) {
    return "An address has no part that * could be.";
  }
  return null;
}

/** Patterns that have no {@linkcode originFault}, ready to be matched. */
export class Origins {
  readonly #exact = new Set<string>();
  readonly #wild: { readonly scheme: string; readonly suffix: string; readonly port: string }[] =
    [];

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) {
      const url = parse(pattern);
      if (url === null) continue;
      if (!isWild(pattern)) this.#exact.add(url.origin);
      else {
        this.#wild.push({ scheme: url.protocol, suffix: `.${url.hostname}`, port: url.port });
      }
    }
  }

  /**
   * Tells whether a page with this `Origin` may connect: one of the patterns, or for `https://*.example.com`
   * any host below `example.com`, with the same scheme and port. A header that no browser sends is refused:
   * another spelling of an origin, `null`, or none at all.
   *
   * @param header The header as it was sent; `null` when there was none.
   */
  admit(header: string | null): boolean {
    if (header === null) return false;
    if (this.#exact.has(header)) return true;
    const url = URL.parse(header);
    if (url === null || url.origin !== header) return false;
    return this.#wild.some(({ scheme, suffix, port }) =>
      url.protocol === scheme && url.port === port && url.hostname.endsWith(suffix) &&
      /^[\w-]+(\.[\w-]+)*$/.test(url.hostname.slice(0, -suffix.length))
    );
  }

  /** Returns an origin that is admitted, which a probe may send. */
  get example(): string | null {
    const [exact] = this.#exact;
    if (exact !== undefined) return exact;
    const [wild] = this.#wild;
    if (wild === undefined) return null;
    return `${wild.scheme}//probe${wild.suffix}${wild.port === "" ? "" : `:${wild.port}`}`;
  }
}

/** Returns the parts of a pattern, without its star. */
function parse(pattern: string): URL | null {
  return URL.parse(withoutStar(pattern));
}

function isWild(pattern: string): boolean {
  return withoutStar(pattern) !== pattern;
}

function withoutStar(pattern: string): string {
  return pattern.replace(/^(https?:\/\/)\*\./i, "$1");
}

function normalized(pattern: string, url: URL): string {
  return isWild(pattern) ? url.origin.replace("://", "://*.") : url.origin;
}
