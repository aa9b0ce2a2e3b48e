/**
 * `aphlict stop`.
 *
 * @module
 */

import { exists } from "../config/existence.ts";
import { TOP_KEYS } from "../config/keys.ts";
import { readState } from "../supervisor/state.ts";
import { type PidfileHolder, removeStale } from "../supervisor/pidfile.ts";
import { within } from "../within.ts";
import { type Command, CONFIG_OPTION, CONTROL_PERMISSIONS, EXIT } from "./command.ts";
import { pidfileFault, requireOwn, requireSafe, safeHolder } from "./pidfile_owner.ts";
import { print, printError } from "./output.ts";
import {
  explainUnsupervised,
  namedPidfile,
  signal,
  signalHolder,
  type UnsupervisedHint,
} from "./running.ts";

/** The longest time for the supervisor to stop, beyond the drain, in ms: 10 s with the default drain. */
const LIMIT_MS = 8000;

/** The longest time to notice the end of a process that has ended, in ms. */
const SHORT_MS = 500;

/** The longest time for a killed process to end, in ms: it has work in the kernel, at most. */
const KILL_LIMIT_MS = 10_000;

const UNSUPERVISED: UnsupervisedHint = {
  verb: "stop",
  signal: "SIGTERM",
  container: "stop NAME",
  systemd: "systemctl stop aphlict",
};

/** Stops Aphlict. */
export const stop: Command = {
  verb: "stop",
  synopsis: "Stop Aphlict.",
  details:
    "Tells every browser to come back later (code 1001), spread over the drain, and returns " +
    "when nothing runs any more. What has not stopped after 10 s is killed, and that is said. When " +
    "nothing runs, the exit code is 0 as well; when a service runs without a supervisor (`aphlict serve`), it is 1, and " +
    "how that is stopped is said.",
  options: [CONFIG_OPTION],
  permissions: CONTROL_PERMISSIONS,
  async run(invocation) {
    const { pidfile, config } = namedPidfile(invocation);
    const holder = safeHolder(pidfile);
    if (holder === null) {
      const isStale = exists(pidfile);
      const explanation = await explainUnsupervised(config, UNSUPERVISED);
      if (explanation !== null) {
        printError(explanation);
        return EXIT.failed;
      }
      printError("Aphlict is not running.");
      if (isStale) {
        // Others could change its folder while the servers were asked.
        requireSafe(pidfileFault(pidfile));
        await removeStale(pidfile);
      }
      return EXIT.done;
    }
    return await stopRunning(pidfile, holder);
  },
};

/**
 * Stops a supervisor and its service, and returns the exit code.
 *
 * @param holder The holder of the pidfile. It stays open until this process ends, as its wait may outlast the call.
 */
export async function stopRunning(pidfile: string, holder: PidfileHolder): Promise<number> {
  const { drain, ownGroup } = readState(pidfile) ??
    { drain: TOP_KEYS.drain.default, ownGroup: false };
  requireOwn(holder, pidfile);
  const { pid } = holder;
  const end = holder.released();
  print(`Stopping Aphlict (supervisor ${pid})...`);
  const limitMs = drain * 1000 + LIMIT_MS;
  if (await within(signalHolder(holder, "SIGTERM") ? limitMs : SHORT_MS, end)) {
    print("Stopped.");
    return EXIT.done;
  }
  // The group is killed first: a service that is stuck, too, would not notice that its supervisor is gone.
  const targets = ownGroup && pid > 1 ? [-pid, pid] : [pid];
  const isThere = targets.map((target) => signal(target, "SIGKILL")).includes(true);
  if (isThere) printError(`It did not stop within ${limitMs / 1000} s: sent SIGKILL.`);
  else if (!await within(SHORT_MS, end)) {
    printError(
      `There is no process ${pid} here (any more), and somebody has pidfile ${pidfile} locked: another ` +
        `container, or this tells who: fuser ${pidfile}`,
    );
    return EXIT.failed;
  }
  if (await within(KILL_LIMIT_MS, end)) {
    print(ownGroup ? "Killed." : "Killed. Its service, if there is one, ends by itself.");
    return EXIT.done;
  }
  printError(
    `Process ${pid} cannot be killed: it waits for the kernel. Look at its disk and network.`,
  );
  return EXIT.failed;
}
