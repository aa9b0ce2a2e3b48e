/**
 * A log file that rotates, and that cannot stop the service.
 *
 * Lines go to the kernel one by one and at once. So the administrator sees all of them, and a process
 * that is killed has lost none.
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

/** The flags that open a log. A pipe without a reader fails at once, so that the service does not wait for one. */
const FLAGS = fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT |
  fs.constants.O_NONBLOCK;

/**
 * A log file. It is open from {@linkcode LogFile.open} or the first line on; only `open` throws.
 *
 * A file that was deleted is created anew at the next line, unless it is a device or a pipe. A symbolic link is
 * not rotated: the link would be renamed, and the file that it leads to would stay where it is.
 *
 * `node:fs` opens it, because that asks for the path as the configuration writes it. For an open `Deno.FsFile`, Deno
 * asks for the path that all links lead to, which is not granted (Deno 2.9.6, see docs/upstream.md).
 */
export class LogFile {
  readonly path: string;
  readonly #config: LogConfig;
  /** The file and its rotated names; only the file if it is not rotated. */
  readonly #names: readonly string[];
  readonly #onFault: (text: string) => void;
  /** The descriptor. */
  #file: number | null = null;
  /** The file that {@linkcode marked} returns. */
  #mark: Deno.FsFile | null = null;
  /** The bytes beyond which the file does not grow. */
  #limit = Infinity;
  #lost = 0;
  /** The file that ends in the middle of a line. */
  #torn: Stats | null = null;

  /**
   * @param config The entry of `logs`. Its level is left to the caller.
   * @param complain Called once when lines begin to be lost, and when rotation fails.
   */
  constructor(config: LogConfig, complain: (text: string) => void) {
    this.path = config.path;
    this.#config = config;
    this.#names = logFiles(config);
    this.#onFault = complain;
  }

  /**
   * Opens it for appending. A missing file is created, readable and writable for user and group as
   * the original's (mode 664, less the umask).
   *
   * @throws {LogFileError} If it cannot be opened.
   */
  open(): void {
    this.#open();
  }

  /** Takes over the lost lines and the torn line of a log file for the same path that writes no more. */
  follow(previous: LogFile): void {
    this.#lost = previous.#lost;
    this.#torn = previous.#torn;
  }

  /**
   * Appends a line, which ends with its line feed, in one system call. A line that cannot be written is
   * counted; the next one that can comes after a line that gives the number.
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
      this.#onFault(`${what} Its lines are lost until it can be written again.`);
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
    // This file would be the reader of a pipe.
    this.#mark = fs.fstatSync(file).isFile() ? marked(this.path) : null;
    return file;
  }

  #current(): { file: number; info: Stats } {
    const file = this.#file ?? this.#open();
    const info = fs.fstatSync(file);
    // The file has no name any more: nobody could read its lines.
    if (!info.isFile() || info.nlink !== 0) return { file, info };
    this.#torn = null;
    const created = this.#open();
    return { file: created, info: fs.fstatSync(created) };
  }

  /** Returns the bytes of a line, after the end of a torn line and a notice of lost lines. */
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

  /** Rotates the file. After a failure it stays in use, and is rotated when it has grown as much again. */
  #rotate(old: number, size: number): void {
    try {
      const takeBack = shift(this.#names);
      try {
        this.#openByPath();
      } catch (error) {
        // No file can be opened, such as with too many connections: the names are restored.
        takeBack();
        throw error;
      }
      fs.closeSync(old);
    } catch (error) {
      this.#limit = size + this.#config.rotateSize;
      this.#onFault(
        `Cannot rotate log file ${this.path}: ${reasonOf(error)}. It goes on in the same file, ` +
          `and tries again after another ${this.#config.rotateSize} bytes.`,
      );
    }
  }
}

/**
 * Returns a locked file, by which `aphlict check` sees that a service writes this log. The lock is shared, and blocks
 * no process. It is a second descriptor, because `node:fs` locks none. A log behind a link has none: for such a
 * descriptor Deno asks for the path without links, which is not granted.
 */
function marked(path: string): Deno.FsFile | null {
  let file: Deno.FsFile | null = null;
  try {
    file = Deno.openSync(path);
    file.tryLockSync(false);
    return file;
  } catch {
    // Not every file may be read, not every file system has locks, and a log without a lock is as good.
    file?.close();
    return null;
  }
}
