/**
 * What the supervisor and the service tell each other: one JSON object a line, commands on the service's
 * standard input, reports on its standard output. The end of the input tells the service that the
 * supervisor is gone, however that came about.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { objectOf } from "../json.ts";
import { printableJson } from "../text.ts";

/**
 * What the supervisor tells the service: to start with a configuration, or to take another one over and
 * to open its certificates and logs anew. The file itself may have become unusable meanwhile.
 */
export interface UseCommand {
  readonly type: "use";
  /** Grows with each command to a service, from 0 for its start. The answer repeats it. */
  readonly number: number;
  readonly config: Config;
}

/** What the service tells the supervisor, and the supervisor whoever started it. */
export type Report =
  | {
    readonly type: "listening";
    /** The process that listens. */
    readonly pid: number;
    /** Where, such as `ws://0.0.0.0:22280/`. */
    readonly urls: readonly string[];
  }
  | {
    /** It could not start. */
    readonly type: "failed";
    /** What is wrong and what to do, a line each. */
    readonly problems: readonly string[];
  }
  | {
    readonly type: "reloaded";
    /** That of the command which this answers. */
    readonly number: number;
    readonly outcome: ReloadOutcome;
  };

/** How a reload went. */
export interface ReloadOutcome {
  /** `false`: nothing was changed, or a server does not listen. */
  readonly ok: boolean;
  /** What was done, or why nothing was, a line each. */
  readonly lines: readonly string[];
}

/** Characters of one line; a longer one is no message of ours. */
const LINE_LIMIT = 1024 * 1024;

/** A message as the line that carries it. */
export function encode(message: UseCommand | Report): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${printableJson(JSON.stringify(message))}\n`);
}

/** The report that a line carries; `null` when it is none. */
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

/** Returns the command that a line carries; `null` when it is none. */
export function parseUse(line: string): UseCommand | null {
  const { type, number, config } = objectOf(line) ?? {};
  if (type !== "use" || typeof number !== "number") return null;
  // The supervisor has validated it.
  return { type, number, config: config as Config };
}

/** The lines of a stream, until it ends; of one that grows without end, nothing. */
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

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
