/**
 * `aphlict status`.
 *
 * @module
 */

import { formatTime, formatValue } from "../log/format.ts";
import { readState, type State } from "../supervisor/state.ts";
import { request } from "../probe/request.ts";
import { isObject, objectOf } from "../json.ts";
import type { ConsoleData } from "../admin/console.ts";
import { type Config, serverUrl } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { type OptionSpec, UsageError } from "./args.ts";
import {
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  type Invocation,
  JSON_OPTION,
  PROBE_PERMISSIONS,
} from "./command.ts";
import { listeningIn, requestConsole } from "./service_data.ts";
import { RequestError } from "../http/failure.ts";
import { print, printError, printFailure, printJson, type Verdict } from "./output.ts";
import { INSTANCE_OPTION, instanceIn } from "./public.ts";
import { connectable, type Endpoint, heldBy, livePagesOf } from "../probe/endpoint.ts";
import { explainRejection } from "../probe/rejection.ts";
import { type AdminEndpoint, firstAnswer, NoAnswerError, publishersOf } from "./admin.ts";
import { PidfileError } from "../supervisor/pidfile.ts";
import { findRunning, type Running } from "./running.ts";
import { formatDuration, formatNumber } from "../text.ts";

/** The option that asks for one topic instead of the whole status. */
const TOPIC_OPTION: OptionSpec = {
  name: "topic",
  value: "TOPIC",
  help:
    "Tell how many browsers are subscribed to this topic, a PHID mostly, at this server, and nothing else.",
};

/** Tells whether Aphlict runs, and its status. */
export const status: Command = {
  verb: "status",
  synopsis: "Tell whether Aphlict runs, and how it is. Exit code 0 when it runs, 1 when not.",
  details:
    "Processes, uptime, restarts and why, addresses, the live page, and through the admin server how many " +
    "browsers are connected and how many messages went through. With --topic it tells how many browsers are " +
    "subscribed to one topic; that needs the token of the admin server, where it has one.",
  options: [CONFIG_OPTION, TOPIC_OPTION, INSTANCE_OPTION, JSON_OPTION],
  permissions: PROBE_PERMISSIONS,
  async run(invocation) {
    const { options } = invocation;
    const isJson = options.has(JSON_OPTION.name);
    const topic = options.get(TOPIC_OPTION.name);
    const instance = instanceIn(options);
    if (topic !== undefined) return await tellTopic(invocation, topic, instance, isJson);
    if (instance !== undefined) throw new UsageError('"--instance" is for --topic.');
    const report = await findReport(invocation);
    if (report === null) {
      if (isJson) printJson({ running: false });
      else printError("Aphlict is not running.");
      return EXIT.failed;
    }
    if (isJson) printJson(report);
    else print(linesOf(report));
    return EXIT.done;
  },
};

/** The number of browsers that are subscribed to a topic. */
interface TopicReport {
  readonly instance: string;
  readonly topic: string;
  readonly subscribers: number;
}

async function tellTopic(
  invocation: Invocation,
  topic: string,
  instance: string | undefined,
  isJson: boolean,
): Promise<number> {
  const config = loadConfig(configPath(invocation));
  let report: TopicReport;
  try {
    report = await firstAnswer(
      config.pidfile,
      publishersOf(config),
      (endpoint) => askTopic(endpoint, topic, instance),
    );
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    const { explanation } = error;
    if (isJson) printFailure(new Error(explanation));
    else printError([explanation]);
    return EXIT.failed;
  }
  const { subscribers } = report;
  if (isJson) printJson(report);
  else {
    const who = subscribers === 0
      ? "No browser is"
      : subscribers === 1
      ? "1 browser is"
      : `${formatNumber(subscribers)} browsers are`;
    print([
      `${who} subscribed to ${formatValue(topic)} here (instance ${formatValue(report.instance)}).`,
    ]);
  }
  return EXIT.done;
}

async function askTopic(
  endpoint: AdminEndpoint,
  topic: string,
  instance: string | undefined,
): Promise<TopicReport> {
  const query = new URLSearchParams({ topic, ...instance === undefined ? {} : { instance } });
  const answer = await request(endpoint, {
    path: `/console/topic/?${query}`,
    // Without TLS the server answers only for addresses and this name.
    headers: { host: "localhost" },
    isAuthorized: true,
  });
  if (answer.status !== 200) throw explainRejection(answer);
  const { instance: told, subscribers } = objectOf(answer.body) ?? {};
  if (typeof told !== "string" || typeof subscribers !== "number") {
    throw new RequestError("answer", "does not answer as Aphlict does");
  }
  return { instance: told, topic, subscribers };
}

