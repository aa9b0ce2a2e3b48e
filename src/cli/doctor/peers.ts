/**
 * What `aphlict doctor` looks at in the cluster: each peer as this server reaches it, and its clock.
 *
 * @module
 */

import type { ConsoleData } from "../../admin/console.ts";
import { formatAddress, type PeerConfig } from "../../config/config.ts";
import { readAuthority, TlsError } from "../../config/tls.ts";
import { readToken, TokenError } from "../../config/token.ts";
import { asFingerprint } from "../../hub/fingerprint.ts";
import { formatValue } from "../../log/format.ts";
import { type Answer, ask } from "../../reach/ask.ts";
import { objectOf } from "../../json.ts";
import { ReachError } from "../../reach/dial.ts";
import type { Findings } from "./findings.ts";
import { connectable, type Place } from "../../reach/place.ts";
import { explainDenial, isStatusPage } from "../../reach/refusal.ts";

/** How far the clocks of two hosts may be apart, in ms: a `Date` header has whole seconds. */
const CLOCK_LIMIT_MS = 5000;

/** What a peer's answer comes to. */
interface Visit {
  /** `null` with the original. */
  readonly fingerprint: string | null;
  /** How far its clock is ahead of this host's, in ms; `null` when it does not tell the time. */
  readonly aheadMs: number | null;
}

/**
 * Asks each peer, as this server does.
 *
 * @param told What the service here tells, or `null`.
 */
export async function examinePeers(
  findings: Findings,
  cluster: readonly PeerConfig[],
  told: ConsoleData | null,
): Promise<void> {
  for (const [index, peer] of cluster.entries()) {
    const url = new URL(`${peer.protocol}://${formatAddress(peer.host, peer.port)}/`);
    const visit = await findings.attempt(
      "peer",
      url,
      () => call(url, peer),
      "Look whether Aphlict runs there: aphlict status",
    );
    if (visit === null) continue;
    if (told !== null && visit.fingerprint === told.now.fingerprint) {
      findings.ok("peer", `${url} is this server itself.`);
      continue;
    }
    const view = told?.now.peers[index];
    if (view?.state === "down") {
      findings.warn(
        "peer",
        `${url} answers, but the service takes it for down: it ${formatValue(view["last.error"])}.`,
        "It tries again within 15 s.",
      );
    } else findings.ok("peer", `${url} answers, and takes messages.`);
    examineClock(findings, url, visit.aheadMs);
  }
}

function examineClock(findings: Findings, url: URL, aheadMs: number | null): void {
  const step = "clock";
  if (aheadMs === null) return findings.skip(step, `${url} does not tell the time.`);
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (Math.abs(aheadMs) <= CLOCK_LIMIT_MS) {
    return findings.ok(step, `${url} has the same time as this host.`);
  }
  findings.warn(
    step,
    `${url} is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} this host.`,
    "Let both hosts take the time from the network (chrony, systemd-timesyncd): the times in their logs " +
      "cannot be compared.",
  );
}

async function call(url: URL, peer: PeerConfig): Promise<Visit> {
  const place: Place = {
    url: connectable(url),
    trust: { by: "authorities", more: authoritiesOf(peer) },
  };
  const began = Date.now();
  const answer = await ask(place, { path: "/status/" });
  const middle = (began + Date.now()) / 2;
  if (answer.status !== 200) throw explainDenial(answer);
  if (!isStatusPage(answer)) {
    throw new ReachError(
      "answer",
      "does not answer as the admin port of an Aphlict does",
      "Correct host, port and protocol of the peer.",
    );
  }
  const fingerprint = asFingerprint(objectOf(answer.text)?.["fingerprint"]);
  if (fingerprint !== null) await knock(place, peer, fingerprint);
  return { fingerprint, aheadMs: aheadOf(answer, middle) };
}

/** Whether a peer takes messages from here: one that it has handled already, as it says, does nothing. */
async function knock(place: Place, peer: PeerConfig, fingerprint: string): Promise<void> {
  const answer = await ask(place, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...peer.token === null ? {} : { authorization: tokenOf(peer.token) },
    },
    body: JSON.stringify({ type: "doctor", subscribers: [], touched: [fingerprint] }),
  });
  if (answer.status !== 200) throw explainDenial(answer);
}

function aheadOf(answer: Answer, middle: number): number | null {
  const date = Date.parse(answer.header("date") ?? "");
  // It was anywhere in that second.
  return Number.isNaN(date) ? null : date + 500 - middle;
}

function authoritiesOf({ ca }: PeerConfig): string[] {
  if (ca === null) return [];
  try {
    return readAuthority(ca).map((certificate) => certificate.toString());
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    throw new ReachError(
      "certificate",
      `cannot be checked: ${error.problems.map(({ message }) => message).join(" ")}`,
    );
  }
}

function tokenOf(path: string): string {
  try {
    return readToken(path).header;
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    throw new ReachError("answer", `cannot be sent messages: ${error.message}`);
  }
}
