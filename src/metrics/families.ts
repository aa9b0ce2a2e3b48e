/**
 * Every family of metrics, and the shape in which rooms contribute samples of them. The metrics page, the live page
 * and `aphlict top` read the same collection.
 *
 * A new metric is a counter with a line in the `metrics()` function beside it, and a line in {@linkcode FAMILIES}.
 * Every label has few values, whatever comes from outside; docs/monitoring.md lists them all. Pure.
 *
 * @module
 */

import type { Distribution } from "./histogram.ts";

/** Labels that tell the samples of a family apart. */
export type Labels = Readonly<Record<string, string>>;

/** Samples of one family: labels and value of each. */
export type Samples<Value = number> = readonly (readonly [Labels, Value])[];

/** All families by name, in the order of the metrics page. The unit is the end of the name. */
export const FAMILIES = {
  aphlict_build_info: gauge("What runs, as labels; always 1."),
  aphlict_restarts_total: counter("How often the supervisor has started the service again."),
  aphlict_internal_errors_total: counter(
    "Internal errors: defects of Aphlict, each logged with its stack.",
  ),
  aphlict_ready: gauge("1 when all servers are bound and the service is not stopping."),
  aphlict_server_listening: gauge("1 when the server is bound."),
  aphlict_certificate_expiry_timestamp_seconds: gauge(
    "When the certificate in use expires, since the epoch.",
  ),
  aphlict_connections: gauge("WebSockets now."),
  aphlict_connections_limit: gauge("WebSockets that a server holds at most."),
  aphlict_connects_total: counter("WebSockets opened."),
  aphlict_disconnects_total: counter("WebSockets that have ended, by reason."),
  aphlict_refused_connections_total: counter(
    "Connections that did not become WebSockets, by reason.",
  ),
  aphlict_listeners: gauge(
    "Listeners now, by instance; of those that nothing was posted for in one sum.",
  ),
  aphlict_instances: gauge("Instances that have listeners or history."),
  aphlict_subscriptions: gauge("Subscriptions now, one for each listener and topic."),
  aphlict_commands_total: counter("Messages of browsers."),
  aphlict_ignored_commands_total: counter(
    "Messages of browsers that were refused in whole or in part, by reason.",
  ),
  aphlict_messages_total: counter("Valid messages posted, by what became of them."),
  aphlict_deliveries_total: counter("Messages handed to listeners, replays not counted."),
  aphlict_fan_out: histogram("Listeners that got a published message."),
  aphlict_publish_duration_seconds: histogram("From a message's head to its receipt."),
  aphlict_write_duration_seconds: histogram(
    "From the first message queued in a turn of the event loop until all were written.",
  ),
  aphlict_received_bytes_total: counter("Bytes that came in."),
  aphlict_sent_bytes_total: counter("Bytes sent to browsers."),
  aphlict_backlog_bytes: gauge("Bytes that wait for browsers to read."),
  aphlict_requests: gauge("Messages that are being received or answered now."),
  aphlict_requests_limit: gauge("Messages that an admin server receives at a time at most."),
  aphlict_refused_requests_total: counter(
    "Requests of an admin server that were refused, by reason.",
  ),
  aphlict_history_messages: gauge("Messages that are remembered."),
  aphlict_history_bytes: gauge("Memory that they take."),
  aphlict_peer_state: gauge("1 for the state that a peer is in, 0 for the others."),
  aphlict_peer_queued: gauge("Messages that wait for a peer."),
  aphlict_peer_sent_total: counter("Messages that a peer has acknowledged."),
  aphlict_peer_failures_total: counter("Failed connections and requests."),
  aphlict_peer_dropped_total: counter(
    "Messages that this server has given up bringing to a peer, by reason.",
  ),
  aphlict_peer_contradictions_total: counter(
    "Status pages on which a peer has shown a fingerprint that is another server's.",
  ),
  aphlict_log_left_out_total: counter(
    "Log lines left out as there were too many of their kind.",
  ),
  aphlict_log_lost_total: counter("Log lines that could not be written to a file."),
  aphlict_event_loop_lag_seconds: gauge(
    "How late the event loop was at the worst in the last 5 s.",
  ),
  aphlict_memory_granted_bytes: gauge("Memory that the host or the container grants."),
  aphlict_memory_limit_bytes: gauge("Memory that browsers and Phorge can make the service hold."),
  aphlict_memory_bytes: gauge("Memory that they do make it hold, by what for."),
  aphlict_memory_refused_total: counter("What was refused as memory was short, by what for."),
  aphlict_memory_evicted_total: counter(
    "Connections that were ended as they held the most when memory was short, by what of.",
  ),
  aphlict_heap_bytes: gauge("V8 heap in use."),
  aphlict_heap_limit_bytes: gauge("V8 heap at most."),
  aphlict_external_bytes: gauge("Memory that V8 knows of outside of its heap."),
  aphlict_files_connections_limit: gauge("Connections that the open files are enough for."),
  // These names are those of Prometheus' own clients:
  // https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
  process_start_time_seconds: gauge("When the process was started, since the epoch."),
  process_cpu_seconds_total: counter("CPU time that the process has taken."),
  process_resident_memory_bytes: gauge("Resident memory of the process."),
  process_max_fds: gauge("Files that the process may have open."),
};

/** Name of a family. */
export type FamilyName = keyof typeof FAMILIES;

type ValueOf<Name extends FamilyName> = typeof FAMILIES[Name]["type"] extends "histogram"
  ? Distribution
  : number;

/** Samples of all families: a name that is no family does not compile. A family may have none. */
export type Metrics = { readonly [Name in FamilyName]: Samples<ValueOf<Name>> };

/** Returns the samples of all contributions by family. */
export function collect(contributions: readonly Partial<Metrics>[]): Metrics {
  const names = Object.keys(FAMILIES) as FamilyName[];
  // Each family keeps the type of its values.
  return Object.fromEntries(
    names.map((name) => [
      name,
      contributions.flatMap<Samples<unknown>[number]>((each) => each[name] ?? []),
    ]),
  ) as unknown as Metrics;
}

/** Returns a contribution with further labels on each of its samples. */
export function labelled(labels: Labels, contribution: Partial<Metrics>): Partial<Metrics> {
  return Object.fromEntries(
    Object.entries(contribution).map(([name, samples]) => [
      name,
      samples.map(([own, value]) => [{ ...labels, ...own }, value]),
    ]),
  );
}

/** Returns the samples of a family that has one value; none for `null`. */
export function single<Value extends number | Distribution>(value: Value | null): Samples<Value> {
  return value === null ? [] : [[{}, value]];
}

/** Returns those samples that have these labels. */
export function having<Value>(samples: Samples<Value>, labels: Labels): Samples<Value> {
  const wanted = Object.entries(labels);
  return samples.filter(([own]) => wanted.every(([label, text]) => own[label] === text));
}

/** Returns the sum of the samples that have these labels; 0 when there are none. */
export function sumOf(samples: Samples, labels: Labels = {}): number {
  return having(samples, labels).reduce((sum, [, value]) => sum + value, 0);
}

function gauge(help: string) {
  return { type: "gauge", help } as const;
}

function counter(help: string) {
  return { type: "counter", help } as const;
}

function histogram(help: string) {
  return { type: "histogram", help } as const;
}
