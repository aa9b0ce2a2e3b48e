/**
 * Certificates for the tests: an authority, and servers' certificates that it signs.
 *
 * @module
 */

import forge from "node-forge";

/** The parts of `node-forge` that are used here; npm serves it without types. */
interface Forge {
  readonly pki: {
    readonly rsa: { generateKeyPair(bits: number): KeyPair };
    createCertificate(): Certificate;
    certificateToPem(certificate: Certificate): string;
    privateKeyToPem(key: unknown): string;
  };
  readonly md: { readonly sha256: { create(): unknown } };
}
interface KeyPair {
  readonly publicKey: unknown;
  readonly privateKey: unknown;
}
interface Certificate {
  publicKey: unknown;
  serialNumber: string;
  readonly validity: { notBefore: Date; notAfter: Date };
  readonly subject: { readonly attributes: unknown };
  setSubject(attributes: unknown): void;
  setIssuer(attributes: unknown): void;
  setExtensions(extensions: readonly Record<string, unknown>[]): void;
  sign(key: unknown, digest: unknown): void;
}
const { pki, md }: Forge = forge;

const DAY_MS = 86_400_000;
let serial = 1;

const LOCALHOST = {
  name: "subjectAltName",
  altNames: [{ type: 2, value: "localhost" }, { type: 7, ip: "127.0.0.1" }],
};

/** A certificate that can sign others. */
export interface Authority {
  /** PEM certificate. */
  readonly cert: string;
  readonly subject: unknown;
  readonly privateKey: unknown;
}

/** An authority, signed by another one or by itself. */
export function makeAuthority(
  name: string,
  issuer?: Authority,
  validMs: number = DAY_MS,
): Authority {
  const keys = pki.rsa.generateKeyPair(2048);
  const certificate = begin(name, keys, validMs);
  certificate.setExtensions([
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, critical: true },
  ]);
  const subject = certificate.subject.attributes;
  certificate.setIssuer(issuer?.subject ?? subject);
  certificate.sign(issuer?.privateKey ?? keys.privateKey, md.sha256.create());
  return { cert: pki.certificateToPem(certificate), subject, privateKey: keys.privateKey };
}

/**
 * A server's PEM key and certificate for `localhost` and 127.0.0.1.
 *
 * @param names What it is for instead.
 */
export function makeCertificate(
  authority: Authority,
  validMs: number = DAY_MS,
  names: Record<string, unknown> = LOCALHOST,
): { readonly key: string; readonly cert: string } {
  const keys = pki.rsa.generateKeyPair(2048);
  const certificate = begin("localhost", keys, validMs);
  certificate.setExtensions([{ name: "basicConstraints", cA: false }, names]);
  certificate.setIssuer(authority.subject);
  certificate.sign(authority.privateKey, md.sha256.create());
  return { key: pki.privateKeyToPem(keys.privateKey), cert: pki.certificateToPem(certificate) };
}

/** A server's certificate for `localhost` and 127.0.0.1 that nobody else has signed. */
export function makeSelfSigned(
  { isAuthority, validMs = DAY_MS }: { readonly isAuthority: boolean; readonly validMs?: number },
): Authority & { readonly key: string } {
  const keys = pki.rsa.generateKeyPair(2048);
  const certificate = begin("localhost", keys, validMs);
  certificate.setExtensions([
    { name: "basicConstraints", cA: isAuthority, critical: true },
    LOCALHOST,
  ]);
  const subject = certificate.subject.attributes;
  certificate.setIssuer(subject);
  certificate.sign(keys.privateKey, md.sha256.create());
  const { privateKey } = keys;
  const cert = pki.certificateToPem(certificate);
  return { key: pki.privateKeyToPem(privateKey), cert, subject, privateKey };
}

function begin(name: string, keys: KeyPair, validMs: number): Certificate {
  const certificate = pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  certificate.serialNumber = String(serial++).padStart(2, "0");
  certificate.validity.notBefore = new Date(Date.now() - 2 * DAY_MS);
  certificate.validity.notAfter = new Date(Date.now() + validMs);
  certificate.setSubject([{ name: "commonName", value: name }]);
  return certificate;
}
