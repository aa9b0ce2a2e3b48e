/**
 * What a request asks for.
 *
 * @module
 */

/** A request target, taken apart. */
export interface Target {
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Takes a request's URL apart; `null` when it is malformed, as hostile clients send it. */
export function targetOf(url: string): Target | null {
  const parsed = URL.parse(url);
  return parsed && { path: parsed.pathname, query: parsed.searchParams };
}
