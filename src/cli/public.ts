/**
 * The options of the commands that connect as a browser does: the address, the page, the trusted authorities and the
 * instance.
 *
 * @module
 */

import { Origins } from "../config/origin.ts";
import { readAuthority, TlsError } from "../net/tls.ts";
import { formatValue } from "../log/format.ts";
import { type OptionSpec, UsageError } from "./args.ts";
import { type Endpoint, originOf } from "../probe/endpoint.ts";

/** The option for the address at which browsers find the client server. */
export const URL_OPTION: OptionSpec = {
  name: "url",
  value: "URL",
  help: "The address that browsers use, such as wss://phorge.example.com/ws/.",
};

/** The option for the page that connects. */
export const ORIGIN_OPTION: OptionSpec = {
  name: "origin",
  value: "ORIGIN",
  help:
    "The Origin to send, as a page of Phorge's does. Default: that of a page at the host of --url; " +
    'without it, one that "origins" of the client server admits.',
};

/** The option for the authorities to trust. */
export const CA_OPTION: OptionSpec = {
  name: "ca",
  value: "FILE",
  help: "PEM certificates of authorities to trust for --url, beside those that browsers know.",
};

/** The option for the instance of Phorge that browsers are connected for. */
export const INSTANCE_OPTION: OptionSpec = {
  name: "instance",
  value: "NAME",
  help: "The instance of Phorge, where one Aphlict serves several. Default: the unnamed one.",
};

/** A client server as browsers reach it. */
export interface PublicEndpoint {
  readonly endpoint: Endpoint;
  /** The origin of the page that connects. */
  readonly origin: string;
}

/**
 * Returns the client server that --url names; `null` without --url.
 *
 * @throws {UsageError} If an option is invalid.
 */
export function publicEndpoint(options: ReadonlyMap<string, string>): PublicEndpoint | null {
  const text = options.get(URL_OPTION.name);
  if (text === undefined) {
    if (options.has(CA_OPTION.name)) {
      throw new UsageError(
        '"--ca" is for --url: what this configuration runs is known by its own certificate.',
      );
    }
    return null;
  }
  const url = parsePublicUrl(text);
  const more = authoritiesIn(options.get(CA_OPTION.name));
  return {
    endpoint: { url, trust: { by: "authorities", more, named: "--ca" }, token: null },
    origin: originIn(options) ?? originOf(url),
  };
}

/**
 * Returns the Origin that was asked for, as a browser would write it; `undefined` when none was.
 *
 * @throws {UsageError} If no page can have it.
 */
export function originIn(options: ReadonlyMap<string, string>): string | undefined {
  const text = options.get(ORIGIN_OPTION.name);
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(
      `"--origin ${formatValue(text, 200)}" is no origin of a page. Write it as ` +
        "https://phorge.example.com.",
    );
  }
  return url.origin;
}

/**
 * Returns the instance that was asked for; `undefined` for the default one.
 *
 * @throws {UsageError} If the name is invalid: browsers name it in a path, as it is.
 */
export function instanceIn(options: ReadonlyMap<string, string>): string | undefined {
  const name = options.get(INSTANCE_OPTION.name);
  if (name !== undefined && !/^[\w.@:+-]{1,256}$/.test(name)) {
    throw new UsageError(
      `"--instance ${name}" is no name of an instance: it has letters, digits and -._@:+, 256 at most.`,
    );
  }
  return name;
}

/** Returns an origin for the server at a URL: one that is admitted, or its own. */
export function originFor(url: URL, origins: readonly string[] | null): string {
  return (origins && new Origins(origins).example) ?? originOf(url);
}

/**
 * Parses the address of a client server as browsers get it.
 *
 * @throws {UsageError} If it is no such address.
 */
export function parsePublicUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^wss?:$/.test(url.protocol)) {
    throw new UsageError(
      `"--url ${text}" is no address of a WebSocket. Write it as wss://phorge.example.com/ws/.`,
    );
  }
  if (url.username !== "" || url.password !== "" || url.hash !== "" || url.search !== "") {
    throw new UsageError(
      `"--url ${text}" has more than a host, a port and a path, which is all that Phorge tells browsers.`,
    );
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

function authoritiesIn(path: string | undefined): string[] {
  if (path === undefined) return [];
  try {
    return readAuthority(path).map((certificate) => certificate.toString());
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    throw new UsageError(`"--ca": ${error.problems.map(({ message }) => message).join(" ")}`);
  }
}
