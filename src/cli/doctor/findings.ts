/**
 * What `aphlict doctor` has found, step by step, and how it is shown.
 *
 * @module
 */

import { RequestError, sentenceAbout } from "../../http/failure.ts";
import { print, printMarked } from "../output.ts";
import { wrap } from "../help.ts";
import { terminalRoom } from "../terminal.ts";
import { formatCount, printable } from "../../text.ts";

/** How a step went. */
export type Outcome = "ok" | "warning" | "failed" | "skipped";

/** One step. */
export interface Finding {
  readonly step: string;
  readonly outcome: Outcome;
  /** What was looked at, and what it is like. */
  readonly detail: string;
  /** What to do; `null` when there is nothing. */
  readonly hint: string | null;
}

/** Collects what is found, and tells it at once. */
export class Findings {
  readonly #all: Finding[] = [];
  readonly #tell: (finding: Finding) => void;

  constructor(tell: (finding: Finding) => void) {
    this.#tell = tell;
  }

  get all(): readonly Finding[] {
    return this.#all;
  }

  /** All is well. */
  ok(step: string, detail: string): void {
    this.#add({ step, outcome: "ok", detail, hint: null });
  }

  /** It works, and something should be looked at. */
  warn(step: string, detail: string, hint: string): void {
    this.#add({ step, outcome: "warning", detail, hint: hint === "" ? null : hint });
  }

  /** It does not work. */
  fail(step: string, detail: string, hint: string): void {
    this.#add({ step, outcome: "failed", detail, hint: hint === "" ? null : hint });
  }

  /** It was not looked at. */
  skip(step: string, why: string): void {
    this.#add({ step, outcome: "skipped", detail: why, hint: null });
  }

  /**
   * What an attempt returns; `null` when it fails to reach what it is about, which is a failed step.
   *
   * @param subject The address that it is about.
   * @param hint What to do where the failure itself does not know.
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

  /** The same of an attempt that was made before. */
  unreached(step: string, subject: string | URL, error: RequestError, hint: string = ""): void {
    this.fail(step, sentenceAbout(subject, error), error.hint || hint);
  }

  #add(finding: Finding): void {
    this.#all.push(finding);
    this.#tell(finding);
  }
}

/** How each outcome is marked, and coloured (ECMA-48). */
const MARKS: Readonly<Record<Outcome, readonly [mark: string, colour: number]>> = {
  ok: ["✓", 32],
  warning: ["!", 33],
  failed: ["✗", 31],
  skipped: ["-", 2],
};

/** Columns of the steps' names. */
const STEP_WIDTH = 20;

/** Where lines are broken. */
export interface Screen {
  /** Columns; `null`: they are not broken. */
  readonly width: number | null;
  readonly colours: boolean;
}

/** The terminal that standard output is, or is not. */
export function screenOf(): Screen {
  if (!Deno.stdout.isTerminal()) return { width: null, colours: false };
  return { width: terminalRoom().width, colours: !Deno.noColor };
}

/** Shows a finding: its mark, its step, what was found, and beneath it what to do. */
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
 * @param width Columns; `null`: lines are not broken.
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

/** A text behind the head of its first line, which is as wide as the indent of the others. */
function hung(head: string, indent: string, text: string, width: number | null): string[] {
  const [first = "", ...others] = wrap(text, indent, width ?? Infinity);
  return [head + first.slice(indent.length), ...others];
}

/** The whole in a sentence. */
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
