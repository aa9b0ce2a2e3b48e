/**
 * Hosts with a network between them, on one machine: each has namespaces of its own for its network,
 * its mounts and its processes.
 *
 * Nothing is left of them when the test's process ends, in whatever way: the first process of a host
 * ends with its input, the kernel kills all others with the first one, and devices and namespaces
 * without a name are gone when nobody uses them any more.
 *
 * @module
 */

import { Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { Folder } from "../folder.ts";

/** The network between the hosts. */
export interface Cable {
  /** What each packet takes, one way. @default {0} */
  readonly delayMs?: number;
  /** The part of the packets that gets lost, 0 to 1. @default {0} */
  readonly loss?: number;
}

/** The IPv4 address of a host, from the range that RFC 5737 leaves for documentation. */
export function ipv4(host: number): string {
  return `192.0.2.${host}`;
}

/** The IPv6 address of a host, from the range that RFC 3849 leaves for documentation. */
export function ipv6(host: number): string {
  return `2001:db8::${host}`;
}

/** A host: what is started on it sees its interfaces and its `/etc/hosts`. */
export class Host implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;
  readonly #folder = new Folder();
  readonly #hosts = this.#folder.write("hosts", "");

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  static async make(): Promise<Host> {
    const host = new Host(
      new Deno.Command("unshare", {
        args: ["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", "echo; exec cat"],
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn(),
    );
    const reader = host.#holder.stdout.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    if (done) {
      await host[Symbol.asyncDispose]();
      throw new Error("A network namespace cannot be made");
    }
    await host.call("mount", "--bind", host.#hosts, "/etc/hosts");
    await host.call("ip", "link", "set", "lo", "up");
    return host;
  }

  /** The file that stands for its network. */
  get network(): string {
    return `/proc/${this.#holder.pid}/ns/net`;
  }

  /** Gives names to addresses, in the lines of `/etc/hosts`. */
  name(lines: string): void {
    Deno.writeTextFileSync(this.#hosts, lines);
  }

  /** Starts a program on it. Signals do not go through to it, but it is killed with its `Process`. */
  start(command: string, args: readonly string[]): Process {
    const at = `/proc/${this.#holder.pid}/ns`;
    return new Process("nsenter", [
      `--net=${this.network}`,
      `--mount=${at}/mnt`,
      `--pid=${at}/pid_for_children`,
      // The program is a child of nsenter, as it could not be in another process namespace itself.
      ...["setpriv", "--pdeathsig", "KILL"],
      command,
      ...args,
    ]);
  }

  /** Runs a program on it to its end, which must be a good one; resolves to its output. */
  async call(command: string, ...args: readonly string[]): Promise<string> {
    await using process = this.start(command, args);
    const { code } = await process.ended();
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${process.output}`);
    return process.output;
  }

  /** Runs a step of `visitor.ts` on it. */
  visit(...args: readonly string[]): Process {
    const deno = ["run", `--config=${ROOT}deno.json`, "--allow-all"];
    return this.start(Deno.execPath(), [...deno, `${ROOT}tests/system/visitor.ts`, ...args]);
  }

  /** Gives one of its devices to another host. */
  async give(device: string, to: Host): Promise<void> {
    await this.call("ip", "link", "set", device, "netns", to.network);
  }

  /** Brings a device up with the addresses of a host. */
  async connect(device: string, number: number): Promise<void> {
    await this.call("ip", "addr", "add", `${ipv4(number)}/24`, "dev", device);
    await this.call("ip", "addr", "add", `${ipv6(number)}/64`, "dev", device, "nodad");
    await this.call("ip", "link", "set", device, "up");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stdin.close();
    await this.#holder.stdout.cancel();
    await this.#holder.status;
    this.#folder[Symbol.dispose]();
  }
}

/** Hosts on one cable, numbered from 1. Dispose of it: nothing is left. */
export class Lan implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  /** Where the cable is a program. */
  readonly #middle: Host;
  readonly #cable: Process;
  readonly #hosts: readonly Host[];

  private constructor(
    stack: AsyncDisposableStack,
    middle: Host,
    cable: Process,
    hosts: readonly Host[],
  ) {
    this.#stack = stack;
    this.#middle = middle;
    this.#cable = cable;
    this.#hosts = hosts;
  }

  static async make(count: number, { delayMs = 0, loss = 0 }: Cable = {}): Promise<Lan> {
    await using stack = new AsyncDisposableStack();
    const devices = Array.from({ length: count }, (_, index) => `lan${index + 1}`);
    const middle = stack.use(await Host.make());
    const cable = stack.use(
      middle.start(Deno.execPath(), [
        "run",
        `--config=${ROOT}deno.json`,
        "--allow-ffi",
        `${ROOT}tests/system/lan.ts`,
        ...[String(delayMs), String(loss), ...devices],
      ]),
    );
    await cable.line(/^Carrying/);
    const hosts: Host[] = [];
    for (const [index, device] of devices.entries()) {
      const host = stack.use(await Host.make());
      await middle.give(device, host);
      await host.connect(device, index + 1);
      hosts.push(host);
    }
    return new Lan(stack.move(), middle, cable, hosts);
  }

  /** A host by its number. */
  host(number: number): Host {
    const host = this.#hosts[number - 1];
    if (!host) throw new Error(`There are ${this.#hosts.length} hosts`);
    return host;
  }

  /** Cuts the cable: nothing arrives any more, and nobody is told. Resolves to what it has carried. */
  async cut(): Promise<string> {
    return await this.#tell("USR1", /^Cut/);
  }

  /** Mends the cable. */
  async mend(): Promise<void> {
    await this.#tell("USR2", /^Mended/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }

  async #tell(signal: string, answer: RegExp): Promise<string> {
    const [pid = ""] = /\d+$/.exec(await this.#cable.line(/^Carrying/)) ?? [];
    await this.#middle.call("sh", "-c", `kill -${signal} ${pid}`);
    return await this.#cable.line(answer);
  }
}

/** What keeps this machine from having such hosts; `null` when nothing does. */
export async function whyNoHosts(): Promise<string | null> {
  if (Deno.uid() !== 0) return "only root may make network namespaces";
  if (!exists("/proc/net/if_inet6")) return "this machine has no IPv6";
  if (!exists("/dev/net/tun")) return "this machine has no /dev/net/tun";
  for (
    const [program, flag, from] of [
      ["ip", "-V", "iproute2"],
      ["unshare", "-V", "util-linux"],
      ["nsenter", "-V", "util-linux"],
      ["setpriv", "-V", "util-linux"],
      ["mount", "-V", "mount"],
    ] as const
  ) {
    try {
      await call(program, flag);
    } catch (error) {
      return `${program} is missing (apt install ${from}): ${error}`;
    }
  }
  try {
    await using _lan = await Lan.make(1);
  } catch (error) {
    return `a host with a network device cannot be made: ${error}`;
  }
  return null;
}

function exists(path: string): boolean {
  try {
    return Boolean(Deno.statSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function call(command: string, ...args: readonly string[]): Promise<void> {
  await using process = new Process(command, args);
  const { code } = await process.ended();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${process.output}`);
}
