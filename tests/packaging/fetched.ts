/**
 * What Deno has fetched of the packages in a lock file.
 *
 * @module
 */

import { ROOT } from "../acceptance/program.ts";

/** A package in the cache. */
export interface Fetched {
  readonly name: string;
  /** The folder that it was unpacked to. */
  readonly localPath: string;
}

/**
 * The packages of a lock file.
 *
 * @param specifier Any of them.
 */
export async function packagesOf(lock: string, specifier: string): Promise<Fetched[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-config", `--lock=${ROOT}${lock}`, specifier],
  }).output();
  return Object.values(JSON.parse(new TextDecoder().decode(stdout)).npmPackages);
}
