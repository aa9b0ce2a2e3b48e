/**
 * The screen of `aphlict top`: a snapshot as lines of text. Pure.
 *
 * @module
 */

import { type ConsoleData, LATENCY_MAX_MS, type MessageNote } from "../admin/console.ts";
import type { ServerSnapshot, Snapshot } from "../admin/snapshot.ts";
import { having, type Metrics, type Samples, sumOf } from "../metrics/families.ts";
import type { PeerStatus } from "../metrics/peer_status.ts";
import { formatTime, formatValue } from "../log/format.ts";
import { formatBytes, formatCount, formatDuration, formatNumber } from "../text.ts";

/** The columns of the names before the cells. */
const LABEL_WIDTH = 12;

/** The room on the screen. */
export interface Room {
  /** The number of columns. A longer row goes on in the next line; a longer single cell is cut. */
  readonly width: number;
  /** The number of lines; the last messages take the rest of them. */
  readonly height: number;
}

/** The cells under one name. */
interface Row {
  readonly name: string;
  readonly cells: readonly string[];
}

/** Returns the whole screen. No text in it can steer a terminal. */
export function dashboard(data: ConsoleData, { width, height }: Room): string[] {
  const { now, messages } = data;
  const blocks = [
    [headOf(now)],
    [...trafficOf(data), ...processOf(now)],
    [...now.servers.flatMap((each) => serverRows(each, now.metrics)), ...now.peers.map(peerRow)],
  ];
  const lines = [
    ...blocks.flatMap((rows) => [...rows.flatMap((row) => linesOf(row, width)), ""]),
    `last messages${messages.length === 0 ? "   none yet" : ""}`,
    ...messages.map(messageLine),
  ];
  return lines.slice(0, Math.max(1, height)).map((line) => fit(line, width));
}

/** Returns the lines of a row. A cell without room in a line begins the next; one longer than a line is broken. */
function linesOf({ name, cells }: Row, width: number): string[] {
  // A narrow screen has no room for the gap before the cells.
  const indent = " ".repeat(name === "" || width < 2 * LABEL_WIDTH ? 0 : LABEL_WIDTH);
  const parts = cells.flatMap((cell, index) => {
    const text = index < cells.length - 1 ? `${cell},` : cell;
    return columnsOf(text) <= width - indent.length ? [text] : text.split(" ");
  });
  const lines: string[] = [];
  let line = "";
  for (const part of parts) {
    const longer = line === "" ? `${name.padEnd(indent.length)}${part}` : `${line} ${part}`;
    if (line === "" || columnsOf(longer) <= width) line = longer;
    else {
      lines.push(line);
      line = `${indent}${part}`;
    }
  }
  return [...lines, line];
}

function headOf({ version, fingerprint, at, uptimeMs, metrics }: Snapshot): Row {
  const up = formatDuration(Math.round(uptimeMs / 1000));
  const state = sumOf(metrics.aphlict_ready) > 0 ? "ready" : "NOT READY";
  return row("", [
    `Aphlict ${formatValue(version)} ${formatValue(fingerprint)} at ${timeOf(at)}: ${state}`,
    `up ${up}`,
    ...metrics.aphlict_restarts_total.map(([, restarts]) => formatCount(restarts, "restart")),
  ]);
}

function trafficOf({ now: { metrics }, samples }: ConsoleData): Row[] {
  const last = samples.at(-1);
  const rate = (value: number | undefined) =>
    value === undefined ? "-" : `${formatNumber(value, 1)}/s`;
  const latency = (ms: number | null | undefined) =>
    typeof ms !== "number"
      ? "-"
      : ms < LATENCY_MAX_MS
      ? `<= ${formatNumber(ms, 2)} ms`
      : "> 1,000 ms";
  return [
    row("browsers", [
      load(metrics.aphlict_connections, metrics.aphlict_connections_limit),
      formatCount(sumOf(metrics.aphlict_subscriptions), "subscription"),
      formatCount(sumOf(metrics.aphlict_instances), "instance"),
    ]),
    row("messages", [
      `${rate(last?.messagesIn)} in`,
      `${rate(last?.messagesOut)} out`,
      `${formatNumber(sumOf(metrics.aphlict_messages_total))} in and ` +
      `${formatNumber(sumOf(metrics.aphlict_deliveries_total))} out in all`,
    ]),
    row("latency", [
      `p50 ${latency(last?.latency50Ms)}`,
      `p99 ${latency(last?.latency99Ms)}`,
      `backlog ${bytes(metrics.aphlict_backlog_bytes)}`,
    ]),
    row("history", [
      formatCount(sumOf(metrics.aphlict_history_messages), "message"),
      bytes(metrics.aphlict_history_bytes),
    ]),
  ];
}

