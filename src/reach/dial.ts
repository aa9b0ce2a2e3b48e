/**
 * Connecting to a server, and saying precisely why that cannot be done.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls, rootCertificates, type TLSSocket } from "node:tls";
import type { Redact } from "../config/redaction.ts";
import type { Token } from "../config/token.ts";
import { readAuthority, TlsError } from "../net/tls.ts";
import { formatValue } from "../log/format.ts";
import { within } from "../within.ts";
import { hostOf, type Place, portOf, tokenOf, type Trust } from "./place.ts";

/** How long connecting, and each answer, may take, in ms. */
export const PATIENCE_MS = 5000;

/** What stage a connection did not get beyond. */
export type Stage =
  | "name"
  /** This host has no way to the other's network: one without IPv6, for instance. */
  | "route"
  | "connection"
  /** Nothing listens there. */
  | "refusal"
  | "certificate"
  /** A file of ours that it takes cannot be used. */
  | "file"
  /** It takes the connection, and nothing comes: who asks again waits as long again. */
  | "silence"
  | "answer";

/** A server cannot be reached, or is none; the message follows on its address. */
export class ReachError extends Error {
  override readonly name = "ReachError";
  readonly stage: Stage;
  /** What to do; `""` when there is nothing particular to say. */
  readonly hint: string;

  constructor(stage: Stage, message: string, hint: string = "") {
    super(message);
    this.stage = stage;
    this.hint = hint;
  }
}

/** What happened to whom. */
export function sentenceAbout(subject: string | URL, { message }: ReachError): string {
  return `${subject} ${message}${message.endsWith(".") ? "" : "."}`;
}

/** A connection. */
export interface Line {
  readonly socket: Socket;
  /** What the server has shown; `null` without TLS. */
  readonly certificate: X509Certificate | null;
  /** Applied to all text of the server before anything of it is cut, read or shown. */
  readonly redact: Redact;
}

/**
 * Connects within {@linkcode PATIENCE_MS}, with TLS where the URL says so.
 *
 * @param token That of the place. Nothing that the server shows is told with it.
 * @throws {ReachError} If that cannot be done, or the certificate is not to be trusted.
 */
export async function dial(place: Place, token: Token | null = tokenOf(place)): Promise<Line> {
  const { url, trust } = place;
  const redact: Redact = (text) => token?.redact(text) ?? text;
  if (!/^(https|wss):$/.test(url.protocol)) {
    const socket = await connected(connectPlain(address(url)), redact);
    return { socket, certificate: null, redact };
  }
  const host = hostOf(url);
  // The runtime says what is wrong with a certificate, and goes on: what counts is decided below.
  const socket = connectTls({
    ...address(url),
    ...isIP(host) === 0 ? { servername: host } : {},
    rejectUnauthorized: false,
    ...trust.by === "authorities" && trust.more.length > 0
      ? { ca: [...rootCertificates, ...trust.more] }
      : {},
  });
  await connected(socket, redact, "secureConnect");
  const certificate = shownBy(socket);
  const fault = certificate === null
    ? new ReachError("certificate", "shows no certificate")
    : faultOf({ certificate, redact }, trust, host, socket.authorized ? null : codeOf(socket));
  if (fault === null) return { socket, certificate, redact };
  socket.destroy();
  throw fault;
}

function address(url: URL): { readonly host: string; readonly port: number } {
  return { host: hostOf(url), port: portOf(url) };
}

async function connected<S extends Socket>(
  socket: S,
  redact: Redact,
  event: string = "connect",
): Promise<S> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isReached = false;
  socket.once("connect", () => {
    isReached = true;
  });
  socket.once(event, resolve);
  // It stays: what goes wrong later is told to whoever reads or writes, and must not end the process.
  socket.on("error", (error) => reject(explain(error, redact)));
  socket.once("close", () => reject(new ReachError("connection", "closes the connection at once")));
  if (await within(PATIENCE_MS, promise)) return socket;
  socket.destroy();
  throw isReached ? SILENT : UNREACHED;
}

const UNREACHED = new ReachError(
  "connection",
  `cannot be reached within ${PATIENCE_MS / 1000} s`,
  "Look for a firewall in between, and whether the address is the right one.",
);

/** Nobody who speaks TLS lets the other wait for it, but for who has stopped. */
const SILENT = new ReachError(
  "silence",
  `takes the connection, and does not speak TLS within ${PATIENCE_MS / 1000} s`,
  "Look what listens there, whether it speaks TLS at all, and whether it still runs.",
);

