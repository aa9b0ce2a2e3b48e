/**
 * The project's version.
 *
 * @module
 */

import manifest from "../deno.json" with { type: "json" };

/** The version of `deno.json`, which is the only place that states it. */
export const VERSION: string = manifest.version;
