/**
 * The console: standard output and error, as long as somebody reads them.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { type Format, FORMATS } from "./formats.ts";
import { printable } from "../text.ts";

/** Bytes that may wait for a console that nobody reads, such as a paused `less`. */
const QUEUE_LIMIT = 1024 * 1024;

const encoder = new TextEncoder();

/** One stream of the console. Writing to it never blocks and never fails. */
export class ConsoleStream {
  /** How lines look that are no records. */
  format: Format = FORMATS.text;
  readonly #stream: { write(bytes: Uint8Array): Promise<number> };
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #lost = 0;
  #writing: Promise<void> | null = null;

  constructor(stream: { write(bytes: Uint8Array): Promise<number> }) {
    this.#stream = stream;
  }

  /**
   * Queues lines, in which nothing can steer a terminal. A text for which there is no room is counted.
   *
   * @param text With a line feed at the end of each line.
   */
  write(text: string): void {
    const bytes = encoder.encode(text.split("\n").map(printable).join("\n"));
    if (this.#queuedBytes + bytes.length > QUEUE_LIMIT) {
      this.#lost++;
      return;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#writing ??= this.#drain();
  }

  /** Queues a line that is no record, without its line feed. */
  writeForeign(line: string): void {
    this.write(this.format.foreign(line));
  }

  /** Resolves when everything is written; never when nobody reads. The caller sets a deadline. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    for (let bytes = this.#queue.shift(); bytes; bytes = this.#queue.shift()) {
      try {
        for (let written = 0; written < bytes.length;) {
          written += await this.#stream.write(bytes.subarray(written));
        }
      } catch {
        // Nobody is there any more, and there is nowhere to say so; the files have every line.
      }
      this.#queuedBytes -= bytes.length;
      if (this.#lost > 0 && this.#queue.length === 0) {
        const lost = `(${this.#lost} lines were not shown here, as nobody read them)`;
        this.#lost = 0;
        this.writeForeign(lost);
      }
    }
    this.#writing = null;
  }
}

/** The standard streams, and whether the journal reads each. */
export interface Journal {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** The journal reads neither stream. */
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
