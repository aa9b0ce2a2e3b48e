/**
 * A terminal that a command fills for a while: what was there before comes back (ECMA-48 and xterm).
 *
 * @module
 */

const encoder = new TextEncoder();

/** The other screen, without a cursor; and back. */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

/** The key that ends it; Ctrl-C is a signal. */
const QUIT = /q/i;

/** See the module. Dispose of it whatever happens. */
export class Terminal implements Disposable {
  readonly #hasKeys = Deno.stdin.isTerminal();

  constructor() {
    if (this.#hasKeys) Deno.stdin.setRaw(true, { cbreak: true });
    write(ENTER);
  }

  /** How much is shown at once. */
  get room(): { readonly width: number; readonly height: number } {
    const { columns, rows } = Deno.consoleSize();
    return { width: columns, height: rows };
  }

  /** Replaces what is shown. */
  draw(lines: readonly string[]): void {
    // Each line to its end, then the rest of the screen: without a moment of emptiness.
    write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
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
    write(LEAVE);
    if (this.#hasKeys) Deno.stdin.setRaw(false);
  }
}

/** Whole, or not at all: a terminal that is gone has nobody to read it. */
function write(text: string): void {
  try {
    let bytes = encoder.encode(text);
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
  } catch {
    // See above.
  }
}
