/**
 * The console: standard output and error, as long as somebody reads them.
 *
 * @module
 */

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
