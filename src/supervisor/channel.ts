/**
 * The messages between the supervisor and the service: one JSON object a line. Commands go to the service's
 * standard input, reports come from its standard output. The end of the input tells the service that the
 * supervisor has ended, for whatever reason.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { areTexts, objectOf } from "../json.ts";
import { printableJson } from "../text.ts";

/**
 * The command to start with a configuration, or to apply another one and to reopen certificates and logs.
 * It carries the configuration, because the file itself may have become unusable meanwhile.
 */
export interface UseCommand {
  readonly type: "use";
  /** The number of the command. It grows from 0 for the start of a service; the answer repeats it. */
  readonly number: number;
  readonly config: Config;
}

/** A report of the service to the supervisor, or of the supervisor to the process that started it. */
export type Report =
  | {
    readonly type: "listening";
    /** The process that listens. */
    readonly pid: number;
    /** The URLs at which it listens, such as `ws://0.0.0.0:22280/`. */
    readonly urls: readonly string[];
  }
  | {
    /** The service could not start. */
    readonly type: "failed";
    /** The problems and their remedies, one a line. */
    readonly problems: readonly string[];
  }
  | {
    readonly type: "reloaded";
    /** The number of the command that this answers. */
    readonly number: number;
    readonly outcome: ReloadOutcome;
  };

/** The outcome of a reload. */
export interface ReloadOutcome {
  /** True unless nothing was changed, or a server does not listen. */
  readonly ok: boolean;
  /** The changes, or the reasons why nothing was changed, one a line. */
  readonly lines: readonly string[];
}

/** Returns the outcome of a reload that was refused, for these reasons. */
export function refusedReload(lines: readonly string[]): ReloadOutcome {
  return { ok: false, lines };
}

/** The most characters of one line; no message is longer. */
const LINE_LIMIT = 1024 * 1024;

/** Returns a message as the line that carries it. */
export function encode(message: UseCommand | Report): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${printableJson(JSON.stringify(message))}\n`);
}

/** Returns the report that a line carries; `null` when it carries none. */
export function parseReport(line: string): Report | null {
  const value = objectOf(line);
  switch (value?.["type"]) {
    case "listening": {
      const { pid, urls } = value;
      return typeof pid === "number" && areTexts(urls) ? { type: "listening", pid, urls } : null;
    }
    case "failed": {
      const { problems } = value;
      return areTexts(problems) ? { type: "failed", problems } : null;
    }
    case "reloaded": {
      const { number, outcome } = value;
      if (typeof number !== "number" || typeof outcome !== "object" || outcome === null) {
        return null;
      }
      const { ok, lines } = outcome as Readonly<Record<string, unknown>>;
      return typeof ok === "boolean" && areTexts(lines)
        ? { type: "reloaded", number, outcome: { ok, lines } }
        : null;
    }
    default:
      return null;
  }
}

/** Returns the command that a line carries; `null` when it carries none. */
export function parseUse(line: string): UseCommand | null {
  const { type, number, config } = objectOf(line) ?? {};
  if (type !== "use" || typeof number !== "number") return null;
  // The supervisor has validated the configuration.
  return { type, number, config: config as Config };
}

/** Yields the lines of a stream, until it ends. An unfinished line beyond {@linkcode LINE_LIMIT} is dropped. */
export async function* linesIn(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    if (rest.length > LINE_LIMIT) rest = "";
  }
  if (rest !== "") yield rest;
}
