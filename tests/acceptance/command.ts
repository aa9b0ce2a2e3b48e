/**
 * `bin/aphlict` beside a service that a test runs.
 *
 * @module
 */

import type { Outcome } from "./process.ts";
import { Process } from "./process.ts";
import { APHLICT, serviceArguments } from "./program.ts";
import type { Written } from "./server.ts";

/** Starts a command. */
export function launch(...args: readonly string[]): Process {
  return new Process(APHLICT, args, { env: { DENO: Deno.execPath() } });
}

/** Runs a command to its end. */
export async function aphlict(...args: readonly string[]): Promise<Outcome> {
  await using process = launch(...args);
  return await process.outcome();
}

/** Runs the service of a configuration, and waits until it listens. */
export async function serve({ path }: Pick<Written, "path">): Promise<Process> {
  const process = new Process(Deno.execPath(), serviceArguments(path, "serve"));
  await process.line(/has fingerprint /);
  return process;
}
