/**
 * The JSON format of a log line, for programs that collect logs: one object a line, with the keys
 * `time`, `level`, `category`, `message` and `fields`.
 *
 * - `time` is in UTC (`2026-11-24T07:15:30.123Z`), so that lines of several machines sort as text.
 * - `category` is the room that wrote the line, such as `client`.
 * - `message` is the text that the text format shows after the level.
 * - `fields` has the values by name, not escaped as in `message`: numbers, booleans and `null` as they
 *   are, everything else as the text that the text format shows, cut at the same length.
 *
 * @module
 */

import type { LogLevel, LogRecord } from "@logtape/logtape";
import { printableJson } from "../text.ts";
import { cutValue, formatMessage, valueLimit } from "./format.ts";

/** Returns a record as one line, with its line feed. */
export function formatJson(record: LogRecord): string {
  return toLine(
    new Date(record.timestamp),
    record.level,
    record.category.filter((name) => name !== "aphlict").join("."),
    formatMessage(record),
    record.properties,
  );
}

/** Returns a text about the log itself as one line, with its line feed. */
export function formatJsonText(level: LogLevel, text: string): string {
  return toLine(new Date(), level, "log", text, {});
}

function toLine(
  time: Date,
  level: LogLevel,
  category: string,
  message: string,
  values: Record<string, unknown>,
): string {
  const limit = valueLimit(level);
  // Unlike an assignment, this makes a plain field of one that is called `__proto__`.
  const fields = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, fieldOf(value, limit)]),
  );
  return `${printableJson(JSON.stringify({ time, level, category, message, fields }))}\n`;
}

function fieldOf(value: unknown, limit: number): string | number | boolean | null {
  if (value === null || typeof value === "boolean") return value;
  // JSON has no other numbers.
  if (typeof value === "number" && Number.isFinite(value)) return value;
  return cutValue(value, limit);
}
