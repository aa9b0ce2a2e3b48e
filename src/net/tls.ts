/**
 * Reads and checks a server's key and certificates, and the authorities of peers, before any server is bound or any
 * connection is made with them.
 *
 * @module
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsFiles } from "../config/config.ts";
import { IrregularFile, readRegularText } from "../config/regular_file.ts";
import { type PemBlock, pemBlocks } from "./pem.ts";
import { type PemPair, type Unfitness, whyUnfit } from "./tls_trial.ts";
import { messageOf, quote } from "../text.ts";

const DAY_MS = 86_400_000;

/** The most bytes of a file: the authorities of a whole host take some 200 KiB. */
const FILE_LIMIT = 4 * 1024 * 1024;

/** The days before a certificate's expiry from which on a warning is given. */
export const EXPIRY_WARNING_DAYS = 14;

/** The material of a TLS server: only PEM blocks, without other text in the files. */
export interface TlsMaterial extends PemPair {
  /** The time when the certificate begins to be valid. */
  readonly begins: Date;
  /** The time when the certificate expires. */
  readonly expires: Date;
  /** The issuer of the certificate, if the issuer's own certificate is not among those that are sent; else `null`. */
  readonly missingIssuer: string | null;
}

/** A file that cannot be used. */
export interface TlsProblem {
  /** The configuration key that names the file. */
  readonly key: "ssl.key" | "ssl.cert" | "ssl.chain" | "ssl.ca";
  /** Sentences with the file, the fault, and the remedy. */
  readonly message: string;
}

/** The error of keys or certificates that cannot be used. */
export class TlsError extends Error {
  override readonly name = "TlsError";
  readonly problems: readonly TlsProblem[];

  constructor(problems: readonly TlsProblem[]) {
    super(problems.map(({ key, message }) => `${key}: ${message}`).join("\n"));
    this.problems = problems;
  }
}

/**
 * Reads a server's TLS files, and tests whether the runtime serves with them. This is the only such test of a pair:
 * `check`, start, restart, reload, the automatic renewal and `doctor` call it.
 *
 * Dates, names and authorities are not part of it: a server serves with a certificate that has expired. For dates see
 * {@linkcode validityWarning}.
 *
 * @param used The material in use. It is returned when the files hold the same, and not tested again.
 * @throws {TlsError} With every file that cannot be read, is not what it should be, or does not match, or with the
 * reason why the runtime cannot serve with them.
 */
export async function judgeTls(
  files: TlsFiles,
  used: TlsMaterial | null = null,
): Promise<TlsMaterial> {
  const material = readTls(files);
  if (used !== null && isSamePair(material, used)) return used;
  const unfitness = await whyUnfit(material);
  if (unfitness !== null) throw new TlsError([problemOf(unfitness, files)]);
  return material;
}

/** Tells whether two pairs are the same. Other text in their files does not count. */
export function isSamePair(one: PemPair, other: PemPair): boolean {
  return one.key === other.key && one.cert === other.cert;
}

function problemOf({ about, reason }: Unfitness, { key, cert, chain }: TlsFiles): TlsProblem {
  const message = (what: string) => `The runtime cannot serve TLS with ${what}: ${reason}.`;
  switch (about) {
    case "key":
      return { key: "ssl.key", message: message(`key ${key}`) };
    case "certificate":
      return { key: "ssl.cert", message: message(`certificate ${cert}`) };
    case "chain":
      return chain === null
        ? { key: "ssl.cert", message: message(`the chain in ${cert}`) }
        : { key: "ssl.chain", message: message(`chain ${chain}`) };
    case "pair":
      return { key: "ssl.cert", message: message(`certificate ${cert} and key ${key}`) };
  }
}

/**
 * Reads a server's TLS files and compares the key with the certificate. Only {@linkcode judgeTls} tests whether the
 * runtime serves with them, which costs more.
 *
 * @throws {TlsError} With every file that cannot be read, is not what it should be, or does not match.
 */
export function readTls(files: TlsFiles): TlsMaterial {
  const problems: TlsProblem[] = [];
  const keys = look("ssl.key", files.key, keysIn, problems);
  const certificates = look("ssl.cert", files.cert, certificatesIn, problems);
  const chain = files.chain === null
    ? []
    : look("ssl.chain", files.chain, certificatesIn, problems);
  if (keys && certificates && chain) {
    const [own, ...others] = certificates;
    const key = keys.find((each) => isPair(own, each)) ??
      keys.find(({ parsed }) => parsed === null);
    if (key) {
      return {
        key: key.text,
        cert: [...certificates, ...chain].map(({ text }) => text).join(""),
        begins: new Date(own.parsed.validFrom),
        expires: new Date(own.parsed.validTo),
        missingIssuer: missingIssuer(own, [...others, ...chain]),
      };
    }
    problems.push({ key: "ssl.key", message: whyNoPair(keys, others, files) });
  }
  throw new TlsError(problems);
}

