/**
 * The engines that the acceptance tests run on. A test that names no engine runs on the default one, or
 * on the one that the environment variable `APHLICT_ENGINE` names: `deno task test-serve` names `serve`.
 *
 * @module
 */

import type { Engine } from "../../src/config/config.ts";

const named = Deno.env.get("APHLICT_ENGINE");
if (named !== undefined && named !== "socket" && named !== "serve") {
  throw new Error(`APHLICT_ENGINE is ${named}. Set it to socket or serve, or unset it.`);
}

/** The engine of every server that names none; `null`: the default of the configuration. */
export const ENGINE: Engine | null = named ?? null;

/** The engines of a test that runs on each: both, or the one of `APHLICT_ENGINE`. */
export const ENGINES: readonly Engine[] = ENGINE === null ? ["socket", "serve"] : [ENGINE];

/** The types of server that have the key `engine`. */
const WITH_ENGINE: readonly unknown[] = ["client"];

/** Adds the engine of `APHLICT_ENGINE` to an entry of `servers` that names none. */
export function withEngine(server: object): object {
  const { type, engine }: { type?: unknown; engine?: unknown } = server;
  const isNamed = engine !== undefined || ENGINE === null || !WITH_ENGINE.includes(type);
  return isNamed ? server : { ...server, engine: ENGINE };
}

/** {@linkcode withEngine} for all `servers` of a configuration that has some. */
export function withEngines(config: Record<string, unknown>): Record<string, unknown> {
  const { servers } = config;
  return Array.isArray(servers) ? { ...config, servers: servers.map(withEngine) } : config;
}
