/**
 * The log: the one place that knows LogTape.
 *
 * A room gets its logger with {@linkcode logger} and writes `log.info("Text {value}", { value })`:
 * what comes from outside goes into the braces, never into the text, see `format.ts`.
 *
 * @module
 */

import { getRotatingFileSink } from "@logtape/file";
import { configure, dispose, getLogger, type Logger, type Sink } from "@logtape/logtape";
import { formatLine } from "./format.ts";

export type { Logger };

/** Where lines go, and which. */
export interface LogOptions {
  /** Files that every line is appended to. */
  readonly files: readonly LogFile[];
  /** Whether every line is written to the console too (warnings and errors to stderr). */
  readonly console: boolean;
  /** `trace` shows each connection, command, message and delivery. */
  readonly level: "trace" | "info";
}

/** One log file and how it rotates. */
export interface LogFile {
  readonly path: string;
  /** Bytes at which it is renamed to `PATH.1` and started anew; `Infinity`: never. */
  readonly rotateSize: number;
  /** How many renamed files are kept. */
  readonly rotateKeep: number;
}

/** A log file that cannot be opened. */
export class LogFileError extends Error {
  override readonly name = "LogFileError";
}

/** The logger of a room. Before {@linkcode openLog} it writes nowhere. */
export function logger(room: string): Logger {
  return getLogger(["aphlict", room]);
}

/**
 * Opens the log. To be called once, before anything is logged.
 *
 * @throws {LogFileError} If a file cannot be opened.
 */
export async function openLog(options: LogOptions): Promise<void> {
  const sinks: Record<string, Sink> = {};
  if (options.console) sinks["console"] = writeToConsole;
  for (const [index, file] of options.files.entries()) sinks[`file ${index}`] = openFile(file);
  const names = Object.keys(sinks);
  await configure({
    reset: true,
    sinks,
    loggers: [
      { category: "aphlict", lowestLevel: options.level, sinks: names },
      // LogTape's own complaints, such as a file it cannot write to.
      {
        category: ["logtape", "meta"],
        lowestLevel: "warning",
        sinks: options.console ? ["console"] : names,
      },
    ],
  });
}

/** Writes what is buffered and closes the files. */
export async function closeLog(): Promise<void> {
  await dispose();
}

function openFile(file: LogFile): Sink {
  try {
    return getRotatingFileSink(file.path, {
      formatter: formatLine,
      maxSize: file.rotateSize,
      maxFiles: file.rotateKeep,
      // Each line is handed to the kernel at once; syncing it to the disk happens behind it.
      nonBlocking: true,
      bufferSize: 0,
    });
  } catch (error) {
    throw new LogFileError(explain(file.path, error));
  }
}

function explain(path: string, error: unknown): string {
  const what = `Cannot open log file ${path}: `;
  if (error instanceof Deno.errors.NotFound) {
    return what + 'its folder does not exist. Create the folder, or change the path in "logs".';
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return what + "permission denied. Let the user that runs Aphlict write it, or change the " +
      'path in "logs".';
  }
  if (error instanceof Deno.errors.NotCapable) {
    return what + "the process was started without the permission. Start it with bin/aphlict, " +
      "or with the flags that `aphlict permissions` prints.";
  }
  return `${what}${error instanceof Error ? error.message : String(error)}.`;
}

const writeToConsole: Sink = (record) => {
  const line = formatLine(record).trimEnd();
  if (record.level === "warning" || record.level === "error" || record.level === "fatal") {
    // deno-lint-ignore no-console -- this is the console sink
    console.error(line);
  } else {
    // deno-lint-ignore no-console -- this is the console sink
    console.log(line);
  }
};
