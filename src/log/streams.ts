/**
 * The console: standard output and error, as long as a process reads them.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { type Format, FORMATS } from "./formats.ts";
import { printable } from "../text.ts";

/** The most bytes that wait for a console that is not read, such as a paused `less`. */
const QUEUE_LIMIT = 1024 * 1024;

const encoder = new TextEncoder();

/** One stream of the console. Writing to it never blocks and never fails. */
export class ConsoleStream {
  /** The format of its lines. */
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
   * Queues lines, escaped so that they cannot control a terminal. A text without room is only counted.
   *
   * @param text The lines, each with a line feed at its end.
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

  /** Resolves when everything is written; never if no process reads. The caller sets a deadline. */
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
        // The reader is gone, and there is nowhere to report that; the files have every line.
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

/** The standard streams: true if the journal reads the stream. */
export interface Journal {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** The value for a journal that reads neither stream. */
export const NO_JOURNAL: Journal = { stdout: false, stderr: false };

/**
 * Returns which of this process's standard streams the journal reads.
 *
 * @param stream The environment variable `JOURNAL_STREAM`: device and inode of the stream, such as `8:12345`.
 * Processes whose streams lead elsewhere have it, too, so it is compared (systemd.exec(5)).
 */
export function journalOf(stream: string | undefined): Journal {
  if (stream === undefined) return NO_JOURNAL;
  return { stdout: identityOf(1) === stream, stderr: identityOf(2) === stream };
}

/** Returns device and inode of an open file; this needs no permission. */
function identityOf(descriptor: number): string | null {
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    // A stream that is closed, or cannot be examined, is no journal.
    return null;
  }
}
