/**
 * How often something may be logged that anybody out there can bring about.
 *
 * @module
 */

import { miss } from "./missing.ts";

/** What an {@linkcode Allowance} lets through. */
export interface AllowanceLimit {
  /** Lines in one period. */
  readonly lines: number;
  /** In ms. */
  readonly periodMs: number;
}

/** Enough to see what is going on. */
export const DEFAULT_ALLOWANCE: AllowanceLimit = { lines: 30, periodMs: 60_000 };

/** Lets some lines through in each period, and counts the others. */
export class Allowance {
  readonly #tell: (count: number) => void;
  readonly #limit: AllowanceLimit;
  #until = -Infinity;
  #lines = 0;
  #leftOut = 0;

  /** @param tell Is told at the end of a period how many lines were left out in it, if any were. */
  constructor(tell: (count: number) => void, limit: AllowanceLimit = DEFAULT_ALLOWANCE) {
    this.#tell = tell;
    this.#limit = limit;
  }

  /** Whether one more line may be written now. */
  take(): boolean {
    const now = performance.now();
    if (now >= this.#until && this.#leftOut === 0) {
      this.#until = now + this.#limit.periodMs;
      this.#lines = 0;
    }
    this.#lines++;
    if (this.#lines <= this.#limit.lines) return true;
    this.#leftOut++;
    miss("leftOut");
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

/** An allowance for each kind of line, so that none hides another. */
export class Allowances<Kind extends string> {
  readonly #byKind: ReadonlyMap<Kind, Allowance>;

  /** @param tell See {@linkcode Allowance}; it is told the kind as well. */
  constructor(
    kinds: readonly Kind[],
    tell: (count: number, kind: Kind) => void,
    limit: AllowanceLimit = DEFAULT_ALLOWANCE,
  ) {
    this.#byKind = new Map(
      kinds.map((kind) => [kind, new Allowance((count) => tell(count, kind), limit)]),
    );
  }

  /** Whether one more line of a kind may be written now. */
  take(kind: Kind): boolean {
    return this.#byKind.get(kind)?.take() ?? false;
  }
}
