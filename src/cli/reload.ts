/**
 * `aphlict reload`.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import type { ReloadOutcome } from "../supervisor/channel.ts";
import { readState } from "../supervisor/state.ts";
import { holderOf } from "../supervisor/pidfile.ts";
import { type Command, CONFIG_OPTION, CONTROL_PERMISSIONS, EXIT } from "./command.ts";
import { makeFolders } from "./folders.ts";
import { requireOwn, safeHolder } from "./pidfile_owner.ts";
import { print, printError } from "./output.ts";
import {
  explainUnsupervised,
  namedPidfile,
  signalHolder,
  type UnsupervisedHint,
} from "./running.ts";

/** The longest time for a reload, in ms: a check, a stop with the longest drain, a start. */
const LIMIT_MS = 360_000;

/** The longest time without a state to read, in ms; a supervisor that finds its state gone writes it again. */
const STATE_TIMEOUT_MS = 15_000;

/** The interval at which the state is read, in ms. */
const INTERVAL_MS = 50;

const UNSUPERVISED: UnsupervisedHint = {
  verb: "reload",
  signal: "SIGHUP",
  container: "kill --signal HUP NAME",
  systemd: "systemctl reload aphlict",
};

/** Makes the running Aphlict read its configuration again. */
export const reload: Command = {
  verb: "reload",
  synopsis: "Read configuration, certificates and logs again, without ending connections.",
  details:
    "The contents of certificates and tokens, limits, lists of origins and addresses, log files, levels, " +
    "formats and the drain change in place. A change that needs other permissions or a larger heap (an " +
    "address, a peer, a file, more connections) restarts the service, and that is said. A configuration " +
    "that cannot be used changes nothing: its problems are printed and logged, and the exit code is 1. " +
    "SIGHUP to the supervisor does the same.",
  options: [CONFIG_OPTION],
  permissions: CONTROL_PERMISSIONS,
  makesFolders: true,
  async run(invocation) {
    const { pidfile, config } = namedPidfile(invocation);
    using holder = safeHolder(pidfile);
    if (holder === null) {
      const lonely = await explainUnsupervised(config, UNSUPERVISED);
      printError(
        lonely !== null
          ? `${lonely} Its log says what was done.`
          : `Aphlict is not running with a supervisor: nothing holds pidfile ${pidfile}. A service without one, such as ` +
            "`aphlict serve` in a container, reloads at SIGHUP: podman kill --signal HUP NAME, or docker kill " +
            "--signal HUP NAME. Its log says what was done.",
      );
      return EXIT.failed;
    }
    // The supervisor may not make the folders itself.
    if (config !== null) makeFolders(config);
    const begun = readState(pidfile)?.reloadBegun ?? null;
    requireOwn(holder, pidfile);
    const { pid } = holder;
    signalHolder(holder, "SIGHUP");
    const outcome = await nextReload(pidfile, pid, begun === null ? null : begun + 1);
    if (outcome === null) {
      printError(
        `The supervisor (${pid}) was asked, but there is no telling how it went: it has ended, or cannot ` +
          `write its state beside pidfile ${pidfile}. Its log may say more.`,
      );
      return EXIT.failed;
    }
    const { ok, lines } = outcome;
    if (ok) print(["Reloaded.", ...lines]);
    else printError(["Reload failed:", ...lines]);
    return ok ? EXIT.done : EXIT.failed;
  },
};

/**
 * Waits for a reload, and returns its outcome; `null` when the state does not tell it.
 *
 * @param number The number of the reload; `null` when it is not known, as there was no state to read. The first state
 * then tells it, as the supervisor writes its state when it begins a reload.
 */
async function nextReload(
  pidfile: string,
  pid: number,
  number: number | null,
): Promise<ReloadOutcome | null> {
  const limit = performance.now() + LIMIT_MS;
  let told = performance.now();
  while (performance.now() < limit && holderOf(pidfile) === pid) {
    const state = readState(pidfile);
    if (state !== null) {
      told = performance.now();
      number ??= Math.max(1, state.reloadBegun);
      if (state.reloadDone >= number) return state.lastReload;
    }
    if (performance.now() - told > STATE_TIMEOUT_MS) return null;
    await pause(INTERVAL_MS);
  }
  return null;
}
