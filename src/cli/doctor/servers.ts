/**
 * The steps of `aphlict doctor` about the servers that run: each of them, and a message through all.
 *
 * @module
 */

import type { AdminServerConfig, ClientServerConfig, Config } from "../../config/config.ts";
import { daysUntil, EXPIRY_WARNING_DAYS } from "../../net/tls.ts";
import { type ProbeAnswer, request } from "../../probe/request.ts";
import { namesOf, outcomeOf, RequestError, sentenceAbout } from "../../http/failure.ts";
import type { Findings } from "./findings.ts";
import { dialEndpoint, type Endpoint, endpointOf } from "../../probe/endpoint.ts";
import { type AdminEndpoint, adminsOf, hasReadableToken, publishersOf } from "../admin.ts";
import { testDelivery } from "./delivery.ts";
import { originFor } from "../public.ts";
import { explainRejection, isClientPort, statusPageFault } from "../../probe/rejection.ts";
import { Subscriber } from "../../probe/subscriber.ts";

/** The input of the steps about a message. */
export interface MessageTest {
  readonly config: Config;
  readonly instance: string | undefined;
  /** The origin of a page; `undefined` for one that is admitted. */
  readonly origin: string | undefined;
}

/** Examines each server, and returns the one that messages are published with; `null` if none accepts any. */
export async function examineServers(
  findings: Findings,
  test: MessageTest,
): Promise<AdminServerConfig | null> {
  const { config } = test;
  const answering = await examineAdmins(findings, adminsOf(config));
  const publisher =
    publishersOf(config).find(({ server }) =>
      answering.includes(server) && hasReadableToken(server)
    )?.server ?? null;
  const clients = config.servers.filter((server) => server.type === "client");
  for (const client of clients) await examineClient(findings, client, test, publisher);
  return publisher;
}

/** Examines all admin servers, and returns those that are as they should be. */
async function examineAdmins(
  findings: Findings,
  endpoints: readonly AdminEndpoint[],
): Promise<AdminServerConfig[]> {
  const answers = await Promise.all(
    endpoints.map(async (endpoint) => {
      const asking = request({ ...endpoint, trust: { by: "nobody" } }, { path: "/status/" });
      return { endpoint, answer: await outcomeOf(asking) };
    }),
  );
  const isAnyOpen = answers.some(({ answer }) => "status" in answer && answer.status === 200);
  const well: AdminServerConfig[] = [];
  for (const { endpoint, answer } of answers) {
    if (await examineAdmin(findings, endpoint, answer, isAnyOpen)) well.push(endpoint.server);
  }
  return well;
}

/** @param isAnyOpen True if some admin server admits this host. */
async function examineAdmin(
  findings: Findings,
  endpoint: AdminEndpoint,
  answer: ProbeAnswer | RequestError,
  isAnyOpen: boolean,
): Promise<boolean> {
  const step = "admin server";
  const { url } = endpoint;
  if ("status" in answer && answer.status === 403 && isAnyOpen) {
    findings.warn(
      step,
      `${sentenceAbout(url, explainRejection(answer))} Another admin server does.`,
      'Is that deliberate? If not, add the address to "allow" of this one.',
    );
    return false;
  }
  const fault = answer instanceof RequestError ? answer : statusPageFault(answer);
  if (fault !== null) {
    findings.unreached(step, url, fault);
    return false;
  }
  findings.ok(step, `${url} answers.`);
  return await examineCertificate(findings, endpoint);
}

async function examineClient(
  findings: Findings,
  server: ClientServerConfig,
  test: MessageTest,
  publisher: AdminServerConfig | null,
): Promise<void> {
  const endpoint = endpointOf(server);
  const { url } = endpoint;
  const isThere = await findings.attempt("client server", url, async () => {
    const answer = await request({ ...endpoint, trust: { by: "nobody" } });
    if (isClientPort(answer)) return true;
    throw new RequestError(
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
  if (!await examineCertificate(findings, endpoint)) {
    for (const step of ["WebSocket", "message"]) {
      findings.skip(step, "The certificate is wrong, or not to be compared.");
    }
    return;
  }
  const origin = test.origin ?? originFor(url, server.origins);
  await examineWebSocket(findings, endpoint, { ...test, origin, publisher }, {
    socket: "WebSocket",
    message: "message",
  });
}

/** Examines the certificate of a server here, and tells whether it can be used. */
async function examineCertificate(findings: Findings, endpoint: Endpoint): Promise<boolean> {
  const { url, trust } = endpoint;
  if (trust.by !== "file") return true;
  const step = "certificate";
  const dialed = await outcomeOf(dialEndpoint(endpoint));
  if (dialed instanceof RequestError) {
    // The step about files has reported the problem of the file.
    if (dialed.stage === "file") findings.skip(step, `${trust.path} cannot be used.`);
    else findings.unreached(step, url, dialed);
    return false;
  }
  const { socket, certificate, redact } = dialed;
  socket.destroy();
  return certificate !== null && tellExpiry(
    findings,
    step,
    new Date(certificate.validTo),
    `${trust.path} is for ${namesOf(certificate, redact)}, and`,
  );
}

/** Reports for how long a certificate can be used, and tells whether it can. */
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

/** The input of a WebSocket's test. */
export interface Attempt extends MessageTest {
  readonly origin: string;
  /** The admin server to publish with; `null` if there is none. */
  readonly publisher: AdminServerConfig | null;
}

/** Opens a WebSocket, and sends a message through it. */
export async function examineWebSocket(
  findings: Findings,
  endpoint: Endpoint,
  { instance, origin, publisher }: Attempt,
  steps: { readonly socket: string; readonly message: string },
): Promise<void> {
  const subscriber = await findings.attempt(
    steps.socket,
    endpoint.url,
    () => Subscriber.open(endpoint, { instance, origin }),
  );
  if (subscriber === null) return findings.skip(steps.message, "There is no WebSocket.");
  findings.ok(steps.socket, `${endpoint.url} opens for a page of ${origin}.`);
  try {
    if (publisher === null) {
      return findings.skip(
        steps.message,
        "No admin server answers as it should, and takes messages that this user can send.",
      );
    }
    const took = await findings.attempt(
      steps.message,
      endpoint.url,
      () => testDelivery(publisher, instance, subscriber),
      "The log may say more, and `aphlict debug` says all.",
    );
    if (took === null) return;
    findings.ok(
      steps.message,
      `Posted to ${endpointOf(publisher).url}, one came out at ${endpoint.url} after ${
        took.toFixed(1)
      } ms.`,
    );
  } finally {
    subscriber.close();
  }
}