function explain(error: Error, redact: Redact): ReachError {
  const code = "code" in error ? error.code : "";
  switch (code) {
    case "ECONNREFUSED":
      return new ReachError("refusal", "refuses the connection: nothing listens there");
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_NODATA":
      return new ReachError(
        "name",
        code === "EAI_AGAIN"
          ? "has a host name that no name server answers for now"
          : "has a host name that nobody knows",
        "Correct the name, or its entry in the DNS or in /etc/hosts.",
      );
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return new ReachError(
        "connection",
        "does not speak TLS",
        "Use http:// or ws:// for it, or give it a certificate.",
      );
    case "EADDRNOTAVAIL":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return new ReachError(
        "route",
        "cannot be reached: there is no way to its network from here",
      );
    case "ECONNRESET":
    case "EPIPE":
      return new ReachError("connection", "breaks the connection off");
    default:
      return new ReachError(
        "connection",
        `cannot be reached: ${formatValue(redact(error.message))}`,
      );
  }
}

function shownBy(socket: TLSSocket): X509Certificate | null {
  const { raw } = socket.getPeerCertificate(true);
  return raw ? new X509Certificate(raw) : null;
}

function codeOf({ authorizationError }: TLSSocket): string {
  return String(authorizationError);
}

/** A certificate that a server has shown. */
interface Shown extends Pick<Line, "redact"> {
  readonly certificate: X509Certificate;
}

/** Why a certificate is not to be trusted; `null` when it is. */
function faultOf(
  shown: Shown,
  trust: Trust,
  host: string,
  verdict: string | null,
): ReachError | null {
  switch (trust.by) {
    case "nobody":
      return null;
    case "file":
      return isIn(trust.path, shown.certificate) ? null : new ReachError(
        "certificate",
        `shows another certificate than that in ${trust.path}`,
        "After a renewal `aphlict reload` takes it over at once. Otherwise another program has the port.",
      );
    case "authorities":
      return publicFault(shown, host, verdict, trust.named);
  }
}

/** @throws {ReachError} If the file cannot be used. */
function isIn(path: string, certificate: X509Certificate): boolean {
  try {
    return readAuthority(path)[0]?.fingerprint256 === certificate.fingerprint256;
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    const [problem] = error.problems;
    throw new ReachError(
      "certificate",
      `speaks TLS, and its certificate cannot be compared. ${problem?.message ?? ""}`.trim(),
    );
  }
}

/** The runtime's own word for one that is over, or not for this host, depends on what else is wrong. */
function publicFault(
  { certificate, redact }: Shown,
  host: string,
  verdict: string | null,
  named: string,
): ReachError | null {
  const fault = (message: string, hint: string) => new ReachError("certificate", message, hint);
  const { validFrom, validTo } = certificate;
  if (new Date(validTo).getTime() < Date.now()) {
    return fault(
      `has a certificate that expired on ${new Date(validTo).toISOString()}`,
      "Renew it where TLS ends (certbot renew, for instance), and reload that server.",
    );
  }
  if (new Date(validFrom).getTime() > Date.now()) {
    return fault(
      `has a certificate that begins on ${new Date(validFrom).toISOString()}`,
      "Compare the clocks of this host and of the one that made it.",
    );
  }
  if (!isFor(certificate, host)) {
    return fault(
      `has a certificate for ${namesOf({ certificate, redact })}, not for ${host}`,
      `Get one whose subjectAltName has ${host}, or use a name that it has.`,
    );
  }
  if (verdict === null) return null;
  const issuer = formatValue(redact(certificate.issuer.replaceAll("\n", ", ")), 100);
  if (/SELF_SIGNED/.test(verdict)) {
    return fault(
      "has a certificate of its own making, which nobody trusts who was not told to",
      `Get one from an authority that is known. Where this one is trusted all the same, name it with ${named}.`,
    );
  }
  if (/UNABLE_TO|UnknownIssuer/.test(verdict)) {
    return fault(
      `has a certificate of an unknown issuer (${issuer})`,
      "The server has to send the intermediate certificates, too (fullchain.pem). If the authority is " +
        `your own, name its certificate with ${named}.`,
    );
  }
  return fault(
    `has a certificate that is not accepted: ${formatValue(redact(verdict))}`,
    "Renew it.",
  );
}

function isFor(certificate: X509Certificate, host: string): boolean {
  return isIP(host) === 0
    ? certificate.checkHost(host, { subject: "never" }) !== undefined
    : certificate.checkIP(host) !== undefined;
}

/** The names that a certificate is for, ready to be shown. */
export function namesOf(
  { certificate: { subjectAltName }, redact }: Shown,
): string {
  return subjectAltName === undefined
    ? "no name"
    : formatValue(redact(subjectAltName).replace(/(DNS|IP Address):/g, ""), 200);
}
