/**
 * The project's version.
 *
 * @module
 */

import manifest from "../deno.json" with { type: "json" };

/** The Deno that Aphlict is made for and tested with. */
export const TESTED_DENO = "2.9.6";

/** The version of `deno.json`, which is the only place that states it. */
export const VERSION: string = manifest.version;