/** The object that `--json` prints, under names that programs know. docs/json.md explains the fields. */
interface StatusReport {
  readonly running: true;
  /** The process id of the supervisor, and of the service; `null` when it does not run, or is not known. */
  readonly overseer: number | null;
  readonly service: number | null;
  readonly config: string | null;
  readonly pidfile: string;
  /** The uptime; `null` when it is not known, or the service is down. */
  readonly overseerUptimeMs: number | null;
  readonly serviceUptimeMs: number | null;
  readonly restarts: number | null;
  readonly lastEnd: { readonly time: string; readonly reason: string } | null;
  readonly lastReload: State["lastReload"];
  /** The last line that a service without a console has written to standard error, such as of a full disk. */
  readonly complaint: { readonly time: string; readonly line: string } | null;
  readonly listening: readonly string[];
  readonly livePages: readonly string[];
  /** The problems of the configuration file now. */
  readonly problems: Verdict["problems"];
  /** The values of the admin server's status page, or why there are none. */
  readonly counters: Counters;
}

type Counters = Readonly<Record<string, unknown>> | { readonly error: string };

/** Collects the status; `null` when no Aphlict runs. */
async function findReport(invocation: Invocation): Promise<StatusReport | null> {
  if (invocation.program.kind === "compiled") {
    return await reportAlone(loadConfig(configPath(invocation)));
  }
  let running: Running;
  try {
    running = findRunning(invocation);
  } catch (error) {
    if (!(error instanceof PidfileError)) throw error;
    // This user may not be able to read the pidfile's folder. The admin server answers every user.
    const report = await reportAlone(loadConfig(configPath(invocation)));
    if (report === null) throw error;
    return report;
  }
  const { supervisor, pidfile, config } = running;
  if (supervisor === null) return config && await reportAlone(config);
  const state = readState(pidfile);
  const counters = await askAdmin(pidfile, state?.service?.urls ?? [], config);
  // Another user's state says that a service runs. If none answers, a killed one may have left the state.
  if (supervisor.isForeign && "error" in counters) return config && await reportAlone(config);
  return reportOf(running, supervisor.pid, state, counters);
}

/** Collects the status of a service whose supervisor is not known; `null` when none answers. */
async function reportAlone(config: Config): Promise<StatusReport | null> {
  let told: ConsoleData;
  try {
    told = await requestConsole(config);
  } catch (error) {
    if (error instanceof NoAnswerError) return null;
    throw error;
  }
  const listening = listeningIn(told);
  return {
    running: true,
    overseer: null,
    service: null,
    config: config.path,
    pidfile: config.pidfile,
    overseerUptimeMs: null,
    serviceUptimeMs: told.now.uptimeMs,
    restarts: null,
    lastEnd: null,
    lastReload: null,
    complaint: null,
    listening,
    livePages: livePagesOf(listening),
    problems: [],
    // The endpoints are the configuration's, and not those that a compromised service names.
    counters: await askAdmin(config.pidfile, config.servers.map(serverUrl), config),
  };
}

function reportOf(
  { pidfile, problems }: Running,
  pid: number,
  state: State | null,
  counters: Counters,
): StatusReport {
  const service = state?.service ?? null;
  const lastEnd = state?.lastEnd ?? null;
  const complaint = state?.complaint ?? null;
  const listening = service?.urls ?? [];
  return {
    running: true,
    overseer: pid,
    service: service?.pid ?? null,
    config: state?.config ?? null,
    pidfile,
    overseerUptimeMs: msSince(state?.since),
    serviceUptimeMs: msSince(service?.since),
    restarts: state?.restarts ?? null,
    lastEnd: lastEnd && { time: formatTime(new Date(lastEnd.at)), reason: lastEnd.reason },
    lastReload: state?.lastReload ?? null,
    complaint: complaint && { time: formatTime(new Date(complaint.at)), line: complaint.line },
    listening,
    livePages: livePagesOf(listening),
    problems: problems.map(({ path, message }) => ({ key: path, message })),
    counters,
  };
}

function linesOf(report: StatusReport): string[] {
  const { overseer: supervisor, service, config, pidfile, restarts, lastEnd } = report;
  if (config === null) {
    return [
      `Aphlict (${supervisor}) is running. What its service does is not known, as the state beside ` +
      `pidfile ${pidfile} cannot be read.`,
    ];
  }
  const lines = supervisor === null
    ? [
      "Aphlict is running. There is no supervisor, or it is not to be seen.",
      `service     up ${durationOf(report.serviceUptimeMs)}`,
    ]
    : [
      `Aphlict (${supervisor}) is running${service === null ? whyDown(lastEnd !== null) : "."}`,
      `supervisor  ${supervisor}, up ${durationOf(report.overseerUptimeMs)}`,
      `service     ${
        service === null ? "none" : `${service}, up ${durationOf(report.serviceUptimeMs)}`
      }`,
      `restarts    ${restarts}`,
    ];
  if (lastEnd) lines.push(`last end    ${lastEnd.time}: the service ${lastEnd.reason}`);
  if (report.lastReload?.ok === false) {
    lines.push(`last reload refused: ${report.lastReload.lines.join(" ")}`);
  }
  const { complaint } = report;
  if (complaint) lines.push(`complaint   ${complaint.time}: ${complaint.line}`);
  lines.push(`config      ${config}`);
  if (supervisor !== null) lines.push(`pidfile     ${pidfile}`);
  for (const url of report.listening) lines.push(`listening   ${url}`);
  for (const url of report.livePages) lines.push(`live page   ${url}`);
  const { counters } = report;
  if ("error" in counters) lines.push(`counters    unknown: ${counters.error}`);
  else {
    lines.push(
      `browsers    ${counters["clients.active"]} connected, ${counters["clients.total"]} in all`,
      `messages    ${counters["messages.in"]} in, ${counters["messages.out"]} out`,
      ...peerLines(counters["cluster"]),
    );
  }
  return lines;
}

