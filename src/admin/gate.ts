/**
 * Who is answered by an admin server: those on the list, and for publishing those with the token.
 *
 * @module
 */

import type { Networks } from "../config/network.ts";
import type { Token } from "../config/token.ts";

/** Why a request is turned away. */
export interface Denial {
  readonly kind: "forbidden" | "token";
  readonly status: 403 | 401;
  readonly error: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** See the module. */
export interface Gate {
  /** `null`: everybody. */
  readonly allow: Networks | null;
  /** `null`: none is asked for. */
  readonly token: Token | null;
}

/** Looks at who asks for anything at all. */
export function denyAddress({ allow }: Gate, address: string): Denial | null {
  if (allow === null || allow.has(address)) return null;
  return {
    kind: "forbidden",
    status: 403,
    error: '"allow" of this server does not have your address',
    headers: {},
  };
}

/** Looks at who wants to publish, or to see what was published. */
export function denyToken({ token }: Gate, authorization: string | null): Denial | null {
  if (token === null || token.matches(authorization)) return null;
  return {
    kind: "token",
    status: 401,
    error: authorization === null
      ? "This server takes messages only with a token: send it as Authorization: Bearer"
      : "The token is not the one that this server has",
    headers: { "www-authenticate": "Bearer" },
  };
}
