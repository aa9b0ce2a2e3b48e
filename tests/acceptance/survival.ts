/**
 * A service under attack, and an honest browser that must not notice.
 *
 * @module
 */

import { assert, assertEquals } from "../assert.ts";
import { Browser } from "./browser.ts";
import { testOnEngine } from "./engines.ts";
import { StatusWatch } from "./status_watch.ts";
import { until } from "./until.ts";
import { publish, residentBytes, run, type Running, type RunOptions, status } from "./server.ts";

export const MB = 1_000_000;

/** What is run, and what the honest browser trusts. */
export type SurvivalOptions = RunOptions & {
  readonly caCert?: string;
  readonly origin?: string;
  /** @default {GROWTH_MB} */
  readonly growthMB?: number;
};

/**
 * By how much an attack may have the service's resident memory grow, in MB: what the garbage of a busy core
 * comes to before it is collected. The busiest attack stays at 115 to 150, for two seconds as for ten.
 */
const GROWTH_MB = 200;

/**
 * How long the status page, or a newcomer, may take before the service counts as blocked, in ms. Other tests run beside these;
 * what an honest client notices is measured by the floods, which run alone.
 */
export const BLOCKED_MS = 8000;

/** Runs a service and an honest browser through an attack. */
export function survives(
  attack: string,
  test: (running: Running, honest: Browser) => Promise<void>,
  options: SurvivalOptions = {},
): void {
  testOnEngine(`the service survives ${attack}`, async () => {
    await using running = await run(options);
    using client = options.caCert ? Deno.createHttpClient({ caCerts: [options.caCert] }) : null;
    const open = {
      topics: ["HONEST"],
      ...(client ? { client } : {}),
      ...(options.origin ? { origin: options.origin } : {}),
    };
    await using honest = await Browser.open(running.client, open);
    const before = residentBytes(running);
    let slowest: number;
    {
      // In a thread of its own, as the attackers have this one.
      using watch = new StatusWatch(running.admin);
      await test(running, honest);
      slowest = await watch.slowest();
    }
    const grown = (residentBytes(running) - before) / MB;
    assert(grown < (options.growthMB ?? GROWTH_MB), `it has taken ${grown} MB`);
    assert(slowest < BLOCKED_MS, `the status page took ${slowest} ms`);
    await publish(running.admin, { subscribers: ["HONEST"], n: "last" });
    assertEquals(JSON.parse((await honest.all()).at(-1) ?? "").n, "last");
    assertEquals(/ERROR|Internal error/.test(running.log()), false, running.log());
  });
}

/** Waits until the instance has so many listeners. */
export async function untilActive({ admin }: Running, count: number): Promise<void> {
  await until(async () => (await status(admin))["clients.active"] === count);
}
