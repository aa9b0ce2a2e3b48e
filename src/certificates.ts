/**
 * The certificates of all servers: what is in use, what their files hold now, and when they expire.
 *
 * @module
 */

import { createSecureContext } from "node:tls";
import type { Config, TlsFiles } from "./config/config.ts";
import { EXPIRY_WARNING_DAYS, readTls, TlsError, type TlsMaterial } from "./config/tls.ts";
import { logger } from "./log/log.ts";

const DAY_MS = 86_400_000;

/** How long before its end a certificate is warned of, in ms. */
const EXPIRES_SOON_MS = EXPIRY_WARNING_DAYS * DAY_MS;

const log = logger("service");

/** A certificate whose files have changed, or which has not been used yet. */
export interface Found {
  /** Its server's place in `servers`. */
  readonly index: number;
  readonly tls: TlsMaterial;
}

/** What the files hold. */
export interface Reading {
  /** What is not in use yet; empty when there are problems. */
  readonly found: readonly Found[];
  /** Sentences for the administrator, each with the key it is about. */
  readonly problems: readonly string[];
}

/** See the module. */
export class Certificates {
  readonly #files: readonly { readonly index: number; readonly files: TlsFiles }[];
  /** By place in `servers`. */
  readonly #used = new Map<number, TlsMaterial>();
  /** When the expiry of a certificate was last told, by file. */
  readonly #told = new Map<string, number>();

  constructor({ servers }: Config) {
    this.#files = servers.flatMap(({ tls }, index) => tls ? [{ index, files: tls }] : []);
  }

  /** Reads all files. */
  read(): Reading {
    const found: Found[] = [];
    const problems: string[] = [];
    for (const { index, files } of this.#files) {
      const used = this.#used.get(index);
      try {
        const tls = readTls(files);
        if (tls.key === used?.key && tls.cert === used.cert) continue;
        if (used) tryOut(tls, files);
        found.push({ index, tls });
      } catch (error) {
        if (!(error instanceof TlsError)) throw error;
        for (const { key, message } of error.problems) {
          problems.push(`servers[${index}].${key}: ${message}`);
        }
      }
    }
    return { found: problems.length > 0 ? [] : found, problems };
  }

  /** What has been read is in use now. */
  use(found: readonly Found[]): void {
    for (const { index, tls } of found) {
      this.#used.set(index, tls);
      const cert = this.#files.find((each) => each.index === index)?.files.cert;
      if (cert !== undefined) this.#told.delete(cert);
    }
  }

  /** The certificate that a server uses, by its place in `servers`; `null` when it has none. */
  inUse(index: number): { readonly file: string; readonly expires: number } | null {
    const expires = this.#used.get(index)?.expires.getTime();
    const file = this.#files.find((each) => each.index === index)?.files.cert;
    return expires === undefined || file === undefined ? null : { file, expires };
  }

  /** Warns of each certificate in use that has expired or soon will, once a day. */
  warn(now: number): void {
    for (const { index, files: { cert } } of this.#files) {
      const expires = this.#used.get(index)?.expires;
      if (expires === undefined || now - (this.#told.get(cert) ?? -Infinity) < DAY_MS) continue;
      if (expires.getTime() - now > EXPIRES_SOON_MS) continue;
      this.#told.set(cert, now);
      const isOver = expires.getTime() < now;
      log.warning(
        isOver
          ? "Certificate {cert} expired on {expires}: browsers refuse it. Renew it."
          : "Certificate {cert} expires on {expires}: browsers will refuse it. Renew it.",
        { cert, expires: expires.toISOString() },
      );
    }
  }
}

/**
 * Looks whether the runtime takes a pair before anything is changed for it.
 *
 * @throws {TlsError} If it does not.
 */
function tryOut(tls: TlsMaterial, files: TlsFiles): void {
  try {
    createSecureContext({ key: tls.key, cert: tls.cert });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The runtime cannot use ${files.cert} with ${files.key}: ${reason}. It takes ` +
      "RSA keys of 2048 bits and more, P-256, P-384, P-521 and Ed25519.";
    throw new TlsError([{ key: "ssl.cert", message }]);
  }
}
