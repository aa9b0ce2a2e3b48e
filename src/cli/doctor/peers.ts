/**
 * The steps of `aphlict doctor` in the cluster: each peer as this server reaches it, and its clock.
 *
 * @module
 */

import { type PeerConfig } from "../../config/config.ts";
import { formatAddress } from "../../config/host_name.ts";
import { readAuthority, TlsError } from "../../net/tls.ts";
import { TokenError } from "../../config/token.ts";
import { checkProof, drawChallenge } from "../../cluster/proof.ts";
import { judgeFingerprints, type Judgement, type Proof } from "../../cluster/peer_trust.ts";
import { asFingerprint } from "../../hub/fingerprint.ts";
import { CHALLENGE_HEADER } from "../../hub/headers.ts";
import { formatValue } from "../../log/format.ts";
import { type ProbeAnswer, request } from "../../probe/request.ts";
import { objectOf } from "../../json.ts";
import type { PeerStatus } from "../../metrics/peer_status.ts";
import { outcomeOf, RequestError } from "../../http/failure.ts";
import type { ServiceState } from "./host.ts";
import type { Findings } from "./findings.ts";
import { connectable, type Endpoint } from "../../probe/endpoint.ts";
import { explainRejection, peerHints, statusPageFault } from "../../probe/rejection.ts";
import { formatCount } from "../../text.ts";

/** The largest difference between the clocks of two hosts, in ms: a `Date` header has whole seconds. */
const CLOCK_LIMIT_MS = 5000;

/** The finding from a peer's answer. */
interface PeerFinding {
  /** The fingerprint; `null` with the original. */
  readonly fingerprint: string | null;
  /** The proof of the fingerprint on its status page. */
  readonly proof: Proof;
  /** The time that its clock is ahead of this host's, in ms; `null` when it does not tell the time. */
  readonly aheadMs: number | null;
}

/**
 * Asks each peer, as this server does.
 *
 * @param service The data of the service here, and whether its files may be closed to this user.
 */
export async function examinePeers(
  findings: Findings,
  cluster: readonly PeerConfig[],
  { told, isOfOther }: Pick<ServiceState, "told" | "isOfOther">,
): Promise<void> {
  // All at once, because each peer that does not answer takes the whole timeout.
  const requests = cluster.map((peer, index) => {
    const url = new URL(`${peer.protocol}://${formatAddress(peer.host, peer.port)}/`);
    return { url, coming: outcomeOf(requestStatus(url, peer, `cluster[${index}]`)) };
  });
  const outcomes = await Promise.all(
    requests.map(async ({ url, coming }) => ({ url, finding: await coming })),
  );
  const judgements = judgeFingerprints(
    outcomes.map(({ finding }) => finding instanceof RequestError ? NOTHING_SHOWN : finding),
    told?.now.fingerprint ?? null,
  );
  for (const [index, { url, finding }] of outcomes.entries()) {
    if (finding instanceof RequestError) {
      if (isOfOther && finding.stage === "file") {
        findings.skip("peer", `${url} cannot be asked by this user.`);
      } else {
        findings.unreached("peer", url, finding, "Look whether Aphlict runs there: aphlict status");
      }
      continue;
    }
    const { trust, rival } = judgements[index] ?? UNKNOWN;
    if (trust === "self") {
      findings.ok("peer", `${url} is this server itself.`);
      continue;
    }
    // The service may still have another list of peers than the file.
    const view = told?.now.peers.find(({ peer }) => peer === url.href);
    if (trust === "contradicted") {
      const owner = rival !== null
        ? `${outcomes[rival]?.url}`
        : finding.fingerprint === told?.now.fingerprint
        ? "this server"
        : "another server";
      findings.fail(
        "peer",
        `${url} answers with the fingerprint of ${owner} and cannot prove that it is that server.`,
        IMPOSTOR_HINT,
      );
    } else examineView(findings, url, view);
    examineClock(findings, url, finding.aheadMs);
  }
}

