/**
 * Whether a port is free.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { formatAddress } from "../config/config.ts";

/** The time to wait before the port is looked at again, in ms. */
const STEP_MS = 3;

/** When to give up, in ms: another program may have bound the port meanwhile. */
const LIMIT_MS = 500;

/**
 * Binds an address for a moment, to be told by name what is wrong. The server of `node:net` calls an address that the
 * host does not have an invalid argument, and a missing permission ends the process (Deno 2.9.6).
 *
 * @returns The address that a host name stands for.
 * @throws {Error} What `Deno.listen` throws.
 */
export function tryAddress(hostname: string, port: number): string {
  const probe = Deno.listen({ hostname, port });
  probe.close();
  const host = probe.addr.hostname;
  const address = formatAddress(host, port);
  if (Deno.permissions.querySync({ name: "net", host: address }).state !== "granted") {
    throw new Deno.errors.NotCapable(`There is no permission for ${address}`);
  }
  return host;
}

/**
 * Resolves when nobody accepts connections on an address any more, or after 500 ms. It connects to
 * find out, as binding it for a moment could get in the way of another program.
 *
 * The promise of the `shutdown` of a `Deno.serve` server does not tell: it waits for requests that are being answered,
 * long after the port is free. The port is free 5 ms after the call, or 50 on a busy machine (Deno 2.9.6).
 */
export async function portReleased(hostname: string, port: number): Promise<void> {
  const until = performance.now() + LIMIT_MS;
  while (await accepts(hostname, port) && performance.now() < until) {
    await pause(STEP_MS);
  }
}

async function accepts(hostname: string, port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return true;
  } catch (error) {
    // A reset comes from a server that is just going. Whatever else there is, as too many open files,
    // waiting does not help: who binds the port next is told.
    return error instanceof Deno.errors.ConnectionReset;
  }
}
