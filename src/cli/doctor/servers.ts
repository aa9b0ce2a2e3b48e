/**
 * What `aphlict doctor` looks at in the servers that run: each of them, and a message through all.
 *
 * @module
 */

import type { AdminServerConfig, ClientServerConfig, Config } from "../../config/config.ts";
import { readAuthority, TlsError } from "../../config/tls.ts";
import { ask } from "../../reach/ask.ts";
import { daysUntil, EXPIRY_WARNING_DAYS } from "../check.ts";
import { dial, namesOf, ReachError } from "../../reach/dial.ts";
import type { Findings } from "./findings.ts";
import { firstOf, type Place, placeOf } from "../../reach/place.ts";
import { probe } from "./probe.ts";
import { originFor } from "../public.ts";
import { explainDenial, isClientPort, isStatusPage } from "../../reach/refusal.ts";
import { Subscriber } from "../../reach/subscriber.ts";

/** What the steps about a message go by. */
export interface Errand {
  readonly config: Config;
  readonly instance: string | undefined;
  /** That a page would have; `undefined`: one that is admitted. */
  readonly origin: string | undefined;
}

/** Looks at each server, and returns whether messages can be published. */
export async function examineServers(findings: Findings, errand: Errand): Promise<boolean> {
  const { servers } = errand.config;
  const admins = servers.filter((server) => server.type === "admin");
  const clients = servers.filter((server) => server.type === "client");
  const first = firstOf(errand.config, "admin");
  let canPublish = false;
  for (const admin of admins) {
    const isWell = await examineAdmin(findings, admin);
    if (admin === first) canPublish = isWell;
  }
  for (const client of clients) await examineClient(findings, client, errand, canPublish);
  return canPublish;
}

async function examineAdmin(findings: Findings, server: AdminServerConfig): Promise<boolean> {
  const step = "admin server";
  const { url, trust } = placeOf(server);
  const isThere = await findings.attempt(step, url, async () => {
    const answer = await ask({ url, trust: { by: "nobody" } }, { path: "/status/" });
    if (answer.status !== 200) throw explainDenial(answer);
    if (isStatusPage(answer)) return true;
    throw new ReachError(
      "answer",
      "does not answer as the admin port of an Aphlict does",
      "Another program has the port.",
    );
  });
  if (isThere === null) return false;
  findings.ok(step, `${url} answers.`);
  return await examineCertificate(findings, { url, trust });
}

async function examineClient(
  findings: Findings,
  server: ClientServerConfig,
  errand: Errand,
  canPublish: boolean,
): Promise<void> {
  const place = placeOf(server);
  const { url } = place;
  const isThere = await findings.attempt("client server", url, async () => {
    const answer = await ask({ url, trust: { by: "nobody" } });
    if (isClientPort(answer)) return true;
    throw new ReachError(
      "answer",
      `answers ${answer.status} in place of 501, so it is no client port of an Aphlict`,
      "Another program has the port.",
    );
  });
  const why = "The client server does not answer as it should.";
  if (isThere === null) {
    for (const step of ["WebSocket", "message"]) findings.skip(step, why);
    return;
  }
  findings.ok("client server", `${url} answers 501 to what is no WebSocket, as Phorge expects.`);
  if (!await examineCertificate(findings, place)) {
    for (const step of ["WebSocket", "message"]) findings.skip(step, "The certificate is wrong.");
    return;
  }
  const origin = errand.origin ?? originFor(url, server.origins);
  await examineWebSocket(findings, place, { ...errand, origin, canPublish }, {
    socket: "WebSocket",
    message: "message",
  });
}

/** The certificate that a server here shows. */
async function examineCertificate(findings: Findings, { url, trust }: Place): Promise<boolean> {
  if (trust.by !== "file") return true;
  const step = "certificate";
  const line = await findings.attempt(step, url, () => dial({ url, trust: { by: "nobody" } }));
  line?.socket.destroy();
  const shown = line?.certificate ?? null;
  if (shown === null) return false;
  let configured: string | undefined;
  try {
    configured = readAuthority(trust.path)[0]?.fingerprint256;
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    findings.fail(step, error.problems.map(({ message }) => message).join(" "), "");
    return false;
  }
  if (configured !== shown.fingerprint256) {
    findings.fail(
      step,
      `${url} shows another certificate than that in ${trust.path}.`,
      "A renewed one is taken over within a minute, or at once: aphlict reload",
    );
    return false;
  }
  return tellExpiry(
    findings,
    step,
    new Date(shown.validTo),
    `${trust.path} is for ${namesOf(shown)}, and`,
  );
}

/** Tells for how long a certificate can be used, and returns whether it can. */
export function tellExpiry(findings: Findings, step: string, end: Date, what: string): boolean {
  const days = daysUntil(end);
  const date = end.toISOString().slice(0, 10);
  if (days < 0) {
    findings.fail(step, `${what} expired on ${date}.`, "Renew it.");
    return false;
  }
  const detail = `${what} expires on ${date}, in ${days} days.`;
  if (days < EXPIRY_WARNING_DAYS) findings.warn(step, detail, "Renew it.");
  else findings.ok(step, detail);
  return true;
}

/** How a WebSocket is tried. */
export interface Attempt extends Errand {
  readonly origin: string;
  readonly canPublish: boolean;
}

/** Opens a WebSocket, and sends a message through it. */
export async function examineWebSocket(
  findings: Findings,
  place: Place,
  { config, instance, origin, canPublish }: Attempt,
  steps: { readonly socket: string; readonly message: string },
): Promise<void> {
  const subscriber = await findings.attempt(
    steps.socket,
    place.url,
    () => Subscriber.open(place, { instance, origin }),
  );
  if (subscriber === null) return findings.skip(steps.message, "There is no WebSocket.");
  findings.ok(steps.socket, `${place.url} opens for a page of ${origin}.`);
  try {
    if (!canPublish) {
      return findings.skip(steps.message, "The admin server does not answer as it should.");
    }
    const admin = firstOf(config, "admin");
    const took = await findings.attempt(
      steps.message,
      place.url,
      () => probe(admin, instance, subscriber),
      "The log may say more, and `aphlict debug` says all.",
    );
    if (took === null) return;
    findings.ok(
      steps.message,
      `Posted to ${placeOf(admin).url}, one came out at ${place.url} after ${took.toFixed(1)} ms.`,
    );
  } finally {
    subscriber.close();
  }
}
