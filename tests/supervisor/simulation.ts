/**
 * A supervisor whose clock and processes are made up: any order of events, and hours of them within milliseconds.
 * Its files are real, in a folder of their own. What decision 0008 promises is looked at with each event.
 *
 * @module
 */

import { rmSync } from "node:fs";
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { encode, parseUse, type Report } from "../../src/supervisor/channel.ts";
import type { Spawned } from "../../src/supervisor/child.ts";
import { holderOf, Pidfile } from "../../src/supervisor/pidfile.ts";
import { readState, type State } from "../../src/supervisor/state.ts";
import { Supervisor } from "../../src/supervisor/supervisor.ts";
import { assert, assertEquals } from "../assert.ts";
import { Folder } from "../folder.ts";
import { VirtualClock } from "../virtual_clock.ts";

/** Times that decision 0008 and docs/architecture.md promise, in ms. */
const PROMISED = {
  first: 2000,
  longest: 60_000,
  healthy: 60_000,
  reload: 15_000,
  stop: 5500,
  keep: 10_000,
};

/** Lines of the log that are looked at. */
const WAITING = "The service is started again in {seconds} s.";
const END = "The service (pid {pid}) {how} after {seconds} s.";
const STOP = "{why}: stopping.";

/** Lines of the history that a broken promise shows. */
const HISTORY = 40;

/** Within this time a supervisor has overcome whatever has come before: a check, a stop and two starts that hang, in ms. */
const HEALING_MS = 200_000;

/** A service that could not start takes so long to end, in ms: its console gets its last lines. */
const LAST_WORDS_MS = 200;

/** How a service behaves. */
export interface Behaviour {
  /** What it does `startMs` after it was started: `hangs` is nothing. */
  readonly start: "listens" | "fails" | "exits" | "hangs";
  readonly startMs: number;
  /** How long after it listens it ends by itself, in ms; `null`: never. */
  readonly livesMs: number | null;
  /** How long after SIGTERM it ends, in ms; `null`: it ignores that. */
  readonly endMs: number | null;
  /** How it answers a reload; `null`: not at all. */
  readonly answer: { readonly ok: boolean; readonly afterMs: number } | null;
  /** `false`: it reads the first command alone, and the pipe is full then. */
  readonly reads: boolean;
  /** Whether it closes its output as soon as it listens. */
  readonly closes: boolean;
}

export const WELL: Behaviour = {
  start: "listens",
  startMs: 500,
  livesMs: null,
  endMs: 400,
  answer: { ok: true, afterMs: 50 },
  reads: true,
  closes: false,
};

/** How an `aphlict check` behaves; `ms` of `null`: it hangs. */
export interface Check {
  readonly ok: boolean;
  readonly ms: number | null;
  /** False if it cannot be run at all. */
  readonly runs?: false;
}

/** What happens around the supervisor. */
export type Step =
  | { readonly does: "wait"; readonly ms: number }
  | { readonly does: "SIGHUP" | "SIGTERM" | "SIGINT" }
  /** The configuration file becomes another one. */
  | { readonly does: "configure"; readonly to: Change }
  /** Something else ends the service that there is. */
  | { readonly does: "kill" }
  /** The pidfile and the state are removed. */
  | { readonly does: "remove" }
  /** They are, and another supervisor takes the pidfile. */
  | { readonly does: "usurp" };

/** `drain` changes in place, `port` with another service; the others cannot be used. */
export type Change = "first" | "drain" | "port" | "invalid" | "pidfile" | "relative";

/** Drains of the configurations, in seconds; the other one is twice as long. */
const DRAIN = 2;

type Output = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

/** A process that is none. */
class FakeProcess implements Spawned {
  readonly pid: number;
  readonly stdin: WritableStream<Uint8Array<ArrayBuffer>>;
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly status: Promise<Deno.CommandStatus>;
  hasEnded = false;
  onSignal = (_signal: Deno.Signal) => {};
  onCommand = (_number: number, _config: Config) => {};
  onEnd = () => {};
  readonly #ended = Promise.withResolvers<Deno.CommandStatus>();
  readonly #outputs: Output[] = [];
  #isOpen = true;

