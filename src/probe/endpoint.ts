/**
 * The endpoint of a server that a command talks to: one of the configuration, or an address that was typed.
 *
 * @module
 */

import { type Config, type ServerConfig, type ServerType, serverUrl } from "../config/config.ts";
import { canonicalAddress } from "../config/network.ts";
import { readToken, type Token, TokenError } from "../config/token.ts";
import { type CertificateTrust, dial, type Dialed } from "../http/dial.ts";

/** The address of a server, and the means to trust each other. */
export interface Endpoint {
  /** The URL: `http:`, `https:`, `ws:` or `wss:`. */
  readonly url: URL;
  readonly trust: CertificateTrust;
  /**
   * The file of the token that is sent there; `null` if there is none. A server that got the token once may send it
   * back later. So every text of the server is shown without it, whatever the request was.
   */
  readonly token: string | null;
}

/** Returns the endpoint of a server of the configuration, as its own host reaches it. */
export function endpointOf(server: ServerConfig): Endpoint {
  const { tls } = server;
  return {
    url: connectable(new URL(serverUrl(server))),
    trust: tls === null ? { by: "nobody" } : { by: "file", path: tls.cert },
    token: server.type === "admin" ? server.token : null,
  };
}

/** Returns the token of an endpoint; `null` if it has none, or if this user cannot read it and so cannot send it. */
export function tokenOf({ token }: Pick<Endpoint, "token">): Token | null {
  try {
    return token === null ? null : readToken(token);
  } catch (error) {
    if (error instanceof TokenError) return null;
    throw error;
  }
}

/**
 * Connects to an endpoint, with TLS where its URL says so.
 *
 * @param token The token of the endpoint. All that the server shows is passed on without it.
 * @throws {RequestError} If the connection fails, or the certificate is not to be trusted.
 */
export async function dialEndpoint(
  { url, trust, ...rest }: Endpoint,
  token: Token | null = tokenOf(rest),
): Promise<Dialed> {
  const tls = isSecure(url) ? trust : null;
  const redact = (text: string) => token?.redact(text) ?? text;
  return await dial({ host: hostOf(url), port: portOf(url), tls }, redact);
}

function isSecure({ protocol }: URL): boolean {
  return protocol === "https:" || protocol === "wss:";
}

/** Returns the first server of a type; a configuration has one of each. */
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

/** Returns the same URL with an address to connect to: one that stands for all addresses of a host is none. */
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

/** Returns the path of an instance below a client server's, as Phorge asks for it. */
export function instancePath({ pathname }: URL, instance: string | undefined): string {
  return instance === undefined ? pathname : `${pathname}~${instance}/`;
}

/** Returns the origin of the page that would connect to a URL when Phorge is at the same host. */
export function originOf({ protocol, host }: URL): string {
  return new URL(`${protocol === "wss:" ? "https" : "http"}://${host}/`).origin;
}

/** Returns the port of a URL, even if the URL leaves the usual one out. */
export function portOf(url: URL): number {
  return url.port !== "" ? Number(url.port) : isSecure(url) ? 443 : 80;
}

/**
 * Returns a function that tells whether a server cannot be bound while another one listens at one of these URLs: at
 * the same port, and at the same address, or at all addresses in one of the two. A host name may be any address.
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

/** Returns the address that a host is; `null` for all addresses, and for a name. */
function specificAddress(host: string): string | null {
  const address = canonicalAddress(host);
  return address === "0.0.0.0" || address === "::" ? null : address;
}

/** Returns the host of a URL in the form for connecting: IPv6 without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
