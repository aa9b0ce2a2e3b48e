/**
 * The steps of `aphlict doctor` on the way that browsers come: name, certificate, proxy, Origin.
 *
 * @module
 */

import { isIP } from "node:net";
import { type Config, type ServerConfig } from "../../config/config.ts";
import { formatAddress } from "../../config/host_name.ts";
import { Origins } from "../../config/origin.ts";
import { formatValue } from "../../log/format.ts";
import { namesOf, RequestError } from "../../http/failure.ts";
import { type Attempt, examineWebSocket, tellExpiry } from "./servers.ts";
import type { Findings } from "./findings.ts";
import { dialEndpoint, type Endpoint, hostOf, portOf } from "../../probe/endpoint.ts";
import type { PublicEndpoint } from "../public.ts";
import { resolveName } from "../resolve.ts";

const SOCKET = "public WebSocket";
const MESSAGE = "public message";

/** Examines the way of a browser, with a page's Origin. */
export async function examineUrl(
  findings: Findings,
  { endpoint, origin }: PublicEndpoint,
  attempt: Omit<Attempt, "origin">,
  /** The reason why no service is at its end; `null` when one is. */
  whyDown: string | null,
): Promise<void> {
  const isAllowed = examineOrigin(findings, attempt.config, origin);
  const addresses = await examineName(findings, endpoint.url);
  const isReached = addresses.length > 0 &&
    await examineAddresses(findings, endpoint, addresses) &&
    await examineCertificate(findings, endpoint);
  const why = !isReached
    ? `${endpoint.url} is not reached as it should be.`
    : !isAllowed
    ? "The Origin would be refused."
    : whyDown;
  if (why === null) {
    return await examineWebSocket(findings, endpoint, { ...attempt, origin }, {
      socket: SOCKET,
      message: MESSAGE,
    });
  }
  for (const step of [SOCKET, MESSAGE]) findings.skip(step, why);
}

/** Skips the public address: only the user who typed the command knows it. */
export function skipUrl(findings: Findings): void {
  findings.skip(
    "public address",
    "To go the way that browsers come, name it: --url wss://phorge.example.com/ws/",
  );
}

function examineOrigin(findings: Findings, { servers }: Config, origin: string): boolean {
  const step = "origin";
  const clients = servers.filter((server) => server.type === "client");
  if (clients.every(({ origins }) => origins === null)) {
    findings.ok(step, 'Pages of any site may connect, as "origins" is not set.');
    return true;
  }
  const shown = formatValue(origin, 200);
  const admitting = clients.filter(({ origins }) =>
    origins === null || new Origins(origins).admit(origin)
  );
  if (admitting.length === clients.length) {
    findings.ok(step, `A page of ${shown} may connect.`);
    return true;
  }
  if (admitting.length > 0) {
    const refusing = clients.filter((client) => !admitting.includes(client));
    findings.warn(
      step,
      `A page of ${shown} may connect to ${named(admitting)}, and not to ${named(refusing)}.`,
      'Where --url leads to is seen below. Give all servers that it may lead to the same "origins".',
    );
    return true;
  }
  findings.fail(
    step,
    `A page of ${shown} may not connect: ${
      clients.flatMap(({ origins }) => origins ?? []).join(", ")
    } may.`,
    `Add "${shown}" to "origins" of the client server. If Phorge is at another address than the ` +
      "WebSockets, name it with --origin.",
  );
  return false;
}

function named(servers: readonly ServerConfig[]): string {
  return servers.map(({ listen, port }) => formatAddress(listen, port)).join(" and ");
}

/** Returns the addresses of a URL's host; none when it cannot be resolved. */
async function examineName(findings: Findings, url: URL): Promise<readonly string[]> {
  const host = hostOf(url);
  if (isIP(host) !== 0) return [host];
  const found = await resolveName(host);
  if ("reason" in found) {
    findings.fail(
      "public name",
      `${host} cannot be resolved: ${found.reason}.`,
      "Correct the name, or its entry in the DNS or in /etc/hosts.",
    );
    return [];
  }
  findings.ok("public name", `${host} is ${found.join(", ")}.`);
  return found;
}

/** Examines each address, as browsers go to any of them. Later steps examine the server behind it. */
async function examineAddresses(
  findings: Findings,
  endpoint: Endpoint,
  addresses: readonly string[],
): Promise<boolean> {
  const { url } = endpoint;
  const step = "public address";
  const faults: RequestError[] = [];
  const told: string[] = [];
  const open: string[] = [];
  for (const host of addresses) {
    const address = formatAddress(host, portOf(url));
    try {
      const plain = { ...endpoint, url: new URL(`ws://${address}/`) };
      (await dialEndpoint(plain)).socket.destroy();
      open.push(address);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      faults.push(error);
      told.push(`${address} ${error.message}.`);
    }
  }
  // Browsers may have a route that this host does not have.
  if (open.length > 0 && faults.every(({ stage }) => stage === "route")) {
    findings.ok(step, `${open.join(" and ")} takes connections.`);
  } else if (open.length === 0) {
    findings.fail(
      step,
      told.join(" "),
      "Look whether the reverse proxy runs, and whether this is where it listens.",
    );
  } else {
    findings.warn(
      step,
      `${told.join(" ")} ${open.join(" and ")} takes connections.`,
      "Some browsers try the wrong one first, or have no other. Let the reverse proxy listen there, too, " +
        "or remove the address from the DNS.",
    );
  }
  return open.length > 0;
}

/** Examines the certificate as browsers do. */
async function examineCertificate(findings: Findings, endpoint: Endpoint): Promise<boolean> {
  const { url } = endpoint;
  if (url.protocol !== "wss:") return true;
  const step = "public certificate";
  const line = await findings.attempt(step, url, () => dialEndpoint(endpoint));
  if (line === null || line.certificate === null) return false;
  const { socket, certificate, redact } = line;
  socket.destroy();
  const what = `It is for ${namesOf(certificate, redact)}, and`;
  return tellExpiry(findings, step, new Date(certificate.validTo), what);
}
