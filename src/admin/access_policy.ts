/**
 * Who is answered by an admin server: those on the list, and for publishing those with the token.
 *
 * @module
 */

import type { Networks } from "../config/network.ts";
import type { Token } from "../config/token.ts";

/** Why a request is rejected, and with which answer. */
export interface AccessRejection {
  readonly reason: "forbidden" | "token";
  readonly status: 403 | 401;
  readonly error: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The rules about who may ask. */
export interface AccessPolicy {
  /** `null`: everybody. */
  readonly allow: Networks | null;
  /** `null`: none is asked for. */
  readonly token: Token | null;
}

/** Judges the address of a client that asks for anything at all. */
export function rejectAddress({ allow }: AccessPolicy, address: string): AccessRejection | null {
  if (allow === null || allow.has(address)) return null;
  return {
    reason: "forbidden",
    status: 403,
    error: '"allow" of this server does not have your address',
    headers: {},
  };
}

/** Judges a client that wants to publish, or to see what was published. */
export function rejectToken(
  { token }: AccessPolicy,
  authorization: string | null,
): AccessRejection | null {
  if (token === null || token.matches(authorization)) return null;
  return {
    reason: "token",
    status: 401,
    error: authorization === null
      ? "This server takes messages only with a token: send it as Authorization: Bearer"
      : "The token is not the one that this server has",
    headers: { "www-authenticate": "Bearer" },
  };
}
