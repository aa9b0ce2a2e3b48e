/**
 * Why a server cannot be reached, or does not answer as it should, and what to do about it.
 *
 * @module
 */

import type { X509Certificate } from "node:crypto";
import { checkServerIdentity } from "node:tls";
import type { Redact } from "../config/redaction.ts";
import { formatValue } from "../log/format.ts";
import { withoutEnd } from "../text.ts";

/** The stage that a request did not get beyond. */
export type RequestStage =
  | "name"
  /** This host has no way to the other's network: one without IPv6, for instance. */
  | "route"
  | "connection"
  /** Nothing listens there. */
  | "refusal"
  | "certificate"
  /** A file of this host that the request takes cannot be used. */
  | "file"
  /** The server takes the connection and sends nothing: the next request would wait as long again. */
  | "timeout"
  | "answer";

/** A request without the answer that it should have. The message follows on the server's address. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly stage: RequestStage;
  /** Sentences that say what to do; `""` when there is nothing particular to say. */
  readonly hint: string;

  constructor(stage: RequestStage, message: string, hint: string = "") {
    super(message);
    this.stage = stage;
    this.hint = hint;
  }

  /** The message with what to do, to follow on the server's address in a sentence. */
  get clause(): string {
    return this.hint === "" ? this.message : `${this.message}. ${withoutEnd(this.hint, ".")}`;
  }
}

/** Returns the sentence that tells what happened at an address. */
export function sentenceAbout(subject: string | URL, { message }: RequestError): string {
  return `${subject} ${withoutEnd(message, ".")}.`;
}

/** The message of a {@linkcode RequestError} about a port at which nothing listens. */
export const REFUSED = "refuses the connection: nothing listens there";

/** What an explanation names besides the error. */
export interface FailureContext {
  /** The host that was connected to: IPv6 without brackets. */
  readonly host: string;
  /** The option or the key that names an authority to trust, such as `--ca`. */
  readonly named: string;
  /** Applied to all text of the server before anything of it is cut, read or shown. */
  readonly redact: Redact;
}

/**
 * Explains why there is no connection. Takes the errors of `Deno.connect`, of `Deno.startTls`, and of `node:net` and
 * `node:tls`.
 */
export function explainFailure(error: unknown, context: FailureContext): RequestError {
  const reason = context.redact(error instanceof Error ? error.message : String(error));
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
    ? explainVerdict(reason, context)
    : new RequestError("connection", `cannot be reached: ${formatValue(reason)}`);
}

const NAME_HINT = "Correct the name, or its entry in the DNS or in /etc/hosts.";

/**
 * Explains why a browser would not trust a certificate; `null` when it would.
 *
 * The word of `node:tls` for one that has expired, or is for another name, depends on what else is wrong, and 2.9.6
 * takes the subject's CN for a name. So dates and names are compared here.
 *
 * @param verdict The code of `node:tls`; `null` when it trusts the certificate.
 */
export function certificateFault(
  certificate: X509Certificate,
  verdict: string | null,
  context: FailureContext,
): RequestError | null {
  const { host, named, redact } = context;
  const [begin, end] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  if (end.getTime() < Date.now()) return expired(` on ${end.toISOString()}`);
  if (begin.getTime() > Date.now()) return notYetValid(` before ${begin.toISOString()}`);
  const { subjectAltName } = certificate;
  // Without a subject nothing but the subjectAltName counts.
  const identity = {
    subject: {},
    ...subjectAltName === undefined ? {} : { subjectaltname: subjectAltName },
  } as Parameters<typeof checkServerIdentity>[1];
  if (checkServerIdentity(host, identity) !== undefined) {
    return misnamed(namesOf(certificate, redact), host);
  }
  if (verdict === null) return null;
  const issuer = formatValue(redact(certificate.issuer.replaceAll("\n", ", ")), 100);
  return /UNABLE_TO|UnknownIssuer/.test(verdict)
    ? unknownIssuer(` (${issuer})`, named)
    : explainVerdict(redact(verdict), context);
}

/** @param verdict The code of `node:tls`, or the sentence of `Deno.startTls`. */
function explainVerdict(verdict: string, { host, named }: FailureContext): RequestError {
  if (verdict.includes("expired")) return expired("");
  if (verdict.includes("not valid yet")) return notYetValid(" yet");
  if (verdict.includes("not valid for")) {
    const [, names = ""] = verdict.split("only valid for ");
    const shown = names.replace(/DnsName\(|IpAddress\(|["()]/g, "").replaceAll(" or ", ", ");
    return misnamed(shown === "" ? NO_NAME : formatValue(shown, 200), host);
  }
  if (verdict.includes("SELF_SIGNED")) {
    return untrusted(
      "has a certificate of its own making, which nobody trusts who was not told to",
      `Get one from an authority that is known. Where this one is trusted all the same, name it with ${named}.`,
    );
  }
  if (verdict.includes("UnknownIssuer")) return unknownIssuer("", named);
  if (verdict.includes("CaUsedAsEndEntity")) {
    return untrusted(
      "has a certificate that calls itself an authority's",
      "Make it with basicConstraints=critical,CA:FALSE.",
    );
  }
  return untrusted(
    `has a certificate that is not accepted: ${formatValue(verdict)}`,
    "Look at it with: openssl s_client -showcerts -connect HOST:PORT",
  );
}

function untrusted(message: string, hint: string): RequestError {
  return new RequestError("certificate", message, hint);
}

function expired(when: string): RequestError {
  return untrusted(
    `has a certificate that expired${when}`,
    "Renew it where TLS ends (certbot renew, for instance), and reload that server.",
  );
}

function notYetValid(when: string): RequestError {
  return untrusted(
    `has a certificate that is not valid${when}`,
    "Compare the clocks of this host and of the one that made it.",
  );
}

function misnamed(names: string, host: string): RequestError {
  return untrusted(
    `has a certificate for ${names}, not for ${host}`,
    (names === NO_NAME ? "Make" : "Name the server by one of these names, or make") +
      ` a certificate whose subjectAltName has ${host}. The CN of its subject does not count.`,
  );
}

function unknownIssuer(issuer: string, named: string): RequestError {
  return untrusted(
    `has a certificate of an unknown issuer${issuer}`,
    "The server has to send the intermediate certificates, too (fullchain.pem). If the authority is " +
      `your own, name its certificate with ${named}.`,
  );
}

const NO_NAME = "no name";

/** Returns the names that a certificate is for, ready to be shown. */
export function namesOf({ subjectAltName }: X509Certificate, redact: Redact): string {
  return subjectAltName === undefined
    ? NO_NAME
    : formatValue(redact(subjectAltName).replace(/(DNS|IP Address):/g, ""), 200);
}