function missingIssuer(
  { parsed: own }: Certificate,
  others: readonly Certificate[],
): string | null {
  const isSent = [own, ...others.map(({ parsed }) => parsed)].some(({ subject }) =>
    subject === own.issuer
  );
  return isSent ? null : own.issuer;
}

/** @param others The certificates in the file after the server's own, to which none of the keys belongs. */
function whyNoPair(
  keys: readonly Key[],
  others: readonly Certificate[],
  files: TlsFiles,
): string {
  const index = others.findIndex((certificate) => keys.some((key) => isPair(certificate, key)));
  if (index < 0) {
    return `Key ${files.key} does not belong to certificate ${files.cert}. ` +
      'Point "ssl.key" and "ssl.cert" at files that were made for each other.';
  }
  const place = index + 2;
  return `Key ${files.key} belongs to certificate ${place} in ${files.cert}. Put that one first: those ` +
    "that vouch for it follow.";
}

/**
 * Returns a warning about a certificate's dates, or `null`: it has expired, expires within
 * {@linkcode EXPIRY_WARNING_DAYS} days, or is not valid yet. A server serves with each of them.
 *
 * @param file The path of the certificate.
 * @param now The time in ms since the epoch.
 */
export function validityWarning(
  file: string,
  { begins, expires }: TlsMaterial,
  now: number,
): string | null {
  const end = expires.getTime();
  if (end < now) {
    return `Certificate ${file} expired on ${expires.toISOString()}: browsers refuse it. Renew it.`;
  }
  if (begins.getTime() > now) {
    return `Certificate ${file} is valid from ${begins.toISOString()} on: browsers refuse it until then. ` +
      "Correct this host's clock, or the certificate.";
  }
  if (end - now < EXPIRY_WARNING_DAYS * DAY_MS) {
    return `Certificate ${file} expires on ${expires.toISOString()}: browsers will refuse it. Renew it.`;
  }
  return null;
}

/**
 * Returns a warning about a certificate whose issuer is neither sent with it nor known, or `null`. A browser knows the
 * roots of authorities. These sign by intermediate certificates, which a server has to send.
 *
 * @param known The certificates that clients are known to trust.
 */
export function chainWarning(
  { cert, chain }: TlsFiles,
  { missingIssuer }: TlsMaterial,
  known: readonly X509Certificate[],
): string | null {
  if (missingIssuer === null || known.some(({ subject }) => subject === missingIssuer)) return null;
  const where = chain === null ? cert : `${cert} and ${chain}`;
  return `Certificate ${cert} was signed by ${
    quote(missingIssuer.replaceAll("\n", ", "))
  }, and that one's ` +
    `certificate is not in ${where}: browsers refuse it, unless that is one of the roots that they know. Append the ` +
    'intermediate certificates (certbot: use fullchain.pem), or name their file in "ssl.chain".';
}

/**
 * Reads the certificates that vouch for a peer's, the `ssl.ca` of a `cluster` entry.
 *
 * They are used as `caCerts`. Measured on Deno 2.9.6:
 * - A certificate vouches for those that its key has signed, even when its basicConstraints do not call it an
 *   authority, and even when it has expired.
 * - A peer's self-signed certificate may be named itself, unless it calls itself an authority (`CaUsedAsEndEntity`), as
 *   those of `openssl req -x509` do by default.
 * - A certificate with another issuer does not vouch for itself (`UnknownIssuer`).
 * - In each case the peer's certificate has to name its host in subjectAltName, and must not have expired.
 *
 * @returns Only the certificates: the runtime fails on other text in the file.
 * @throws {TlsError} If the file cannot be read, or one of its certificates is not sound: the runtime then rejects the
 * others too.
 */
export function readAuthority(path: string): readonly X509Certificate[] {
  const problems: TlsProblem[] = [];
  const authority = look("ssl.ca", path, certificatesIn, problems);
  if (!authority) throw new TlsError(problems);
  return authority.map(({ parsed }) => parsed);
}

/** Returns the whole days until `end`, negative when it is over. */
export function daysUntil(end: Date): number {
  return Math.floor((end.getTime() - Date.now()) / DAY_MS);
}

/** The error of a file with the wrong content. The message is a clause that follows the path. */
class ContentError extends Error {
  override readonly name = "ContentError";
}

/** A block, and the object that it holds. */
interface Read<T> {
  readonly text: string;
  readonly parsed: T;
}

/** A key; `null`: the library does not know its kind, but the runtime may. */
type Key = Read<KeyObject | null>;
type Certificate = Read<X509Certificate>;

