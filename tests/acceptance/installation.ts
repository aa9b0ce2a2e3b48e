/**
 * An installation that every user of the host can run.
 *
 * @module
 */

import { Folder } from "../folder.ts";
import type { BlackHole } from "./black_hole.ts";
import { must, type Outcome, Process } from "./process.ts";
import { PROGRAM, ROOT } from "./program.ts";

/** Runs something to its end. */
export async function execute(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  await using process = new Process(command, args, { env: { DENO: Deno.execPath(), ...env } });
  return await process.outcome();
}

/** A project, a deno and its cache where everybody can read them, as an installation has them. */
export class Installation implements Disposable {
  readonly #folder = new Folder();
  readonly env: Record<string, string>;
  readonly command: string;

  constructor() {
    const { path } = this.#folder;
    if (PROGRAM.kind === "bundle") {
      // It finds the deno beside it.
      must("cp", [PROGRAM.path, Deno.execPath(), path]);
      must("chmod", ["-R", "a+rX", path]);
      this.command = `${path}/aphlict.js`;
      this.env = { DENO: "" };
      return;
    }
    const parts = ["bin", "src", "main.ts", "deno.json", "deno.lock"];
    must("cp", ["-r", ...parts.map((name) => `${ROOT}${name}`), Deno.execPath(), path]);
    Deno.mkdirSync(`${path}/cache`);
    must("cp", ["-r", `${denoDir()}/npm`, `${path}/cache`]);
    this.command = `${path}/bin/aphlict`;
    this.env = { DENO: `${path}/deno`, DENO_DIR: `${path}/cache` };
    // The help, which is made of all commands, leaves the translated modules in the cache, where other users can read them.
    must("env", [...Object.entries(this.env).map((each) => each.join("=")), this.command, "help"]);
    must("chmod", ["-R", "a+rX", path]);
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

/** The cache of the user that runs the tests, who has the dependencies. */
export function denoDir(): string {
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  return JSON.parse(new TextDecoder().decode(info.stdout)).denoDir;
}

/** Makes a cache in a folder as if the dependencies had come from a registry; returns it with that in variables. */
export function fetchedFrom({ url }: BlackHole, folder: string): Record<string, string> {
  const cache = `${folder}/cache`;
  Deno.mkdirSync(`${cache}/npm`, { recursive: true });
  // The cache names the folder of a registry by its host name and port; an address is no name.
  must("cp", ["-r", `${denoDir()}/npm/registry.npmjs.org`, `${cache}/npm/${new URL(url).port}`]);
  return { DENO_DIR: cache, NPM_CONFIG_REGISTRY: url };
}
