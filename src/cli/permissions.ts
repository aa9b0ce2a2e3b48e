/**
 * `aphlict permissions`.
 *
 * @module
 */

import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { serviceFlags, servicePermissions, shellQuote } from "../config/permissions.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT, type Invocation } from "./command.ts";
import { print } from "./output.ts";
import { warnIfRoot } from "./root.ts";

/** Prints the sandbox that a configuration needs. */
export const permissions: Command = {
  verb: "permissions",
  synopsis: "Print the exact Deno flags that the service runs with.",
  details:
    "The flags are derived from the configuration and nothing else: the addresses it binds, " +
    "the peers it reaches, the files it reads, the logs it writes.",
  options: [
    CONFIG_OPTION,
    {
      name: "format",
      value: "FORMAT",
      choices: ["flags", "json", "sh"],
      help: "flags (default): one line, quoted for a shell. json: an object with the lists and " +
        "the flags. sh: a line of shell code that makes the log folders and becomes the service; " +
        "bin/aphlict runs it.",
    },
  ],
  run(invocation) {
    const config = loadConfig(configPath(invocation));
    const flags = serviceFlags(config);
    switch (invocation.options.get("format")) {
      case "json":
        print(JSON.stringify({ ...servicePermissions(config), flags }, null, 2));
        break;
      case "sh":
        warnIfRoot();
        print(launchScript(config, flags, invocation));
        break;
      default:
        print(shellQuote(flags));
    }
    return EXIT.done;
  },
};

/**
 * Shell code that makes missing log folders, as the service may not make them itself, and replaces
 * the shell by the service with the shell's arguments.
 */
function launchScript(
  config: Config,
  flags: readonly string[],
  { root, options }: Invocation,
): string {
  const service = ["run", `--config=${root}/deno.json`, ...flags, `${root}/main.ts`];
  // The service may read this file alone, so it cannot look for the default again.
  const chosen = options.has(CONFIG_OPTION.name) ? "" : ` --config ${shellQuote([config.path])}`;
  const folders = config.logs.map(({ path }) => dirname(path));
  const prepare = folders.length === 0 ? "" : `mkdir -p -- ${shellQuote(folders)} && `;
  return `${prepare}exec ${shellQuote([Deno.execPath(), ...service])} "$@"${chosen}`;
}
