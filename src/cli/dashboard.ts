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
import { bytes, formatDuration, number, some } from "./figures.ts";

/** Columns of the names before the figures. */
const LABEL_WIDTH = 12;

/** Room on the screen. */
export interface Room {
  /** Columns; what is longer is cut. */
  readonly width: number;
  /** Lines; the last messages take what is left of them. */
  readonly height: number;
}

/** The whole screen. Nothing in it can steer a terminal. */
export function dashboard(data: ConsoleData, { width, height }: Room): string[] {
  const { now, messages } = data;
  const lines = [
    ...headOf(now),
    "",
    ...trafficOf(data),
    ...processOf(now),
    "",
    ...now.servers.flatMap(serverLines),
    ...now.peers.map(peerLine),
    "",
    `last messages${messages.length === 0 ? "   none yet" : ""}`,
    ...messages.map(messageLine),
  ];
  return lines.slice(0, Math.max(1, height)).map((line) => fit(line, width));
}

function headOf({ version, fingerprint, at, uptimeMs, restarts, ready }: Snapshot): string[] {
  const up = formatDuration(Math.round(uptimeMs / 1000));
  const state = ready ? "ready" : "NOT READY";
  return [
    `Aphlict ${formatValue(version)} ${formatValue(fingerprint)} at ${
      timeOf(at)
    }: ${state}, up ${up}` +
    (restarts === null ? "" : `, ${some(restarts, "restart")}`),
  ];
}

function trafficOf({ now, samples }: ConsoleData): string[] {
  const clients = now.servers.filter((server) => server.type === "client");
  const sum = (of: (server: typeof clients[number]) => number) =>
    clients.reduce((total, server) => total + of(server), 0);
  const last = samples.at(-1);
  const rate = (value: number | undefined) => value === undefined ? "-" : `${number(value, 1)}/s`;
  const latency = (ms: number | null | undefined) =>
    typeof ms !== "number" ? "-" : ms < LATENCY_MAX_MS ? `<= ${number(ms, 2)} ms` : "> 1,000 ms";
  return [
    row("browsers", [
      `${number(sum(({ connections }) => connections))} of ` +
      number(sum(({ connectionLimit }) => connectionLimit)),
      some(now.hub.subscriptions, "subscription"),
      some(now.hub.instances, "instance"),
    ]),
    row("messages", [
      `${rate(last?.messagesIn)} in`,
      `${rate(last?.messagesOut)} out`,
      `${number(now.hub.messages)} in and ${number(now.hub.deliveries)} out in all`,
    ]),
    row("latency", [
      `p50 ${latency(last?.latency50Ms)}`,
      `p99 ${latency(last?.latency99Ms)}`,
      `backlog ${bytes(sum(({ backlogBytes }) => backlogBytes))}`,
    ]),
    row("history", [
      some(now.hub.historyMessages, "message"),
      bytes(now.hub.historyBytes),
    ]),
  ];
}

function processOf({ memory, process, log, internalErrors }: Snapshot): string[] {
  const { heapBytes, heapLimitBytes, externalBytes, residentBytes, lagMs, openFiles } = process;
  const accounts = Object.entries(memory.accounts);
  const held = accounts.reduce((sum, [, account]) => sum + account.bytes, 0);
  const short = accounts.filter(([, { refused, evicted }]) => refused + evicted > 0);
  return [
    row("memory", [
      `${bytes(held)} of ${bytes(memory.limit)} held for browsers and Phorge`,
      ...short.map(([name, { refused, evicted }]) =>
        `${name}: ${number(refused)} refused, ${number(evicted)} ended`
      ),
    ]),
    row("process", [
      `heap ${bytes(heapBytes)} of ${bytes(heapLimitBytes)}`,
      `external ${bytes(externalBytes)}`,
      `resident ${bytes(residentBytes)}`,
      `lag ${number(lagMs)} ms`,
      ...openFiles === null ? [] : [`${some(openFiles, "file")} at most`],
    ]),
    ...internalErrors === 0 ? [] : [
      row("defects", [`${some(internalErrors, "internal error")}: see the log, and report it`]),
    ],
    ...log.leftOut + log.lost === 0 ? [] : [
      row("log", [`${some(log.leftOut, "line")} left out`, `${number(log.lost)} lost`]),
    ],
  ];
}

function serverLines(server: ServerSnapshot): string[] {
  const load = server.type === "client"
    ? `${number(server.connections)} of ${number(server.connectionLimit)} browsers`
    : `${number(server.requests)} of ${number(server.requestLimit)} messages at a time`;
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
function countRow(name: string, counts: Counts): string[] {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.length === 0
    ? []
    : [row("", [`${name}: ${
      some.map(([kind, count]) => `${number(count)} ${formatValue(kind)}`).join(", ")
    }`])];
}

function peerLine(peer: PeerStatus): string {
  const { state, queued, sent, dropped } = peer;
  const url = formatValue(peer.peer);
  if (state === "self") return row("peer", [`${url} self`]);
  const error = peer["last.error"];
  return row("peer", [
    `${url} ${state === "down" ? "DOWN" : state}`,
    `${number(queued)} waiting`,
    `${number(sent)} sent`,
    `${number(dropped)} dropped`,
    ...peer.proof === "contradicted" ? ["NOT WHO IT SAYS"] : [],
    ...state === "down" && error !== null ? [`it ${formatValue(error)}`] : [],
  ]);
}

function messageLine(note: MessageNote): string {
  const { at, instance, type, subscribers, receivers, outcome } = note;
  return [
    `  ${timeOf(at)}`,
    formatValue(instance),
    type === "" ? "(no type)" : formatValue(type),
    `${some(subscribers, "topic")}, ${some(receivers, "receiver")}, ${bytes(note.bytes)}` +
    (outcome === "published" ? "" : `, ${outcome}`),
  ].join("  ");
}

function row(name: string, figures: readonly string[]): string {
  return `${name.padEnd(LABEL_WIDTH)}${figures.join(", ")}`;
}

/** The local time of day. */
function timeOf(at: number): string {
  return Number.isFinite(at) ? formatTime(new Date(at)).slice(11, 19) : "?";
}

function dayOf(at: number): string {
  return Number.isFinite(at) ? new Date(at).toISOString().slice(0, 10) : "?";
}

/** A line that takes at most this many columns. */
export function fit(line: string, width: number): string {
  let columns = 0;
  let fitting = "";
  for (const character of line) {
    // Those of the East, and emoji, take two; a few that take one are taken for them.
    columns += (character.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2;
    if (columns > width) return `${[...fitting].slice(0, -1).join("")}…`;
    fitting += character;
  }
  return line;
}
