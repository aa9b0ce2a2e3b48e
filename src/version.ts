/**
 * The project's version.
 *
 * @module
 */

import manifest from "../deno.json" with { type: "json" };

/** The Deno that Aphlict is made for and tested with. */
export const TESTED_DENO = "2.9.6";

/** Returns a warning of another Deno than the tested one; `null` for that, and for others of its minor version. */
export function denoWarning(deno: string): string | null {
  const minor = (version: string) => version.slice(0, version.lastIndexOf("."));
  return minor(deno) === minor(TESTED_DENO)
    ? null
    : `This is Deno ${deno}, and Aphlict is made for and tested with ${TESTED_DENO}: use that one`;
}

/** The version of `deno.json`, which is the only place that states it. */
export const VERSION: string = manifest.version;
