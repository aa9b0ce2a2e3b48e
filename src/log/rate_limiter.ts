/**
 * Limits how often lines are logged that outsiders can cause.
 *
 * @module
 */

import type { Logger } from "@logtape/logtape";
import { LabelledCounter } from "../metrics/labelled_counter.ts";
import { logCounters } from "./counters.ts";

/** The limit of a {@linkcode RateLimiter}. */
export interface RateLimit {
  /** The most lines in one period. */
  readonly lines: number;
  /** The length of a period, in ms. */
  readonly periodMs: number;
}

/** A limiter that lets some lines through in each period, and counts the others. */
export class RateLimiter {
  readonly #tell: (count: number) => void;
  readonly #limit: RateLimit;
  #until = -Infinity;
  #lines = 0;
  #leftOut = 0;

  /**
   * @param tell Gets the number of lines left out in a period at its end, if any were.
   * @param limit The limit. @default {30} lines a minute.
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
      // A timer may fire a moment too early.
      this.#until = -Infinity;
      this.#tell(count);
    }, ms);
    // The timer does not keep the process from ending.
    Deno.unrefTimer(timer);
  }
}

/** A log with a rate limiter for each kind of line, so that none hides another. */
export class LimitedLog<Kind extends string> {
  readonly #log: Logger;
  readonly #level: "info" | "warning";
  readonly #limiters: ReadonlyMap<string, RateLimiter>;

  /**
   * @param more The warning about lines left out in a period, at its end: a text with `{count}` and `{kind}`.
   * @param options The level of the lines, and the limit of each kind.
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
