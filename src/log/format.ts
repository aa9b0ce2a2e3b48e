/**
 * The text format of a log line: `[2026-11-24T08:15:30.123+01:00] INFO message`.
 *
 * The text of a message comes from the program; its values may come from anybody. Values are escaped, so
 * that nobody can forge a line or move a terminal's cursor. They are cut, so that nobody can fill the
 * disk with one request.
 *
 * @module
 */

import type { LogLevel, LogRecord } from "@logtape/logtape";
import { printable } from "../text.ts";

/** The most characters of one value that a line shows. */
export const VALUE_LIMIT = 400;

/** The same limit in a trace, which has to show whole messages. */
export const TRACE_VALUE_LIMIT = 8192;

/** A text of the program that a line shows whole. */
export class Whole {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const LEVELS: Readonly<Record<LogLevel, string>> = {
  trace: "TRACE",
  debug: "DEBUG",
  info: "INFO",
  warning: "WARNING",
  error: "ERROR",
  fatal: "FATAL",
};

/** Returns a record as one line, with its line feed. */
export function formatLine(record: LogRecord): string {
  return formatText(record.level, formatMessage(record), new Date(record.timestamp));
}

/** Returns the same without the time, for a reader that adds it. */
export function formatUndated(record: LogRecord): string {
  return `${LEVELS[record.level]} ${formatMessage(record)}\n`;
}

/** Returns a record's text with its values, without time and level. */
export function formatMessage({ level, message }: LogRecord): string {
  // LogTape alternates between the literal text and the values put into it.
  return message.map((part, index) =>
    index % 2 === 0 ? String(part) : formatValue(part, valueLimit(level))
  ).join("");
}

/** Returns the most characters of one value that a line of this level shows. */
export function valueLimit(level: LogLevel): number {
  return level === "trace" ? TRACE_VALUE_LIMIT : VALUE_LIMIT;
}

/** Returns a text, which has to be safe to show, as one line with its line feed. */
export function formatText(level: LogLevel, text: string, date: Date = new Date()): string {
  return `[${formatTime(date)}] ${LEVELS[level]} ${text}\n`;
}

/** Returns the local time in ISO 8601, with ms and the offset from UTC. */
export function formatTime(date: Date, offsetMinutes: number = -date.getTimezoneOffset()): string {
  const local = new Date(date.getTime() + offsetMinutes * 60_000).toISOString().slice(0, -1);
  const sign = offsetMinutes < 0 ? "-" : "+";
  const hours = Math.floor(Math.abs(offsetMinutes) / 60);
  const minutes = Math.abs(offsetMinutes) % 60;
  return `${local}${sign}${twoDigits(hours)}:${twoDigits(minutes)}`;
}

/** Returns a value as a line shows it: an error by its message, the rest as text or JSON. */
export function formatValue(value: unknown, limit: number = VALUE_LIMIT): string {
  return printable(cutValue(value, limit));
}

/** Returns the same before characters that are not safe to show in a line are escaped. */
export function cutValue(value: unknown, limit: number): string {
  if (value instanceof Whole) return value.text;
  const text = textOf(value);
  return text.length <= limit ? text : `${text.slice(0, limit)}... (${text.length} characters)`;
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return String(value.message);
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value) ?? "undefined";
  } catch (error) {
    // It has a circle or a bigint: nothing that is logged has one, and a line must be written all the same.
    return textOf(error);
  }
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}
