/**
 * The supervisor, which keeps one service running, with the permissions that the configuration needs, from
 * the start to the stop.
 *
 * @module
 */

import { resolve } from "node:path";
import { Backoff } from "../backoff.ts";
import { changesOf, isRooted, restartReasons } from "../config/change.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/error.ts";
import { loadConfig } from "../config/load.ts";
import { judgingFlags, SEALED, serviceFlags } from "../config/permissions.ts";
import { denoArguments, type Script } from "../config/program.ts";
import { Whole } from "../log/format.ts";
import { linesIn, refusedReload, type ReloadOutcome, type Report } from "./channel.ts";
import { Child, signalTo, type Spawned, type Start } from "./child.ts";
import { Mailbox } from "./mailbox.ts";
import { alreadyRunning, holderOf, Pidfile, PidfileError } from "./pidfile.ts";
import { StateFile } from "./state.ts";
import { messageOf } from "../text.ts";

/** The first wait before a service that has ended is started again, in ms. */
const FIRST_WAIT_MS = 2000;

/** The longest such wait, in ms. */
const LONGEST_WAIT_MS = 60_000;

/** The time, in ms, after which a service that listens is healthy: the next wait is the first again. */
const HEALTHY_MS = 60_000;

/** The longest time that the service may take beyond its drain to stop by itself, in ms. */
const STOP_LIMIT_MS = 5500;

/** The longest time that `aphlict check` may take before a reload, in ms. */
const CHECK_LIMIT_MS = 60_000;

/** The interval at which the pidfile and the state beside it are refreshed, in ms. */
const KEEP_INTERVAL_MS = 10_000;

/** The most characters of a complaint that are kept. */
const LAST_ERROR_WIDTH = 500;

/** The supervisor's work, as its log line about an internal error names it. */
const SUPERVISING = "supervising the service";

/** The options of a {@linkcode Supervisor}, and its means. */
export interface SupervisorOptions {
  /** The configuration that it starts with. */
  readonly config: Config;
  /** The path of the deno binary. */
  readonly deno: string;
  /** The program that the deno binary runs. */
  readonly program: Script;
  /** True if it runs in a session of its own, without a console; else the service shows its log. */
  readonly detached: boolean;
  /** The service's option `console`: it shows its log to the supervisor, which passes it on, or not at all. */
  readonly console: "piped" | "journal" | "none";
  /** The arguments that tell the service about the host, because its sandbox does not let it look. */
  readonly hostOptions: readonly string[];
  /** The log of its own few lines. */
  readonly log: SupervisorLog;
  readonly clock: Clock;
  /** Starts a process, or throws an error. */
  spawn(command: string, args: readonly string[]): Spawned;
  /** Gets each line that the service writes to standard error, unless it is detached. */
  show(line: string): void;
  /** Logs an unexpected error, and what was being done, as a text after "while". */
  fault(doing: string, error: unknown): void;
  /**
   * Called once, when the service listens or could not start at first.
   *
   * @param isLogged True if the service has logged its problems itself.
   */
  announce(report: Report, isLogged: boolean): void;
  /** Called with a configuration that is in use from now on. */
  adopted(config: Config): void;
  /** Closes the log. It is called last, before the pidfile is removed. */
  close(): Promise<void>;
}

/** The part of a logger that the supervisor needs; `{name}` in a text stands for a value. */
export interface SupervisorLog {
  info(text: string, values?: Record<string, unknown>): void;
  warning(text: string, values?: Record<string, unknown>): void;
  error(text: string, values?: Record<string, unknown>): void;
}

type Event =
  | { readonly kind: "stop"; readonly why: string }
  | { readonly kind: "reload" }
  | { readonly kind: "ended"; readonly child: Child; readonly how: string }
  | { readonly kind: "retry" };

/** The result of starting a service again. */
interface Restart {
  readonly start: Start;
  /** The problems of a configuration that was given up; `null` when none was. */
  readonly givenUp: readonly string[] | null;
}

/**
 * A supervisor, which runs a service until it is told to stop.
 *
 * @example
 * ```ts
 * const supervisor = new Supervisor(options);
 * Deno.addSignalListener("SIGTERM", () => supervisor.stop("SIGTERM"));
 * Deno.addSignalListener("SIGHUP", () => supervisor.reload());
 * Deno.exit(await supervisor.run() ? 0 : 1);
 * ```
 */
