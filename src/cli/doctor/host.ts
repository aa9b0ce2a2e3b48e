/**
 * The steps of `aphlict doctor` on this host: the configuration, its files and addresses, the process.
 *
 * @module
 */

import type { ConsoleData } from "../../admin/console.ts";
import { peerWarnings } from "../../config/peers.ts";
import { type Config, type ServerConfig } from "../../config/config.ts";
import { formatAddress } from "../../config/host_name.ts";
import { ConfigError } from "../../config/error.ts";
import { loadConfig } from "../../config/load.ts";
import { connectionLimit, hostMemory, memoryWarning } from "../../config/memory.ts";
import type { Program } from "../../config/program.ts";
import { filesFor, otherFiles } from "../../config/open_files.ts";
import { formatTime, formatValue } from "../../log/format.ts";
import { PidfileError } from "../../supervisor/pidfile.ts";
import { readState, type State } from "../../supervisor/state.ts";
import { VERSION } from "../../version.ts";
import { request } from "../../probe/request.ts";
import { judge } from "../judgement.ts";
import type { HostFacts } from "../unit.ts";
import type { TrialResult as Inspection } from "../trial.ts";
import { NoAnswerError, TIMEOUT_HINT } from "../admin.ts";
import { CompiledError, requireCovered } from "../compiled.ts";
import { listeningIn, requestConsole, runsWith } from "../service_data.ts";
import { RequestError } from "../../http/failure.ts";
import { TIMEOUT_MS } from "../../http/dial.ts";
import type { Findings } from "./findings.ts";
import { supervisorOf } from "../pidfile_owner.ts";
import { suspicions } from "../suspicions.ts";
import { endpointOf, heldBy } from "../../probe/endpoint.ts";
import { isClientPort, isStatusPage } from "../../probe/rejection.ts";
import { formatCount, formatDuration, formatNumber } from "../../text.ts";

/** The time for which an end of the service is mentioned, in ms. */
const RECENT_MS = 3_600_000;

const START_HINT = "aphlict start; under systemd: systemctl start aphlict";

const MUTE = `takes connections, and does not answer within ${TIMEOUT_MS / 1000} s`;

/** The words of {@linkcode judge} for a file that exists, but that this user may not use. */
const DENIED = /may not (be )?(read|write)|permission denied|^Pidfile .* belongs to user/;

/** The state of the service that is known before its servers are tested. */
export interface ServiceState {
  readonly config: Config;
  /** The supervisor's process id; `null` when none runs. */
  readonly supervisor: number | null;
  readonly state: State | null;
  /** The service's data about itself; `null` when it does not answer. */
  readonly told: ConsoleData | null;
  /** The reason why the service cannot be asked; `null` when it can. */
  readonly whyDown: string | null;
  /** True if it runs, but does not answer. */
  readonly hasTimedOut: boolean;
  /** True if it runs as another user than this process. */
  readonly isOfOther: boolean;
}

/**
 * Reads the configuration, and examines all that it names. Returns `null` when further steps have no basis.
 *
 * @param circumstancesOf Returns the circumstances on which the judgement of its files depends.
 */
export async function examineHost(
  findings: Findings,
  path: string,
  program: Program,
  circumstancesOf: (config: Config) => HostFacts,
): Promise<ServiceState | null> {
  const config = examineConfiguration(findings, path, program, circumstancesOf);
  if (config === null) return null;
  let service: ServiceState;
  let inspection: Inspection;
  try {
    service = await lookAt(config, program);
    const held = heldAddresses(service);
    // The addresses of a supervisor that tells nothing are unknown.
    const isUnknown = service.supervisor !== null && !service.state?.service;
    inspection = await judge(config, program, {
      isHeld: (server) => isUnknown || held(server),
      ...circumstancesOf(config),
    });
  } catch (error) {
    if (!(error instanceof PidfileError)) throw error;
    findings.fail(
      "service",
      error.message,
      "If it runs as another user, run this as that user.",
    );
    return null;
  }
  examineFiles(findings, inspection, service);
  await examineAddresses(findings, service, inspection);
  examineService(findings, service);
  return service;
}

function examineConfiguration(
  findings: Findings,
  path: string,
  program: Program,
  circumstancesOf: (config: Config) => HostFacts,
): Config | null {
  const step = "configuration";
  let config: Config;
  try {
    config = loadConfig(path);
    requireCovered(program, config);
  } catch (error) {
    if (error instanceof CompiledError) {
      findings.fail(step, error.message, "");
      return null;
    }
    if (!(error instanceof ConfigError)) throw error;
    for (const { path: key, message } of error.problems) {
      findings.fail(step, `${error.file}: ${key === "" ? "" : `${key}: `}${message}`, "");
    }
    return null;
  }
  const memory = memoryWarning(config, hostMemory(config, circumstancesOf(config).memory));
  const doubts = peerWarnings(config);
  const warnings = [
    ...memory === null ? [] : [`${memory}.`],
    ...doubts.map(({ path, message }) => `${path}: ${message}`),
  ];
  for (const warning of warnings) findings.warn(step, warning, `Correct ${config.path}.`);
  if (warnings.length === 0) findings.ok(step, config.path);
  return config;
}

