/**
 * What the acceptance tests run: the sources, or the bundle that the environment variable
 * `APHLICT_BUNDLE` names.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { serviceFlags } from "../../src/config/permissions.ts";
import { denoArguments, type Script } from "../../src/config/program.ts";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const bundle = Deno.env.get("APHLICT_BUNDLE");

/** The program under test. */
export const PROGRAM: Script = bundle === undefined
  ? { kind: "source", path: `${ROOT}main.ts` }
  : { kind: "bundle", path: resolve(bundle) };

/** Its command. */
export const APHLICT = PROGRAM.kind === "source" ? `${ROOT}bin/aphlict` : PROGRAM.path;

/** Declares a test of what only the sources have: a folder `conf` beside them, and dependencies. */
export function testOfSource(name: string, test: () => Promise<void>): void {
  if (PROGRAM.kind === "source") Deno.test(name, test);
}

/** Arguments of deno that run a verb of it with some flags. */
export function programArguments(flags: readonly string[], verb: string, config: string): string[] {
  return denoArguments(PROGRAM, flags, [verb, "--config", config]);
}

/** The same with exactly the flags that the configuration needs. */
export function serviceArguments(config: string, verb: string): string[] {
  return programArguments(serviceFlags(loadConfig(config)), verb, config);
}
