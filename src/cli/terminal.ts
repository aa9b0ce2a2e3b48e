/**
 * A terminal that a command fills for a while, before its former content comes back.
 *
 * @module
 */

import type { Room } from "./dashboard.ts";
import { drawScreen, enterScreen, leaveScreen } from "./output.ts";

/** The key that ends the command; Ctrl-C is a signal. */
const QUIT = /q/i;

/** Returns the size of the terminal; 80 columns and 24 rows for one without a known size, such as a serial line. */
export function terminalRoom(): Room {
  const { columns, rows } = Deno.consoleSize();
  return { width: columns || 80, height: rows || 24 };
}

/** The terminal that a command fills. Dispose of it in any case, so that its former content comes back. */
export class Terminal implements Disposable {
  readonly #hasKeys = Deno.stdin.isTerminal();

  constructor() {
    if (this.#hasKeys) Deno.stdin.setRaw(true, { cbreak: true });
    enterScreen();
  }

  /** Replaces the content of the screen. */
  draw(lines: readonly string[]): void {
    drawScreen(lines);
  }

  /** Resolves when somebody presses q. */
  async quit(): Promise<void> {
    if (!this.#hasKeys) return await new Promise(() => {});
    const keys = new Uint8Array(64);
    const decoder = new TextDecoder();
    for (;;) {
      const count = await Deno.stdin.read(keys);
      // A terminal that is gone ends the command by a signal.
      if (count === null) return await new Promise(() => {});
      if (QUIT.test(decoder.decode(keys.subarray(0, count)))) return;
    }
  }

  [Symbol.dispose](): void {
    leaveScreen();
    if (this.#hasKeys) Deno.stdin.setRaw(false);
  }
}