/** Returns the content of a file. Returns `null` after adding its fault to `problems`. */
function look<T>(
  key: TlsProblem["key"],
  path: string,
  parse: (text: string) => T,
  problems: TlsProblem[],
): T | null {
  try {
    return parse(readRegularText(path, { limit: FILE_LIMIT }));
  } catch (error) {
    const message = error instanceof ContentError || error instanceof IrregularFile
      ? `${path} ${error.message}`
      : `Cannot read ${path}: ${reasonOf(error)}. Correct the path or the file's permissions.`;
    problems.push({ key, message });
    return null;
  }
}

/** The content that a file should have. */
interface Wanted {
  readonly what: string;
  /** The beginning of such a file. */
  readonly beginning: string;
  /** The command that converts another form. */
  readonly conversion: string;
}

const KEY: Wanted = {
  what: "private key",
  beginning: "-----BEGIN PRIVATE KEY----- or the like",
  conversion: "openssl pkey -inform DER -in FILE -out NEW-FILE",
};

const CERTIFICATE: Wanted = {
  what: "certificate",
  beginning: "-----BEGIN CERTIFICATE-----",
  conversion: "openssl x509 -inform DER -in FILE -out NEW-FILE",
};

const UNFINISHED = "It may still be being written; if it stays so, write it anew.";

/**
 * Returns the keys of a text, which may hold certificates and parameters too.
 *
 * @throws {ContentError} If none can be used.
 */
function keysIn(text: string): readonly [Key, ...Key[]] {
  const blocks = pemBlocks(text);
  const all = blocks.filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [first, ...others] = all.filter(({ state }) => state === "whole").map(keyOf);
  if (first) return [first, ...others];
  const [unfit] = all;
  if (unfit === undefined) throw new ContentError(whyNone(text, blocks, KEY));
  if (unfit.state === "cut") {
    throw new ContentError(`ends within its ${unfit.label}. ${UNFINISHED}`);
  }
  throw new ContentError(
    unfit.state === "encrypted"
      ? "holds no private key that can be read without a password. Remove it: " +
        "openssl pkey -in FILE -out NEW-FILE"
      : `holds a ${unfit.label} that is broken. Write it anew.`,
  );
}

function keyOf({ text }: PemBlock): Key {
  try {
    return { text, parsed: createPrivateKey(text) };
  } catch {
    return { text, parsed: null };
  }
}

/**
 * Returns the certificates of a text. Every one must be sound, as all of them are used.
 *
 * @throws {ContentError} If one is not, or if there is none.
 */
function certificatesIn(text: string): readonly [Certificate, ...Certificate[]] {
  const blocks = pemBlocks(text);
  const [first, ...others] = blocks.filter(({ label }) => label.endsWith("CERTIFICATE"))
    .map(certificateOf);
  if (!first) throw new ContentError(whyNone(text, blocks, CERTIFICATE));
  return [first, ...others];
}

function certificateOf({ label, state, text }: PemBlock, index: number): Certificate {
  if (state === "cut") throw new ContentError(`ends within its ${label}. ${UNFINISHED}`);
  if (label === "TRUSTED CERTIFICATE") {
    throw new ContentError(
      "holds a TRUSTED CERTIFICATE, a form of openssl's own. Convert it: " +
        "openssl x509 -in FILE -out NEW-FILE",
    );
  }
  try {
    // X509 CERTIFICATE is an older word for the same.
    const plain = text.replaceAll(label, "CERTIFICATE");
    return { text: plain, parsed: new X509Certificate(plain) };
  } catch {
    throw new ContentError(`holds certificate ${index + 1}, which is broken. Write it anew.`);
  }
}

/** Returns why a text holds nothing of the wanted kind, as a clause that follows the path. */
function whyNone(text: string, blocks: readonly PemBlock[], wanted: Wanted): string {
  if (text.trim() === "") return `is empty. ${UNFINISHED}`;
  const { what, beginning, conversion } = wanted;
  // Bytes that are not UTF-8 were replaced.
  if (blocks.length === 0 && text.includes("\uFFFD")) {
    return `is binary, and PEM is wanted. If it is DER, convert it: ${conversion}`;
  }
  const labels = blocks.map(({ label }) => label);
  const only = labels.length > 0 ? `, only ${labels.join(", ")}` : "";
  const hint = wanted === KEY && labels.includes("CERTIFICATE")
    ? ' Are "ssl.key" and "ssl.cert" swapped?'
    : "";
  return `holds no ${what}${only}. Point it at a PEM file that begins with ${beginning}.${hint}`;
}

function isPair({ parsed: certificate }: Certificate, { parsed: key }: Key): boolean {
  try {
    return key !== null && certificate.checkPrivateKey(key);
  } catch {
    // The certificate's key is of a kind that the library does not know.
    return false;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "the user that runs Aphlict may not read it";
  }
  return messageOf(error);
}
