/**
 * A log file that rotates, and that cannot stop the service.
 *
 * Lines are handed to the kernel one by one and at once: what the administrator sees is what there
 * is, and a process that is killed has lost none of them.
 *
 * @module
 */

import fs, { type Stats } from "node:fs";
import type { LogConfig } from "../config/config.ts";
import { logFiles } from "../config/logs.ts";
import { FORMATS } from "./formats.ts";
import { logCounters } from "./counters.ts";
import { shift } from "./rotation.ts";
import { LogFileError, reasonOf } from "./file_error.ts";

const encoder = new TextEncoder();

/** How a log is opened. A pipe without a reader fails at once, in place of keeping the service waiting for one. */
const FLAGS = fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT |
  fs.constants.O_NONBLOCK;

/**
 * A log file. It is open from {@linkcode LogFile.open} or the first line on; only `open` throws.
 *
 * One that was deleted is created anew at the next line, unless it is a device or a pipe. One that is a symbolic
 * link is not rotated: the link would be renamed, and the file that it leads to would stay where it is.
 *
 * It is opened by `node:fs`, which asks for the path as the configuration writes it. An open `Deno.FsFile` is asked
 * for by the path that all links lead to, which is not granted (Deno 2.9.6, see docs/upstream.md).
 */
export class LogFile {
  readonly path: string;
  readonly #config: LogConfig;
  /** The file and its rotated names; only the file for one that is not rotated. */
  readonly #names: readonly string[];
  readonly #complain: (text: string) => void;
  /** The descriptor. */
  #file: number | null = null;
  /** See {@linkcode marked}. */
  #mark: Deno.FsFile | null = null;
  /** Bytes that the file does not grow beyond. */
  #limit = Infinity;
  #lost = 0;
  /** The file that ends in the middle of a line. */
  #torn: Stats | null = null;

  /**
   * @param config Its level is left to the caller.
   * @param complain Told once when lines begin to be lost, and when rotation fails.
   */
  constructor(config: LogConfig, complain: (text: string) => void) {
    this.path = config.path;
    this.#config = config;
    this.#names = logFiles(config);
    this.#complain = complain;
  }

  /**
   * Opens it for appending; it is created when missing, readable and writable for user and group as
   * the original's (mode 664, less the umask).
   *
   * @throws {LogFileError} If it cannot be opened.
   */
  open(): void {
    this.#open();
  }

  /** Takes over what another one for the same path, which writes no more, knows of missing lines. */
  follow(previous: LogFile): void {
    this.#lost = previous.#lost;
    this.#torn = previous.#torn;
  }

  /**
   * Appends a line, which ends with its line feed, in one call of the system. One that cannot be
   * written is counted; the next that can be comes after a line that gives the number.
   */
  write(line: string): void {
    try {
      let { file, info } = this.#current();
      let bytes = this.#bytes(line, info);
      if (info.isFile() && info.size > 0 && info.size + bytes.length > this.#limit) {
        this.#rotate(file, info.size);
        ({ file, info } = this.#current());
        bytes = this.#bytes(line, info);
      }
      this.#append(bytes, file, info);
      this.#lost = 0;
    } catch (error) {
      logCounters.lost++;
      if (this.#lost++ > 0) return;
      const what = error instanceof LogFileError
        ? error.message
        : `Cannot write log file ${this.path}: ${reasonOf(error)}.`;
      this.#complain(`${what} Its lines are lost until it can be written again.`);
    }
  }

  /** Closes it until the next line. */
  close(): void {
    if (this.#file !== null) fs.closeSync(this.#file);
    this.#file = null;
    this.#mark?.close();
    this.#mark = null;
  }

  #open(): number {
    this.close();
    try {
      return this.#openByPath();
    } catch (error) {
      throw new LogFileError(this.path, error);
    }
  }

  #openByPath(): number {
    const file = fs.openSync(this.path, FLAGS, 0o664);
    this.#file = file;
    const rotates = this.#names.length > 1 && !fs.lstatSync(this.path).isSymbolicLink();
    this.#limit = rotates ? this.#config.rotateSize : Infinity;
    this.#mark?.close();
    // Of a pipe it would be the reader.
    this.#mark = fs.fstatSync(file).isFile() ? marked(this.path) : null;
    return file;
  }

  #current(): { file: number; info: Stats } {
    const file = this.#file ?? this.#open();
    const info = fs.fstatSync(file);
    // A file without a name: what is written into it, nobody can read.
    if (!info.isFile() || info.nlink !== 0) return { file, info };
    this.#torn = null;
    const created = this.#open();
    return { file: created, info: fs.fstatSync(created) };
  }

  /** A line, and what has to stand before it when some were lost. */
  #bytes(line: string, { dev, ino }: Stats): Uint8Array {
    const end = this.#torn?.ino === ino && this.#torn.dev === dev ? "\n" : "";
    const notice = this.#lost === 0 ? "" : FORMATS[this.#config.format].notice(
      `Lines that could not be written are missing here: ${this.#lost}.`,
    );
    return encoder.encode(end + notice + line);
  }

  #append(bytes: Uint8Array, file: number, info: Stats): void {
    for (let written = 0; written < bytes.length;) {
      written += fs.writeSync(file, bytes.subarray(written));
      this.#torn = written < bytes.length ? info : null;
    }
  }

  /** After a failure it goes on in the same file and tries again when that has grown as much again. */
  #rotate(old: number, size: number): void {
    try {
      const takeBack = shift(this.#names);
      try {
        this.#openByPath();
      } catch (error) {
        // No file may be opened, such as when there are too many connections: as it was.
        takeBack();
        throw error;
      }
      fs.closeSync(old);
    } catch (error) {
      this.#limit = size + this.#config.rotateSize;
      this.#complain(
        `Cannot rotate log file ${this.path}: ${reasonOf(error)}. It goes on in the same file, ` +
          `and tries again after another ${this.#config.rotateSize} bytes.`,
      );
    }
  }
}

/**
 * Returns a file that has `aphlict check` see that a service writes this log. The lock is shared, and keeps nobody from
 * anything. A second descriptor, as `node:fs` locks none.
 */
function marked(path: string): Deno.FsFile | null {
  try {
    const file = Deno.openSync(path);
    file.tryLockSync(false);
    return file;
  } catch {
    // Not every file may be read, not every file system has locks, and a log without one is as good.
    return null;
  }
}