/** Returns a line for each peer, and a second one about its last failure. */
function peerLines(cluster: unknown): string[] {
  if (!Array.isArray(cluster)) return [];
  return cluster.flatMap((entry: Readonly<Record<string, unknown>>) => {
    const { state, fingerprint, queued, sent, failed, dropped } = entry;
    const line = `peer        ${entry["peer"]} ${state}`;
    if (state === "self") return [line];
    const ago = (key: string) => {
      const ms = entry[key];
      return typeof ms === "number" ? `${durationOf(ms)} ago` : "never";
    };
    return [
      `${line}${
        fingerprint === null ? "" : ` (${fingerprint})`
      }: ${queued} waiting, ${sent} sent, ` +
      `${dropped} dropped, ${failed} failures, last contact ${ago("last.contactAgeMs")}`,
      // The error may contain text that a peer has sent.
      ...entry["proof"] !== "contradicted" ? [] : [
        "            its fingerprint is another server's: aphlict doctor",
      ],
      ...entry["last.error"] === null ? [] : [
        `            last failure ${ago("last.failureAgeMs")}: it ${
          formatValue(entry["last.error"])
        }`,
      ],
    ];
  });
}

function whyDown(hasEnded: boolean): string {
  return hasEnded
    ? ", but its service is down and will be started again."
    : ", and its service is being started.";
}

function msSince(time: number | undefined): number | null {
  return time === undefined ? null : Math.max(0, Date.now() - time);
}

function durationOf(ms: number | null): string {
  return formatDuration(ms === null ? null : Math.round(ms / 1000));
}

/**
 * Returns the values of the status page of the first admin server that shows it.
 *
 * @param config The configuration, for the tokens of servers; `null` when it cannot be used.
 */
async function askAdmin(
  pidfile: string,
  urls: readonly string[],
  config: Config | null,
): Promise<Counters> {
  const endpoints = urls.flatMap((each) => {
    const url = each.startsWith("http") ? URL.parse("status/", each) : null;
    // Any certificate will do: it is for the name that others use, and the answer has no secrets.
    if (url === null) return [];
    const isIt = heldBy([each]);
    const server = config?.servers.filter((server) => server.type === "admin").find(isIt);
    return [{
      url: connectable(url),
      trust: { by: "nobody" } as const,
      token: server?.token ?? null,
    }];
  });
  if (endpoints.length === 0) return { error: "no admin server listens." };
  try {
    return await firstAnswer(pidfile, endpoints, countersAt);
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    return { error: error.explanation };
  }
}

/** The values that are taken from the status page, and their new names, with the unit where there is one. */
const COUNTERS: ReadonlyMap<string, string> = new Map([
  ["instance", "instance"],
  ["fingerprint", "fingerprint"],
  ["uptime", "uptimeMs"],
  ["clients.active", "clients.active"],
  ["clients.total", "clients.total"],
  ["messages.in", "messages.in"],
  ["messages.out", "messages.out"],
  ["version", "version"],
  ["history.size", "history.size"],
  ["history.age", "history.ageMs"],
]);

/** The same names for each peer. */
const PEER_COUNTERS: ReadonlyMap<string, string> = new Map([
  ...[
    "peer",
    "state",
    "fingerprint",
    "proof",
    "contradictions",
    "queued",
    "sent",
    "failed",
    "dropped",
    "dropped.full",
    "dropped.old",
    "dropped.refused",
    "last.error",
  ].map((name): [string, string] => [name, name]),
  ["last.failure", "last.failureAgeMs"],
  ["last.contact", "last.contactAgeMs"],
]);

async function countersAt(endpoint: Endpoint): Promise<Counters> {
  const answer = await request(endpoint);
  if (answer.status !== 200) throw explainRejection(answer);
  const page = objectOf(answer.body);
  if (page === null) throw new RequestError("answer", "does not answer as Aphlict does");
  const peers = Array.isArray(page["cluster"]) ? page["cluster"] : [];
  return {
    ...taken(page, COUNTERS),
    cluster: peers.filter(isObject).map((peer) => taken(peer, PEER_COUNTERS)),
  };
}

/** Returns the values under their new names; a missing value is `null`. */
function taken(
  page: Readonly<Record<string, unknown>>,
  names: ReadonlyMap<string, string>,
): Record<string, unknown> {
  return Object.fromEntries([...names].map(([old, name]) => [name, page[old] ?? null]));
}
