/**
 * The findings of `aphlict doctor`, step by step, and their display.
 *
 * @module
 */

import { RequestError, sentenceAbout } from "../../http/failure.ts";
import { print, printMarked } from "../output.ts";
import { wrap } from "../help.ts";
import { terminalRoom } from "../terminal.ts";
import { formatCount, printable } from "../../text.ts";

/** The outcome of a step. */
export type Outcome = "ok" | "warning" | "failed" | "skipped";

/** The finding of one step. */
export interface Finding {
  readonly step: string;
  readonly outcome: Outcome;
  /** The thing that was examined, and its state. */
  readonly detail: string;
  /** The advice; `null` when there is none. */
  readonly hint: string | null;
}

/** A collection of findings, each of which is shown at once. */
export class Findings {
  readonly #all: Finding[] = [];
  readonly #tell: (finding: Finding) => void;

  constructor(tell: (finding: Finding) => void) {
    this.#tell = tell;
  }

  get all(): readonly Finding[] {
    return this.#all;
  }

  /** Adds a step that found all well. */
  ok(step: string, detail: string): void {
    this.#add({ step, outcome: "ok", detail, hint: null });
  }

  /** Adds a step that found a working thing that should be looked at. */
  warn(step: string, detail: string, hint: string): void {
    this.#add({ step, outcome: "warning", detail, hint: hint === "" ? null : hint });
  }

  /** Adds a step that found a failure. */
  fail(step: string, detail: string, hint: string): void {
    this.#add({ step, outcome: "failed", detail, hint: hint === "" ? null : hint });
  }

  /** Adds a step that was not made. */
  skip(step: string, why: string): void {
    this.#add({ step, outcome: "skipped", detail: why, hint: null });
  }

  /**
   * Returns the result of an attempt; `null` when it does not reach its subject, which is a failed step.
   *
   * @param subject The address of the attempt.
   * @param hint The advice for an error that has none itself.
   */
  async attempt<T>(
    step: string,
    subject: string | URL,
    attempt: () => Promise<T>,
    hint: string = "",
  ): Promise<T | null> {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.unreached(step, subject, error, hint);
      return null;
    }
  }

  /** Adds the failed step of an attempt that was made before. */
  unreached(step: string, subject: string | URL, error: RequestError, hint: string = ""): void {
    this.fail(step, sentenceAbout(subject, error), error.hint || hint);
  }

  #add(finding: Finding): void {
    this.#all.push(finding);
    this.#tell(finding);
  }
}

/** The mark and the colour of each outcome (ECMA-48). */
const MARKS: Readonly<Record<Outcome, readonly [mark: string, colour: number]>> = {
  ok: ["✓", 32],
  warning: ["!", 33],
  failed: ["✗", 31],
  skipped: ["-", 2],
};

/** The columns of the steps' names. */
const STEP_WIDTH = 20;

/** The width and the colours of the output. */
export interface Screen {
  /** The columns; `null` if lines are not broken. */
  readonly width: number | null;
  readonly colours: boolean;
}

/** Returns the screen for standard output, which may be a terminal or not. */
export function screenOf(): Screen {
  if (!Deno.stdout.isTerminal()) return { width: null, colours: false };
  return { width: terminalRoom().width, colours: !Deno.noColor };
}

/** Shows a finding: its mark, its step, its detail, and the advice below. */
export function showFinding(finding: Finding, { width, colours }: Screen): void {
  const lines = findingLines(finding, width);
  const [mark, colour] = MARKS[finding.outcome];
  if (!colours) print(lines);
  else {printMarked(
      mark,
      colour,
      lines.map((line, index) => index === 0 ? line.slice(mark.length) : line),
    );}
}

/**
 * Returns the lines of {@linkcode showFinding}.
 *
 * @param width The columns; `null` if lines are not broken.
 */
export function findingLines(
  { step, outcome, detail, hint }: Finding,
  width: Screen["width"],
): string[] {
  const indent = " ".repeat(STEP_WIDTH + 2);
  const [mark] = MARKS[outcome];
  return [
    ...hung(`${mark} ${step.padEnd(STEP_WIDTH)}`, indent, printable(detail), width),
    ...hint === null ? [] : hung(`${indent}→ `, `${indent}  `, printable(hint), width),
  ];
}

/** Returns a text behind the head of its first line, which is as wide as the indent of the others. */
function hung(head: string, indent: string, text: string, width: number | null): string[] {
  const [first = "", ...others] = wrap(text, indent, width ?? Infinity);
  return [head + first.slice(indent.length), ...others];
}

/** Returns a summary of all findings. */
export function verdict(findings: readonly Finding[]): string {
  const count = (wanted: Outcome) => findings.filter(({ outcome }) => outcome === wanted).length;
  const [failed, warnings] = [count("failed"), count("warning")];
  if (failed === 0) {
    return warnings === 0 ? "All is well." : `It works, with ${formatCount(warnings, "warning")}.`;
  }
  const also = warnings === 0 ? "" : ` and ${formatCount(warnings, "warning")}`;
  const advice = failed === 1 ? "" : " Begin with the first: it may be the cause of others.";
  return `${formatCount(failed, "problem")}${also}.${advice}`;
}