async function lookAt(config: Config, program: Program): Promise<ServiceState> {
  const console = await consoleOf(config);
  const told = console instanceof NoAnswerError ? null : console;
  const found = program.kind === "compiled" ? null : supervisorOf(config.pidfile);
  // The state of another user's supervisor may be left from one that was killed.
  const isOfOther = found?.isForeign === true;
  const supervisor = isOfOther && told === null ? null : found?.pid ?? null;
  const state = supervisor === null ? null : readState(config.pidfile);
  const hasTimedOut = console instanceof NoAnswerError && console.hasTimedOut;
  const isGone = console instanceof NoAnswerError && console.isGone;
  return {
    config,
    supervisor,
    state,
    told,
    whyDown: hasTimedOut
      ? "The service does not answer."
      // Without the state of a supervisor, only the service itself can tell.
      : (state === null ? told === null && supervisor === null : state.service === null)
      ? "Aphlict does not run."
      : isGone && supervisor !== null
      ? "The service stops or starts."
      : null,
    hasTimedOut,
    isOfOther,
  };
}

/** Returns the service's data about itself, or the error why there are none. */
async function consoleOf(config: Config): Promise<ConsoleData | NoAnswerError> {
  try {
    return await requestConsole(config);
  } catch (error) {
    if (error instanceof NoAnswerError) return error;
    throw error;
  }
}

function examineFiles(
  findings: Findings,
  { problems, warnings }: Inspection,
  { isOfOther, config, told, supervisor }: ServiceState,
): void {
  const all = problems.filter((problem) => serverOf(problem.path) === null);
  // The service runs, so it can use files that only this user may not use.
  const faults = all.filter(({ message }) => !(isOfOther && DENIED.test(message)));
  if (faults.length < all.length) {
    findings.warn(
      "files",
      `Aphlict runs as another user, as pidfile ${config.pidfile} shows, and this one cannot use all of ` +
        "its files.",
      "Run this as the user that runs Aphlict.",
    );
  }
  for (const { path, message } of faults) findings.fail("files", `${path}: ${message}`, "");
  if (all.length > 0) return;
  const suspected = [...warnings, ...suspicions(config, told !== null || supervisor !== null)];
  for (const warning of suspected) findings.warn("files", warning, "");
  if (suspected.length === 0) {
    findings.ok("files", "Keys, certificates, logs and the pidfile can be used.");
  }
}

/** Returns the index of a server whose address is the problem: that is a problem of a whole entry of `servers`. */
function serverOf(path: string): number | null {
  const [, index] = /^servers\[(\d+)\]$/.exec(path) ?? [];
  return index === undefined ? null : Number(index);
}

/** Returns a function that tells whether this Aphlict has the address of a server. */
function heldAddresses({ state, told }: ServiceState): ReturnType<typeof heldBy> {
  // A service without a supervisor has no state.
  return heldBy([...state?.service?.urls ?? [], ...told === null ? [] : listeningIn(told)]);
}

async function examineAddresses(
  findings: Findings,
  service: ServiceState,
  { problems }: Inspection,
): Promise<void> {
  const { config, hasTimedOut } = service;
  const step = "addresses";
  const held = heldAddresses(service);
  let isWell = true;
  for (const { path, message } of problems) {
    const server = config.servers[serverOf(path) ?? -1];
    if (server === undefined) continue;
    isWell = false;
    const isTaken = message.includes("already in use");
    findings.fail(step, message, isTaken ? await whoHas(server, hasTimedOut) : "");
  }
  if (!isWell) return;
  const named = (isHeld: boolean) =>
    config.servers.filter((server) => held(server) === isHeld)
      .map(({ listen, port }) => formatAddress(listen, port)).join(", ");
  const [ours, free] = [named(true), named(false)];
  const parts = [
    ...ours === "" ? [] : [`This Aphlict holds ${ours}.`],
    ...free === "" ? [] : [`Free: ${free}.`],
  ];
  findings.ok(step, parts.join(" "));
}

/**
 * Returns the advice about the program that has the address of a server.
 *
 * @param hasTimedOut True if one server has not answered in time: the others are not waited for.
 */
