/**
 * What `aphlict doctor` looks at on the way that browsers come: name, certificate, proxy, Origin.
 *
 * @module
 */

import { isIP } from "node:net";
import type { Config } from "../config/config.ts";
import { Origins } from "../config/origin.ts";
import { formatValue } from "../log/format.ts";
import { dial, namesOf } from "./dial.ts";
import { type Attempt, examineWebSocket, tellExpiry } from "./doctor_servers.ts";
import type { Findings } from "./findings.ts";
import { hostOf, type Place } from "./place.ts";
import type { PublicPlace } from "./public.ts";
import { resolveName } from "./resolve.ts";

/** Whether there is a connection at all comes before whom it is with. */
const ANYBODY = { by: "nobody" } as const;

const SOCKET = "public WebSocket";
const MESSAGE = "public message";

/** The same way as a browser, with a page's Origin. */
export async function examineUrl(
  findings: Findings,
  { place, origin }: PublicPlace,
  attempt: Omit<Attempt, "origin"> & { readonly isUp: boolean },
): Promise<void> {
  const isAllowed = examineOrigin(findings, attempt.config, origin);
  const isReached = await examineName(findings, place.url) &&
    await examineConnection(findings, place) && await examineCertificate(findings, place);
  const why = !isReached
    ? `${place.url} is not reached as it should be.`
    : !isAllowed
    ? "The Origin would be refused."
    : attempt.isUp
    ? null
    : "Aphlict does not run.";
  if (why === null) {
    return await examineWebSocket(findings, place, { ...attempt, origin }, {
      socket: SOCKET,
      message: MESSAGE,
    });
  }
  for (const step of [SOCKET, MESSAGE]) findings.skip(step, why);
}

/** Nobody but who typed the command knows how browsers come. */
export function skipUrl(findings: Findings): void {
  findings.skip(
    "public address",
    "To go the way that browsers come, name it: --url wss://phorge.example.com/ws/",
  );
}

function examineOrigin(findings: Findings, { servers }: Config, origin: string): boolean {
  const step = "origin";
  const lists = servers.flatMap((server) => server.type === "client" ? [server.origins] : []);
  if (lists.includes(null)) {
    findings.ok(step, 'Pages of any site may connect, as "origins" is not set.');
    return true;
  }
  const shown = formatValue(origin, 200);
  if (lists.some((list) => list !== null && new Origins(list).admit(origin))) {
    findings.ok(step, `A page of ${shown} may connect.`);
    return true;
  }
  findings.fail(
    step,
    `A page of ${shown} may not connect: ${lists.flat().join(", ")} may.`,
    `Add "${shown}" to "origins" of the client server. If Phorge is at another address than the ` +
      "WebSockets, name it with --origin.",
  );
  return false;
}

async function examineName(findings: Findings, url: URL): Promise<boolean> {
  const host = hostOf(url);
  if (isIP(host) !== 0) return true;
  const found = await resolveName(host);
  if ("reason" in found) {
    findings.fail(
      "public name",
      `${host} cannot be resolved: ${found.reason}.`,
      "Correct the name, or its entry in the DNS or in /etc/hosts.",
    );
    return false;
  }
  findings.ok("public name", `${host} is ${found.join(", ")}.`);
  return true;
}

async function examineConnection(findings: Findings, { url }: Place): Promise<boolean> {
  const step = "public address";
  const hint = "Look whether the reverse proxy runs, and whether this is where it listens.";
  const line = await findings.attempt(step, url, () => dial({ url, trust: ANYBODY }), hint);
  if (line === null) return false;
  line.socket.destroy();
  findings.ok(step, `${url} accepts connections.`);
  return true;
}

/** What browsers would say of the certificate. */
async function examineCertificate(findings: Findings, place: Place): Promise<boolean> {
  const { url } = place;
  if (url.protocol !== "wss:") return true;
  const step = "public certificate";
  const line = await findings.attempt(step, url, () => dial(place));
  if (line === null || line.certificate === null) return false;
  line.socket.destroy();
  const { certificate } = line;
  const what = `It is for ${namesOf(certificate)}, and`;
  return tellExpiry(findings, step, new Date(certificate.validTo), what);
}
