/**
 * `aphlict permissions`.
 *
 * @module
 */

import { loadConfig } from "../config/load.ts";
import { serviceFlags, servicePermissions, shellQuote } from "../config/permissions.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT } from "./command.ts";
import { print, printJson } from "./output.ts";

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
      choices: ["flags", "json"],
      help: "flags (default): one line, quoted for a shell. json: an object with the lists and " +
        "the flags.",
    },
  ],
  // The command follows logs that are symbolic links, as launch does.
  permissions: ["--allow-read"],
  run(invocation) {
    const config = loadConfig(configPath(invocation));
    const flags = serviceFlags(config);
    if (invocation.options.get("format") === "json") {
      printJson({ ...servicePermissions(config), flags });
    } else print([shellQuote(flags)]);
    return EXIT.done;
  },
};
