/**
 * The log: the one place that knows LogTape.
 *
 * A room gets its logger with {@linkcode logger} and writes `log.info("Text {value}", { value })`:
 * what comes from outside goes into the braces, never into the text, see `format.ts`.
 *
 * @module
 */

import {
  configure,
  dispose,
  getLogger,
  type Logger,
  type LogRecord,
  type Sink,
} from "@logtape/logtape";
import { LogFile, type Rotation } from "./file.ts";
import { formatLine } from "./format.ts";

export type { Logger };

/** Where lines go, and which. */
export interface LogOptions {
  /** Files that every line is appended to. */
  readonly files: readonly ({ readonly path: string } & Rotation)[];
  /** Whether every line is written to the console too (warnings and errors to stderr). */
  readonly console: boolean;
  /** `trace` shows each connection, command, message and delivery. */
  readonly level: "trace" | "info";
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
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: names },
    ],
  });
}

/** Closes the files. */
export async function closeLog(): Promise<void> {
  await dispose();
}

function openFile({ path, ...rotation }: { readonly path: string } & Rotation): Sink & Disposable {
  try {
    const file = new LogFile(path, rotation, complain);
    const sink = (record: LogRecord) => file.write(formatLine(record));
    return Object.assign(sink, { [Symbol.dispose]: () => file.close() });
  } catch (error) {
    throw new LogFileError(explain(path, error));
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
  if (error instanceof Deno.errors.NotCapable && path.startsWith("/dev/")) {
    return what + "Deno opens no device but /dev/null under limited permissions. Name a file.";
  }
  if (error instanceof Deno.errors.NotCapable) {
    return what + "the process was started without the permission. Start it with bin/aphlict, " +
      "or with the flags that `aphlict permissions` prints.";
  }
  return `${what}${error instanceof Error ? error.message : String(error)}.`;
}

/** For what cannot be said in the log. */
function complain(text: string): void {
  // deno-lint-ignore no-console -- this is the last resort
  console.error(text);
}

const writeToConsole: Sink = (record) => {
  const line = formatLine(record).trimEnd();
  if (record.level === "warning" || record.level === "error" || record.level === "fatal") {
    complain(line);
  } else {
    // deno-lint-ignore no-console -- this is the console sink
    console.log(line);
  }
};
