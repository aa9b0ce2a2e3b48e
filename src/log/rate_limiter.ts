/**
 * Limits how often a line is logged that anybody outside can bring about.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import { LabelledCounter } from "../metrics/labelled_counter.ts";
import { logCounters } from "./counters.ts";

/** What a {@linkcode RateLimiter} lets through. */
export interface RateLimit {
  /** Lines in one period. */
  readonly lines: number;
  /** In ms. */
  readonly periodMs: number;
}

/** Lets some lines through in each period, and counts the others. */
export class RateLimiter {
  readonly #tell: (count: number) => void;
  readonly #limit: RateLimit;
  #until = -Infinity;
  #lines = 0;
  #leftOut = 0;

  /**
   * @param tell Is told at the end of a period how many lines were left out in it, if any were.
   * @param limit @default {30} lines a minute.
   */
  constructor(
    tell: (count: number) => void,
    limit: RateLimit = { lines: 30, periodMs: 60_000 },
  ) {
    this.#tell = tell;
    this.#limit = limit;
  }

  /** Tells whether one more line may be written now. */
  take(): boolean {
    const now = performance.now();
    if (now >= this.#until && this.#leftOut === 0) {
      this.#until = now + this.#limit.periodMs;
      this.#lines = 0;
    }
    this.#lines++;
    if (this.#lines <= this.#limit.lines) return true;
    this.#leftOut++;
    logCounters.leftOut++;
    if (this.#leftOut === 1) this.#tellAfter(this.#until - now);
    return false;
  }

  #tellAfter(ms: number): void {
    const timer = setTimeout(() => {
      const count = this.#leftOut;
      this.#leftOut = 0;
      // A timer may be a moment too early.
      this.#until = -Infinity;
      this.#tell(count);
    }, ms);
    // It does not keep the process from ending.
    Deno.unrefTimer(timer);
  }
}

/** Lines with a rate limiter for each kind, so that none hides another. */
export class LimitedLog<Kind extends string> {
  readonly #log: Logger;
  readonly #level: "info" | "warning";
  readonly #limiters: ReadonlyMap<string, RateLimiter>;

  /**
   * @param more Warns at the end of a period of the lines that were left out: a text with `{count}` and `{kind}`.
   * @param options The level of the lines, and how many there may be of each kind.
   */
  constructor(
    log: Logger,
    kinds: readonly Kind[],
    more: string,
    { level = "info", limit }: {
      readonly level?: "info" | "warning";
      readonly limit?: RateLimit;
    } = {},
  ) {
    this.#log = log;
    this.#level = level;
    this.#limiters = new Map(
      kinds.map((kind) => [
        kind,
        new RateLimiter((count) => log.warning(more, { count, kind }), limit),
      ]),
    );
  }

  /** Logs a line, unless there were too many of its kind. */
  write(kind: Kind, text: string, values: Record<string, unknown>): void {
    if (this.#limiters.get(kind)?.take()) this.#log[this.#level](text, values);
  }
}

/**
 * A labelled counter whose events are logged through rate limiters. Each server has counters of its own; the limiters
 * are those of all servers.
 *
 * @example
 * ```ts
 * rejected.report("origin", "<{remote}> Refused a WebSocket: {reason}.", { remote, reason });
 * ```
 */
export class LoggedCounter<Reason extends string> extends LabelledCounter<Reason> {
  readonly #log: LimitedLog<Reason>;

  /** @param reasons See {@linkcode LabelledCounter}. */
  constructor(reasons: readonly Reason[], log: LimitedLog<NoInfer<Reason>>) {
    super(reasons);
    this.#log = log;
  }

  /** Counts one event, and logs it unless there were too many of its kind. */
  report(reason: Reason, text: string, values: Record<string, unknown>): void {
    this.add(reason);
    this.#log.write(reason, text, values);
  }
}
