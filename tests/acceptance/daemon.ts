/**
 * Aphlict as an administrator runs it: `bin/aphlict start`, and what it leaves running.
 *
 * @module
 */

import { assertEquals } from "../assert.ts";
import { Folder } from "../folder.ts";
import { withEngines } from "./engines.ts";
import { type Outcome, Process } from "./process.ts";
import { APHLICT } from "./program.ts";
import { writeConfig, type Written } from "./server.ts";
import { until } from "./until.ts";

/** The main module of a program, wherever it is. */
const MAIN = /\/(main\.ts|aphlict\.js)$/;

/** The configurations that `check` has accepted, and that started, in this file of tests. */
const ACCEPTED = new Set<string>();

/** A process of an Aphlict. */
export interface Member {
  readonly pid: number;
  readonly role: "supervisor" | "service";
}

/** A configuration in a folder, and the commands that use it. Dispose of it: whatever runs is killed. */
export class Daemon implements AsyncDisposable {
  readonly folder = new Folder();
  readonly written: Written;

  /** @param change Keys to change, given the folder's path. */
  constructor(change: (folder: string) => Record<string, unknown> = () => ({})) {
    // Its folders do not exist yet.
    this.written = writeConfig(this.folder, {
      logs: [{ path: this.logPath }],
      pidfile: this.pidfile,
      ...change(this.folder.path),
    });
  }

  get logPath(): string {
    return `${this.folder.path}/log/aphlict.log`;
  }

  get pidfile(): string {
    return `${this.folder.path}/pid/aphlict.pid`;
  }

  /** What is in the log; nothing before there is one. */
  get log(): string {
    try {
      return Deno.readTextFileSync(this.logPath);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  /**
   * Runs a command to its end. Root is told that it may. What `check` accepts starts, and what it refuses does not: that
   * is seen of each start, unless it runs already, or the same was accepted before.
   */
  async run(verb: string, ...args: readonly string[]): Promise<Outcome> {
    if (verb !== "start") return await this.#run(verb, ...args);
    const shape = this.#shape;
    const judged = ACCEPTED.has(shape) ? null : await this.#run("check");
    const outcome = await this.#run(verb, ...args);
    if (outcome.output.includes("is already running")) return outcome;
    if (judged === null && outcome.code === 0) return outcome;
    const { code, output } = judged ?? await this.#run("check");
    assertEquals(outcome.code, code, `check:\n${output}\nstart:\n${outcome.output}`);
    if (code === 0) ACCEPTED.add(shape);
    return outcome;
  }

  /** The configuration without what differs between tests: its folder and its ports. */
  get #shape(): string {
    const { path, client, admin } = this.written;
    return Deno.readTextFileSync(path).replaceAll(this.folder.path, "FOLDER")
      .replaceAll(`${client}`, "CLIENT").replaceAll(`${admin}`, "ADMIN");
  }

  async #run(verb: string, ...args: readonly string[]): Promise<Outcome> {
    await using process = this.launch(verb, ...args);
    return await process.outcome();
  }

  /** Starts a command. */
  launch(verb: string, ...args: readonly string[]): Process {
    return this.launchWith({}, verb, ...args);
  }

  /** The same, with more in its environment. */
  launchWith(
    env: Readonly<Record<string, string>>,
    verb: string,
    ...args: readonly string[]
  ): Process {
    const asRoot = ["start", "restart", "run"].includes(verb) ? ["--as-root"] : [];
    return new Process(APHLICT, [verb, "--config", this.written.path, ...asRoot, ...args], {
      env: { DENO: Deno.execPath(), ...env },
    });
  }

  /** Starts it, or fails the test. */
  async start(): Promise<void> {
    const { code, output } = await this.run("start");
    if (code !== 0) throw new Error(`It did not start: ${output}`);
  }

  /** Changes the configuration file. */
  configure(change: (config: Record<string, unknown>) => Record<string, unknown>): void {
    const config: Record<string, unknown> = JSON.parse(Deno.readTextFileSync(this.written.path));
    const changed = withEngines({ ...config, ...change(config) });
    Deno.writeTextFileSync(this.written.path, JSON.stringify(changed));
  }

  /** What of it runs, by the command lines that the kernel knows. */
  members(): Member[] {
    const members: Member[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const words = commandLine(Number(name));
      if (!words.includes(this.written.path)) continue;
      const verb = words[words.findIndex((word) => MAIN.test(word)) + 1];
      if (verb === "service") members.push({ pid: Number(name), role: "service" });
      if (verb === "supervisor" || verb === "run") {
        members.push({ pid: Number(name), role: "supervisor" });
      }
    }
    return members;
  }

  /** The process id of the one that there is. */
  pid(role: Member["role"]): number {
    const found = this.members().filter((member) => member.role === role);
    const [only] = found;
    if (!only || found.length > 1) throw new Error(`There are ${found.length} of ${role}`);
    return only.pid;
  }

  /** See {@linkcode until}. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    await until(condition);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.members()) Deno.kill(pid, "SIGKILL");
    await this.until(() => this.members().length === 0);
    this.folder[Symbol.dispose]();
  }
}

/** The words of a process's command line; none of one that has ended. */
function commandLine(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0").filter((word) => word !== "");
  } catch (error) {
    // It has ended while it was being looked at.
    if (error instanceof Deno.errors.NotFound || /os error 3/.test(String(error))) return [];
    throw error;
  }
}
