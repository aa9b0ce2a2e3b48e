/**
 * The only module by which a command writes to its standard output and standard error. Texts of a service, a peer or a
 * file go through it, so that they cannot steer the terminal.
 *
 * @module
 */

import { ConfigError } from "../config/error.ts";
import { printable, printableJson } from "../text.ts";

/** The lines to write: each entry is one line, in which a line feed is escaped. A text has its own line feeds. */
type Lines = string | readonly string[];

/** The object of `check --json`, and of every other command with --json that cannot use the configuration. */
export interface Verdict {
  readonly ok: boolean;
  readonly problems: readonly {
    /** The path in the configuration, such as `servers[1].port`; empty when the problem is another one. */
    readonly key: string;
    /** The sentences about what is wrong, and what to do. */
    readonly message: string;
  }[];
  /** The warnings, each of them sentences. */
  readonly warnings: readonly string[];
}

const encoder = new TextEncoder();

/** Prints lines to standard output. */
export function print(lines: Lines): void {
  write(Deno.stdout, textOf(lines));
}

/** Prints lines to standard error. */
export function printError(lines: Lines): void {
  write(Deno.stderr, textOf(lines));
}

/** Prints a value as JSON, over several lines, to standard output. */
export function printJson(value: object): void {
  const lines = JSON.stringify(value, null, 2).split("\n");
  write(Deno.stdout, `${lines.map(printableJson).join("\n")}\n`);
}

/** Prints, as JSON, an error that the administrator can put right. */
export function printFailure(error: Error): void {
  const problems = error instanceof ConfigError
    ? error.problems.map(({ path, message }) => ({
      key: path,
      message: path === "" ? `Cannot use ${error.file}. ${message}` : message,
    }))
    : [{ key: "", message: error.message }];
  const verdict: Verdict = { ok: false, problems, warnings: [] };
  printJson(verdict);
}

/**
 * Prints a line to standard output, whose reader may be gone, as `head` soon is.
 *
 * @returns True if it could be written.
 */
export function emit(line: string): boolean {
  return write(Deno.stdout, textOf([line]));
}

/** Prints lines to standard output. The first one begins with a mark, in a colour of ECMA-48. */
export function printMarked(mark: string, colour: number, lines: readonly string[]): void {
  write(Deno.stdout, `\x1b[${colour}m${printable(mark)}\x1b[0m${textOf(lines)}`);
}

/** Prints a text that bin/aphlict takes as it is: code for the shell, or a path. */
export function printCode(code: string): void {
  write(Deno.stdout, `${code}\n`);
}

/** Switches to the terminal's other screen, without a cursor (ECMA-48 and xterm). */
export function enterScreen(): void {
  write(Deno.stdout, "\x1b[?1049h\x1b[?25l");
}

/** Switches back, so that the former content is there again. */
export function leaveScreen(): void {
  write(Deno.stdout, "\x1b[?25h\x1b[?1049l");
}

/** Replaces the content of the screen. */
export function drawScreen(lines: readonly string[]): void {
  // The end of each line is erased, then the rest of the screen, so that the screen is empty at no moment.
  const text = lines.map((line) => `${printable(line)}\x1b[K`).join("\r\n");
  write(Deno.stdout, `\x1b[H${text}\x1b[J`);
}

function textOf(lines: Lines): string {
  const all = typeof lines === "string" ? lines.split("\n") : lines;
  return all.map((line) => `${printable(line)}\n`).join("");
}

/**
 * Writes all of a text. A command does its work whether or not its output can be written, and cannot report it
 * elsewhere.
 *
 * @returns True if it could be written; false for a full disk, or a reader that is gone.
 */
function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): boolean {
  let bytes = encoder.encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
    return true;
  } catch {
    return false;
  }
}
