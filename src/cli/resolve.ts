/**
 * The lookup of host names.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { within } from "../within.ts";

/** The reason why a name has no addresses now; it completes "It cannot be resolved: ...". */
export interface Unresolved {
  readonly reason: string;
}

/** The longest wait for a name, in ms: longer than working resolvers take, shorter than a person wants to wait. */
const LIMIT_MS = 2000;

/** The meanings of the resolver's codes. */
const REASONS: ReadonlyMap<unknown, string> = new Map([
  ["ENOTFOUND", "nobody who could be asked knows it"],
  ["EAI_AGAIN", "no name server answers"],
  ["EPERM", "deno was not permitted to ask"],
]);

/** The options of {@linkcode resolveName}. */
export interface ResolveOptions {
  /** The longest wait, in ms. @default {2000} */
  readonly limitMs?: number;
  /** The function that looks a name up. @default The system's resolver. */
  readonly ask?: (name: string) => Promise<readonly { readonly address: string }[]>;
}

/**
 * Returns the addresses of a host name as a connection to it finds them (getaddrinfo, with /etc/hosts), or why there
 * are none. A resolver that does not answer in time is not waited for.
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
