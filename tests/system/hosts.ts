/**
 * Hosts with a network between them, on one machine: each is a network namespace.
 *
 * The namespaces have no names, so nothing is left of them when the processes in them have ended, and
 * those end when the test does.
 *
 * @module
 */

import { Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/server.ts";
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
    // It lives until its input ends, at the latest with the test's process.
    const host = new Host(
      new Deno.Command("unshare", {
        args: ["--net", "--mount", "sh", "-c", "echo; exec cat"],
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
    return host;
  }

  get pid(): number {
    return this.#holder.pid;
  }

  /** Gives names to addresses, in the lines of `/etc/hosts`. */
  name(lines: string): void {
    Deno.writeTextFileSync(this.#hosts, lines);
  }

  /** Starts a program on it. */
  start(command: string, args: readonly string[]): Process {
    const at = `/proc/${this.pid}/ns`;
    return new Process("nsenter", [`--net=${at}/net`, `--mount=${at}/mnt`, command, ...args]);
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

  /** Connects a device to it, with its addresses. */
  async connect(device: string, number: number): Promise<void> {
    await call("ip", "link", "set", device, "netns", String(this.pid));
    await this.call("mount", "--bind", this.#hosts, "/etc/hosts");
    await this.call("ip", "link", "set", "lo", "up");
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
  readonly #cable: Process;
  readonly #hosts: readonly Host[];

  private constructor(cable: Process, hosts: readonly Host[]) {
    this.#cable = cable;
    this.#hosts = hosts;
  }

  static async make(count: number, { delayMs = 0, loss = 0 }: Cable = {}): Promise<Lan> {
    await using stack = new AsyncDisposableStack();
    // Short, as a device's name has 15 characters at most.
    const devices = Array.from({ length: count }, (_, index) => `aph${Deno.pid}-${index}`);
    const cable = stack.use(
      new Process(Deno.execPath(), [
        "run",
        `--config=${ROOT}deno.json`,
        "--allow-ffi",
        `${ROOT}tests/system/lan.ts`,
        String(delayMs),
        String(loss),
        ...devices,
      ]),
    );
    await cable.line(/^Carrying/);
    const hosts: Host[] = [];
    for (const [index, device] of devices.entries()) {
      const host = stack.use(await Host.make());
      await host.connect(device, index + 1);
      hosts.push(host);
    }
    stack.move();
    return new Lan(cable, hosts);
  }

  /** A host by its number. */
  host(number: number): Host {
    const host = this.#hosts[number - 1];
    if (!host) throw new Error(`There are ${this.#hosts.length} hosts`);
    return host;
  }

  /** Cuts the cable: nothing arrives any more, and nobody is told. */
  async cut(): Promise<string> {
    this.#cable.kill("SIGUSR1");
    return await this.#cable.line(/^Cut/);
  }

  /** Mends the cable. */
  async mend(): Promise<void> {
    this.#cable.kill("SIGUSR2");
    await this.#cable.line(/^Mended/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host[Symbol.asyncDispose]();
    await this.#cable[Symbol.asyncDispose]();
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
    return `a network namespace with a device cannot be made: ${error}`;
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
