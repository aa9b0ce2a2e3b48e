/**
 * Explains why a server cannot be reached, or does not answer as it should, and what to do about it.
 *
 * @module
 */

import type { X509Certificate } from "node:crypto";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { Redact } from "../config/redaction.ts";
import { formatValue } from "../log/format.ts";
import { messageOf, withoutEnd } from "../text.ts";

/** The stage that a request did not get beyond. */
export type RequestStage =
  | "name"
  /** This host has no route to the other's network: one without IPv6, for instance. */
  | "route"
  | "connection"
  /** No program listens there. */
  | "refusal"
  | "certificate"
  /** A file of this host that the request needs cannot be used. */
  | "file"
  /** The server accepts the connection and sends nothing: the next request would wait as long again. */
  | "timeout"
  | "answer";

/** A request that failed. The message follows on the server's address. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly stage: RequestStage;
  /** Sentences with the remedy; `""` when there is none in particular. */
  readonly hint: string;

  constructor(stage: RequestStage, message: string, hint: string = "") {
    super(message);
    this.stage = stage;
    this.hint = hint;
  }

  /** Returns the message with the remedy, to follow on the server's address in a sentence. */
  get clause(): string {
    return this.hint === "" ? this.message : `${this.message}. ${withoutEnd(this.hint, ".")}`;
  }
}

/** Resolves with a {@linkcode RequestError} instead of rejecting with it. */
export function outcomeOf<T>(attempt: Promise<T>): Promise<T | RequestError> {
  return attempt.catch((error) => {
    if (error instanceof RequestError) return error;
    throw error;
  });
}

/** Returns the sentence that reports what happened at an address. */
export function sentenceAbout(subject: string | URL, { message }: RequestError): string {
  return `${subject} ${withoutEnd(message, ".")}.`;
}

/** The message of a {@linkcode RequestError} about a port at which no program listens. */
export const REFUSED = "refuses the connection: nothing listens there";

/** The values that an explanation names besides the error. */
export interface FailureContext {
  /** The host of the connection: IPv6 without brackets. */
  readonly host: string;
  /** The option or the key that names an authority to trust, such as `--ca`. */
  readonly named: string;
  /** Applied to all text of the server before any of it is cut, read or shown. */
  readonly redact: Redact;
}

/** Explains a failure to connect. Takes the errors of `Deno.connect`, `Deno.startTls`, `node:net` and `node:tls`. */
export function explainFailure(error: unknown, context: FailureContext): RequestError {
  const reason = context.redact(messageOf(error));
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ECONNREFUSED":
      return new RequestError("refusal", REFUSED);
    case "EADDRNOTAVAIL":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return new RequestError(
        "route",
        "cannot be reached: there is no way to its network from here",
      );
    case "ECONNRESET":
    case "EPIPE":
      return new RequestError("connection", "breaks the connection off");
  }
  if (code === "EAI_AGAIN" || reason.includes("Temporary failure in name resolution")) {
    return new RequestError(
      "name",
      "has a host name that no name server answers for now",
      NAME_HINT,
    );
  }
  if (/^(ENOTFOUND|EAI_NODATA)$/.test(code) || reason.startsWith("failed to lookup address")) {
    return new RequestError("name", "has a host name that cannot be resolved", NAME_HINT);
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || reason.includes("InvalidContentType")) {
    return new RequestError(
      "connection",
      "does not speak TLS",
      "Use http:// or ws:// for it, or give it a certificate.",
    );
  }
  return reason.includes("certificate")
    ? explainFlaw(reason, "", context)
    : new RequestError("connection", `cannot be reached: ${formatValue(reason)}`);
}

const NAME_HINT = "Correct the name, or its entry in the DNS or in /etc/hosts.";

/**
 * Returns the error of a certificate that a browser would not trust; `null` for another.
 *
 * Dates and names are compared here. The message of `node:tls` for them depends on the certificate's other faults, and
 * 2.9.6 takes the subject's CN for a name.
 *
 * @param verdict The code of `node:tls`; `null` when it trusts the certificate.
 */
