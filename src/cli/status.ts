/**
 * `aphlict status`.
 *
 * @module
 */

import { formatTime, formatValue } from "../log/format.ts";
import { readState, type State } from "../supervisor/state.ts";
import { ask } from "../reach/ask.ts";
import { objectOf } from "../json.ts";
import type { ConsoleData } from "../admin/console.ts";
import { type Config, urlOf } from "../config/config.ts";
import { printable } from "../config/error.ts";
import { loadConfig } from "../config/load.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT, type Invocation } from "./command.ts";
import { askConsole, listeningIn } from "./console.ts";
import { ReachError } from "../reach/dial.ts";
import { formatDuration } from "./figures.ts";
import { complain, print } from "./output.ts";
import { connectable, type Place } from "../reach/place.ts";
import { explainDenial } from "../reach/refusal.ts";
import { firstAnswer, NobodyAnswers } from "./admin.ts";
import { PidfileError } from "../supervisor/pidfile.ts";
import { findRunning, type Running } from "./running.ts";

/** Tells whether Aphlict runs, and how it is. */
export const status: Command = {
  verb: "status",
  synopsis: "Tell whether Aphlict runs, and how it is. Exit code 0 when it runs, 1 when not.",
  details:
    "Processes, uptime, restarts and why, addresses, and through the admin server how many " +
    "browsers are connected and how many messages went through.",
  options: [CONFIG_OPTION, { name: "json", help: "Print one JSON object instead." }],
  async run(invocation) {
    const report = await findReport(invocation);
    const json = invocation.options.has("json");
    if (report === null) {
      if (json) print(JSON.stringify({ running: false }));
      else complain("Aphlict is not running.");
      return EXIT.failed;
    }
    print(json ? JSON.stringify(report, null, 2) : textOf(report));
    return EXIT.done;
  },
};

/** What `--json` prints. */
interface StatusReport {
  readonly running: true;
  /** Process ids; `null` for what does not run, and for what is not known. */
  readonly overseer: number | null;
  readonly service: number | null;
  readonly config: string | null;
  readonly pidfile: string;
  /** In seconds; `null` when it is not known, or the service is down. */
  readonly uptime: { readonly overseer: number | null; readonly service: number | null };
  readonly restarts: number | null;
  readonly lastEnd: { readonly time: string; readonly reason: string } | null;
  readonly lastReload: State["lastReload"];
  /** What the service has last complained of where nobody could see it, such as a full disk. */
  readonly complaint: { readonly time: string; readonly line: string } | null;
  readonly listening: readonly string[];
  /** What the admin server's status page says, or why it says nothing. */
  readonly counters: Counters;
}

type Counters = Readonly<Record<string, unknown>> | { readonly error: string };

/** `null` when nothing runs. */
async function findReport(invocation: Invocation): Promise<StatusReport | null> {
  if (invocation.program.kind === "compiled") {
    return await reportAlone(loadConfig(configPath(invocation)));
  }
  let running: Running;
  try {
    running = findRunning(invocation);
  } catch (error) {
    if (!(error instanceof PidfileError)) throw error;
    // Its folder may be closed to this user. The admin server tells everybody.
    const report = await reportAlone(loadConfig(configPath(invocation)));
    if (report === null) throw error;
    return report;
  }
  const { pid, pidfile, config } = running;
  if (pid === null) return config && await reportAlone(config);
  const state = readState(pidfile);
  return reportOf(pid, pidfile, state, await askAdmin(pidfile, state?.service?.urls ?? []));
}

/** Of a service whose overseer is not known; `null` when none answers. */
async function reportAlone(config: Config): Promise<StatusReport | null> {
  let told: ConsoleData;
  try {
    told = await askConsole(config);
  } catch (error) {
    if (error instanceof NobodyAnswers) return null;
    throw error;
  }
  const listening = listeningIn(told);
  return {
    running: true,
    overseer: null,
    service: null,
    config: config.path,
    pidfile: config.pidfile,
    uptime: { overseer: null, service: Math.round(told.now.uptimeMs / 1000) },
    restarts: null,
    lastEnd: null,
    lastReload: null,
    complaint: null,
    listening,
    // Where the configuration says, and not where a service says that has been taken over.
    counters: await askAdmin(config.pidfile, config.servers.map(urlOf)),
  };
}

