/**
 * The access policy of an admin server: it answers clients on the list, and for publishing those with the token.
 *
 * @module
 */

import type { Networks } from "../config/network.ts";
import type { Token } from "../config/token.ts";

/** The reason why a request is rejected, and the answer to it. */
export interface AccessRejection {
  readonly reason: "forbidden" | "token";
  readonly status: 403 | 401;
  readonly error: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The rules about the clients that are answered. */
export interface AccessPolicy {
  /** The addresses that are answered; `null`: all. */
  readonly allow: Networks | null;
  /** The token that is asked for; `null`: none. */
  readonly token: Token | null;
}

/** Checks the address of a client, whatever it asks for. */
export function rejectAddress({ allow }: AccessPolicy, address: string): AccessRejection | null {
  if (allow === null || allow.has(address)) return null;
  return {
    reason: "forbidden",
    status: 403,
    error: '"allow" of this server does not have your address',
    headers: {},
  };
}

/** Checks the token of a client that wants to publish, or to see what was published. */
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
