/**
 * `aphlict reload`.
 *
 * @module
 */

import { readState, type State } from "../supervisor/state.ts";
import { holderOf } from "../supervisor/pidfile.ts";
import { type Command, CONFIG_OPTION, EXIT } from "./command.ts";
import { complain, print } from "./output.ts";
import { findRunning } from "./running.ts";

/** How long a reload may take, in ms: a check, a stop with the longest drain, a start. */
const LIMIT_MS = 360_000;

/** How often to look whether it is done, in ms. */
const INTERVAL_MS = 50;

/** Has the running Aphlict read its configuration again. */
export const reload: Command = {
  verb: "reload",
  synopsis: "Read configuration, certificates and logs again, without ending connections.",
  details:
    "The contents of certificates, log files, levels, formats and the drain change in place. A change that needs other " +
    "permissions (an address, a peer, a file) restarts the service, and that is said. A configuration " +
    "that cannot be used changes nothing: its problems are printed and logged, and the exit code is 1. " +
    "SIGHUP to the overseer does the same.",
  options: [CONFIG_OPTION],
  async run(invocation) {
    const running = findRunning(invocation);
    if (running === null) {
      complain("Aphlict is not running.");
      return EXIT.failed;
    }
    const { pid, pidfile } = running;
    const before = readState(pidfile)?.reloads ?? 0;
    Deno.kill(pid, "SIGHUP");
    const state = await reloaded(pidfile, before);
    if (!state?.lastReload) {
      complain(`The overseer (${pid}) did not answer. Its log may say why.`);
      return EXIT.failed;
    }
    const { ok, lines } = state.lastReload;
    if (ok) print(["Reloaded.", ...lines].join("\n"));
    else complain(["Reload failed:", ...lines].join("\n"));
    return ok ? EXIT.done : EXIT.failed;
  },
};

/** The state after the next reload; `null` when there is none. */
async function reloaded(pidfile: string, before: number): Promise<State | null> {
  const limit = performance.now() + LIMIT_MS;
  while (performance.now() < limit && holderOf(pidfile) !== null) {
    const state = readState(pidfile);
    if (state !== null && state.reloads > before) return state;
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
  return null;
}
