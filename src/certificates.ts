/**
 * The certificates of all servers: those in use, those that the files hold now, and their expiry.
 *
 * @module
 */

import { type Config, serverUrl, type TlsFiles } from "./config/config.ts";
import { Whole } from "./log/format.ts";
import { logger } from "./log/log.ts";
import type { Metrics } from "./metrics/families.ts";
import {
  isSamePair,
  judgeTls,
  readTls,
  TlsError,
  type TlsMaterial,
  validityWarning,
} from "./net/tls.ts";

/** The interval of warnings about a certificate, in ms. */
const WARNING_INTERVAL_MS = 86_400_000;

const log = logger("service");

/** A certificate whose files have changed, or which has not been used yet. */
export interface Found {
  /** Its server's index in `servers`. */
  readonly index: number;
  readonly tls: TlsMaterial;
}

/** The judgement of all files. */
export interface CertificateVerdict {
  /** Usable certificates that are not in use yet; empty when there are problems. */
  readonly found: readonly Found[];
  /** Sentences for the administrator, each with the key it is about. */
  readonly problems: readonly string[];
}

/** The certificates of the servers of one configuration. */
export class Certificates {
  readonly #files: readonly {
    readonly index: number;
    /** The server's URL. */
    readonly url: string;
    readonly files: TlsFiles;
  }[];
  /** The certificates in use, by index in `servers`. */
  readonly #used = new Map<number, TlsMaterial>();
  /** The time of the last warning about a certificate's dates, by file. */
  readonly #told = new Map<string, number>();

  constructor({ servers }: Config) {
    this.#files = servers.flatMap((server, index) =>
      server.tls ? [{ index, url: serverUrl(server), files: server.tls }] : []
    );
  }

  /** Reads all files, and tries the certificates that are not in use yet. The files of all servers count, or none. */
  async judge(): Promise<CertificateVerdict> {
    const found: Found[] = [];
    const problems: string[] = [];
    for (const { index, files } of this.#files) {
      try {
        const used = this.#used.get(index) ?? null;
        const tls = await judgeTls(files, used);
        if (tls !== used) found.push({ index, tls });
      } catch (error) {
        problems.push(...problemsOf(index, error));
      }
    }
    return { found: problems.length > 0 ? [] : found, problems };
  }

  /**
   * Returns a text that changes with the certificates in the files that are not in use, and with the faults of the
   * files; empty when there is neither. Costs reading the files: nothing is tried.
   */
  changes(): string {
    return this.#files.flatMap(({ index, files }) => {
      try {
        const tls = readTls(files);
        const used = this.#used.get(index);
        return used && isSamePair(tls, used) ? [] : [`servers[${index}]: ${tls.key}${tls.cert}`];
      } catch (error) {
        return problemsOf(index, error);
      }
    }).join("\n");
  }

  /** Remembers the certificates that are in use now. */
  use(found: readonly Found[]): void {
    for (const { index, tls } of found) {
      this.#used.set(index, tls);
      const cert = this.#files.find((each) => each.index === index)?.files.cert;
      if (cert !== undefined) this.#told.delete(cert);
    }
  }

  /** Returns the families of the certificates in use. */
  metrics(): Partial<Metrics> {
    return {
      aphlict_certificate_expiry_timestamp_seconds: this.#files.flatMap(({ index, url }) => {
        const used = this.#used.get(index);
        return used ? [[{ server: url }, used.expires.getTime() / 1000] as const] : [];
      }),
    };
  }

  /** Warns of each certificate in use that browsers refuse for its dates or soon will, once a day. */
  warn(now: number): void {
    for (const { index, files: { cert } } of this.#files) {
      const tls = this.#used.get(index);
      if (!tls || now - (this.#told.get(cert) ?? -Infinity) < WARNING_INTERVAL_MS) continue;
      const warning = validityWarning(cert, tls, now);
      if (warning === null) continue;
      this.#told.set(cert, now);
      log.warning("{warning}", {
        warning: new Whole(warning),
        cert,
        expires: tls.expires.toISOString(),
      });
    }
  }
}

/** @throws {unknown} Each error that is no {@linkcode TlsError}. */
function problemsOf(index: number, error: unknown): string[] {
  if (!(error instanceof TlsError)) throw error;
  return error.problems.map(({ key, message }) => `servers[${index}].${key}: ${message}`);
}