/** Reports how the service judges a peer that has answered here. */
function examineView(findings: Findings, url: URL, view: PeerStatus | undefined): void {
  if (view?.proof === "contradicted") {
    findings.fail(
      "peer",
      `${url} answers, and has shown the service the fingerprint of another server.`,
      IMPOSTOR_HINT,
    );
  } else if (view?.state === "down") {
    findings.warn(
      "peer",
      `${url} answers, but the service takes it for down: it ${formatValue(view["last.error"])}.`,
      "It tries again within 15 s.",
    );
  } else if (view !== undefined && view.contradictions > 0) {
    const times = formatCount(view.contradictions, "time");
    findings.warn(
      "peer",
      `${url} answers, and has shown the service the fingerprint of another server ${times} before.`,
      "Look which programs have had this address since the service was started: the log has the times.",
    );
  } else findings.ok("peer", `${url} answers, and takes messages.`);
}

/** The fingerprint and proof of a peer that was not reached. */
const NOTHING_SHOWN = { fingerprint: null, proof: "pending" } as const;

/** The judgement of such a peer. */
const UNKNOWN: Judgement = { trust: "unknown", isContested: false, rival: null };

const IMPOSTOR_HINT =
  "Look which program answers there, and correct the entry of `cluster`, or what is in between: a proxy has " +
  "to pass the header aphlict-challenge on. Until then it is sent every message.";

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

/** @param entry The peer's path in the configuration. */
async function requestStatus(url: URL, peer: PeerConfig, entry: string): Promise<PeerFinding> {
  const endpoint: Endpoint = {
    url: connectable(url),
    trust: {
      by: "authorities",
      more: authoritiesOf(peer, entry),
      named: `"ssl.ca" of ${entry}`,
    },
    token: peer.token,
  };
  const began = Date.now();
  const challenge = drawChallenge();
  const answer = await request(endpoint, {
    path: "/status/",
    headers: { [CHALLENGE_HEADER]: challenge },
  });
  const middle = (began + Date.now()) / 2;
  const fault = statusPageFault(answer, peerHints(entry));
  if (fault !== null) throw fault;
  const page = objectOf(answer.body);
  const fingerprint = asFingerprint(page?.["fingerprint"]);
  const shown = page?.["proof"];
  const proof = fingerprint === null
    ? "none"
    : checkProof(fingerprint, challenge, typeof shown === "string" ? shown : null);
  if (fingerprint !== null) await tryMessage(endpoint, fingerprint, entry);
  return { fingerprint, proof, aheadMs: aheadOf(answer, middle) };
}

/** Tests that a peer accepts messages from here. This one names the peer as touched, and so does nothing. */
async function tryMessage(endpoint: Endpoint, fingerprint: string, entry: string): Promise<void> {
  let answer: ProbeAnswer;
  try {
    answer = await request(endpoint, {
      method: "POST",
      headers: { "content-type": "application/json" },
      isAuthorized: true,
      body: JSON.stringify({ type: "doctor", subscribers: [], touched: [fingerprint] }),
    });
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    throw new RequestError(
      "file",
      `cannot be sent messages: ${error.message}`,
      `"token.file" of ${entry} names that file.`,
    );
  }
  if (answer.status !== 200) throw explainRejection(answer, peerHints(entry));
}

function aheadOf(answer: ProbeAnswer, middle: number): number | null {
  const date = Date.parse(answer.header("date") ?? "");
  // The time was anywhere in that second.
  return Number.isNaN(date) ? null : date + 500 - middle;
}

function authoritiesOf({ ca }: PeerConfig, entry: string): string[] {
  if (ca === null) return [];
  try {
    return readAuthority(ca).map((certificate) => certificate.toString());
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    throw new RequestError(
      "file",
      `cannot be checked: ${error.problems.map(({ message }) => message).join(" ")}`,
      `"ssl.ca" of ${entry} names that file.`,
    );
  }
}