export function certificateFault(
  certificate: X509Certificate,
  verdict: string | null,
  context: FailureContext,
): RequestError | null {
  const { host, redact } = context;
  const { validFrom, validTo, subjectAltName, issuer } = certificate;
  const [begin, end] = [new Date(validFrom), new Date(validTo)];
  if (end.getTime() < Date.now()) return explainFlaw("expired", end.toISOString(), context);
  if (begin.getTime() > Date.now()) {
    return explainFlaw("not valid yet", begin.toISOString(), context);
  }
  // Without a subject only the subjectAltName counts.
  const identity = { subject: {}, subjectaltname: subjectAltName } as PeerCertificate;
  if (checkServerIdentity(host, identity) !== undefined) {
    return explainFlaw("not valid for", namesOf(certificate, redact), context);
  }
  if (verdict === null) return null;
  return /UNABLE_TO|UnknownIssuer/.test(verdict)
    ? explainFlaw("UnknownIssuer", redact(issuer.replaceAll("\n", ", ")), context)
    : explainFlaw(redact(verdict), "", context);
}

/**
 * @param word The fault in the words of the runtime's TLS: its sentence, or a part of it.
 * @param detail The date, the names or the issuer; `""` where only the sentence is known.
 */
function explainFlaw(word: string, detail: string, { host, named }: FailureContext): RequestError {
  const [message, hint] = word.includes("expired")
    ? [
      `has a certificate that expired${detail && ` on ${detail}`}`,
      "Renew it where TLS ends (certbot renew, for instance), and reload that server.",
    ]
    : word.includes("not valid yet")
    ? [
      `has a certificate that is not valid ${detail === "" ? "yet" : `before ${detail}`}`,
      "Compare the clocks of this host and of the one that made it.",
    ]
    : word.includes("not valid for")
    ? explainNames(detail || namesIn(word), host)
    : word.includes("SELF_SIGNED")
    ? [
      "has a certificate of its own making, which nobody trusts who was not told to",
      `Get one from an authority that is known. Where this one is trusted all the same, name it with ${named}.`,
    ]
    : word.includes("UnknownIssuer")
    ? [
      `has a certificate of an unknown issuer${detail && ` (${formatValue(detail, 100)})`}`,
      "The server has to send the intermediate certificates, too (fullchain.pem). If the authority is " +
      `your own, name its certificate with ${named}.`,
    ]
    : word.includes("CaUsedAsEndEntity")
    ? [
      "has a certificate that calls itself an authority's",
      "Make it with basicConstraints=critical,CA:FALSE.",
    ]
    : [
      `has a certificate that is not accepted: ${formatValue(word)}`,
      "Look at it with: openssl s_client -showcerts -connect HOST:PORT",
    ];
  return new RequestError("certificate", message, hint);
}

function explainNames(names: string, host: string): [message: string, hint: string] {
  return [
    `has a certificate for ${names}, not for ${host}`,
    (names === NO_NAME ? "Make" : "Name the server by one of these names, or make") +
    ` a certificate whose subjectAltName has ${host}. The CN of its subject does not count.`,
  ];
}

const NO_NAME = "no name";

/** Returns the names in the sentence of the runtime's TLS, such as `DnsName("a.example") or IpAddress(192.0.2.1)`. */
function namesIn(sentence: string): string {
  const [, names = NO_NAME] = sentence.split("only valid for ");
  return formatValue(
    names.replace(/DnsName\(|IpAddress\(|["()]/g, "").replaceAll(" or ", ", "),
    200,
  );
}

/** Returns the names that a certificate is for, ready to be shown. */
export function namesOf({ subjectAltName }: X509Certificate, redact: Redact): string {
  return subjectAltName === undefined
    ? NO_NAME
    : formatValue(redact(subjectAltName).replace(/(DNS|IP Address):/g, ""), 200);
}
