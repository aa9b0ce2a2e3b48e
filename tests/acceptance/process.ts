/**
 * A program under test: its output line by line, its exit code, and its certain end.
 *
 * @module
 */

import { assert, assertEquals } from "../assert.ts";
import { within } from "../../src/within.ts";
import * as streams from "@std/streams";

// npm serves it without types.
const TextLineStream: new () => TransformStream<string, string> = streams.TextLineStream;

/** How a process is started. */
export interface Launch {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Whether it reads what {@linkcode Process.input} gives to it, in place of nothing. @default {false} */
  readonly hasInput?: boolean;
}

/** A test gives up on a line that has not come in this time, rather than to wait for ever. */
const LINE_LIMIT_MS = 45_000;

/** The same of its end: longer than the slowest command that a test waits for. */
const END_LIMIT_MS = 180_000;

/** What a command came to. */
export interface Outcome {
  readonly code: number;
  /** Everything it wrote to stdout and stderr, whose lines come in no certain order. */
  readonly output: string;
  /** What it wrote to stdout: what a program reads. */
  readonly stdout: string;
}

/** Fails unless a command ended with this code, and wrote exactly this. */
export function assertOutcome({ code, output }: Outcome, expected: number, text: string): void {
  assertEquals([code, output], [expected, text]);
}

/** A running process. Dispose of it: it is killed if it still runs. */
export class Process implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #printed: string[] = [];
  readonly #read: Promise<unknown>;
  #awaitsInput: boolean;
  #changed = Promise.withResolvers<void>();
  #ended = false;

  constructor(
    command: string,
    args: readonly string[],
    { cwd, env, hasInput = false }: Launch = {},
  ) {
    this.#awaitsInput = hasInput;
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdin: hasInput ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...env },
      ...(cwd === undefined ? {} : { cwd }),
    }).spawn();
    const { stdout, stderr } = this.#child;
    this.#read = Promise.all([this.#collect(stdout, this.#printed), this.#collect(stderr)])
      .finally(() => {
        this.#ended = true;
        this.#changed.resolve();
      });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Everything it has written to stdout and stderr so far. */
  get output(): string {
    return this.#lines.join("\n");
  }

  /** Whether it has ended, and all its output has been read. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Resolves with the first line, written before or after, that matches; rejects at its end. */
  async line(pattern: RegExp): Promise<string> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#changed.resolve();
    }, LINE_LIMIT_MS);
    try {
      for (;;) {
        const found = this.#lines.find((line) => pattern.test(line));
        if (found !== undefined) return found;
        if (this.#ended) throw new Error(`It ended without ${pattern}:\n${this.output}`);
        if (late) throw new Error(`It runs on without ${pattern}:\n${this.output}`);
        await this.#changed.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Gives it all of its input. One that has ended takes none. */
  async input(text: string): Promise<void> {
    this.#awaitsInput = false;
    try {
      const writer = this.#child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(text));
      await writer.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }

  /** Resolves when it has ended and all its output has been read; rejects after `limitMs`. */
  async ended(limitMs = END_LIMIT_MS): Promise<Deno.CommandStatus> {
    if (!await within(limitMs, Promise.all([this.#child.status, this.#read]))) {
      throw new Error(`Process ${this.pid} or what it has started does not end:\n${this.output}`);
    }
    return await this.#child.status;
  }

  /** Resolves when it has {@linkcode ended}, with what it came to. */
  async outcome(limitMs = END_LIMIT_MS): Promise<Outcome> {
    const { code } = await this.ended(limitMs);
    return { code, output: this.output, stdout: this.#printed.join("\n") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
    if (this.#awaitsInput) await this.input("");
    await this.ended();
  }

  /** @param own The lines of this stream alone. */
  async #collect(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    own: string[] = [],
  ): Promise<void> {
    const lines = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.#lines.push(line);
      own.push(line);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
  }
}

/** Runs a program to its end, which has to be a good one. */
export function must(command: string, args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}
