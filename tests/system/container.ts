/**
 * The image, and containers of it, with podman and buildah in a folder of their own: neither the
 * images nor the containers of this machine are seen or touched.
 *
 * @module
 */

import { loadConfig } from "../../src/config/load.ts";
import { serviceFlags } from "../../src/config/permissions.ts";
import { denoArguments, SYSTEM_CONFIG } from "../../src/config/program.ts";
import { Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { until } from "../acceptance/until.ts";
import { Folder } from "../folder.ts";
import { bases, buildArguments, type Option, runOptions } from "../packaging/image.ts";
import { example } from "./site.ts";

/** What the image is called. */
export const IMAGE = "localhost/aphlict:test";

/** Processes of the user of a container, more than it has. */
const PROCESSES = 10_000;

/** The suite of Debian that stands in for the image of that version. */
const SUITES: Readonly<Record<string, string>> = { "docker.io/library/debian:13-slim": "trixie" };

/** What the guide calls the container. */
const NAME = runOptions().find(([name]) => name === "name")?.[1] ?? "";

/** Where the image has its programs. */
export const LIBRARY = "/usr/lib/aphlict";

/** What a program has come to. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The place of images and containers. Dispose of it: nothing is left of them. */
export class Engine implements AsyncDisposable {
  readonly #folder = new Folder("aphlict-engine-");
  readonly #environment: Record<string, string>;

  private constructor() {
    const { path } = this.#folder;
    this.#environment = {
      NO_COLOR: "1",
      TMPDIR: path,
      CONTAINERS_CONF: this.#folder.write(
        "containers.conf",
        `[containers]
        log_driver = "k8s-file"
        [engine]
        cgroup_manager = "cgroupfs"
        events_logger = "file"
        lock_type = "file"
        runtime = "runc"
        tmp_dir = "${path}/tmp"
        volume_path = "${path}/volumes"
        [network]
        network_config_dir = "${path}/networks"`,
      ),
      CONTAINERS_STORAGE_CONF: this.#folder.write(
        "storage.conf",
        `[storage]
        driver = "overlay"
        graphroot = "${path}/storage"
        runroot = "${path}/run"`,
      ),
    };
  }

  /** Makes it, with what stands in for the images that the Dockerfile is made from. */
  static async make(): Promise<Engine> {
    await using stack = new AsyncDisposableStack();
    const engine = stack.use(new Engine());
    for (const base of bases()) await engine.#standIn(base);
    stack.move();
    return engine;
  }

  /** Builds the image as the Dockerfile says. */
  async build(): Promise<void> {
    // The registry may be vouched for by an authority that this machine alone knows. So what the build
    // takes from it is in this machine's cache, which is lent to the build, and not changed by it.
    const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
    const [bundler = ""] = tasks.bundle.command.split(" && ");
    await this.call("sh", "-c", `cd '${ROOT}' && ${bundler.replace("deno", Deno.execPath())}`);
    const { denoDir } = JSON.parse((await this.call(Deno.execPath(), "info", "--json")).stdout);
    const told = buildArguments().replaceAll("/opt/aphlict", `'${ROOT}'`);
    await this.call(
      ...["sh", "-c", `exec buildah build ${told} "$@"`, "sh"] as const,
      ...["--isolation", "chroot", "--network", "host", "--pull=never", "--format", "docker"],
      ...["--volume", `${denoDir}:/root/.cache/deno:O`, "--tag", IMAGE, ROOT],
    );
  }

  /** Runs a program to its end, which must be a good one. */
  async call(program: string, ...args: readonly string[]): Promise<Outcome> {
    const outcome = await this.try(program, ...args);
    if (outcome.code !== 0) {
      throw new Error(`${program} ${args.join(" ")}: ${outcome.code}\n${outcome.stderr}`);
    }
    return outcome;
  }

  /** Runs a program to its end. */
  async try(program: string, ...args: readonly string[]): Promise<Outcome> {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      env: this.#environment,
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Starts a program. */
  start(program: string, ...args: readonly string[]): Process {
    return new Process(program, args, { env: this.#environment });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.try("podman", "rm", "--force", "--all", "--time", "0");
    await this.try("buildah", "rm", "--all");
    // Left by both until somebody takes it away.
    await this.try("umount", `${this.#folder.path}/storage/overlay`);
    // Who removes through a mount would remove what is behind it.
    const mounts = Deno.readTextFileSync("/proc/self/mounts");
    if (mounts.includes(this.#folder.path)) throw new Error(`Still mounted:\n${mounts}`);
    this.#folder[Symbol.dispose]();
  }

  /** Makes an image under a name that is asked for, as this machine may reach no registry of images. */
  async #standIn(base: string): Promise<void> {
    const archive = `${this.#folder.path}/base.tar`;
    const suite = SUITES[base];
    if (base.includes("/denoland/deno:")) {
      const [, folder = "", name = ""] = /^(.*)\/([^/]+)$/.exec(Deno.execPath()) ?? [];
      const transform = "--transform=s,.*,deno,";
      await this.call("tar", "-C", folder, transform, "-cf", archive, name);
    } else if (suite !== undefined) {
      // As the slim images do.
      const left = ["man", "doc", "locale"].map((each) =>
        `--dpkgopt=path-exclude=/usr/share/${each}/*`
      );
      await this.call("mmdebstrap", "--variant=minbase", ...left, suite, archive);
    } else {
      throw new Error(`Nothing stands in for ${base}`);
    }
    await this.call("podman", "import", "--quiet", archive, base);
    Deno.removeSync(archive);
  }
}

/**
 * A container with the flags of the guide, in a network that nobody else is in. Dispose of it: it is
 * removed.
 */
export class Container implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #folder: Folder;
  /** What it writes, line by line. */
  readonly output: Process;

  private constructor(engine: Engine, folder: Folder, output: Process) {
    this.#engine = engine;
    this.#folder = folder;
    this.output = output;
  }

  /**
   * Runs the image.
   *
   * @param command Of the program; none for what the image runs by itself.
   * @param files What is in the folder of the configuration.
   * @param options Further options of `podman run`.
   */
  static async run(
    engine: Engine,
    command: readonly string[] = [],
    files: Readonly<Record<string, string>> = {
      "aphlict.json": example("docker/aphlict.json", {}),
    },
    options: readonly string[] = [],
  ): Promise<Container> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(mounted(files));
    stack.defer(async () => {
      await engine.try("podman", "rm", "--force", "--time", "0", NAME);
    });
    await engine.call("podman", "run", ...runArguments(folder), ...options, IMAGE, ...command);
    const output = stack.use(engine.start("podman", "logs", "--follow", NAME));
    stack.move();
    return new Container(engine, folder, output);
  }

  /** Runs the image, and waits until the service listens. */
  static async serve(engine: Engine): Promise<Container> {
    const container = await Container.run(engine);
    try {
      await container.output.line(/has fingerprint /);
    } catch (error) {
      await container[Symbol.asyncDispose]();
      throw error;
    }
    return container;
  }

  /** The folder that is mounted in it. */
  get folder(): string {
    return this.#folder.path;
  }

  /** Replaces a file of the mounted folder as an editor does: by a new one under its name. */
  replace(name: string, text: string): void {
    const path = this.#folder.write(`${name}.new`, text);
    Deno.chmodSync(path, 0o644);
    Deno.renameSync(path, `${this.folder}/${name}`);
  }

  /** The process id of its first process, outside of it. */
  async pid(): Promise<number> {
    return Number(await this.inspect("{{.State.Pid}}"));
  }

  /** What podman tells about it. */
  async inspect(format: string): Promise<string> {
    const { stdout } = await this.#engine.call("podman", "inspect", "--format", format, NAME);
    return stdout.trim();
  }

  /** Runs a podman command on it, with what stands behind its name. */
  podman(command: readonly string[], ...args: readonly string[]): Promise<Outcome> {
    return this.#engine.try("podman", ...command, NAME, ...args);
  }

  /** Waits until it has ended; resolves to its exit code. */
  async ended(): Promise<number> {
    // `podman wait` goes on until nothing is left of the process that watches over it, of which this
    // machine's first process may leave a zombie.
    await until(async () => await this.inspect("{{.State.Status}}") === "exited");
    return Number(await this.inspect("{{.State.ExitCode}}"));
  }

  /** Runs a step of `visitor.ts` in its network. */
  async visit(...args: readonly string[]): Promise<Process> {
    return this.#engine.start(
      "nsenter",
      `--net=/proc/${await this.pid()}/ns/net`,
      ...[Deno.execPath(), "run", `--config=${ROOT}deno.json`, "--allow-all"],
      ...[`${ROOT}tests/system/visitor.ts`, ...args],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.podman(["rm", "--force", "--time", "0"]);
    await this.output[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** The flags of the service in a container with the example configuration, which is derived from here. */
export function derivedFlags(): string[] {
  const config = loadConfig(`${ROOT}conf/examples/docker/aphlict.json`);
  return serviceFlags({ ...config, path: SYSTEM_CONFIG });
}

/** Arguments of deno that run a command of the image's bundle. */
export function imageArguments(flags: readonly string[], command: readonly string[]): string[] {
  return denoArguments({ kind: "bundle", path: `${LIBRARY}/aphlict.js` }, flags, command);
}

/** A folder to mount: the user of the container is another one, and may read what is in it. */
function mounted(files: Readonly<Record<string, string>>): Folder {
  const folder = new Folder();
  Deno.chmodSync(folder.path, 0o755);
  for (const [name, text] of Object.entries(files)) Deno.chmodSync(folder.write(name, text), 0o644);
  return folder;
}

/** Arguments of `podman run` that the guide has for `docker run`, with a folder of the test. */
function runArguments(folder: Folder): string[] {
  return [
    ...runOptions().flatMap((option) => adapt(option, folder)),
    // Checks at intervals would need a running systemd, and podman sets a limit that it may not have.
    ...["--health-interval=disable", `--ulimit=nproc=${PROCESSES}`],
  ];
}

/** An option of the guide as a test can have it: other folders, no network, and limits that it may set. */
function adapt([name, value]: Option, folder: Folder): string[] {
  switch (name) {
    case "publish":
      return [];
    case "network":
      return ["--network=none"];
    case "volume":
      return [`--volume=${value.replace(/^[^:]*/, folder.path)}`];
    case "restart":
      // One that has ended stays so, to be looked at.
      return ["--restart=no"];
    case "ulimit": {
      const [what, files] = value.split("=");
      return [`--ulimit=${what}=${Math.min(Number(files), openFiles())}`];
    }
    case "read-only":
      // Docker mounts nothing to write to by itself.
      return ["--read-only", "--read-only-tmpfs=false"];
    default:
      return [value === "" ? `--${name}` : `--${name}=${value}`];
  }
}

/** The files that a process may have open here at most. */
function openFiles(): number {
  const limits = Deno.readTextFileSync("/proc/self/limits");
  return Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1]);
}
