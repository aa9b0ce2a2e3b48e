/**
 * A server's key and certificates, and the authorities of peers, read and checked before anything is
 * bound or connected with them.
 *
 * @module
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsFiles } from "./config.ts";

const DAY_MS = 86_400_000;

/** Days before a certificate's end from which on it is warned of. */
export const EXPIRY_WARNING_DAYS = 14;

/** What a TLS server is started with. */
export interface TlsMaterial {
  /** PEM private key. */
  readonly key: string;
  /** PEM certificate, followed by its chain. */
  readonly cert: string;
  /** When the certificate expires. */
  readonly expires: Date;
}

/** A file that cannot be used. */
export interface TlsProblem {
  /** The configuration key that names the file. */
  readonly key: "ssl.key" | "ssl.cert" | "ssl.chain" | "ssl.ca";
  /** Sentences: which file, why, and what to do. */
  readonly message: string;
}

/** Keys or certificates that cannot be used. */
export class TlsError extends Error {
  override readonly name = "TlsError";
  readonly problems: readonly TlsProblem[];

  constructor(problems: readonly TlsProblem[]) {
    super(problems.map(({ key, message }) => `${key}: ${message}`).join("\n"));
    this.problems = problems;
  }
}

/**
 * Reads a server's TLS files and holds the key against the certificate.
 *
 * @throws {TlsError} With every file that cannot be read, is not what it should be, or does not
 * match.
 */
export function readTls(files: TlsFiles): TlsMaterial {
  const problems: TlsProblem[] = [];
  const key = look("ssl.key", files.key, parseKey, problems);
  const cert = look("ssl.cert", files.cert, parseCertificates, problems);
  const chain = files.chain === null
    ? null
    : look("ssl.chain", files.chain, parseCertificates, problems);
  if (key && cert && !cert.parsed[0].checkPrivateKey(key.parsed)) {
    const message = `Key ${files.key} does not belong to certificate ${files.cert}. ` +
      'Point "ssl.key" and "ssl.cert" at files that were made for each other.';
    problems.push({ key: "ssl.key", message });
  }
  if (problems.length > 0 || !key || !cert) throw new TlsError(problems);
  return {
    key: key.pem,
    cert: chain === null ? cert.pem : `${cert.pem}\n${chain.pem}`,
    expires: new Date(cert.parsed[0].validTo),
  };
}

/**
 * Reads the certificates that vouch for a peer's, the `ssl.ca` of a `cluster` entry.
 *
 * They are used as `caCerts`. Measured on Deno 2.9.6: a certificate vouches for those that its key has
 * signed, whether or not its basicConstraints call it an authority, and even when it has expired. A
 * peer's self-signed certificate may be named itself, unless it calls itself an authority, as those of
 * `openssl req -x509` do when not told otherwise (`CaUsedAsEndEntity`). One that was signed by somebody
 * else does not vouch for itself (`UnknownIssuer`). In each case the peer's certificate has to name its
 * host in subjectAltName, and must not have expired.
 *
 * @returns The certificates alone: the runtime stumbles over whatever else is in the file.
 * @throws {TlsError} If the file cannot be read, or does not hold certificates that are all sound: one
 * that is not spoils the others for the runtime.
 */
export function readAuthority(path: string): readonly X509Certificate[] {
  const problems: TlsProblem[] = [];
  const authority = look("ssl.ca", path, parseCertificates, problems);
  if (!authority) throw new TlsError(problems);
  return authority.parsed;
}

/** A file that was read, and what it holds; `null` after adding what is wrong with it to `problems`. */
function look<T>(
  key: TlsProblem["key"],
  path: string,
  parse: (pem: string) => T,
  problems: TlsProblem[],
): { readonly pem: string; readonly parsed: T } | null {
  const pem = read(path);
  if (pem instanceof Error) {
    const message = `Cannot read ${path}: ${reasonOf(pem)}. Correct the path or the file's ` +
      "permissions.";
    problems.push({ key, message });
    return null;
  }
  try {
    return { pem, parsed: parse(pem) };
  } catch {
    // The library's reason speaks of ASN.1 tags and helps nobody.
    problems.push({ key, message: `${path} holds no ${SHOULD_BE[key]}` });
    return null;
  }
}

const CERTIFICATE = "certificate. Point it at a PEM file that begins with " +
  "-----BEGIN CERTIFICATE-----.";

/** What each file should be, and how it is recognised. */
const SHOULD_BE: Readonly<Record<TlsProblem["key"], string>> = {
  "ssl.key":
    "private key that can be read without a password. Point it at a PEM file that begins " +
    "with -----BEGIN PRIVATE KEY----- or the like, not ENCRYPTED.",
  "ssl.cert": CERTIFICATE,
  "ssl.chain": CERTIFICATE,
  "ssl.ca": CERTIFICATE,
};

/** The key of a file, which may hold its certificate too. */
function parseKey(pem: string): KeyObject {
  for (const { 1: label, index } of pem.matchAll(/-----BEGIN ([A-Z ]*PRIVATE KEY)-----/g)) {
    const end = `-----END ${label}-----`;
    const at = pem.indexOf(end, index);
    if (at >= 0) return createPrivateKey(pem.slice(index, at + end.length));
  }
  return createPrivateKey(pem);
}

/**
 * The certificates of a PEM text, every one of which must be sound: all of them are used.
 *
 * @throws If one is not, or if there is none.
 */
function parseCertificates(pem: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const [first, ...others] = blocks.map((block) => new X509Certificate(block));
  if (!first) throw new Error("There is no certificate");
  return [first, ...others];
}

function read(path: string): string | Error {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function reasonOf(error: Error): string {
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "the user that runs Aphlict may not read it";
  }
  return error.message;
}

/** Whole days, negative when it is over. */
export function daysUntil(end: Date): number {
  return Math.floor((end.getTime() - Date.now()) / DAY_MS);
}
