/**
 * The service as the supervisor sees it: a process with a channel.
 *
 * @module
 */

import { type Config, urlOf } from "../config/config.ts";
import { printable } from "../text.ts";
import { encode, linesOf, parseReport, type ReloadOutcome, type Report } from "./channel.ts";

/** How long a service may take until it listens, in ms. */
const START_LIMIT_MS = 30_000;

/** How long a service may take to read its files again, in ms. */
const RELOAD_LIMIT_MS = 15_000;

/** What a service said last is kept up to this many lines and characters, for the log. */
const LAST_WORDS = 10;
const LAST_WORDS_WIDTH = 300;

/** What V8 prints around the line that says why it gives up, and empty lines. */
const NOISE = /^(?:\s*|#|<--- .* --->|=+ .* =+)$|^\[\d+:0x|^\s+\S+\(\+0x/;

/** What starting a service came to. */
export type Start = Extract<Report, { type: "listening" | "failed" }>;

/** A started service. */
export class Child {
  readonly pid: number;
  /** Settles once, at the latest when the process has ended or a time limit has passed. */
  readonly start: Promise<Start>;
  /** Resolves with how it ended, as part of a sentence: `ended with code 1`, `was ended by SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #process: Deno.ChildProcess;
  readonly #commands: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #urls: readonly string[];
  readonly #started = Promise.withResolvers<Start>();
  readonly #lastWords: string[] = [];
  readonly #since = performance.now();
  readonly #late: (outcome: ReloadOutcome) => void;
  /** The number of the last command. */
  #number = 0;
  /** What each answer goes to, by the number of its command. Once it was given up it is only told. */
  readonly #answers = new Map<number, (outcome: ReloadOutcome) => void>();

  /**
   * @param config What it starts with.
   * @param show Gets each line that the process writes to standard error.
   * @param late Gets the answer to a reload that came after its time limit.
   * @throws {Error} What `Deno.Command.spawn` throws.
   */
  constructor(
    command: string,
    args: readonly string[],
    config: Config,
    show: (line: string) => void,
    late: (outcome: ReloadOutcome) => void,
  ) {
    this.#late = late;
    this.#process = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#process.pid;
    this.#urls = config.servers.map(urlOf);
    this.#commands = this.#process.stdin.getWriter();
    // That nobody reads it is known by the end of the process, too.
    this.#commands.closed.catch(() => {});
    this.#commands.write(encode({ type: "use", number: this.#number, config })).catch(() => {});
    this.start = this.#started.promise;
    this.ended = this.#untilItEnds(show);
  }

  /** For how long it has run, in seconds. */
  get ageSeconds(): number {
    return Math.round((performance.now() - this.#since) / 1000);
  }

  /** What it said last on standard error, which is where the runtime says why it gives up. */
  get lastWords(): readonly string[] {
    return this.#lastWords;
  }

  /**
   * Has it take a configuration over, and open its certificates and logs anew.
   *
   * @param limitMs How long its answer may take.
   */
  async reload(config: Config, limitMs: number = RELOAD_LIMIT_MS): Promise<ReloadOutcome> {
    const number = ++this.#number;
    const reloaded = Promise.withResolvers<ReloadOutcome>();
    this.#answers.set(number, reloaded.resolve);
    const timer = setTimeout(() => {
      this.#answers.set(number, this.#late);
      reloaded.resolve(refused(`The service did not answer within ${limitMs} ms.`));
    }, limitMs);
    try {
      await this.#commands.write(encode({ type: "use", number, config }));
      return await reloaded.promise;
    } catch (error) {
      return refused(
        `The service cannot be told: ${error instanceof Error ? error.message : error}.`,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Stops it, and resolves when it has ended.
   *
   * @param limitMs How long it may take before it is killed.
   * @returns Whether it had to be killed.
   */
  async stop(limitMs: number): Promise<boolean> {
    let killed = false;
    this.signal("SIGTERM");
    const timer = setTimeout(() => {
      killed = true;
      this.signal("SIGKILL");
    }, limitMs);
    await this.ended;
    clearTimeout(timer);
    return killed;
  }

  /** Sends a signal, if it still runs. */
  signal(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async #untilItEnds(show: (line: string) => void): Promise<string> {
    const timer = setTimeout(() => {
      this.#started.resolve(
        { type: "failed", problems: [`The service did not listen within ${START_LIMIT_MS} ms.`] },
      );
      this.signal("SIGKILL");
    }, START_LIMIT_MS);
    void this.start.then(() => clearTimeout(timer));
    const [{ code, signal }] = await Promise.all([
      this.#process.status,
      this.#readReports(),
      this.#readErrors(show),
    ]);
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
    this.#started.resolve({
      type: "failed",
      problems: [`The service ${how} before it listened.`, ...this.#lastWords],
    });
    for (const answer of this.#answers.values()) {
      if (answer !== this.#late) answer(refused(`The service ${how} meanwhile.`));
    }
    await this.#commands.close().catch(() => {});
    return how;
  }

  async #readReports(): Promise<void> {
    for await (const line of linesOf(this.#process.stdout)) {
      const report = parseReport(line);
      if (report === null) continue;
      // Who has taken the service over may say anything: what it says of itself is known better, and its
      // words may be shown on a terminal.
      switch (report.type) {
        case "listening":
          this.#started.resolve({ type: "listening", pid: this.pid, urls: this.#urls });
          break;
        case "failed":
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
    for await (const text of linesOf(this.#process.stderr)) {
      // It may be shown on a terminal.
      const line = printable(text);
      show(line);
      if (NOISE.test(text)) continue;
      this.#lastWords.push(line.slice(0, LAST_WORDS_WIDTH));
      if (this.#lastWords.length > LAST_WORDS) this.#lastWords.shift();
    }
  }
}

function refused(line: string): ReloadOutcome {
  return { ok: false, lines: [line] };
}
