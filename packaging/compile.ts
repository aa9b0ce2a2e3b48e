/**
 * `deno task compile`: makes an executable that may do what one configuration needs, and nothing else,
 * whatever it is told.
 *
 * @module
 */

import { isAbsolute, resolve } from "node:path";
import { type OptionSpec, parseOptions } from "../src/cli/args.ts";
import { CONFIG_OPTION } from "../src/cli/command.ts";
import { defaultConfigPath, loadConfig } from "../src/config/load.ts";
import type { Config } from "../src/config/config.ts";
import { serviceFlags, servicePermissions, shellQuote } from "../src/config/permissions.ts";
import { telemetryEnvironment } from "../src/config/telemetry.ts";
import { builtFor } from "../src/config/program.ts";
import { VERSION } from "../src/version.ts";
import { BUNDLE } from "./bundle.ts";
import { BuildError, checksum, say, sha256 } from "./dist.ts";

/** The executable. */
export const EXECUTABLE = "dist/aphlict";

const OPTIONS: readonly OptionSpec[] = [CONFIG_OPTION, {
  name: "installed-as",
  value: "PATH",
  help: "Where the configuration will be on the host that runs it. Default: where it is now.",
}, { name: "dry-run", help: "Print the command line instead of running it." }];

/**
 * The arguments of deno that compile a bundle for a configuration.
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
    ...["--quiet", "--no-check", "--no-config", "--no-remote", "--no-npm"],
    ...serviceFlags(config),
    ...["--output", executable, bundle],
    // It comes before whatever the executable is given.
    builtFor(config.path),
  ];
}

function main(): void {
  const { values } = parseOptions(Deno.args, OPTIONS);
  const source = { kind: "source", path: "main.ts" } as const;
  const path = resolve(values.get(CONFIG_OPTION.name) ?? defaultConfigPath(source));
  const config = { ...loadConfig(path), path: values.get("installed-as") ?? path };
  const args = compileArguments(config, BUNDLE, EXECUTABLE);
  const base = Deno.env.get("DENORT_BIN");
  if (values.has("dry-run")) {
    const variable = base === undefined ? "" : `${shellQuote([`DENORT_BIN=${base}`])} `;
    return say(variable + shellQuote(["deno", ...args]));
  }
  run(args, base);
  prove(config.path, base);
  const content = Deno.readFileSync(EXECUTABLE);
  checksum(EXECUTABLE, content);
  say(`${EXECUTABLE}  for ${config.path}, sha256 ${sha256(content)}`);
  const variables = Object.entries(telemetryEnvironment(config)).map((pair) => pair.join("="));
  if (variables.length > 0) {
    say(
      `Its "telemetry" takes these in its environment, which it may not set: ${
        variables.join(" ")
      }`,
    );
  }
}

function run(args: readonly string[], base: string | undefined): void {
  const { success, stderr } = new Deno.Command(Deno.execPath(), { args: [...args] }).outputSync();
  if (success) return;
  const [output = ""] = new TextDecoder().decode(stderr).trim().split("\n\nStack backtrace:");
  const { deno } = Deno.version;
  const { target } = Deno.build;
  const isBaseMissing = /denort|Setting up base binary|Invalid object/.test(output);
  throw new BuildError(
    isBaseMissing
      ? `Cannot compile: "deno compile" needs denort, the base of what it makes, and ${
        base === undefined
          ? "this host cannot fetch it from dl.deno.land"
          : `DENORT_BIN names ${base}, which cannot be used`
      }. Fetch https://dl.deno.land/release/v${deno}/denort-${target}.zip where that can be reached, unpack it, ` +
        `and set DENORT_BIN to the path of denort.\n\n${output}`
      : `Cannot compile: ${output}`,
  );
}

/**
 * Runs what was made. Deno takes any program for a base, its own full one among them, which then runs
 * what it is told with every permission.
 */
function prove(config: string, base: string | undefined): void {
  const { stdout } = new Deno.Command(EXECUTABLE, { args: ["version"], stderr: "null" })
    .outputSync();
  if (new TextDecoder().decode(stdout).startsWith(`aphlict ${VERSION} (compiled, `)) return;
  Deno.removeSync(EXECUTABLE);
  throw new BuildError(
    `What was compiled for ${config} does not run, and was removed: ${
      base ?? "the base that Deno has fetched"
    } is not the denort of Deno ${Deno.version.deno} for this host. Set DENORT_BIN to that one.`,
  );
}

if (import.meta.main) BuildError.explained(main);