function processOf({ metrics }: Snapshot): Row[] {
  const short = metrics.aphlict_memory_refused_total.flatMap(([account, refused]) => {
    const ended = sumOf(metrics.aphlict_memory_evicted_total, account);
    const name = formatValue(account["account"]);
    return refused + ended === 0
      ? []
      : [`${name}: ${formatNumber(refused)} refused, ${formatNumber(ended)} ended`];
  });
  const defects = sumOf(metrics.aphlict_internal_errors_total);
  const leftOut = sumOf(metrics.aphlict_log_left_out_total);
  const lost = sumOf(metrics.aphlict_log_lost_total);
  return [
    row("memory", [
      `${bytes(metrics.aphlict_memory_bytes)} of ${bytes(metrics.aphlict_memory_limit_bytes)} ` +
      "held for browsers and Phorge",
      ...short,
    ]),
    row("process", [
      `heap ${bytes(metrics.aphlict_heap_bytes)} of ${bytes(metrics.aphlict_heap_limit_bytes)}`,
      `external ${bytes(metrics.aphlict_external_bytes)}`,
      `resident ${bytes(metrics.process_resident_memory_bytes)}`,
      `lag ${formatNumber(sumOf(metrics.aphlict_event_loop_lag_seconds) * 1000)} ms`,
      ...metrics.process_max_fds.map(([, files]) => `${formatCount(files, "file")} at most`),
    ]),
    ...defects === 0 ? [] : [
      row("defects", [`${formatCount(defects, "internal error")}: see the log, and report it`]),
    ],
    ...leftOut + lost === 0 ? [] : [
      row("log", [`${formatCount(leftOut, "line")} left out`, `${formatNumber(lost)} lost`]),
    ],
  ];
}

function serverRows({ type, url, certificate }: ServerSnapshot, metrics: Metrics): Row[] {
  const of = (samples: Samples) => having(samples, { server: url });
  const expires = of(metrics.aphlict_certificate_expiry_timestamp_seconds);
  return [
    row(type, [
      formatValue(url),
      type === "client"
        ? `${load(of(metrics.aphlict_connections), of(metrics.aphlict_connections_limit))} browsers`
        : `${
          load(of(metrics.aphlict_requests), of(metrics.aphlict_requests_limit))
        } messages at a time`,
      ...sumOf(of(metrics.aphlict_server_listening)) > 0 ? [] : ["NOT LISTENING"],
      ...certificate === null ? [] : [`certificate until ${dayOf(sumOf(expires) * 1000)}`],
    ]),
    ...reasonRow("refused", of(metrics.aphlict_refused_connections_total)),
    ...reasonRow("refused", of(metrics.aphlict_refused_requests_total)),
    ...reasonRow("ignored", of(metrics.aphlict_ignored_commands_total)),
    ...reasonRow("ended", of(metrics.aphlict_disconnects_total)),
  ];
}

/** Returns a row of the reasons that have occurred; none when none has. */
function reasonRow(name: string, samples: Samples): Row[] {
  const cells = samples.filter(([, count]) => count > 0)
    .map(([{ reason }, count]) => `${formatNumber(count)} ${formatValue(reason)}`);
  return cells.length === 0 ? [] : [row(`  ${name}`, cells)];
}

/** Returns the used part of a limit, as text. */
function load(used: Samples, limit: Samples): string {
  return `${formatNumber(sumOf(used))} of ${formatNumber(sumOf(limit))}`;
}

function bytes(samples: Samples): string {
  return formatBytes(sumOf(samples));
}

function peerRow(peer: PeerStatus): Row {
  const { state, queued, sent, dropped } = peer;
  const url = formatValue(peer.peer);
  if (state === "self") return row("peer", [`${url} self`]);
  const error = peer["last.error"];
  return row("peer", [
    `${url} ${state === "down" ? "DOWN" : formatValue(state)}`,
    `${formatNumber(queued)} waiting`,
    `${formatNumber(sent)} sent`,
    `${formatNumber(dropped)} dropped`,
    ...peer.proof === "contradicted" ? ["NOT WHO IT SAYS"] : [],
    ...state === "down" && error !== null ? [`it ${formatValue(error)}`] : [],
  ]);
}

/** Returns the line of a message. The values that may be long stand last, where the line is cut. */
function messageLine(note: MessageNote): string {
  const { at, instance, type, subscribers, receivers, outcome } = note;
  return [
    `  ${timeOf(at)}`,
    `${formatCount(subscribers, "topic")}, ${formatCount(receivers, "receiver")}, ${
      formatBytes(note.bytes)
    }` +
    (outcome === "published" ? "" : `, ${formatValue(outcome)}`),
    formatValue(instance),
    type === "" ? "(no type)" : formatValue(type),
  ].join("  ");
}

function row(name: string, cells: readonly string[]): Row {
  return { name, cells };
}

/** Returns the local time of day. */
function timeOf(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "?" : formatTime(date).slice(11, 19);
}

function dayOf(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "?" : date.toISOString().slice(0, 10);
}

/** Cuts a line so that it takes at most this many columns. */
export function fit(line: string, width: number): string {
  let columns = 0;
  let fitting = "";
  for (const character of line) {
    columns += columnsOf(character);
    if (columns > width) return `${[...fitting].slice(0, -1).join("")}…`;
    fitting += character;
  }
  return line;
}

/** Counts the columns of a text: East Asian characters and emoji take two; a few that take one are counted as two. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += (character.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2;
  return columns;
}
