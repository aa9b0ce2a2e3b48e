/**
 * The figures of a service as lines of text: what `aphlict top` shows. Pure.
 *
 * @module
 */

import { type ConsoleData, LATENCY_MAX_MS, type MessageNote } from "../admin/console.ts";
import type { ServerSnapshot, Snapshot } from "../admin/snapshot.ts";
import type { PeerStatus } from "../metrics/peer.ts";
import type { Counts } from "../metrics/servers.ts";
import { formatTime, formatValue } from "../log/format.ts";
import { formatBytes, formatCount, formatDuration, formatNumber } from "../text.ts";

/** Columns of the names before the figures. */
const LABEL_WIDTH = 12;

/** Room on the screen. */
export interface Room {
  /** Columns. A row that is longer goes on in the next line; a single figure that is longer is cut. */
  readonly width: number;
  /** Lines; the last messages take what is left of them. */
  readonly height: number;
}

/** Figures under one name. */
interface Row {
  readonly name: string;
  readonly figures: readonly string[];
}

/** The whole screen. Nothing in it can steer a terminal. */
export function dashboard(data: ConsoleData, { width, height }: Room): string[] {
  const { now, messages } = data;
  const blocks = [
    [headOf(now)],
    [...trafficOf(data), ...processOf(now)],
    [...now.servers.flatMap(serverRows), ...now.peers.map(peerRow)],
  ];
  const lines = [
    ...blocks.flatMap((rows) => [...rows.flatMap((row) => linesOf(row, width)), ""]),
    `last messages${messages.length === 0 ? "   none yet" : ""}`,
    ...messages.map(messageLine),
  ];
  return lines.slice(0, Math.max(1, height)).map((line) => fit(line, width));
}

/** The lines of a row. A figure that has no room in one begins the next; one that is longer than a line goes on in it. */
function linesOf({ name, figures }: Row, width: number): string[] {
  // A narrow screen has no room for the gap before the figures.
  const indent = " ".repeat(name === "" || width < 2 * LABEL_WIDTH ? 0 : LABEL_WIDTH);
  const parts = figures.flatMap((figure, index) => {
    const text = index < figures.length - 1 ? `${figure},` : figure;
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

function headOf({ version, fingerprint, at, uptimeMs, restarts, ready }: Snapshot): Row {
  const up = formatDuration(Math.round(uptimeMs / 1000));
  const state = ready ? "ready" : "NOT READY";
  return row("", [
    `Aphlict ${formatValue(version)} ${formatValue(fingerprint)} at ${timeOf(at)}: ${state}`,
    `up ${up}`,
    ...restarts === null ? [] : [formatCount(restarts, "restart")],
  ]);
}

function trafficOf({ now, samples }: ConsoleData): Row[] {
  const clients = now.servers.filter((server) => server.type === "client");
  const sum = (of: (server: typeof clients[number]) => number) =>
    clients.reduce((total, server) => total + of(server), 0);
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
      `${formatNumber(sum(({ connections }) => connections))} of ` +
      formatNumber(sum(({ connectionLimit }) => connectionLimit)),
      formatCount(now.hub.subscriptions, "subscription"),
      formatCount(now.hub.instances, "instance"),
    ]),
    row("messages", [
      `${rate(last?.messagesIn)} in`,
      `${rate(last?.messagesOut)} out`,
      `${formatNumber(now.hub.messages)} in and ${formatNumber(now.hub.deliveries)} out in all`,
    ]),
    row("latency", [
      `p50 ${latency(last?.latency50Ms)}`,
      `p99 ${latency(last?.latency99Ms)}`,
      `backlog ${formatBytes(sum(({ backlogBytes }) => backlogBytes))}`,
    ]),
    row("history", [
      formatCount(now.hub.historyMessages, "message"),
      formatBytes(now.hub.historyBytes),
    ]),
  ];
}

function processOf({ memory, process, log, internalErrors }: Snapshot): Row[] {
  const { heapBytes, heapLimitBytes, externalBytes, residentBytes, lagMs, openFiles } = process;
  const accounts = Object.entries(memory.accounts);
  const held = accounts.reduce((sum, [, account]) => sum + account.bytes, 0);
  const short = accounts.filter(([, { refused, evicted }]) => refused + evicted > 0);
  return [
    row("memory", [
      `${formatBytes(held)} of ${formatBytes(memory.limit)} held for browsers and Phorge`,
      ...short.map(([name, { refused, evicted }]) =>
        `${name}: ${formatNumber(refused)} refused, ${formatNumber(evicted)} ended`
      ),
    ]),
    row("process", [
      `heap ${formatBytes(heapBytes)} of ${formatBytes(heapLimitBytes)}`,
      `external ${formatBytes(externalBytes)}`,
      `resident ${formatBytes(residentBytes)}`,
      `lag ${formatNumber(lagMs)} ms`,
      ...openFiles === null ? [] : [`${formatCount(openFiles, "file")} at most`],
    ]),
    ...internalErrors === 0 ? [] : [
      row("defects", [
        `${formatCount(internalErrors, "internal error")}: see the log, and report it`,
      ]),
    ],
    ...log.leftOut + log.lost === 0 ? [] : [
      row("log", [
        `${formatCount(log.leftOut, "line")} left out`,
        `${formatNumber(log.lost)} lost`,
      ]),
    ],
  ];
}

function serverRows(server: ServerSnapshot): Row[] {
  const load = server.type === "client"
    ? `${formatNumber(server.connections)} of ${formatNumber(server.connectionLimit)} browsers`
    : `${formatNumber(server.requests)} of ${formatNumber(server.requestLimit)} messages at a time`;
  const { certificate } = server;
  return [
    row(server.type, [
      formatValue(server.url),
      load,
      ...server.listening ? [] : ["NOT LISTENING"],
      ...certificate === null ? [] : [`certificate until ${dayOf(certificate.expires)}`],
    ]),
    ...countRow("refused", server.refused),
    ...server.type === "client"
      ? [...countRow("ignored", server.ignored), ...countRow("ended", server.ended)]
      : [],
  ];
}

/** Only what has happened. */
function countRow(name: string, counts: Counts): Row[] {
  const figures = Object.entries(counts).filter(([, count]) => count > 0)
    .map(([kind, count]) => `${formatNumber(count)} ${formatValue(kind)}`);
  return figures.length === 0 ? [] : [row(`  ${name}`, figures)];
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

/** What may be long stands last, where it is cut. */
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

function row(name: string, figures: readonly string[]): Row {
  return { name, figures };
}

/** The local time of day. */
function timeOf(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "?" : formatTime(date).slice(11, 19);
}

function dayOf(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "?" : date.toISOString().slice(0, 10);
}

/** A line that takes at most this many columns. */
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

/** Columns that a text takes: those of the East, and emoji, take two; a few that take one are taken for them. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += (character.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2;
  return columns;
}
