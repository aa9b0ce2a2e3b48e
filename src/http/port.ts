/**
 * Tests whether a port can be bound, and whether it is free again.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { formatAddress } from "../config/host_name.ts";

/** The interval at which the port is tried again, in ms. */
const STEP_MS = 3;

/** The longest wait, in ms: another program may have bound the port meanwhile. */
const LIMIT_MS = 500;

/**
 * Binds an address for a moment, to get an error that names the fault. The server of `node:net` calls an address that
 * the host does not have an invalid argument, and a missing permission ends the process (Deno 2.9.6).
 *
 * @returns The address that a host name stands for.
 * @throws {Error} The error of `Deno.listen`.
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
 * Resolves when no program accepts connections on an address any more, or after 500 ms. It connects for this, as
 * binding the address for a moment could hinder another program.
 *
 * The promise of a `Deno.serve` server's `shutdown` does not show it: it waits for requests that are being answered,
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
    // A reset comes from a server that is just closing. Waiting does not help against any other error, as too many open
    // files: the next program that binds the port gets it.
    return error instanceof Deno.errors.ConnectionReset;
  }
}
