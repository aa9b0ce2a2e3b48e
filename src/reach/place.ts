/**
 * Where a command goes that talks to a running Aphlict: a server of the configuration, or an address that
 * was typed.
 *
 * @module
 */

import { type Config, type ServerConfig, type ServerType, urlOf } from "../config/config.ts";
import { canonicalAddress } from "../config/network.ts";
import { readToken, type Token, TokenError } from "../config/token.ts";

/** A server, and how it shows that it is the right one. */
export interface Place {
  /** `http:`, `https:`, `ws:` or `wss:`. */
  readonly url: URL;
  readonly trust: Trust;
  /**
   * The file of the token that is sent there; `null`: there is none. Who has been sent it once may give it back later:
   * no text of the server is shown with it, whatever the server was asked.
   */
  readonly token: string | null;
}

/** Whose certificate is accepted where TLS is spoken. */
export type Trust =
  /** Anybody's: nothing secret is said or heard. */
  | { readonly by: "nobody" }
  /** The one in this file and no other, whatever its name: what a server of this host has to show. */
  | { readonly by: "file"; readonly path: string }
  /**
   * What a browser accepts: valid now, for the host, from a known authority or one of these (PEM), which
   * an administrator names with `named`.
   */
  | { readonly by: "authorities"; readonly more: readonly string[]; readonly named: string };

/** Where a server of the configuration is reached from its own host. */
export function placeOf(server: ServerConfig): Place {
  const { tls } = server;
  return {
    url: connectable(new URL(urlOf(server))),
    trust: tls === null ? { by: "nobody" } : { by: "file", path: tls.cert },
    token: server.type === "admin" ? server.token : null,
  };
}

/** Returns the token of a place; `null`: it has none, or this user, who can send none then, cannot read it. */
export function tokenOf({ token }: Pick<Place, "token">): Token | null {
  try {
    return token === null ? null : readToken(token);
  } catch (error) {
    if (error instanceof TokenError) return null;
    throw error;
  }
}

/** The first server of a type; a configuration has one of each. */
export function firstOf<T extends ServerType>(
  { servers }: Config,
  type: T,
): Extract<ServerConfig, { readonly type: T }> {
  const found = servers.find((each): each is Extract<ServerConfig, { readonly type: T }> =>
    each.type === type
  );
  if (found === undefined) throw new Error(`The configuration has no ${type} server`);
  return found;
}

/** The same URL with an address to connect to: the one that stands for all of a host's is none. */
export function connectable(url: URL): URL {
  const target = new URL(url);
  if (target.hostname === "0.0.0.0") target.hostname = "127.0.0.1";
  if (target.hostname === "[::]") target.hostname = "[::1]";
  return target;
}

/** Returns the addresses of the live page, among the URLs of servers, as a browser on this host opens them. */
export function livePagesOf(urls: readonly string[]): string[] {
  return urls.flatMap((url) => {
    const page = /^https?:/.test(url) ? URL.parse("console/", url) : null;
    return page === null ? [] : [connectable(page).href];
  });
}

/** The path of an instance below a client server's, as Phorge asks for it. */
export function pathOf({ pathname }: URL, instance: string | undefined): string {
  return instance === undefined ? pathname : `${pathname}~${instance}/`;
}

/** The origin of the page that would connect to a URL when Phorge is at the same host. */
export function originOf({ protocol, host }: URL): string {
  return new URL(`${protocol === "wss:" ? "https" : "http"}://${host}/`).origin;
}

/** The port of a URL, which leaves the usual one out. */
export function portOf({ port, protocol }: URL): number {
  return port !== "" ? Number(port) : /^(https|wss):$/.test(protocol) ? 443 : 80;
}

/**
 * Returns a function that tells whether a server cannot be bound while something listens at one of these URLs: at the
 * same port, and at the same address, or at all addresses in one of the two. A host name may be any address.
 */
export function heldBy(
  urls: readonly string[],
): (server: Pick<ServerConfig, "listen" | "port">) => boolean {
  const held = urls.flatMap((text) => {
    const url = URL.parse(text);
    return url === null ? [] : [{ port: portOf(url), address: specificAddress(hostOf(url)) }];
  });
  return ({ listen, port }) => {
    const wanted = specificAddress(listen);
    return held.some(({ address, port: taken }) =>
      port === taken && (wanted === null || address === null || wanted === address)
    );
  };
}

/** The address that a host is; `null` for all addresses, and for a name. */
function specificAddress(host: string): string | null {
  const address = canonicalAddress(host);
  return address === "0.0.0.0" || address === "::" ? null : address;
}

/** The host of a URL as it is connected to: IPv6 without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
