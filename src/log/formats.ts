/**
 * The formats that a log file may have.
 *
 * @module
 */

import type { LogRecord } from "@logtape/logtape";
import type { LogConfig } from "../config/config.ts";
import { formatLine, formatText } from "./format.ts";
import { formatJson, formatJsonText } from "./json.ts";

/** How to write lines, each with its line feed. */
export interface Format {
  line(record: LogRecord): string;
  /** A warning about the log itself, of now. */
  notice(text: string): string;
}

/** By their names in the configuration. */
export const FORMATS: Readonly<Record<LogConfig["format"], Format>> = {
  text: { line: formatLine, notice: (text) => formatText("warning", text) },
  json: { line: formatJson, notice: (text) => formatJsonText("warning", text) },
};
