/**
 * A terminal of 80 columns for a program under test.
 *
 * @module
 */

import { shellQuote } from "../../src/config/permissions.ts";
import { type Launch, Process } from "./process.ts";

/** Columns and rows. */
export type Size = readonly [columns: number, rows: number];

/** A program whose input and output are a terminal. Dispose of it: it is killed if it still runs. */
export class OnTerminal extends Process {
  constructor(
    command: readonly string[],
    options: Launch = {},
    [columns, rows]: Size = [80, 24],
  ) {
    const script = `stty rows ${rows} cols ${columns}; exec ${shellQuote(command)}`;
    super("script", ["-qefc", script, "/dev/null"], options);
  }

  /** Everything it has written so far, with the line ends that a pipe would have got. */
  get text(): string {
    return this.output.replaceAll("\r", "");
  }

  /** Sends a signal to the program, not to its terminal. */
  override kill(signal: Deno.Signal): void {
    const children = Deno.readTextFileSync(`/proc/${this.pid}/task/${this.pid}/children`);
    for (const child of children.trim().split(" ")) Deno.kill(Number(child), signal);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) this.kill("SIGKILL");
    await this.ended();
  }
}

/** Whether the runtime wrote to a terminal by itself: of its caches, or what steers the cursor. */
export function hasRuntimesOwn(shown: string): boolean {
  return shown.includes("\x1b") || /cache database|cache file|Stack backtrace/.test(shown);
}
