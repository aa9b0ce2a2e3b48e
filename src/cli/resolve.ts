/**
 * Looking host names up.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { within } from "../within.ts";

/** Why a name has no addresses now; completes "It cannot be resolved: ...". */
export interface Unresolved {
  readonly reason: string;
}

/** How long a name may take, in ms: more than resolvers that work, less than a person's patience. */
const LIMIT_MS = 2000;

/** What the resolver's codes mean. */
const REASONS: ReadonlyMap<unknown, string> = new Map([
  ["ENOTFOUND", "nobody who could be asked knows it"],
  ["EAI_AGAIN", "no name server answers"],
  ["EPERM", "deno was not permitted to ask"],
]);

/** What {@linkcode resolveName} works with. */
export interface ResolveOptions {
  /** @default {2000} */
  readonly limitMs?: number;
  /** @default The system's resolver. */
  readonly ask?: (name: string) => Promise<readonly { readonly address: string }[]>;
}

/**
 * The addresses of a host name as a connection to it finds them (getaddrinfo, with /etc/hosts), or why
 * there are none. A resolver that does not answer is given up on.
 */
export async function resolveName(
  name: string,
  { limitMs = LIMIT_MS, ask = (name) => lookup(name, { all: true }) }: ResolveOptions = {},
): Promise<readonly string[] | Unresolved> {
  let addresses: readonly string[] = [];
  const asking = ask(name).then((found) => {
    addresses = found.map(({ address }) => address);
  });
  try {
    if (await within(limitMs, asking)) return addresses;
    return { reason: `no answer within ${limitMs / 1000} s` };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { reason: REASONS.get("code" in error ? error.code : null) ?? error.message };
  }
}
