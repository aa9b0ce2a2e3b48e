/**
 * A user of a clone who has npm and no deno.
 *
 * @module
 */

import { Folder } from "../folder.ts";
import { asHostile } from "./hostile.ts";
import { Installation } from "./installation.ts";
import { must, Process } from "./process.ts";

/** Writes npm's package `deno` in a version that suits, whose program is a shell script. */
export function writePackage(folder: string, script: string): void {
  const manifest = { name: "deno", version: "2.9.6", bin: { deno: "deno.sh" } };
  Deno.writeTextFileSync(`${folder}/package.json`, JSON.stringify(manifest));
  Deno.writeTextFileSync(`${folder}/deno.sh`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** A user of a clone who has npm and no deno, in a folder that somebody else has filled. */
export class Newcomer implements Disposable {
  readonly #folder = new Folder();
  readonly #installation = new Installation();
  /** Their folders in the cache. */
  readonly #registries = new Set<string>();
  /** The deno of the installation, which is not on the PATH. */
  readonly deno: string = this.#installation.env["DENO"] ?? "";
  readonly folder: string = `${this.#folder.path}/hostile`;
  readonly isRoot: boolean;

  constructor(isRoot: boolean) {
    this.isRoot = isRoot;
    const { path } = this.#folder;
    Deno.mkdirSync(`${path}/bin`);
    for (
      const name of "sh env readlink dirname id cat head stat npx node mkdir chmod".split(" ")
    ) {
      const { stdout } = new Deno.Command("sh", { args: ["-c", `command -v ${name}`] })
        .outputSync();
      Deno.symlinkSync(new TextDecoder().decode(stdout).trim(), `${path}/bin/${name}`);
    }
    const modules = `${this.folder}/node_modules`;
    for (const folder of [`${modules}/deno`, `${modules}/.bin`, `${path}/home`]) {
      Deno.mkdirSync(folder, { recursive: true });
    }
    const mark = `echo HOSTILE >>${path}/home/mark; echo /bin/false`;
    writePackage(`${modules}/deno`, mark);
    Deno.symlinkSync("../deno/deno.sh", `${modules}/.bin/deno`);
    Deno.writeTextFileSync(`${this.folder}/package.json`, '{"dependencies":{"deno":"2.9.6"}}');
    Deno.writeTextFileSync(`${this.folder}/.npmrc`, "registry=http://127.0.0.1:9/\noffline=true\n");
    Deno.chmodSync(path, 0o755);
    if (!isRoot) must("chmod", ["-R", "a+rwX", `${path}/home`, this.folder]);
  }

  /** Runs bin/aphlict there, in a process group of its own. */
  run(registry: string, ...args: readonly string[]): Process {
    const { path } = this.#folder;
    const become = this.isRoot || Deno.uid() !== 0 ? [] : ["setpriv", ...asHostile()];
    // As if the dependencies had come from there.
    const cache = this.#installation.env["DENO_DIR"] ?? "";
    const folder = `${cache}/npm/${new URL(registry).port}`;
    if (!this.#registries.has(folder)) Deno.symlinkSync("registry.npmjs.org", folder);
    this.#registries.add(folder);
    const environment = {
      PATH: `${path}/bin`,
      HOME: `${path}/home`,
      NPM_CONFIG_REGISTRY: registry,
      DENO_DIR: cache,
    };
    const pairs = Object.entries(environment).map((pair) => pair.join("="));
    const { command } = this.#installation;
    const [program = "", ...rest] = ["setsid", ...become, "env", "-i", ...pairs, command, ...args];
    return new Process(program, rest, { cwd: this.folder });
  }

  /** Whether something of the folder was run. */
  get wasTricked(): boolean {
    return [...Deno.readDirSync(`${this.#folder.path}/home`)].some(({ name }) => name === "mark");
  }

  [Symbol.dispose](): void {
    this.#installation[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}
