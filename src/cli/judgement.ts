/**
 * The judgement of a configuration: the problems that would keep the service from starting, or from starting again.
 * `check`, `restart`, a reload and `doctor` ask for it, in a process of the user that runs the service.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import type { Config, LogConfig, ServerConfig } from "../config/config.ts";
import type { Problem } from "../config/error.ts";
import { exists, isLink } from "../config/existence.ts";
import { isBelow } from "../config/files.ts";
import { logFiles, logTarget } from "../config/logs.ts";
import { filesBeside } from "../config/pidfile.ts";
import type { Program } from "../config/program.ts";
import { heldBy } from "../probe/endpoint.ts";
import { foreignContent, PidfileError, PidfileHolder } from "../supervisor/pidfile.ts";
import { readState } from "../supervisor/state.ts";
import { findUnsupervised, listeningIn } from "./service_data.ts";
import { printError } from "./output.ts";
import { foreignerOf, logFaultForRoot, pidfileFault, supervisorSeen } from "./pidfile_owner.ts";
import { sharedLogs } from "./suspicions.ts";
import { type TrialResult, tryAsService } from "./trial.ts";
import { follow, nameOf, strangersOn } from "./trust.ts";
import { judgeUnit, type Unit } from "./unit.ts";

/** The most bytes of a file's name on the file systems of Linux. */
const NAME_LENGTH = 255;

/** The facts that the judgement depends on, besides the configuration. */
export interface Circumstances {
  /** Tells whether the service that is to be started again itself holds the address of a server. */
  isHeld(server: ServerConfig): boolean;
  /** True if no missing folder is made. @default {false} */
  readonly asItIs?: boolean;
  /** The missing folders that root or systemd makes. @default {[]} */
  readonly made?: readonly string[];
  /** The unit of systemd that runs the service; `null`: no unit does. @default {null} */
  readonly unit?: Unit | null;
}

/** Judges a configuration. */
export async function judge(
  config: Config,
  program: Program,
  { isHeld, asItIs = false, made = [], unit = null }: Circumstances,
): Promise<TrialResult> {
  // This comes before a file of the configuration is opened.
  const rootsLog = logFaultForRoot(config);
  if (rootsLog !== null) {
    return { problems: [{ path: "logs", message: rootsLog }], warnings: [] };
  }
  const { problems, warnings } = await tryAsService(config, program, isHeld);
  // A compiled executable has no supervisor, and may look at no folder.
  if (program.kind === "compiled") return { problems, warnings };
  const folder = (path: string) => folderFault(dirname(path), asItIs ? [] : made, asItIs);
  const logs = config.logs.map((log, index) => judgeLog(log, `logs[${index}].path`, folder));
  return {
    problems: [
      ...problems,
      ...logs.flatMap((log) => log.problems),
      ...sharedLogs(config),
      ...judgePidfile(config.pidfile, folder),
      ...unit === null ? [] : judgeUnit(config, unit),
    ],
    warnings: [...warnings, ...logs.flatMap((log) => log.warnings)],
  };
}

/** Prints the warnings of {@linkcode judge}. */
export function warn(warnings: readonly string[]): void {
  for (const warning of warnings) printError(`Warning: ${warning}`);
}

/** Returns a test whether the service that is to be started again itself holds the address of a server, or may. */
export async function portHolder(
  config: Config,
  program: Program,
): Promise<(server: ServerConfig) => boolean> {
  if (program.kind !== "compiled") {
    // The judgement reports the faults of the pidfile.
    if (supervisorSeen(config.pidfile) !== null) {
      const urls = readState(config.pidfile)?.service?.urls;
      // It is unknown then: an address that cannot be bound is reported at the start.
      return urls === undefined ? () => true : heldBy(urls);
    }
  }
  const lonely = await findUnsupervised(config);
  return heldBy(lonely === null ? [] : listeningIn(lonely));
}

/** The function that returns what is wrong with the folder of a file, or `null`. */
type FolderLook = (path: string) => { readonly isMissing: boolean; readonly fault: string | null };

