/**
 * The log: the one place that knows LogTape.
 *
 * A room gets its logger with {@linkcode logger} and writes `log.info("Text {value}", { value })`:
 * what comes from outside goes into the braces, never into the text, see `format.ts`.
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
import { logTarget } from "../config/logs.ts";
import { ConsoleStream } from "./console.ts";
import { LogFile } from "./file.ts";
import { formatLine } from "./format.ts";
import { FORMATS } from "./formats.ts";

export { LogFileError } from "./trouble.ts";

/** Where lines go, and which. */
export interface LogOptions {
  /** The configuration's logs. Those that name the console are left out: it is `console` below. */
  readonly files: readonly LogConfig[];
  /**
   * From which level on lines go to the console, and to the files that have no level of their own.
   * `trace` shows each connection, command, message and delivery.
   */
  readonly level: "trace" | "info";
  /**
   * What the console shows: warnings and errors on stderr and the rest on stdout (`split`), every
   * line on stderr, or none. Trouble with log files is told on stderr in any case.
   */
  readonly console: "split" | "stderr" | "none";
  /**
   * When a file cannot be opened at the start: `throw` opens all of them or none; `go on` counts its
   * lines and tries again with each, as later.
   */
  readonly onTrouble: "throw" | "go on";
  /**
   * `appending` is for a process that writes a few lines into logs that another one rotates: it
   * never rotates, and opens the file by its path for each line.
   */
  readonly writer: "rotating" | "appending";
}

/** Something lines are written to. */
interface Target {
  readonly level: LogLevel;
  readonly write: (record: LogRecord) => void;
  readonly close?: () => void;
}

/** What {@linkcode reopenLog} takes over from. */
let current: readonly LogFile[] = [];

/** The logger of a room. Before {@linkcode openLog} it writes nowhere. */
export function logger(room: string): Logger {
  return getLogger(["aphlict", room]);
}

/**
 * Opens the log, before anything is logged. One that is open is closed.
 *
 * @throws {LogFileError} If a file cannot be opened, unless `onTrouble` is `go on`.
 */
export function openLog(options: LogOptions): void {
  const logs = logsOf(options);
  if (options.onTrouble === "throw") openAll(logs, options.writer);
  install(options, logs);
}

/**
 * Opens every file anew by its path, with the levels, sizes and formats of these options: what was
 * renamed meanwhile is closed, and lines go into the new file. No line is lost or written twice.
 *
 * @throws {LogFileError} If a file cannot be opened, unless `onTrouble` is `go on`; the log goes on as it
 * was then.
 */
export function reopenLog(options: LogOptions): void {
  const logs = logsOf(options);
  if (options.onTrouble === "throw") openAll(logs, options.writer);
  for (const { file } of logs) {
    const previous = current.find(({ path }) => path === file.path);
    if (previous) file.follow(previous);
  }
  install(options, logs);
}

/** How long {@linkcode closeLog} should be waited for, in ms. */
export const CLOSE_DEADLINE_MS = 500;

/** Closes the files, and waits until the console has shown everything: for ever if nobody reads it. */
export async function closeLog(): Promise<void> {
  resetSync();
  current = [];
  await Promise.all([output.flush(), errors.flush()]);
}

/** Shows a text on the console, between the lines of the log. */
export function show(text: string): void {
  output.write(`${text}\n`);
}

/** Shows a line on standard error, between the lines of the log. */
export function showTrouble(line: string): void {
  errors.write(`${line}\n`);
}

/** One entry of `logs` and its file, which is not open yet. */
interface Log {
  readonly config: LogConfig;
  readonly file: LogFile;
}

function logsOf({ files, writer }: LogOptions): Log[] {
  return files.filter(({ path }) => logTarget(path) !== "console").map((config) => ({
    config,
    file: new LogFile(writer === "rotating" ? config : { ...config, rotateSize: 0 }, showTrouble),
  }));
}

/** Opens all of them or none; those that are opened for each line are closed again. */
function openAll(logs: readonly Log[], writer: LogOptions["writer"]): void {
  let opened = false;
  try {
    for (const { file } of logs) file.open();
    opened = true;
  } finally {
    if (!opened || writer === "appending") { for (const { file } of logs) file.close(); }
  }
}

/** Lets every logger write there from now on, and closes what lines went to until now. */
function install(options: LogOptions, logs: readonly Log[]): void {
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

function consoleTargets({ console, level }: LogOptions): Target[] {
  if (console === "none") return [];
  return [{
    level,
    write(record) {
      const isTrouble = compareLogLevel(record.level, "warning") >= 0;
      (isTrouble || console === "stderr" ? errors : output).write(formatLine(record));
    },
  }];
}

const output = new ConsoleStream(Deno.stdout);
const errors = new ConsoleStream(Deno.stderr);
