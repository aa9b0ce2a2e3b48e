/**
 * The service as the supervisor sees it: a process with a channel.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { type Config, serverUrl } from "../config/config.ts";
import { messageOf, printable } from "../text.ts";
import {
  encode,
  linesIn,
  parseReport,
  refusedReload,
  type ReloadOutcome,
  type Report,
} from "./channel.ts";

/** The longest time until a service listens, in ms. */
const START_LIMIT_MS = 30_000;

/** The longest time that a service may take to read its files again, in ms. */
const RELOAD_LIMIT_MS = 15_000;

/** The last lines of standard error that are kept for the log: their number, and the characters of each. */
const LAST_WORDS = 10;
const LAST_WORDS_WIDTH = 300;

/** The lines that V8 prints around the reason why it gives up, and empty lines. */
const NOISE = /^(?:\s*|#|<--- .* --->|=+ .* =+)$|^\[\d+:0x|^\s+\S+\(\+0x/;

/** A process with its streams: a `Deno.ChildProcess`, or a substitute for one. */
export interface Spawned extends Pick<Deno.ChildProcess, "pid" | "stdin" | "status" | "kill"> {
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * Starts a process whose three streams are piped.
 *
 * @throws {Error} The errors of `Deno.Command.spawn`.
 */
export function spawn(command: string, args: readonly string[]): Spawned {
  return new Deno.Command(command, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** The result of starting a service. */
export type Start = Extract<Report, { type: "listening" | "failed" }>;

/** A started service. */
export class Child {
  readonly pid: number;
  /** The result of the start, at the latest when the process has ended or a time limit has passed. */
  readonly start: Promise<Start>;
  /** The way in which it ended, as part of a sentence: `ended with code 1`, `was ended by SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #process: Spawned;
  readonly #clock: Clock;
  readonly #commands: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #urls: readonly string[];
  readonly #started = Promise.withResolvers<Start>();
  readonly #lastWords: string[] = [];
  readonly #since: number;
  /** The times at which it began to listen and had ended, in ms. */
  #listens: number | null = null;
  #end: number | null = null;
  readonly #late: (outcome: ReloadOutcome) => void;
  /** The number of the last command. */
  #number = 0;
  #hasExplained = false;
  /** The receiver of each answer, by the number of its command. After the time limit that is `late`. */
  readonly #answers = new Map<number, (outcome: ReloadOutcome) => void>();

  /**
   * @param config The configuration that it starts with.
   * @param show Gets each line that the process writes to standard error.
   * @param late Gets the answer to a reload that comes after its time limit.
   */
  constructor(
    process: Spawned,
    config: Config,
    clock: Clock,
    show: (line: string) => void,
    late: (outcome: ReloadOutcome) => void,
  ) {
    this.#process = process;
    this.#clock = clock;
    this.#since = clock.now();
    this.#late = late;
    this.pid = process.pid;
    this.#urls = config.servers.map(serverUrl);
    this.#commands = process.stdin.getWriter();
    // A pipe without a reader is noticed by the end of the process, too.
    this.#commands.closed.catch(() => {});
    this.#commands.write(encode({ type: "use", number: this.#number, config })).catch(() => {});
    this.start = this.#started.promise;
    this.ended = this.#untilItEnds(show);
  }

  /** Returns for how long it has run, in seconds. */
  get ageSeconds(): number {
    return Math.round(this.#untilEnd(this.#since) / 1000);
  }

  /** Returns for how long it has listened, in ms. */
  get listenedMs(): number {
    return this.#listens === null ? 0 : this.#untilEnd(this.#listens);
  }

  #untilEnd(since: number): number {
    return (this.#end ?? this.#clock.now()) - since;
  }

  /** Tells whether it has reported itself, to its log too, why it could not start. */
  get hasExplained(): boolean {
    return this.#hasExplained;
  }

  /** Returns its last lines on standard error, where the runtime says why it gives up. */
  get lastWords(): readonly string[] {
    return this.#lastWords;
  }

  /**
   * Makes it apply a configuration, and reopen its certificates and logs.
   *
   * @param limitMs The longest time until its answer, in ms.
   */
  async reload(config: Config, limitMs: number = RELOAD_LIMIT_MS): Promise<ReloadOutcome> {
    const number = ++this.#number;
    const reloaded = Promise.withResolvers<ReloadOutcome>();
    this.#answers.set(number, reloaded.resolve);
    const callOff = this.#clock.after(limitMs, () => {
      this.#answers.set(number, this.#late);
      reloaded.resolve(refusedReload([`The service did not answer within ${limitMs} ms.`]));
    });
    // A service that reads nothing lets the pipe fill up: the limit holds for the writing, too.
    this.#commands.write(encode({ type: "use", number, config })).catch((error) =>
      reloaded.resolve(
        refusedReload([
          `The service cannot be told: ${messageOf(error)}.`,
        ]),
      )
    );
    const outcome = await reloaded.promise;
    callOff();
    return outcome;
  }

  /**
   * Stops it, and resolves when it has ended.
   *
   * @param limitMs The time after which it is killed, in ms.
   * @returns True if it had to be killed.
   */
  async stop(limitMs: number): Promise<boolean> {
    let killed = false;
    this.signal("SIGTERM");
    const callOff = this.#clock.after(limitMs, () => {
      killed = true;
      this.signal("SIGKILL");
    });
    await this.ended;
    callOff();
    return killed;
  }

  /** Sends a signal, if it still runs. */
  signal(signal: Deno.Signal): void {
    signalTo(this.#process, signal);
  }

  async #untilItEnds(show: (line: string) => void): Promise<string> {
    const callOff = this.#clock.after(START_LIMIT_MS, () => {
      this.#started.resolve(
        { type: "failed", problems: [`The service did not listen within ${START_LIMIT_MS} ms.`] },
      );
      this.signal("SIGKILL");
    });
    void this.start.then(callOff);
    const [{ code, signal }] = await Promise.all([
      this.#process.status,
      this.#readReports(),
      this.#readErrors(show),
    ]);
    this.#end = this.#clock.now();
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
    this.#started.resolve({
      type: "failed",
      problems: [`The service ${how} before it listened.`, ...this.#lastWords],
    });
    for (const answer of this.#answers.values()) {
      if (answer !== this.#late) answer(refusedReload([`The service ${how} meanwhile.`]));
    }
    await this.#commands.close().catch(() => {});
    return how;
  }

  async #readReports(): Promise<void> {
    for await (const line of linesIn(this.#process.stdout)) {
      const report = parseReport(line);
      if (report === null) continue;
      // A compromised service may report anything: its pid and URLs are known here, and its text may be
      // shown on a terminal.
      switch (report.type) {
        case "listening":
          this.#listens ??= this.#clock.now();
          this.#started.resolve({ type: "listening", pid: this.pid, urls: this.#urls });
          break;
        case "failed":
          this.#hasExplained = true;
          this.#started.resolve({ type: "failed", problems: report.problems.map(printable) });
          break;
        case "reloaded": {
          const { number, outcome: { ok, lines } } = report;
          const answer = this.#answers.get(number);
          this.#answers.delete(number);
          answer?.({ ok, lines: lines.map(printable) });
        }
      }
    }
  }

  async #readErrors(show: (line: string) => void): Promise<void> {
    for await (const text of linesIn(this.#process.stderr)) {
      // The line may be shown on a terminal.
      const line = printable(text);
      show(line);
      if (NOISE.test(text)) continue;
      this.#lastWords.push(line.slice(0, LAST_WORDS_WIDTH));
      if (this.#lastWords.length > LAST_WORDS) this.#lastWords.shift();
    }
  }
}

/** Sends a signal to a process, if it still runs. */
export function signalTo(process: Spawned, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch (error) {
    // It has ended already.
    if (!(error instanceof TypeError)) throw error;
  }
}