export class Supervisor implements Disposable {
  readonly #options: SupervisorOptions;
  readonly #backoff = new Backoff({ firstMs: FIRST_WAIT_MS, longestMs: LONGEST_WAIT_MS });
  readonly #events = new Mailbox<Event>();
  #isStopping = false;
  /** Ends the waiting for a reload. */
  #interrupt = () => {};
  #config: Config;
  readonly #known: StateFile;
  #child: Child | null = null;
  /** All services that have not ended, including one that is being replaced. */
  readonly #alive = new Set<Child>();
  /** The `aphlict check` of a reload, while it runs. */
  #checking: Spawned | null = null;
  /** The services that were told to end. */
  readonly #ending = new WeakSet<Child>();
  #cancelRetry = () => {};
  /** True if the last service that could not start has logged why. */
  #hasExplained = false;
  #pidfile: Pidfile | null = null;
  /** The last logged problem of the pidfile, so that it is not logged again and again. */
  #pidfileProblem = "";

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#config = options.config;
    const { config, detached, log } = options;
    this.#known = new StateFile(config.pidfile, {
      pid: Deno.pid,
      config: resolve(Deno.cwd(), config.path),
      ownGroup: detached,
      drain: config.drain,
      since: Date.now(),
      service: null,
      restarts: 0,
      lastEnd: null,
      reloadBegun: 0,
      reloadDone: 0,
      lastReload: null,
      complaint: null,
    }, (error) =>
      log.warning(
        "Cannot write the state file beside pidfile {path}: {error}. `aphlict status` and `aphlict reload` " +
          "need it: make room, or let this user write there.",
        { path: config.pidfile, error },
      ));
  }

  /**
   * Takes the pidfile, starts the service and keeps it running until it is told to stop. For one call.
   *
   * @returns True if it did as it was told; false if the pidfile could not be taken, or the service could not
   * start at first.
   */
  async run(): Promise<boolean> {
    const pidfile = await this.#takePidfile();
    if (pidfile === null) {
      await this.#options.close();
      return false;
    }
    this.#pidfile = pidfile;
    const { clock } = this.#options;
    let cancelKeep = () => {};
    const keep = () => {
      cancelKeep = clock.after(KEEP_INTERVAL_MS, keep);
      void this.#keep(pidfile);
    };
    cancelKeep = clock.after(KEEP_INTERVAL_MS, keep);
    try {
      return await this.#supervise();
    } finally {
      cancelKeep();
      await this.#options.close();
      pidfile.remove();
    }
  }

  /** Releases the lock of the pidfile, after {@linkcode run}. Without this, the end of the process does. */
  [Symbol.dispose](): void {
    this.#pidfile?.close();
  }

  /** Takes the pidfile; `null` when that failed, which has been announced. */
  async #takePidfile(): Promise<Pidfile | null> {
    const { pidfile: path } = this.#config;
    let problem: string;
    try {
      const pidfile = await Pidfile.take(path);
      if (pidfile !== null) return pidfile;
      problem = alreadyRunning(path, holderOf(path));
    } catch (error) {
      if (!(error instanceof PidfileError)) throw error;
      problem = error.message;
    }
    this.#options.announce({ type: "failed", problems: [problem] }, false);
    return null;
  }

  /** Refreshes the pidfile and the state beside it. */
  async #keep(pidfile: Pidfile): Promise<void> {
    const { log, fault } = this.#options;
    const { pidfile: path } = this.#config;
    try {
      const found = await pidfile.keep();
      if (found === "lost") this.stop(`Another Aphlict has taken pidfile ${path}`);
      if (found === "remade") log.warning("Pidfile {path} was gone: it was made again.", { path });
      if (found !== "lost") this.#known.keep();
      this.#pidfileProblem = "";
    } catch (error) {
      if (!(error instanceof PidfileError)) return fault("looking after the pidfile", error);
      const problem = error.message;
      if (problem !== this.#pidfileProblem) log.error("{problem}", { problem: new Whole(problem) });
      this.#pidfileProblem = problem;
    }
  }

  async #supervise(): Promise<boolean> {
    this.#known.change({});
    const first = await this.#start("first", 0);
    const { announce } = this.#options;
    if (this.#isStopping) {
      announce({ type: "failed", problems: ["Aphlict was told to stop while it started."] }, false);
    } else announce(first, this.#hasExplained);
    if (first.type === "failed") return this.#isStopping;
    for (;;) {
      const event = await this.#events.take();
      if (event.kind === "stop") {
        await this.#stop(event.why);
        return true;
      }
      // Events from before the stop are dropped.
      if (this.#isStopping) continue;
      try {
        await this.#handle(event);
      } catch (error) {
        // A defect here must neither end the service nor stay unseen.
        this.#options.fault(SUPERVISING, error);
        if (this.#child === null) this.#retryAfter(this.#backoff.next());
      }
    }
  }

  async #handle(event: Exclude<Event, { kind: "stop" }>): Promise<void> {
    switch (event.kind) {
      case "reload":
        await this.#reload();
        break;
      case "ended":
        if (event.child === this.#child) this.#lose(event.child, event.how);
        else if (!this.#ending.has(event.child)) this.#tellEnd(event.child, event.how);
        break;
      case "retry":
        if (this.#child === null) await this.#startAgain(this.#load());
        break;
    }
  }

  /** Makes {@linkcode run} stop the service and return, whatever it is doing. */
  stop(why: string): void {
    this.#isStopping = true;
    // A service that is only starting need not come to listen.
    for (const child of this.#alive) if (child !== this.#child) void this.#end(child);
    if (this.#checking !== null) signalTo(this.#checking, "SIGKILL");
    this.#interrupt();
    this.#events.put({ kind: "stop", why });
  }

  /** Makes {@linkcode run} read the configuration again, after all earlier events. */
  reload(): void {
    // A reload that has not begun will see the same changes.
    if (!this.#events.some(({ kind }) => kind === "reload")) this.#events.put({ kind: "reload" });
  }

  /** @param restarts The number of restarts of the service, including this one. */
  async #start(attempt: "first" | "again", restarts: number): Promise<Start> {
    if (this.#isStopping) return { type: "failed", problems: ["It is being stopped."] };
    const { deno, program, detached, console, hostOptions, show, log, clock } = this.#options;
    const args = denoArguments(program, serviceFlags(this.#config), [
      "service",
      // This is for people who look at the processes: the service gets the configuration itself.
      ...["--config", this.#config.path],
      ...["--attempt", attempt],
      ...["--console", console],
      ...["--restarts", `${restarts}`],
      ...hostOptions,
    ]);
    let child: Child;
    try {
      child = new Child(
        this.#options.spawn(deno, args),
        this.#config,
        clock,
        detached ? (line) => this.#note(line) : show,
        ({ lines }) =>
          log.info(
            "The service (pid {pid}) has answered a reload that had been given up after its time limit. The " +
              "answer is ignored: {lines}",
            { pid: child.pid, lines: lines.join(" ") },
          ),
      );
    } catch (error) {
      this.#hasExplained = false;
      return { type: "failed", problems: [cannotRun(deno, error)] };
    }
    this.#alive.add(child);
    void child.ended.then(() => this.#alive.delete(child));
    const start = await child.start;
    if (start.type === "failed") {
      this.#hasExplained = child.hasExplained;
      // A service that has reported why ends by itself. Killed at once, it could not show that on the console.
      const limitMs = child.hasExplained ? STOP_LIMIT_MS : 0;
      const callOff = clock.after(limitMs, () => child.signal("SIGKILL"));
      await child.ended;
      callOff();
      return start;
    }
    this.#child = child;
    this.#known.change({ service: { pid: child.pid, since: Date.now(), urls: start.urls } });
    void child.ended.then((how) => this.#events.put({ kind: "ended", child, how }));
    return start;
  }

  /** Notes a complaint of a detached service, such as a full disk. It has no console, so `status` shows it. */
  #note(line: string): void {
    if (line.trim() === "" || line === this.#known.state.complaint?.line) return;
    this.#known.change({ complaint: { at: Date.now(), line: line.slice(0, LAST_ERROR_WIDTH) } });
  }

  #lose(child: Child, how: string): void {
    this.#forget(child);
    this.#tellEnd(child, how);
    this.#retryAfter(this.#backoff.next());
  }

  /** Notes that the service no longer listens. */
  #forget(child: Child): void {
    this.#child = null;
    this.#known.change({ service: null });
    if (child.listenedMs >= HEALTHY_MS) this.#backoff.reset();
  }

  /** Logs and notes an unexpected end. */
  #tellEnd(child: Child, how: string): void {
    this.#known.change({ lastEnd: { at: Date.now(), reason: how } });
    const { log } = this.#options;
    log.error("The service (pid {pid}) {how} after {seconds} s.", {
      pid: child.pid,
      how,
      seconds: child.ageSeconds,
    });
    if (child.lastWords.some((line) => line.includes("JavaScript out of memory"))) {
      const { memoryHint } = this.#config;
      log.error("It had used up its heap. {remedy}.", {
        remedy: memoryHint === null
          ? 'Lower "limit.memory"'
          : `Raise "memory.hint", which is ${memoryHint}, or lower "limit.memory"`,
      });
    }
    if (this.#options.detached) {
      for (const line of child.lastWords) log.error("The service wrote: {line}", { line });
    }
  }

  #retryAfter(ms: number): void {
    this.#cancelRetry();
    this.#options.log.info("The service is started again in {seconds} s.", { seconds: ms / 1000 });
    this.#cancelRetry = this.#options.clock.after(ms, () => this.#events.put({ kind: "retry" }));
  }

  /** @param config The current configuration: it may have been corrected meanwhile. */
  async #startAgain(config: Config | ReloadOutcome): Promise<Restart> {
    this.#cancelRetry();
    const { log } = this.#options;
    if ("lines" in config) {
      for (const problem of config.lines) log.warning("{problem}", { problem });
      log.warning("The service is started with the configuration as it was before.");
    }
    const restarts = this.#known.state.restarts + 1;
    const { start, givenUp } = await this.#startWith(
      "lines" in config ? this.#config : config,
      "again",
      restarts,
    );
    for (const problem of givenUp ?? []) log.error("{problem}", { problem });
    if (start.type === "listening") {
      this.#known.change({ restarts });
      log.info("The service (pid {pid}) listens again.", { pid: start.pid });
    }
    return { start, givenUp };
  }

  /**
   * Starts the service with a configuration, or with the former one if it cannot start with that.
   */
  async #startWith(
    next: Config,
    attempt: "first" | "again",
    restarts: number,
  ): Promise<Restart> {
    const former = this.#config;
    this.#adopt(next);
    let start = await this.#start(attempt, restarts);
    let givenUp: readonly string[] | null = null;
    if (
      start.type === "failed" && !this.#isStopping &&
      JSON.stringify(next) !== JSON.stringify(former)
    ) {
      givenUp = start.problems;
      this.#adopt(former);
      start = await this.#start("again", restarts);
    }
    if (start.type === "failed" && !this.#isStopping) this.#failed(start.problems);
    return { start, givenUp };
  }

  /** Logs a failed start briefly: the service has logged all its problems itself, as far as it could. */
  #failed([problem = "It did not start.", ...others]: readonly string[]): void {
    const more = others.length > 0 ? ` (and ${others.length} more lines)` : "";
    this.#options.log.error("The service could not start: {problem}{more}", { problem, more });
    this.#known.change({ lastEnd: { at: Date.now(), reason: `could not start: ${problem}` } });
    this.#retryAfter(this.#backoff.next());
  }

  async #reload(): Promise<void> {
    const number = this.#known.state.reloadBegun + 1;
    this.#known.change({ reloadBegun: number });
    const outcome = await new Promise<ReloadOutcome | null>((resolve, reject) => {
      this.#interrupt = () => resolve(null);
      this.#apply().then(resolve, reject);
    }).catch((error) => {
      const lines = ["An internal error of the supervisor: the log has it. Please report it."];
      this.#known.change({ reloadDone: number, lastReload: refusedReload(lines) });
      throw error;
    });
    if (outcome === null) return;
    const { log } = this.#options;
    for (const line of outcome.lines) {
      if (outcome.ok) log.info("Reload: {line}", { line });
      else log.error("Reload refused: {line}", { line });
    }
    this.#known.change({ reloadDone: number, lastReload: outcome });
  }

  async #apply(): Promise<ReloadOutcome> {
    const next = this.#load();
    if ("lines" in next) return next;
    if (this.#child === null) {
      const { start, givenUp } = await this.#startAgain(next);
      return givenUp === null
        ? outcomeOf(start)
        : wentBack("The service could not start:", givenUp, start);
    }
    const reasons = restartReasons(this.#config, next);
    if (reasons.length === 0) {
      const { ok, lines } = await this.#child.reload(next);
      if (!ok) return { ok, lines };
      const later = this.#laterReasons(next);
      this.#adopt(next);
      return { ok, lines: [...lines, ...later] };
    }
    const problems = await this.#check();
    if (this.#isStopping) return refusedReload(["It is being stopped."]);
    if (problems.length > 0) return refusedReload(problems);
    const why = `${reasons.join(", ")} changed, which a running service cannot take over.`;
    this.#options.log.info("Reload: {why} The service is restarted.", { why });
    const later = this.#laterReasons(next);
    const old = this.#child;
    this.#forget(old);
    await this.#end(old);
    const { start, givenUp } = await this.#startWith(next, "first", this.#known.state.restarts);
    if (givenUp !== null) {
      return wentBack(
        `${why} The service was stopped for it, and could not start:`,
        givenUp,
        start,
      );
    }
    const { ok, lines } = outcomeOf(start);
    return { ok, lines: [`${why} The service was restarted.`, ...lines, ...later] };
  }

  /** Returns the changes of a configuration that the supervisor applies only after a restart of its own. */
  #laterReasons(next: Config): string[] {
    const { config } = this.#options;
    const [own, first] = [config.logs[0]?.path, next.logs[0]?.path];
    return [
      ...changesOf("next restart", config, next).map(({ name }) =>
        `"${name}" counts from the next \`aphlict restart\` on.`
      ),
      ...own === first ? [] : [
        `The supervisor's own few lines go to ${
          own ?? "no log"
        } until the next \`aphlict restart\`.`,
      ],
    ];
  }

  /** Returns the current configuration, or why it cannot be used. */
  #load(): Config | ReloadOutcome {
    try {
      const config = loadConfig(this.#config.path);
      const fixed = changesOf("stop and start", this.#config, config);
      if (fixed.length > 0) {
        return refusedReload(
          fixed.map(({ name, from, to }) =>
            `"${name}" cannot change from ${from} to ${to} while Aphlict runs: stop it with the old ` +
            "configuration, and start it with the new one."
          ),
        );
      }
      if (isRooted(this.#config) && !isRooted(config)) {
        return refusedReload([
          "A path has become relative, and Aphlict has left the folder where it was started: write the path " +
          "absolute, or use `aphlict restart`.",
        ]);
      }
      return config;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return refusedReload(error.message.split("\n"));
    }
  }

  #adopt(config: Config): void {
    this.#config = config;
    this.#known.change({ drain: config.drain });
    this.#options.adopted(config);
  }

  /** Returns the problems that `aphlict check` finds, one a line. It knows the ports that the service holds. */
  async #check(): Promise<string[]> {
    const { deno, program, clock } = this.#options;
    const args = ["check", "--as-it-is", "--config", this.#config.path];
    let check: Spawned;
    try {
      check = this.#options.spawn(
        deno,
        denoArguments(program, [...SEALED, ...judgingFlags(deno)], args),
      );
    } catch (error) {
      return [cannotRun(deno, error)];
    }
    this.#checking = check;
    let isLate = false;
    const callOff = clock.after(CHECK_LIMIT_MS, () => {
      isLate = true;
      signalTo(check, "SIGKILL");
    });
    const [{ success }, problems] = await Promise.all([
      check.status,
      Array.fromAsync(linesIn(check.stderr)),
      check.stdout.pipeTo(new WritableStream()),
      check.stdin.close().catch(() => {}),
    ]);
    callOff();
    this.#checking = null;
    if (isLate) return [`\`aphlict check\` did not end within ${CHECK_LIMIT_MS / 1000} s: killed.`];
    if (success) return [];
    return problems.length > 0
      ? problems
      : ["`aphlict check` failed and printed nothing. Run it by hand."];
  }

  async #stop(why: string): Promise<void> {
    this.#cancelRetry();
    this.#options.log.info("{why}: stopping.", { why });
    await Promise.all([
      this.#checking?.status,
      ...[...this.#alive].map((child) => this.#end(child)),
    ]);
  }

  async #end(child: Child): Promise<void> {
    // A service that has ended already was not told to end.
    if (this.#alive.has(child)) this.#ending.add(child);
    const limitMs = this.#config.drain * 1000 + STOP_LIMIT_MS;
    if (await child.stop(limitMs)) {
      this.#options.log.warning(
        "The service (pid {pid}) did not stop within {limitMs} ms: killed.",
        {
          pid: child.pid,
          limitMs,
        },
      );
    }
  }
}

/** Returns the outcome of a reload whose configuration was given up. */
function wentBack(what: string, problems: readonly string[], start: Start): ReloadOutcome {
  const { ok, lines } = outcomeOf(start);
  return refusedReload([
    what,
    ...problems,
    ...ok ? ["It was started again as it was before."] : [],
    ...lines,
  ]);
}

function outcomeOf(start: Start): ReloadOutcome {
  return start.type === "listening"
    ? { ok: true, lines: [`The service (pid ${start.pid}) listens.`] }
    : { ok: false, lines: [...start.problems, "The start is tried again."] };
}

/** Returns a sentence that says why a program cannot be run. */
function cannotRun(deno: string, error: unknown): string {
  return `Cannot run ${deno}: ${messageOf(error)}.`;
}
