/**
 * The rule for which request gets a WebSocket: an allowed origin, a free connection, and not too many from one address.
 * It is the same for every engine.
 *
 * @module
 */

import { drawKey, KeyedHash } from "../keyed_hash.ts";
import { type Entry, KeyedMap } from "../keyed_map.ts";
import { canonicalAddress, networkOf } from "../config/network.ts";
import { clientAddress } from "../net/forwarded.ts";
import type { RefusalKind, SocketRules } from "./rules.ts";

/** The reason why a request does not become a WebSocket. */
export interface Refusal {
  readonly kind: RefusalKind;
  /** The client's address, as far as it is known. */
  readonly address: string;
  /** The HTTP status to answer with. */
  readonly status: 403 | 429 | 503;
  /** A sentence for the log. */
  readonly reason: string;
}

/** A request that has been admitted. */
export interface Admitted {
  /** The client's address; its connection may come from a proxy. */
  readonly address: string;
  /** The count that the request is a part of; `null` when addresses are not limited. */
  readonly network: Entry<number> | null;
}

/** Counts the WebSockets of one server. */
export class Admission {
  readonly #rules: () => SocketRules;
  readonly #byNetwork = new KeyedMap<number>(new KeyedHash(drawKey()));
  #open = 0;

  /** @param rules Called for each request, as the rules may change. */
  constructor(rules: () => SocketRules) {
    this.#rules = rules;
  }

  /** Returns the number of WebSockets that were admitted and have not left. */
  get open(): number {
    return this.#open;
  }

  /**
   * Admits one more WebSocket, or returns the reason against it. Each admitted one needs a call of {@linkcode leave}.
   *
   * @param remote The address that the connection comes from.
   * @param header Returns a header's value by its name in lower case; several are joined by commas.
   */
  admit(remote: string, header: (name: string) => string | null): Admitted | Refusal {
    const { origins, proxies, limits } = this.#rules();
    const address = clientAddress(remote, header, proxies);
    if (origins !== null) {
      const origin = header("origin");
      if (!origins.admit(origin)) {
        return { kind: "origin", address, status: 403, reason: notAllowed(origin) };
      }
    }
    if (this.#open >= limits.connections) {
      const reason = `There are ${limits.connections} connections, as many as there may be`;
      return { kind: "connections", address, status: 503, reason };
    }
    // WebSockets that were admitted while there was no limit are not counted.
    const network = limits.address === 0 ? null : this.#byNetwork.add(networkOf(address), 0);
    if (network !== null) {
      if (network.value >= limits.address) {
        const reason =
          `${network.text} has ${network.value} connections, as many as one address may have`;
        return { kind: "address", address, status: 429, reason };
      }
      network.value++;
    }
    this.#open++;
    return { address, network };
  }

  /** Removes one admitted WebSocket from the counts. */
  leave(network: Admitted["network"]): void {
    this.#open--;
    if (network === null) return;
    network.value--;
    if (network.value === 0) this.#byNetwork.delete(network.text);
  }
}

/**
 * Returns the name of a client in the log.
 *
 * @param connection Address and port of the connection's other end.
 */
export function behind(address: string, connection: string): string {
  const host = hostIn(connection);
  return (canonicalAddress(host) ?? host) === address ? connection : `${address} via ${connection}`;
}

/** Returns the address of an address with its port. */
function hostIn(connection: string): string {
  return connection.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

function notAllowed(origin: string | null): string {
  return origin === null
    ? 'It names no Origin, as every browser does, and "origins" is set'
    : `Its Origin ${origin} is none of "origins"`;
}
