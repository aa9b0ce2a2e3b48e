/**
 * Looking host names up.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import type { Unresolved } from "../config/cluster.ts";
import { within } from "./within.ts";

/** How long a name may take, in ms: more than any resolver that works, less than its patience. */
const LIMIT_MS = 2000;

/** What the resolver's codes mean. */
const REASONS: ReadonlyMap<unknown, string> = new Map([
  ["ENOTFOUND", "nobody who could be asked knows it"],
  ["EAI_AGAIN", "no name server answers"],
  ["EPERM", "deno was not permitted to ask"],
]);

/**
 * The addresses of a host name as a connection to it finds them (getaddrinfo, with /etc/hosts), or why
 * there are none. Takes two seconds at most.
 */
export async function resolveName(name: string): Promise<readonly string[] | Unresolved> {
  let addresses: readonly string[] = [];
  const asking = lookup(name, { all: true }).then((found) => {
    addresses = found.map(({ address }) => address);
  });
  try {
    if (await within(LIMIT_MS, asking)) return addresses;
    return { reason: `no answer within ${LIMIT_MS / 1000} s` };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { reason: REASONS.get("code" in error ? error.code : null) ?? error.message };
  }
}
