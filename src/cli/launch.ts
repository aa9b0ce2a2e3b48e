/**
 * `aphlict launch`: what bin/aphlict asks before it becomes something.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { overseerFlags, serviceFlags, shellQuote } from "../config/permissions.ts";
import { denoArguments } from "../config/program.ts";
import { telemetryVariables } from "../config/telemetry.ts";
import { UsageError } from "./args.ts";
import {
  AS_ROOT_OPTION,
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  type Invocation,
  MEMORY_OPTION,
  OPEN_FILES_OPTION,
} from "./command.ts";
import { scriptOf } from "./compiled.ts";
import { foldersOf } from "./folders.ts";
import { print } from "./output.ts";
import { isRoot, refusesRoot, warnIfRoot } from "./root.ts";

/** Prints the shell code that a verb comes to. */
export const launch: Command = {
  verb: "launch",
  synopsis: "Print the shell code by which bin/aphlict becomes what a verb runs.",
  details: "bin/aphlict evaluates it, with the arguments after the verb as the shell's parameters.",
  options: [CONFIG_OPTION, AS_ROOT_OPTION],
  operands: "VERB",
  internal: true,
  run(invocation) {
    const [verb = ""] = invocation.rest;
    const config = loadConfig(configPath(invocation));
    if (isRoot() && config.user !== null && !invocation.options.has("as-root")) {
      print(becomeUser(config.user, foldersOf(config), verb));
      return EXIT.done;
    }
    switch (verb) {
      case "serve":
      case "debug":
        warnIfRoot();
        print(becomeDeno(config, serviceFlags(config), verb, invocation));
        return EXIT.done;
      case "run":
        if (refusesRoot(invocation)) return EXIT.failed;
        print(becomeDeno(config, overseerFlags(config, Deno.execPath()), verb, invocation));
        return EXIT.done;
      case "start":
      case "restart":
        // They go on where they are.
        return refusesRoot(invocation) ? EXIT.failed : EXIT.done;
      default:
        throw new UsageError(`"${verb}" is nothing to launch.`);
    }
  },
};

/**
 * Makes missing folders, as who runs then may not, and replaces the shell by what it launches, with the
 * shell's parameters.
 */
function becomeDeno(
  config: Config,
  flags: readonly string[],
  verb: string,
  { program, options }: Invocation,
): string {
  const command = shellQuote([Deno.execPath(), ...denoArguments(scriptOf(program), flags, [verb])]);
  // It may read this file alone, so it cannot look for the default again.
  const chosen = options.has(CONFIG_OPTION.name) ? "" : ` --config ${shellQuote([config.path])}`;
  const folders = foldersOf(config);
  // The overseer tells its service.
  const variables = verb === "run" ? [] : telemetryVariables(config);
  const environment = variables.length === 0 ? "" : `env ${shellQuote(variables)} `;
  return `mkdir -p -- ${shellQuote(folders)} && exec ${environment}${command} ` +
    `--${OPEN_FILES_OPTION.name} "$(ulimit -Hn)" --${MEMORY_OPTION.name} "$(memory)" "$@"${chosen}`;
}

/** Replaces the shell by bin/aphlict itself, run by another user, who owns the folders made for it. */
function becomeUser(user: string, folders: readonly string[], verb: string): string {
  const name = shellQuote([user]);
  const fail = (problem: string) => `{ echo ${shellQuote([`aphlict: ${problem}`])} >&2; exit 1; }`;
  const noHelper =
    `setpriv (of util-linux) is missing, which becomes user ${user}. Install it, or ` +
    "start Aphlict as that user.";
  const noUser = `there is no user ${user}, which "user" names. Make it: ` +
    `useradd --system --create-home ${user}`;
  return [
    `command -v setpriv >/dev/null || ${fail(noHelper)}`,
    `group=$(id -g -- ${name} 2>/dev/null) || ${fail(noUser)}`,
    ...folders.map((folder) => {
      const quoted = shellQuote([folder]);
      return `[ -d ${quoted} ] || install -d -m 755 -o ${name} -g "$group" -- ${quoted}`;
    }),
    `HOME=$(getent passwd ${name} | cut -d: -f6) DENO=$deno exec setpriv --reuid=${name} ` +
    `--regid="$group" --init-groups -- "$self" ${verb} "$@"`,
  ].join("\n");
}
