/**
 * A server's key and certificates, read and checked before anything is bound with them.
 *
 * @module
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsFiles } from "./config.ts";

/** What a TLS server is started with. */
export interface TlsMaterial {
  /** PEM private key. */
  readonly key: string;
  /** PEM certificate, followed by its chain. */
  readonly cert: string;
  /** When the certificate expires. */
  readonly expires: Date;
}

/** A key or certificate that cannot be used; the message says which file, why, and what to do. */
export class TlsError extends Error {
  override readonly name = "TlsError";
  /** The configuration key of the file at fault. */
  readonly key: "ssl.key" | "ssl.cert" | "ssl.chain";

  constructor(key: TlsError["key"], message: string) {
    super(message);
    this.key = key;
  }
}

/**
 * Reads a server's TLS files and holds the key against the certificate.
 *
 * @throws {TlsError} If a file cannot be read or is not what it should be, or they do not match.
 */
export function readTls(files: TlsFiles): TlsMaterial {
  const key = read("ssl.key", files.key);
  const cert = read("ssl.cert", files.cert);
  const chain = files.chain === null ? null : read("ssl.chain", files.chain);
  const certificate = parseCertificate("ssl.cert", files.cert, cert);
  if (chain !== null && files.chain !== null) parseCertificate("ssl.chain", files.chain, chain);
  if (!certificate.checkPrivateKey(parseKey(files.key, key))) {
    throw new TlsError(
      "ssl.key",
      `Key ${files.key} does not belong to certificate ${files.cert}. ` +
        'Point "ssl.key" and "ssl.cert" at files that were made for each other.',
    );
  }
  return {
    key,
    cert: chain === null ? cert : `${cert}\n${chain}`,
    expires: new Date(certificate.validTo),
  };
}

function read(key: TlsError["key"], path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "it does not exist"
      : error instanceof Deno.errors.PermissionDenied
      ? "the user that runs Aphlict may not read it"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new TlsError(
      key,
      `Cannot read ${path}: ${reason}. Correct the path or the file's permissions.`,
    );
  }
}

function parseCertificate(key: TlsError["key"], path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    // The library's reason speaks of ASN.1 tags and helps nobody.
    throw new TlsError(
      key,
      `${path} holds no certificate. Point "${key}" at a PEM file that begins with ` +
        "-----BEGIN CERTIFICATE-----.",
    );
  }
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new TlsError(
      "ssl.key",
      `${path} holds no private key that can be read without a password. Point "ssl.key" at a ` +
        "PEM file that begins with -----BEGIN PRIVATE KEY----- or the like, not ENCRYPTED.",
    );
  }
}