function reportOf(
  pid: number,
  pidfile: string,
  state: State | null,
  counters: Counters,
): StatusReport {
  const service = state?.service ?? null;
  const lastEnd = state?.lastEnd ?? null;
  const complaint = state?.complaint ?? null;
  return {
    running: true,
    overseer: pid,
    service: service?.pid ?? null,
    config: state?.config ?? null,
    pidfile,
    uptime: { overseer: secondsSince(state?.since), service: secondsSince(service?.since) },
    restarts: state?.restarts ?? null,
    lastEnd: lastEnd && { time: formatTime(new Date(lastEnd.at)), reason: lastEnd.reason },
    lastReload: state?.lastReload ?? null,
    complaint: complaint && { time: formatTime(new Date(complaint.at)), line: complaint.line },
    listening: service?.urls ?? [],
    counters,
  };
}

function textOf(report: StatusReport): string {
  const { overseer, service, config, pidfile, uptime, restarts, lastEnd, listening } = report;
  if (config === null) {
    return `Aphlict (${overseer}) is running. What its service does is not known, as the state beside ` +
      `pidfile ${pidfile} cannot be read.`;
  }
  const lines = overseer === null
    ? [
      "Aphlict is running. There is no overseer, or it is not to be seen.",
      `service     up ${formatDuration(uptime.service)}`,
    ]
    : [
      `Aphlict (${overseer}) is running${service === null ? whyDown(lastEnd !== null) : "."}`,
      `overseer    ${overseer}, up ${formatDuration(uptime.overseer)}`,
      `service     ${
        service === null ? "none" : `${service}, up ${formatDuration(uptime.service)}`
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
  if (overseer !== null) lines.push(`pidfile     ${pidfile}`);
  for (const url of listening) lines.push(`listening   ${url}`);
  const { counters } = report;
  if ("error" in counters) lines.push(`counters    unknown: ${counters.error}`);
  else {
    lines.push(
      `browsers    ${counters["clients.active"]} connected, ${counters["clients.total"]} in all`,
      `messages    ${counters["messages.in"]} in, ${counters["messages.out"]} out`,
      ...peerLines(counters["cluster"]),
    );
  }
  // What a service tells may be anything.
  return lines.map(printable).join("\n");
}

/** A line a peer, and a second one about what went wrong. */
function peerLines(cluster: unknown): string[] {
  if (!Array.isArray(cluster)) return [];
  return cluster.flatMap((entry: Readonly<Record<string, unknown>>) => {
    const { state, fingerprint, queued, sent, failed, dropped } = entry;
    const line = `peer        ${entry["peer"]} ${state}`;
    if (state === "self") return [line];
    const ago = (key: string) => {
      const ms = entry[key];
      return typeof ms === "number" ? `${formatDuration(Math.round(ms / 1000))} ago` : "never";
    };
    return [
      `${line}${
        fingerprint === null ? "" : ` (${fingerprint})`
      }: ${queued} waiting, ${sent} sent, ` +
      `${dropped} dropped, ${failed} failures, last contact ${ago("last.contact")}`,
      // What a peer has sent may be in it.
      ...entry["proof"] !== "contradicted" ? [] : [
        "            its fingerprint is another server's: aphlict doctor",
      ],
      ...entry["last.error"] === null ? [] : [
        `            last failure ${ago("last.failure")}: it ${formatValue(entry["last.error"])}`,
      ],
    ];
  });
}

function whyDown(hasEnded: boolean): string {
  return hasEnded
    ? ", but its service is down and will be started again."
    : ", and its service is being started.";
}

function secondsSince(time: number | undefined): number | null {
  return time === undefined ? null : Math.max(0, Math.round((Date.now() - time) / 1000));
}

/** The status page of the first admin server that shows it. */
async function askAdmin(pidfile: string, urls: readonly string[]): Promise<Counters> {
  const places = urls.flatMap((each) => {
    const url = each.startsWith("http") ? URL.parse("status/", each) : null;
    // Whatever the certificate: it is for the name that others use, and nothing secret is told.
    return url === null ? [] : [{ url: connectable(url), trust: { by: "nobody" } } as const];
  });
  if (places.length === 0) return { error: "no admin server listens." };
  try {
    return await firstAnswer(pidfile, places, countersAt);
  } catch (error) {
    if (!(error instanceof NobodyAnswers)) throw error;
    return { error: `${error.message} ${error.hint}`.trimEnd() };
  }
}

async function countersAt(place: Place): Promise<Counters> {
  const answer = await ask(place);
  if (answer.status !== 200) throw explainDenial(answer);
  const counters = objectOf(answer.text);
  if (counters === null) throw new ReachError("answer", "does not answer as Aphlict does");
  return counters;
}
