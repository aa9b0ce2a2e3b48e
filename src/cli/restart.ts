/**
 * `aphlict restart`.
 *
 * @module
 */

import { ConfigError } from "../config/error.ts";
import { loadConfig } from "../config/load.ts";
import { readState } from "../supervisor/state.ts";
import {
  AS_ROOT_OPTION,
  type Command,
  CONFIG_OPTION,
  configPath,
  CONTROL_PERMISSIONS,
  EXIT,
  LIMIT_OPTIONS,
} from "./command.ts";
import { judge, portHolder, warn } from "./judgement.ts";
import { printError } from "./output.ts";
import { safeHolder } from "./pidfile_owner.ts";
import { refusesRoot } from "./root.ts";
import { startWith } from "./start.ts";
import { stopRunning } from "./stop.ts";

/** Stops Aphlict and starts it, if it can start. */
export const restart: Command = {
  verb: "restart",
  synopsis: "Stop Aphlict, then start it; what runs is kept if the configuration is no good.",
  details:
    "Checks the configuration first, as `aphlict check` does. If it finds a problem, nothing is " +
    "stopped and the exit code is 1. When nothing runs, it only starts. What systemd or the like has " +
    "started with `aphlict run` is restarted there.",
  options: [CONFIG_OPTION, AS_ROOT_OPTION, ...LIMIT_OPTIONS],
  permissions: CONTROL_PERMISSIONS,
  makesFolders: true,
  async run(invocation) {
    if (refusesRoot(invocation)) return EXIT.failed;
    const { program } = invocation;
    const config = loadConfig(configPath(invocation));
    const holder = safeHolder(config.pidfile);
    if (holder !== null) {
      const { pid } = holder;
      if (readState(config.pidfile)?.ownGroup === false) {
        printError(
          `Aphlict (supervisor ${pid}) runs in the foreground (\`aphlict run\`), under systemd for instance, ` +
            "which would lose it. Restart it there: systemctl restart aphlict. For a changed " +
            "configuration `aphlict reload` is enough.",
        );
        return EXIT.failed;
      }
      const isHeld = await portHolder(config, program);
      const { problems, warnings } = await judge(config, program, { isHeld });
      if (problems.length > 0) {
        printError(
          `${
            new ConfigError(config.path, problems).message
          }\nAphlict (supervisor ${pid}) runs on as ` +
            "it was.",
        );
        return EXIT.failed;
      }
      warn(warnings);
      const code = await stopRunning(config.pidfile, holder);
      if (code !== EXIT.done) return code;
    }
    return await startWith(config, invocation);
  },
};
