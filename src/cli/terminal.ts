/**
 * A terminal that a command fills for a while: what was there before comes back.
 *
 * @module
 */

import type { Room } from "./dashboard.ts";
import { drawScreen, enterScreen, leaveScreen } from "./output.ts";

/** The key that ends it; Ctrl-C is a signal. */
const QUIT = /q/i;

/** Returns the size of the terminal; 80 columns and 24 rows for one that does not know its own, as a serial line. */
export function terminalRoom(): Room {
  const { columns, rows } = Deno.consoleSize();
  return { width: columns || 80, height: rows || 24 };
}

/** See the module. Dispose of it whatever happens. */
export class Terminal implements Disposable {
  readonly #hasKeys = Deno.stdin.isTerminal();

  constructor() {
    if (this.#hasKeys) Deno.stdin.setRaw(true, { cbreak: true });
    enterScreen();
  }

  /** Replaces what is shown. */
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