  /** @param reads See {@linkcode Behaviour}. */
  constructor(pid: number, reads: boolean) {
    this.pid = pid;
    this.status = this.#ended.promise;
    this.stdin = new WritableStream({
      write: async (bytes) => {
        const command = parseUse(new TextDecoder().decode(bytes));
        if (command === null) return;
        if (command.number > 0 && !reads) await this.status;
        if (this.hasEnded) throw new Deno.errors.BrokenPipe("Broken pipe");
        this.onCommand(command.number, command.config);
      },
    });
    const output = () =>
      new ReadableStream({ start: (open: Output) => void this.#outputs.push(open) });
    this.stdout = output();
    this.stderr = output();
  }

  kill(signal: Deno.Signal = "SIGTERM"): void {
    if (this.hasEnded) throw new TypeError("Child process has already terminated");
    this.onSignal(signal);
    if (signal === "SIGKILL") this.end(137, signal);
  }

  say(report: Report): void {
    if (this.#isOpen) this.#outputs[0]?.enqueue(encode(report));
  }

  complain(text: string): void {
    if (this.#isOpen) this.#outputs[1]?.enqueue(new TextEncoder().encode(`${text}\n`));
  }

  closeOutput(): void {
    if (this.#isOpen) { for (const output of this.#outputs) output.close(); }
    this.#isOpen = false;
  }

  end(code: number, signal: Deno.Signal | null = null): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.onEnd();
    this.closeOutput();
    this.#ended.resolve({ success: code === 0, code, signal });
  }
}

/** A service, as the simulation knows it. */
interface Service {
  readonly process: FakeProcess;
  readonly behaviour: Behaviour;
  readonly spawned: number;
  /** How many checks had passed when it was started. */
  readonly checks: number;
  /** What it uses. */
  config: Config | null;
  /** Whether it has said that it could not start. */
  failed: boolean;
  /** Since when it listens. */
  listens: number | null;
  /** When the supervisor told it to end. */
  told: number | null;
}

/** A line that the supervisor has logged. */
interface Line {
  readonly at: number;
  readonly level: string;
  readonly text: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A supervisor among made-up processes. Dispose of it. */
export class Simulation implements Disposable {
  readonly services: Service[] = [];
  readonly announced: Report[] = [];
  /** What {@linkcode Supervisor.run} came to; `null` while it runs. */
  result: boolean | null = null;
  readonly #clock = new VirtualClock();
  readonly #folder = new Folder();
  readonly #path = `${this.#folder.path}/aphlict.json`;
  readonly #pidfile = `${this.#folder.path}/aphlict.pid`;
  readonly #behaviours: Behaviour[];
  readonly #checks: Check[];
  readonly #supervisor: Supervisor;
  readonly #history: string[] = [];
  readonly #lines: Line[] = [];
  readonly #checking = new Set<FakeProcess>();
  /** Services whose end nobody of ours has asked for. */
  readonly #lost: { readonly pid: number; readonly seconds: number }[] = [];
  #pid = 1000;
  /** Checks that have passed. */
  #passed = 0;
  /** The configuration that the supervisor last knew to be in use. */
  #proven: Config | null = null;
  /** Waits since a service was last well. */
  #waits = 0;
  /** When the service has to be started again. */
  #startDue: number | null = null;
  /** The number of the reload that must be done in the end. */
  #reloadDue = 0;
  #counted = { reloadBegun: 0, reloadDone: 0 };
  /** Whether a signal has asked for a stop. */
  #isStopping = false;
  /** When a stop must be over. */
  #overDue = Infinity;
  #usurper: Pidfile | null = null;
  #broken: Error | null = null;

  /** @param behaviours Of the services, in the order of their starts; those that follow are well. So with `checks`. */
  constructor(behaviours: readonly Behaviour[] = [], checks: readonly Check[] = []) {
    this.#behaviours = [...behaviours];
    this.#checks = [...checks];
    this.#configure("first");
    const log = (level: string) => (text: string, values: Record<string, unknown> = {}) =>
      this.#hear({ at: this.#clock.now(), level, text, values });
    this.#supervisor = new Supervisor({
      config: loadConfig(this.#path),
      deno: "deno",
      program: { kind: "source", path: "/aphlict/main.ts" },
      detached: true,
      console: "none",
      hostOptions: [],
      log: { info: log("info"), warning: log("warning"), error: log("error") },
      clock: this.#clock,
      spawn: (_command, args) => args.includes("check") ? this.#check() : this.#serve(),
      show() {},
      fault: (doing, error) => this.#break(`an internal error while ${doing}`, error),
      announce: (report) => {
        this.#tell(`it announces: ${report.type}`);
        this.announced.push(report);
      },
      adopted() {},
      close: () => Promise.resolve(),
    });
    void this.#supervisor.run().then((result) => {
      this.#tell(`the supervisor ends: ${result}`);
      this.result = result;
    }, (error) => this.#break("run() throws", error));
  }

  /** The service that has not ended. */
  get service(): Service | null {
    return this.services.find(({ process }) => !process.hasEnded) ?? null;
  }

  get state(): State | null {
    return readState(this.#pidfile);
  }

  /** The supervisor's log, a line each: level and text. */
  get log(): string[] {
    return this.#lines.map(showLine);
  }

  /** Lets things happen, one after the other. */
  async play(...steps: readonly Step[]): Promise<void> {
    await this.#advance(0);
    for (const step of steps) {
      this.#tell(`-- ${Object.values(step).join(" ")}`);
      await this.#take(step);
      await this.#advance(0);
    }
  }

  /** Has all go well from here on, sees that it gets well, and ends it. */
  async finish(): Promise<void> {
    this.#behaviours.length = this.#checks.length = 0;
    await this.play(
      { does: "configure", to: "first" },
      { does: "kill" },
      { does: "wait", ms: HEALING_MS },
      { does: "SIGHUP" },
      { does: "wait", ms: PROMISED.keep },
    );
    if (this.result === null) {
      this.#look(() => this.#isWell());
      await this.play({ does: "SIGTERM" });
    }
    if (this.result === null) await this.#advance(2 * DRAIN * 1000 + PROMISED.stop);
    this.#look(() => this.#isOver());
    if (this.#broken !== null) throw this.#broken;
  }

  [Symbol.dispose](): void {
    this.#usurper?.close();
    this.#supervisor[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }

  async #take(step: Step): Promise<void> {
    switch (step.does) {
      case "wait":
        return await this.#advance(step.ms);
      case "SIGHUP":
        if (this.result === null) this.#reloadDue = this.#reloads.reloadBegun + 1;
        return this.#supervisor.reload();
      case "SIGTERM":
      case "SIGINT":
        this.#isStopping = true;
        this.#mustEnd(0);
        return this.#supervisor.stop(step.does);
      case "configure":
        return this.#configure(step.to);
      case "kill":
        return this.service === null ? undefined : this.#lose(this.service, 137, "SIGKILL");
      case "remove":
        return this.#usurper === null ? this.#remove() : undefined;
      case "usurp":
        if (this.#usurper !== null || this.result !== null) return;
        this.#remove();
        this.#usurper = await Pidfile.take(this.#pidfile);
        return this.#mustEnd(PROMISED.keep);
    }
  }

  /** A stop begins in `ms` at the latest. */
  #mustEnd(ms: number): void {
    const due = this.#clock.now() + ms + 2 * DRAIN * 1000 + PROMISED.stop;
    this.#overDue = Math.min(this.#overDue, due);
  }

  #remove(): void {
    void this.#reloads;
    for (const path of [this.#pidfile, `${this.#pidfile}.state`]) rmSync(path, { force: true });
  }

  async #advance(ms: number): Promise<void> {
    await this.#clock.advance(ms, () => {
      this.#look(() => this.#isInTime());
      return this.#broken !== null;
    });
    if (this.#broken !== null) throw this.#broken;
  }

  #configure(to: Change): void {
    const config = {
      servers: [
        { type: "client", port: to === "port" ? 22290 : 22280 },
        { type: "admin", port: 22281 },
      ],
      pidfile: to === "pidfile" ? `${this.#folder.path}/other.pid` : this.#pidfile,
      drain: to === "drain" ? 2 * DRAIN : DRAIN,
      logs: to === "relative" ? [{ path: "a.log" }] : [],
    };
    Deno.writeTextFileSync(this.#path, to === "invalid" ? "{" : JSON.stringify(config));
  }

  #serve(): Spawned {
    const behaviour = this.#behaviours.shift() ?? WELL;
    const process = new FakeProcess(++this.#pid, behaviour.reads);
    this.#tell(`${process.pid} is started: ${behaviour.start} after ${behaviour.startMs} ms`);
    this.#look(() => this.#mayStart());
    this.#startDue = null;
    const former = this.services.at(-1);
    const service: Service = {
      process,
      behaviour,
      spawned: this.#clock.now(),
      checks: this.#passed,
      config: null,
      failed: false,
      listens: null,
      told: null,
    };
    this.services.push(service);
    process.onEnd = () => {
      const { listens, told } = service;
      if (listens === null) return;
      if ((told ?? this.#clock.now()) - listens >= PROMISED.healthy) this.#waits = 0;
    };
    process.onSignal = (signal) => this.#signalled(service, signal);
    process.onCommand = (number, config) => {
      if (number > 0) return this.#reload(service, number, config);
      service.config = config;
      if (former !== undefined) this.#look(() => this.#goesBack(former, config));
      this.#later(service, behaviour.startMs, () => this.#begin(service));
    };
    return process;
  }

  #signalled(service: Service, signal: Deno.Signal): void {
    this.#tell(`${service.process.pid} gets ${signal}`);
    this.#look(() => this.#mayEnd(service, signal));
    service.told ??= this.#clock.now();
    const { endMs } = service.behaviour;
    if (endMs !== null) this.#later(service, endMs, () => service.process.end(0));
  }

  #begin(service: Service): void {
    const { process, behaviour: { start, livesMs, closes } } = service;
    if (start === "hangs") return;
    this.#tell(`${process.pid} ${start}`);
    if (start === "exits") return process.end(3);
    if (start === "fails") {
      service.failed = true;
      process.say({ type: "failed", problems: ["Cannot bind"] });
      return this.#later(service, LAST_WORDS_MS, () => process.end(1));
    }
    service.listens = this.#clock.now();
    this.#proven = service.config;
    process.say({ type: "listening", pid: 1, urls: [] });
    if (closes) process.closeOutput();
    if (livesMs !== null) this.#later(service, livesMs, () => this.#lose(service, 70));
  }

  #reload(service: Service, number: number, config: Config): void {
    const { process, behaviour: { answer } } = service;
    if (answer === null) return;
    this.#later(service, answer.afterMs, () => {
      this.#tell(`${process.pid} answers reload ${number}: ${answer.ok}`);
      if (answer.ok) service.config = config;
      if (answer.ok && answer.afterMs < PROMISED.reload) this.#proven = config;
      process.say({ type: "reloaded", number, outcome: { ok: answer.ok, lines: ["answered"] } });
    });
  }

  /** Ends a service without being asked by the supervisor. */
  #lose({ process, listens, spawned, told }: Service, code: number, signal?: Deno.Signal): void {
    this.#tell(`${process.pid} ends: ${signal ?? code}`);
    const seconds = Math.round((this.#clock.now() - spawned) / 1000);
    if (listens !== null && told === null) this.#lost.push({ pid: process.pid, seconds });
    process.end(code, signal);
  }

  #later({ process }: Service, ms: number, call: () => void): void {
    this.#clock.after(ms, () => {
      if (!process.hasEnded) call();
    });
  }

  #check(): Spawned {
    const { ok, ms, runs } = this.#checks.shift() ?? { ok: true, ms: 800 };
    if (runs === false) throw new Deno.errors.NotFound("No such file or directory");
    const process = new FakeProcess(++this.#pid, true);
    this.#tell(`check ${process.pid} is started: ${ms === null ? "hangs" : ok}`);
    this.#checking.add(process);
    void process.status.then(() => this.#checking.delete(process));
    if (ms === null) return process;
    this.#clock.after(ms, () => {
      if (process.hasEnded) return;
      if (ok) this.#passed++;
      else process.complain("servers[0]: Cannot bind client server");
      process.end(ok ? 0 : 1);
    });
    return process;
  }

  /** Hears a line of the log. */
  #hear(line: Line): void {
    this.#lines.push(line);
    this.#tell(`log: ${showLine(line)}`);
    if (line.text !== WAITING) return;
    const wait = Math.min(PROMISED.first * 2 ** this.#waits++, PROMISED.longest);
    this.#look(() => assertEquals(line.values["seconds"], wait / 1000, "2 s, 4 s, ... 60 s"));
    this.#startDue = line.at + wait;
  }

  get #isReloading(): boolean {
    return this.#reloads.reloadDone < this.#reloadDue;
  }

  /** As the state has it, or had it when it was removed: it is written anew with each reload. */
  get #reloads(): Pick<State, "reloadBegun" | "reloadDone"> {
    try {
      this.#counted = JSON.parse(Deno.readTextFileSync(`${this.#pidfile}.state`));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return this.#counted;
  }

  #isInTime(): void {
    const now = this.#clock.now();
    assert(this.result !== null || now <= this.#overDue, "a stop is over after drain + 5.5 s");
    if (this.#startDue === null || this.#overDue < Infinity || this.#isReloading) return;
    assert(now <= this.#startDue, "a service is started again when the wait is over");
  }

  #mayStart(): void {
    assertEquals(this.service?.process.pid, undefined, "there is one service at a time");
    assertEquals(this.#isStopping, false, "nothing is started after a stop");
    if (this.#startDue === null || this.#isReloading) return;
    assertEquals(this.#clock.now(), this.#startDue, "the wait is over");
  }

  #mayEnd({ listens, told, checks, failed }: Service, signal: Deno.Signal): void {
    const now = this.#clock.now();
    assert(!failed || signal !== "SIGKILL" || told !== null, "what could not start may say why");
    if (listens === null) return;
    if (signal === "SIGKILL") {
      const kind = told !== null && now - told >= DRAIN * 1000 + PROMISED.stop;
      assert(kind, "what listens is killed only when it does not obey");
    } else if (!this.#isStopping && this.#usurper === null) {
      assert(this.#passed > checks, "what listens is stopped for a check that passed");
    }
  }

  /** A service that could not start gives way to the configuration with which one did, at once. */
  #goesBack(former: Service, config: Config): void {
    if (former.listens !== null) return;
    if (JSON.stringify(former.config) === JSON.stringify(this.#proven)) return;
    assertEquals(config, this.#proven, "what could not start gives way to what did");
  }

  /** All has gone well for long enough. */
  #isWell(): void {
    const { service, state } = this;
    assert(service !== null && service.listens !== null, "a service listens");
    assertEquals(holderOf(this.#pidfile), Deno.pid, "the pidfile is held");
    assert(state !== null, "the state is there");
    assertEquals(state.service?.pid, service.process.pid, "the state tells of the service");
    assertEquals(service.config, loadConfig(this.#path), "it uses the file as it is");
    assertEquals(this.#isReloading, false, "no SIGHUP is lost");
    const ends = this.#lines.filter(({ text }) => text === END).map(({ values }) => ({
      pid: values["pid"],
      seconds: values["seconds"],
    }));
    assertEquals(ends, this.#lost, "each end that nobody asked for is logged once, with its age");
  }

  #isOver(): void {
    assert(this.result !== null, "a stop is over after drain + 5.5 s");
    const [first] = this.announced;
    assertEquals(this.announced.length, 1, "the start is announced once");
    const wasStopped = first?.type === "failed" && /told to stop/.test(first.problems.join());
    assertEquals(this.result, first?.type === "listening" || wasStopped, "the exit code");
    assertEquals(this.service, null, "no service outlives the supervisor");
    assertEquals(this.#checking.size, 0, "nor does a check");
    if (this.#usurper === null) assertEquals(this.state, null, "the state is removed");
    const holder = this.#usurper === null ? null : Deno.pid;
    assertEquals(
      holderOf(this.#pidfile),
      holder,
      "the pidfile is removed, but another one's is not",
    );
    const stops = this.#lines.filter(({ text }) => text === STOP).length;
    assertEquals(stops, first?.type === "listening" ? 1 : stops, "a stop is logged once");
  }

  /** Looks at a promise. One that does not hold ends the simulation, not the supervisor that is looked at. */
  #look(promise: () => void): void {
    try {
      promise();
    } catch (error) {
      this.#break("a promise is broken", error);
    }
  }

  #break(what: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#broken ??= new Error(`${what}: ${why}\n${this.#history.slice(-HISTORY).join("\n")}`);
  }

  #tell(what: string): void {
    this.#history.push(`${(this.#clock.now() / 1000).toFixed(3).padStart(9)} s  ${what}`);
  }
}

function showLine({ level, text, values }: Line): string {
  const shown = text.replaceAll(/\{(\w+)\}/g, (_, name) => String(values[name]));
  return `${level.toUpperCase()} ${shown}`;
}
