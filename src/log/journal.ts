/**
 * Whether standard output and error are read by systemd's journal.
 *
 * @module
 */

import { fstatSync } from "node:fs";

/** The standard streams, and whether the journal reads each. */
export interface Journal {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Neither stream is the journal's. */
export const NO_JOURNAL: Journal = { stdout: false, stderr: false };

/**
 * Returns which of this process's standard streams the journal reads.
 *
 * @param stream What the environment variable `JOURNAL_STREAM` says: device and inode of the stream, such as
 * `8:12345`. It is inherited by processes whose streams lead elsewhere, so it is compared (systemd.exec(5)).
 */
export function journalOf(stream: string | undefined): Journal {
  if (stream === undefined) return NO_JOURNAL;
  return { stdout: identityOf(1) === stream, stderr: identityOf(2) === stream };
}

/** Device and inode of an open file; no permission is needed for it. */
function identityOf(descriptor: number): string | null {
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    // It is closed, or cannot be looked at: it is as good as no journal.
    return null;
  }
}