async function whoHas(server: ServerConfig, hasTimedOut: boolean): Promise<string> {
  const way = `This shows who has it: ss -ltnp 'sport = :${server.port}'`;
  if (hasTimedOut) return way;
  try {
    const path = server.type === "admin" ? "/status/" : "/";
    const answer = await request({ ...endpointOf(server), trust: { by: "nobody" } }, { path });
    return isStatusPage(answer) || isClientPort(answer)
      ? "Another Aphlict has it: the Node.js one (phorge/bin/aphlict stop), or one with another " +
        `pidfile. ${way}`
      : way;
  } catch (error) {
    if (error instanceof RequestError) return way;
    throw error;
  }
}

function examineService(
  findings: Findings,
  { config, supervisor, state, told, whyDown, hasTimedOut }: ServiceState,
): void {
  const step = "service";
  const log = config.logs.length === 0 ? "" : ` The log may say why: ${config.logs[0]?.path}`;
  if (supervisor === null) {
    if (hasTimedOut) {
      return findings.fail(
        step,
        `No supervisor runs, and what has the port ${MUTE}.`,
        TIMEOUT_HINT,
      );
    }
    if (told === null) return findings.fail(step, "Aphlict does not run.", START_HINT);
    const up = formatDuration(Math.round(told.now.uptimeMs / 1000));
    findings.ok(step, `It runs without a supervisor (aphlict serve), up ${up}.`);
  } else if (state === null) {
    findings.warn(
      step,
      `Supervisor ${supervisor} runs, and its state beside pidfile ${config.pidfile} cannot be read.`,
      "Run this as the user that runs Aphlict.",
    );
    if (whyDown !== null) failUnanswered(findings, "The service", hasTimedOut, log);
  } else if (state.service === null) {
    const why = state.lastEnd === null ? "it is being started" : `it ${state.lastEnd.reason}`;
    return findings.fail(
      step,
      `Supervisor ${supervisor} runs, but not its service: ${formatValue(why)}.`,
      `It is started again by itself.${log}`,
    );
  } else {
    const { service: { pid, since }, restarts, lastEnd } = state;
    const up = formatDuration(Math.round((Date.now() - since) / 1000));
    const detail = `Supervisor ${supervisor}, service ${pid}, up ${up}, ${
      formatCount(restarts, "restart")
    }.`;
    if (whyDown !== null) failUnanswered(findings, `${detail} It`, hasTimedOut, log);
    else if (lastEnd !== null && Date.now() - lastEnd.at < RECENT_MS) {
      findings.warn(
        step,
        `${detail} At ${formatTime(new Date(lastEnd.at))} it ${formatValue(lastEnd.reason)}.`,
        log.trim(),
      );
    } else findings.ok(step, detail);
    const { lastReload, complaint } = state;
    if (lastReload?.ok === false) {
      const lines = formatValue(lastReload.lines.join(" "));
      findings.warn(step, `The last reload was refused: ${lines}`, "Correct it: aphlict reload");
    }
    if (complaint !== null) findings.warn(step, formatValue(complaint.line), log.trim());
  }
  if (told !== null && isChanged(config, told)) {
    findings.warn(
      step,
      `It runs with another configuration than ${config.path} has now.`,
      supervisor === null ? "Send it SIGHUP, or start it anew." : "aphlict reload",
    );
  }
}

/** Adds the failure of a service that does not answer, though its supervisor runs. */
function failUnanswered(
  findings: Findings,
  subject: string,
  hasTimedOut: boolean,
  log: string,
): void {
  if (hasTimedOut) return findings.fail("service", `${subject} ${MUTE}.`, TIMEOUT_HINT);
  findings.fail(
    "service",
    `${subject} takes no connections at its admin servers: it stops or starts.`,
    `\`aphlict status\` tells which. Look again in a moment.${log}`,
  );
}

/** Tells whether the service's configuration is not the file's. Another version may read the file differently. */
function isChanged(config: Config, told: ConsoleData): boolean {
  return told.now.version === VERSION && !runsWith(config, told);
}

/** Examines whether the service may have as many files open as the browsers that it accepts need. */
export function examineOpenFiles(findings: Findings, { config, told }: ServiceState): void {
  const step = "open files";
  if (told === null) return findings.skip(step, "The service tells nothing.");
  const [[, openFiles] = []] = told.now.metrics.process_max_fds;
  if (openFiles === undefined) {
    return findings.skip(step, "The service does not know how many files it may have open.");
  }
  const wanted = filesFor(connectionLimit(config), otherFiles(config));
  const browsers = formatCount(connectionLimit(config), "browser");
  const files = formatCount(openFiles, "file");
  const detail = `The service may have ${files} open, and accepts ${browsers}.`;
  if (openFiles >= wanted) findings.ok(step, detail);
  else {
    findings.warn(
      step,
      detail,
      `Raise the hard limit to ${
        formatNumber(wanted)
      } or more (LimitNOFILE= in systemd, --ulimit nofile= of a container, ulimit -Hn), or set ` +
        '"limit.connections" to what there is room for.',
    );
  }
}
