/**
 * A Debian of its own, booted by systemd, on a network that has nothing but itself: for packages.
 *
 * Its root is made once with `mmdebstrap`; each machine writes over it in memory, so that none sees
 * what another did. Needs root, `mmdebstrap` and `systemd-nspawn`.
 *
 * @module
 */

import type { Outcome } from "../acceptance/process.ts";
import { Process } from "../acceptance/process.ts";
import { until } from "../acceptance/until.ts";
import { Folder } from "../folder.ts";

/** What a package that is started by systemd expects to be there. */
const PACKAGES = ["adduser", "systemd-sysv"];

/** The files that machines start with. Dispose of it. */
export class Root implements Disposable {
  readonly #folder = new Folder();

  static async make(suite: string): Promise<Root> {
    const root = new Root();
    const include = `--include=${PACKAGES.join(",")}`;
    await using process = new Process("mmdebstrap", [
      ...["--quiet", "--variant=minbase", include, suite, root.path],
    ]);
    const { code } = await process.ended();
    if (code === 0) return root;
    root[Symbol.dispose]();
    throw new Error(`A Debian ${suite} cannot be made: ${process.output}`);
  }

  get path(): string {
    return `${this.#folder.path}/root`;
  }

  /** Puts a file where the user root of every machine has it; returns its path there. */
  put(name: string, content: string | Uint8Array): string {
    const path = `/root/${name}`;
    const there = `${this.path}${path}`;
    if (typeof content === "string") Deno.writeTextFileSync(there, content);
    else Deno.writeFileSync(there, content);
    return path;
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

/** Runs a shell script as root on the files of a machine that has not booted: there is no systemd. */
export async function withoutSystemd(root: Root, script: string): Promise<Outcome> {
  await using process = new Process("systemd-nspawn", [
    ...nspawnOptions(root),
    ...["sh", "-e", "-c", script],
  ]);
  return await process.outcome();
}

function nspawnOptions({ path }: Root): string[] {
  return [
    ...["--quiet", "--private-network", "--volatile=overlay", `--directory=${path}`, "--pipe"],
    ...["--register=no", "--keep-unit"],
  ];
}

/** A machine that has booted. Dispose of it: it is shut down, and nothing of it is left. */
export class Machine implements AsyncDisposable {
  readonly #nspawn: Process;
  readonly #first: number;

  private constructor(nspawn: Process, first: number) {
    this.#nspawn = nspawn;
    this.#first = first;
  }

  static async boot(root: Root): Promise<Machine> {
    const nspawn = new Process("systemd-nspawn", [...nspawnOptions(root), "--boot"]);
    try {
      let first = 0;
      await until(() => {
        if (nspawn.hasEnded) throw new Error(`It does not boot: ${nspawn.output}`);
        const child = childOf(nspawn.pid);
        if (isSystemd(child)) first = child;
        return first > 0;
      });
      const machine = new Machine(nspawn, first);
      await until(async () =>
        (await machine.run("systemctl", "is-system-running")).output === "running"
      );
      return machine;
    } catch (error) {
      await nspawn[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts a program as root. Dispose of it: it is ended. */
  start(command: string, ...args: readonly string[]): Visit {
    const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    return new Visit("nsenter", [
      ...[`--target=${this.#first}`, "--all", "env", "-i", path, command],
      ...args,
    ]);
  }

  /** Runs a program to its end. */
  async run(command: string, ...args: readonly string[]): Promise<Outcome> {
    await using process = this.start(command, ...args);
    return await process.outcome();
  }

  /** The same of one that has to succeed; resolves to its output. */
  async call(command: string, ...args: readonly string[]): Promise<string> {
    const { code, output } = await this.run(command, ...args);
    if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${output}`);
    return output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its shutdown.
    this.#nspawn.kill("SIGTERM");
    await this.#nspawn.ended();
  }
}

/** A program on a machine, which is a child of nsenter and has to end before that. */
class Visit extends Process {
  override async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) {
      const child = childOf(this.pid);
      if (child > 0) Deno.kill(child, "SIGTERM");
    }
    await this.ended();
  }
}

/** The child of a process; 0 while it has none. */
function childOf(pid: number): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ")[0]);
}

/** Whether a process is the first one of a machine: before that, the child is nspawn's own. */
function isSystemd(pid: number): boolean {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return /^Name:\tsystemd$/m.test(status) && /^NSpid:.*\t1$/m.test(status);
  } catch (error) {
    // There is none yet, or it has ended meanwhile.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
