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
import { ConsoleStream } from "./console.ts";
import { LogFile, type Rotation } from "./file.ts";
import { formatLine } from "./format.ts";

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
  const files = openFiles(options.files);
  const sinks: Sink[] = options.console ? [...files, writeToConsole] : files;
  const named = sinks.map((sink, index): [string, Sink] => [`${index}`, sink]);
  const names = named.map(([name]) => name);
  await configure({
    reset: true,
    sinks: Object.fromEntries(named),
    loggers: [
      { category: "aphlict", lowestLevel: options.level, sinks: names },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: names },
    ],
  });
}

/** Closes the files, and waits until the console has shown everything: for ever if nobody reads it. */
export async function closeLog(): Promise<void> {
  await dispose();
  await Promise.all([output.flush(), errors.flush()]);
}

/** Shows a text on the console, between the lines of the log. */
export function show(text: string): void {
  output.write(`${text}\n`);
}

/** Opens all of them or none. */
function openFiles(files: LogOptions["files"]): (Sink & Disposable)[] {
  const opened: LogFile[] = [];
  for (const { path, ...rotation } of files) {
    try {
      opened.push(new LogFile(path, rotation, complain));
    } catch (error) {
      for (const file of opened) file.close();
      throw new LogFileError(explain(path, error));
    }
  }
  return opened.map((file) =>
    Object.assign((record: LogRecord) => file.write(formatLine(record)), {
      [Symbol.dispose]: () => file.close(),
    })
  );
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

const output = new ConsoleStream(Deno.stdout);
const errors = new ConsoleStream(Deno.stderr);

/** For what cannot be said in the log. */
function complain(text: string): void {
  errors.write(`${text}\n`);
}

const writeToConsole: Sink = (record) => {
  const isTrouble = ["warning", "error", "fatal"].includes(record.level);
  (isTrouble ? errors : output).write(formatLine(record));
};
