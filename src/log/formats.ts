/**
 * The formats that a log file or a stream of the console may have.
 *
 * @module
 */

import type { LogLevel, LogRecord } from "@logtape/logtape";
import type { LogConfig } from "../config/config.ts";
import { objectOf } from "../json.ts";
import { formatLine, formatText, formatUndated } from "./format.ts";
import { formatJson, formatJsonText } from "./json_format.ts";

/** A format of lines, each with its line feed. */
export interface Format {
  line(record: LogRecord): string;
  /** Returns a warning about the log itself, with the current time. */
  notice(text: string): string;
  /** Returns a line that is no record, such as that of another process; it may be in this format already. */
  foreign(line: string): string;
}

/** The formats by their names in the configuration. */
export const FORMATS: Readonly<Record<LogConfig["format"], Format>> = {
  text: {
    line: formatLine,
    notice: (text) => formatText("warning", text),
    foreign: (line) => `${line}\n`,
  },
  json: {
    line: formatJson,
    notice: (text) => formatJsonText("warning", text),
    foreign: (line) => objectOf(line) === null ? formatJsonText("warning", line) : `${line}\n`,
  },
};

/** The text format without the time, which the journal adds. JSON keeps it, as its readers expect the key. */
const UNDATED: Format = { ...FORMATS.text, line: formatUndated, notice: (text) => `${text}\n` };

/** The numbers by which `syslog` and the journal know the levels. */
const PRIORITIES: Readonly<Record<LogLevel, number>> = {
  trace: 7,
  debug: 7,
  info: 6,
  warning: 4,
  error: 3,
  fatal: 2,
};

/**
 * Returns a format for a stream that systemd's journal reads: each line begins with its priority, such as `<4>`,
 * which the journal removes (`sd-daemon(3)`). `journalctl -p warning` finds lines by it.
 */
export function journalFormat(name: LogConfig["format"]): Format {
  const { line, notice, foreign } = name === "text" ? UNDATED : FORMATS[name];
  const warning = `<${PRIORITIES.warning}>`;
  return {
    line: (record) => `<${PRIORITIES[record.level]}>${line(record)}`,
    notice: (text) => `${warning}${notice(text)}`,
    foreign(text) {
      // The journal shows 0 and 1 to everybody who is logged in: nothing here is that urgent.
      const [, priority = warning, rest = text] = /^(<[2-7]>)(.*)$/s.exec(text) ?? [];
      return `${priority}${foreign(rest)}`;
    },
  };
}
