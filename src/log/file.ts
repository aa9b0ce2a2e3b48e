/**
 * A log file that rotates, and that cannot stop the service.
 *
 * Lines are handed to the kernel one by one and at once: what the administrator sees is what there
 * is, and a process that is killed has lost none of them.
 *
 * @module
 */

import { formatText } from "./format.ts";

/** How a log file rotates. */
export interface Rotation {
  /** Bytes that the file does not grow beyond: before, it is renamed and started anew. */
  readonly size: number;
  /** How many renamed files are kept, at least 1: `PATH.1` (newest), `PATH.2`, ... */
  readonly keep: number;
}

const encoder = new TextEncoder();

/** An open log file. Only opening it throws. */
export class LogFile {
  readonly #path: string;
  readonly #rotation: Rotation;
  readonly #complain: (text: string) => void;
  #file: Deno.FsFile;
  #size = 0;
  /** Devices and pipes are never renamed: nobody wants `/dev/null.1`. */
  #rotates = false;
  #lost = 0;
  /** The file ends in the middle of a line. */
  #torn = false;

  /**
   * Opens it for appending; it is created when missing, readable and writable for user and group as
   * the original's (mode 664, less the umask).
   *
   * @param complain Told once when lines begin to be lost, and when rotation fails.
   * @throws {Error} What `Deno.openSync` throws.
   */
  constructor(path: string, rotation: Rotation, complain: (text: string) => void) {
    this.#path = path;
    this.#rotation = rotation;
    this.#complain = complain;
    this.#file = this.#open();
  }

  /** Appends a line, which ends with its line feed. One that cannot be written is counted. */
  write(line: string): void {
    try {
      const bytes = encoder.encode(this.#preface() + line);
      if (this.#rotates && this.#size > 0 && this.#size + bytes.length > this.#rotation.size) {
        this.#rotate();
      }
      this.#append(bytes);
      this.#lost = 0;
    } catch (error) {
      if (this.#lost++ === 0) {
        this.#complain(
          `Cannot write log file ${this.#path}: ${reasonOf(error)}. Its lines are ` +
            "lost until it can be written again.",
        );
      }
    }
  }

  /** Closes it. */
  close(): void {
    this.#file.close();
  }

  #open(): Deno.FsFile {
    const file = Deno.openSync(this.#path, { append: true, create: true, mode: 0o664 });
    const { isFile, size } = file.statSync();
    this.#rotates = isFile;
    this.#size = size;
    return file;
  }

  /** What has to stand before the next line after some were lost. */
  #preface(): string {
    const end = this.#torn ? "\n" : "";
    if (this.#lost === 0) return end;
    return end +
      formatText("warning", `Lines that could not be written are missing here: ${this.#lost}.`);
  }

  #append(bytes: Uint8Array): void {
    let written = 0;
    while (written < bytes.length) {
      const count = this.#file.writeSync(bytes.subarray(written));
      written += count;
      this.#size += count;
      this.#torn = written < bytes.length;
    }
  }

  /** After a failure it goes on in the same file and tries again when that has grown as much again. */
  #rotate(): void {
    const names = Array.from(
      { length: this.#rotation.keep + 1 },
      (_, index) => index === 0 ? this.#path : `${this.#path}.${index}`,
    );
    const old = this.#file;
    try {
      shift(names.toReversed());
      try {
        this.#file = this.#open();
      } catch (error) {
        // No file may be opened, such as when there are too many connections: as it was.
        shift(names);
        throw error;
      }
      old.close();
    } catch (error) {
      this.#size = 0;
      this.#complain(
        `Cannot rotate log file ${this.#path}: ${reasonOf(error)}. It goes on in the same file, ` +
          `and tries again after another ${this.#rotation.size} bytes.`,
      );
    }
  }
}

/**
 * Gives each file the name before its own, the first one first, so that a crash in between leaves a
 * gap in the names and loses no file.
 */
function shift(names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    const next = names[index + 1];
    if (next !== undefined) rename(next, name);
  }
}

function rename(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
