/**
 * The log: the only module that knows LogTape.
 *
 * A room gets its logger with {@linkcode logger} and writes `log.info("Text {value}", { value })`:
 * a value from outside goes into the braces, never into the text, see `format.ts`.
 *
 * @module
 */

import {
  compareLogLevel,
  configureSync,
  getLogger,
  type Logger,
  type LogLevel,
  type LogRecord,
  resetSync,
  type Sink,
} from "@logtape/logtape";
import type { LogConfig } from "../config/config.ts";
import { consoleLog, isStdout, logTarget } from "../config/logs.ts";
import { ConsoleStream, type Journal } from "./streams.ts";
import { LogFile } from "./file.ts";
import { FORMATS, journalFormat } from "./formats.ts";

/** The options of the log: the targets of lines, and their levels. */
export interface LogOptions {
  /** The configuration's logs. The first that names the console sets its format, level and stream; see `console`. */
  readonly files: readonly LogConfig[];
  /**
   * The lowest level of lines on the console, and in the files that have no level of their own.
   * `debug` shows the permission flags, `trace` each connection, command, message and delivery as well.
   */
  readonly level: "trace" | "debug" | "info";
  /**
   * The lines that the console shows. Warnings about log files go to stderr in any case.
   *
   * - `split`: warnings and errors on stderr and the rest on stdout, or every line on the stream that a log names.
   * - `stderr`: every line on stderr, or on the stream that a log names.
   * - `piped`: every line on stderr, for the process that reads it there.
   * - `none`: nothing.
   */
  readonly console: "split" | "stderr" | "piped" | "none";
  /** The streams that systemd's journal reads. */
  readonly journal: Journal;
  /**
   * The reaction to a file that cannot be opened at the start: `throw` opens all files or none; `go on`
   * counts its lines and tries again with each, as later.
   */
  readonly onFileError: "throw" | "go on";
  /**
   * The kind of writer. `appending` is for a process that writes a few lines into logs that another
   * process rotates: it never rotates, and opens the file by its path for each line.
   */
  readonly writer: "rotating" | "appending";
}

/** A target of lines. */
interface Target {
  readonly level: LogLevel;
  readonly write: (record: LogRecord) => void;
  readonly close?: () => void;
}

/** The files that {@linkcode reopenLog} takes over from. */
let current: readonly LogFile[] = [];

/** True if some target shows the level `trace`. */
let tracing = false;

/** Returns the logger of a room. Before {@linkcode openLog} it writes nowhere. */
export function logger(room: string): Logger {
  return getLogger(["aphlict", room]);
}

/**
 * Tells whether a line of the level `trace` is shown anywhere now; a reload can change it. The call costs nothing, so
 * it may be made for each delivery.
 */
export function isTracing(): boolean {
  return tracing;
}

/**
 * Opens the log, before anything is logged. A log that is open is closed.
 *
 * @throws {LogFileError} If a file cannot be opened, unless `onFileError` is `go on`.
 */
export function openLog(options: LogOptions): void {
  dressConsole(options);
  const logs = logsOf(options);
  if (options.onFileError === "throw") openAll(logs, options.writer);
  install(options, logs);
}

/**
 * Opens every file anew by its path, with the levels, sizes and formats of these options. A file that was
 * renamed meanwhile is closed, and lines go into the new file. No line is lost or written twice.
 *
 * @throws {LogFileError} If a file cannot be opened, unless `onFileError` is `go on`. The log then goes on as
 * it was.
 */
export function reopenLog(options: LogOptions): void {
  const logs = logsOf(options);
  if (options.onFileError === "throw") openAll(logs, options.writer);
  for (const { file } of logs) {
    const previous = current.find(({ path }) => path === file.path);
    if (previous) file.follow(previous);
  }
  install(options, logs);
}

/** The longest time to wait for {@linkcode closeLog}, in ms. */
export const CLOSE_DEADLINE_MS = 500;