function judgeLog(log: LogConfig, key: string, look: FolderLook): TrialResult {
  const { path } = log;
  const warnings: string[] = [];
  if (logTarget(path) !== "file") return { problems: [], warnings };
  const { isMissing, fault } = look(path);
  if (isMissing) {
    return { problems: fault === null ? [] : [{ path: key, message: fault }], warnings };
  }
  const rotates = logFiles(log).length > 1;
  if (isLink(path) && rotates) {
    warnings.push(`Log ${path} is a link, and is not rotated. Name the file that it leads to.`);
  } else if (rotates && fault !== null) {
    warnings.push(`Log ${path} cannot be rotated. ${fault} Or set "rotate.size" to 0.`);
  }
  const stranger = strangersOn(follow(path)).find(({ who }) => who !== "group");
  if (stranger !== undefined) {
    warnings.push(
      `Log ${path} is not safe there: ${
        nameOf(stranger)
      } can change folder ${stranger.path}. Take that right away ` +
        "(chmod go-w, chown), or name another file.",
    );
  }
  return { problems: [], warnings };
}

function judgePidfile(path: string, look: FolderLook): Problem[] {
  const key = "pidfile";
  const unsafe = pidfileFault(path);
  if (unsafe !== null) return [{ path: key, message: unsafe }];
  const { isMissing, fault } = look(path);
  if (isMissing) return fault === null ? [] : [{ path: key, message: fault }];
  const foreigner = foreignerOf(path);
  if (foreigner !== null) {
    const message =
      `Pidfile ${path} belongs to user ${foreigner}. Name another one, or run the command as that user.`;
    return [{ path: key, message }];
  }
  const wrong = strangerBeside(path) ?? foreignContent(path) ?? uncertainty(path);
  if (wrong !== null) return [{ path: key, message: wrong }];
  return fault === null ? [] : [{ path: key, message: fault }];
}

/** Returns why the holder of a pidfile cannot be found out, in sentences, or `null`. */
function uncertainty(path: string): string | null {
  try {
    using _holder = PidfileHolder.find(path);
    return null;
  } catch (error) {
    if (error instanceof PidfileError) return error.message;
    throw error;
  }
}

/** Returns why the files beside a pidfile cannot be made there, in a sentence, or `null`. */
function strangerBeside(pidfile: string): string | null {
  for (const path of filesBeside(pidfile)) {
    if (basename(path).length > NAME_LENGTH) {
      return `The name of ${path}, which comes with the pidfile, is too long. Choose a shorter one.`;
    }
    const way = follow(path);
    if (way.info === null) continue;
    if (!way.info.isFile) return `${path}, which comes with the pidfile, is no file. Remove it.`;
    const [stranger] = strangersOn(way);
    if (stranger !== undefined) {
      return `${path}, which comes with the pidfile, belongs to ${
        nameOf(stranger)
      }. Remove it, or change "pidfile".`;
    }
  }
  return null;
}

/** Checks a folder by making a file in it, or in the nearest existing one above it, for a moment. */
function folderFault(
  folder: string,
  made: readonly string[],
  asItIs: boolean,
): ReturnType<FolderLook> {
  const isMissing = !exists(folder);
  if (isMissing && isBelow(folder, made)) return { isMissing, fault: null };
  if (isMissing && asItIs) {
    return { isMissing, fault: `Folder ${folder} does not exist. Make it.` };
  }
  let nearest = folder;
  while (!exists(nearest) && dirname(nearest) !== nearest) {
    if (isLink(nearest)) {
      const fault = `${nearest} is a link to a folder that does not exist. Make that folder.`;
      return { isMissing, fault };
    }
    nearest = dirname(nearest);
  }
  try {
    Deno.removeSync(Deno.makeTempFileSync({ dir: nearest, prefix: ".aphlict-check-" }));
    return { isMissing, fault: null };
  } catch (error) {
    const reason = error instanceof Deno.errors.PermissionDenied
      ? "this user may not write there"
      : error instanceof Error
      ? error.message
      : String(error);
    const what = isMissing ? `make folder ${folder}` : `write a file in ${folder}`;
    return {
      isMissing,
      fault: `Cannot ${what}: ${reason}. Change the path, or let this user write ${nearest}.`,
    };
  }
}
