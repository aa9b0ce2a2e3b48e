/**
 * `deno task compile`: makes an executable that may do what one configuration needs, and nothing else,
 * whatever it is told.
 *
 * @module
 */

import { isAbsolute, resolve } from "node:path";
import { type OptionSpec, parseOptions } from "../src/cli/args.ts";
import { CONFIG_OPTION } from "../src/cli/command.ts";
import { pathFault } from "../src/config/files.ts";
import { loadConfig } from "../src/config/load.ts";
import type { Config } from "../src/config/config.ts";
import { serviceFlags, servicePermissions, shellQuote } from "../src/config/permissions.ts";
import { ALONE, builtFor, defaultConfigPath } from "../src/config/program.ts";
import { VERSION } from "../src/version.ts";
import { BUNDLE } from "./bundle.ts";
import { BuildError, checksum, say, sha256 } from "./dist.ts";
import { messageOf, quote } from "../src/text.ts";

/** The executable. */
export const EXECUTABLE = "dist/aphlict";

const OPTIONS: readonly OptionSpec[] = [CONFIG_OPTION, {
  name: "installed-as",
  value: "PATH",
  help: "Where the configuration will be on the host that runs it. Default: where it is now.",
}, { name: "dry-run", help: "Print the command line instead of running it." }];

/** The error that there is no denort to compile with. */
export class NoBase extends BuildError {
  override readonly name = "NoBase";
}

/**
 * Returns the arguments of deno that compile a bundle for a configuration.
 *
 * @param config Its path is the one on the host that runs the executable.
 * @throws {BuildError} If it names a file by a relative path.
 */
export function compileArguments(config: Config, bundle: string, executable: string): string[] {
  const { read, write } = servicePermissions(config);
  const relative = [...new Set([...read, ...write])].filter((path) => !isAbsolute(path));
  if (relative.length > 0) {
    throw new BuildError(
      `${config.path} names ${
        relative.join(", ")
      }: a relative path would be another file in each ` +
        "folder that the executable is started from. Name files by absolute paths.",
    );
  }
  return [
    "compile",
    ...["--quiet", "--no-check", ...ALONE],
    // Deno would keep the cache in /tmp under a name that anybody can guess, and write to.
    "--no-code-cache",
    ...serviceFlags(config),
    ...["--output", executable, bundle],
    // It comes before the arguments that the executable is given.
    builtFor(config.path),
  ];
}

/**
 * Compiles the bundle for a configuration.
 *
 * @throws {NoBase} If there is no denort.
 * @throws {BuildError} If something else fails.
 */
export function compile(config: Config): void {
  const args = compileArguments(config, BUNDLE, EXECUTABLE);
  for (const former of [EXECUTABLE, `${EXECUTABLE}.sha256`]) remove(former);
  const base = Deno.env.get("DENORT_BIN") || undefined;
  run(args, base);
  prove(config.path, base);
  const content = Deno.readFileSync(EXECUTABLE);
  checksum(EXECUTABLE, content);
  say(`${EXECUTABLE}  for ${config.path}, sha256 ${sha256(content)}`);
}

/** Returns a configuration under the path that it has on the host that runs the executable. */
export function configFor(path: string, installedAs: string): Config {
  const fault = pathFault(installedAs);
  if (fault !== null) {
    throw new BuildError(`${quote(installedAs)} is not a path. ${fault}`.trimEnd());
  }
  if (!isAbsolute(installedAs)) {
    throw new BuildError(`${quote(installedAs)} is no absolute path, which --installed-as takes.`);
  }
  return { ...loadConfig(path), path: installedAs };
}

function main(): void {
  const { values } = parseOptions(Deno.args, OPTIONS);
  const source = { kind: "source", path: "main.ts" } as const;
  const path = resolve(values.get(CONFIG_OPTION.name) ?? defaultConfigPath(source));
  const config = configFor(path, values.get("installed-as") ?? path);
  if (!values.has("dry-run")) return compile(config);
  const base = Deno.env.get("DENORT_BIN");
  const variable = base === undefined ? "" : `${shellQuote([`DENORT_BIN=${base}`])} `;
  say(variable + shellQuote(["deno", ...compileArguments(config, BUNDLE, EXECUTABLE)]));
}

function run(args: readonly string[], base: string | undefined): void {
  const { success, stderr } = new Deno.Command(Deno.execPath(), { args: [...args] }).outputSync();
  if (success) return;
  const [output = ""] = new TextDecoder().decode(stderr).trim().split("\n\nStack backtrace:");
  if (!/denort|Setting up base binary|Invalid object/.test(output)) {
    throw new BuildError(`Cannot compile: ${output}`);
  }
  const why = base === undefined
    ? "this host cannot fetch it from dl.deno.land"
    : `DENORT_BIN names ${base}, which cannot be used`;
  throw new NoBase(
    `Cannot compile: "deno compile" needs denort, the base of what it makes, and ${why}. Fetch ` +
      `https://dl.deno.land/release/v${Deno.version.deno}/denort-${Deno.build.target}.zip where that can be ` +
      `reached, unpack it, and set DENORT_BIN to the path of denort.\n\n${output}`,
  );
}

/**
 * Runs the executable. Deno takes any program for a base, its own full one among them, which then runs
 * what it is told with every permission. Another version behaves differently.
 */
function prove(config: string, base: string | undefined): void {
  const { deno } = Deno.version;
  const told = versionOf(EXECUTABLE);
  if (told.startsWith(`aphlict ${VERSION} (compiled, deno ${deno}, `)) return;
  remove(EXECUTABLE);
  throw new BuildError(
    `What was compiled for ${config} was removed, as it says of itself: ${
      told.split("\n")[0] || "nothing"
    }. ` +
      `${
        base ?? "The base that Deno has fetched"
      } is not the denort of Deno ${deno} for this host. Set ` +
      "DENORT_BIN to that one.",
  );
}

function versionOf(executable: string): string {
  try {
    const command = new Deno.Command(executable, {
      args: ["version"],
      stdin: "null",
      stderr: "null",
    });
    return new TextDecoder().decode(command.outputSync().stdout);
  } catch (error) {
    // The executable may be for another kind of machine.
    return messageOf(error);
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

if (import.meta.main) BuildError.explained(main);