/** Closes the files, and waits until the console has shown everything: for ever if no process reads it. */
export async function closeLog(): Promise<void> {
  resetSync();
  current = [];
  tracing = false;
  await Promise.all([output.flush(), errors.flush()]);
}

/** Shows a text to the person at the console, if there is one. A program that reads it gets only lines of the log. */
export function showLine(text: string): void {
  if (output.format === FORMATS.text && Deno.stdout.isTerminal()) output.write(`${text}\n`);
}

/** Shows a line of another process where the lines of the log go. */
export function showForeign(line: string): void {
  foreign.writeForeign(line);
}

/** Shows a line on standard error, between the lines of the log. */
export function showWarning(line: string): void {
  errors.writeForeign(line);
}

/** One entry of `logs` and its file, which is not open yet. */
interface Log {
  readonly config: LogConfig;
  readonly file: LogFile;
}

function logsOf({ files, writer }: LogOptions): Log[] {
  return files.filter(({ path }) => logTarget(path) !== "console").map((config) => ({
    config,
    file: new LogFile(writer === "rotating" ? config : { ...config, rotateSize: 0 }, showWarning),
  }));
}

/** Opens all files or none. Files that are opened for each line are closed again. */
function openAll(logs: readonly Log[], writer: LogOptions["writer"]): void {
  let opened = false;
  try {
    for (const { file } of logs) file.open();
    opened = true;
  } finally {
    if (!opened || writer === "appending") { for (const { file } of logs) file.close(); }
  }
}

/** Makes the streams of the console show lines that are no records as they show the lines of the log. */
function dressConsole({ files, console, journal }: LogOptions): void {
  const log = consoleLog(files);
  const format = log?.format ?? "text";
  output.format = journal.stdout ? journalFormat(format) : FORMATS[format];
  errors.format = journal.stderr ? journalFormat(format) : FORMATS[format];
  foreign = log !== undefined && console !== "piped" && isStdout(log) ? output : errors;
}

/** Makes every logger write to these targets from now on, and closes the former ones. */
function install(options: LogOptions, logs: readonly Log[]): void {
  dressConsole(options);
  const targets = [...logs.map((log) => fileTarget(log, options)), ...consoleTargets(options)];
  const sinks = Object.fromEntries(
    targets.map((target, index): [string, Sink] => [`${index}`, sinkOf(target)]),
  );
  const names = Object.keys(sinks);
  configureSync({
    reset: true,
    sinks,
    loggers: [
      {
        category: "aphlict",
        lowestLevel: targets.map(({ level }) => level).sort(compareLogLevel)[0] ?? null,
        sinks: names,
      },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: names },
    ],
  });
  current = logs.map(({ file }) => file);
  tracing = targets.some(({ level }) => level === "trace");
}

function sinkOf({ level, write, close }: Target): Sink {
  const sink: Sink = (record) => {
    if (compareLogLevel(record.level, level) >= 0) write(record);
  };
  return close ? Object.assign(sink, { [Symbol.dispose]: close }) : sink;
}

function fileTarget({ config, file }: Log, { level, writer }: LogOptions): Target {
  const format = FORMATS[config.format];
  return {
    level: config.level ?? level,
    write(record) {
      file.write(format.line(record));
      if (writer === "appending") file.close();
    },
    close: () => file.close(),
  };
}

function consoleTargets({ files, console, level }: LogOptions): Target[] {
  if (console === "none") return [];
  const log = consoleLog(files);
  const streamOf = (record: LogRecord) => {
    if (console === "piped") return errors;
    if (log !== undefined) return isStdout(log) ? output : errors;
    return console === "stderr" || compareLogLevel(record.level, "warning") >= 0 ? errors : output;
  };
  return [{
    level: log?.level ?? level,
    write(record) {
      const stream = streamOf(record);
      stream.write(stream.format.line(record));
    },
  }];
}

const output = new ConsoleStream(Deno.stdout);
const errors = new ConsoleStream(Deno.stderr);

/** The stream for the lines of another process. */
let foreign = errors;
