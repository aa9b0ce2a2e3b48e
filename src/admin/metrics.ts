/**
 * The metrics page: a snapshot as families of metrics. Every label has few values, whatever comes from
 * outside; docs/monitoring.md lists them all.
 *
 * @module
 */

import { type Family, format, type Labels } from "../metrics/exposition.ts";
import type { Distribution } from "../metrics/histogram.ts";
import { PEER_STATES, type PeerStatus } from "../metrics/peer.ts";
import type { Counts } from "../metrics/servers.ts";
import type {
  AdminServerSnapshot,
  ClientServerSnapshot,
  MemorySnapshot,
  Snapshot,
} from "./snapshot.ts";

type Samples<T> = readonly (readonly [Labels, T])[];

/** Writes a snapshot as Prometheus reads it. */
export function exposition(snapshot: Snapshot): string {
  return format(familiesOf(snapshot));
}

/** Everything that is measured. */
export function familiesOf(snapshot: Snapshot): Family[] {
  const { servers, hub, peers, memory, process, log } = snapshot;
  const clients = servers.filter((each) => each.type === "client");
  const admins = servers.filter((each) => each.type === "admin");
  const listed = hub.named.reduce((sum, { listeners }) => sum + listeners, 0);
  const others = peers.filter(({ state }) => state !== "self");
  return [
    gauge("aphlict_build_info", "What runs, as labels; always 1.", [
      [{ version: snapshot.version, deno: snapshot.deno }, 1],
    ]),
    counter(
      "aphlict_restarts_total",
      "How often the supervisor has started the service again.",
      snapshot.restarts === null ? [] : [[{}, snapshot.restarts]],
    ),
    counter(
      "aphlict_internal_errors_total",
      "Internal errors: defects of Aphlict, each logged with its stack.",
      [[{}, snapshot.internalErrors]],
    ),
    gauge("aphlict_ready", "1 when all servers are bound and the service is not stopping.", [
      [{}, Number(snapshot.ready)],
    ]),
    gauge("aphlict_server_listening", "1 when the server is bound.", [
      ...servers.map((each) => [labelsOf(each), Number(each.listening)] as const),
    ]),
    gauge(
      "aphlict_certificate_expiry_timestamp_seconds",
      "When the certificate in use expires, since the epoch.",
      servers.flatMap((each) =>
        each.certificate === null
          ? []
          : [[labelsOf(each), each.certificate.expires / 1000] as const]
      ),
    ),
    gauge("aphlict_connections", "WebSockets now.", of(clients, (each) => each.connections)),
    gauge(
      "aphlict_connections_limit",
      "WebSockets that a server holds at most.",
      of(clients, (each) => each.connectionLimit),
    ),
    counter("aphlict_connects_total", "WebSockets opened.", of(clients, (each) => each.opened)),
    counter(
      "aphlict_disconnects_total",
      "WebSockets that have ended, by reason.",
      byReason(clients, (each) => each.ended),
    ),
    counter(
      "aphlict_refused_connections_total",
      "Connections that did not become WebSockets, by reason.",
      byReason(clients, (each) => each.refused),
    ),
    gauge(
      "aphlict_listeners",
      "Listeners now, by instance; of those that nothing was posted for in one sum.",
      [
        ...hub.named.map(({ name, listeners }) => [{ phorge_instance: name }, listeners] as const),
        [{ phorge_instance: "" }, hub.listeners - listed],
      ],
    ),
    gauge("aphlict_instances", "Instances that have listeners or history.", [[{}, hub.instances]]),
    gauge("aphlict_subscriptions", "Subscriptions now, one for each listener and topic.", [
      [{}, hub.subscriptions],
    ]),
    counter(
      "aphlict_commands_total",
      "Messages of browsers.",
      of(clients, (each) => each.messages),
    ),
    counter(
      "aphlict_ignored_commands_total",
      "Messages of browsers that were refused in whole or in part, by reason.",
      byReason(clients, (each) => each.ignored),
    ),
    counter("aphlict_messages_total", "Valid messages posted, by what became of them.", [
      ...Object.entries(hub.published).map(([outcome, count]) => [{ outcome }, count] as const),
    ]),
    counter("aphlict_deliveries_total", "Messages handed to listeners, replays not counted.", [
      [{}, hub.deliveries],
    ]),
    histogram("aphlict_fan_out", "Listeners that got a published message.", [[{}, hub.fanOut]]),
    histogram(
      "aphlict_publish_duration_seconds",
      "From a message's head to its receipt.",
      of(admins, (each) => each.publishing),
    ),
    histogram(
      "aphlict_write_duration_seconds",
      "From the first message queued in a turn of the event loop until all were written.",
      of(clients, (each) => each.writing),
    ),
    counter(
      "aphlict_received_bytes_total",
      "Bytes that came in.",
      of(servers, (each) => each.bytesIn),
    ),
    counter(
      "aphlict_sent_bytes_total",
      "Bytes sent to browsers.",
      of(clients, (each) => each.bytesOut),
    ),
    gauge(
      "aphlict_backlog_bytes",
      "Bytes that wait for browsers to read.",
      of(clients, (each) => each.backlogBytes),
    ),
    gauge(
      "aphlict_requests",
      "Messages that are being received or answered now.",
      of(admins, (each) => each.requests),
    ),
    counter(
      "aphlict_refused_requests_total",
      "Requests of an admin server that were refused, by reason.",
      byReason(admins, (each) => each.refused),
    ),
    gauge("aphlict_history_messages", "Messages that are remembered.", [[{}, hub.historyMessages]]),
    gauge("aphlict_history_bytes", "Memory that they take.", [[{}, hub.historyBytes]]),
    gauge(
      "aphlict_peer_state",
      "1 for the state that a peer is in, 0 for the others.",
      peers.flatMap(({ peer, state }) =>
        PEER_STATES.map((each) => [{ peer, state: each }, Number(each === state)] as const)
      ),
    ),
    gauge("aphlict_peer_queued", "Messages that wait for a peer.", ofPeers(others, "queued")),
    counter(
      "aphlict_peer_sent_total",
      "Messages that a peer has acknowledged.",
      ofPeers(others, "sent"),
    ),
    counter(
      "aphlict_peer_failures_total",
      "Failed connections and requests.",
      ofPeers(others, "failed"),
    ),
    counter(
      "aphlict_peer_dropped_total",
      "Messages that this server has given up bringing to a peer, by reason.",
      others.flatMap((each) =>
        (["full", "old", "refused"] as const).map((reason) =>
          [{ peer: each.peer, reason }, each[`dropped.${reason}`]] as const
        )
      ),
    ),
    counter(
      "aphlict_peer_contradictions_total",
      "Status pages on which a peer has shown a fingerprint that is another server's.",
      ofPeers(peers, "contradictions"),
    ),
    counter(
      "aphlict_log_left_out_total",
      "Log lines left out as there were too many of their kind.",
      [
        [{}, log.leftOut],
      ],
    ),
    counter("aphlict_log_lost_total", "Log lines that could not be written to a file.", [[
      {},
      log.lost,
    ]]),
    gauge(
      "aphlict_event_loop_lag_seconds",
      "How late the event loop was at the worst in the last 5 s.",
      [
        [{}, process.lagMs / 1000],
      ],
    ),
    gauge(
      "aphlict_memory_limit_bytes",
      "Memory that browsers and Phorge can make the service hold.",
      [[{}, memory.limit]],
    ),
    gauge(
      "aphlict_memory_bytes",
      "Memory that they do make it hold, by what for.",
      ofAccounts(memory, "bytes"),
    ),
    counter(
      "aphlict_memory_refused_total",
      "What was refused as memory was short, by what for.",
      ofAccounts(memory, "refused"),
    ),
    counter(
      "aphlict_memory_evicted_total",
      "Connections that were ended as they held the most when memory was short, by what of.",
      ofAccounts(memory, "evicted"),
    ),
    gauge("aphlict_heap_bytes", "V8 heap in use.", [[{}, process.heapBytes]]),
    gauge("aphlict_heap_limit_bytes", "V8 heap at most.", [[{}, process.heapLimitBytes]]),
    gauge("aphlict_external_bytes", "Memory that V8 knows of outside of its heap.", [
      [{}, process.externalBytes],
    ]),
    // As Prometheus' own clients call them:
    // https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
    gauge("process_start_time_seconds", "When the process was started, since the epoch.", [
      [{}, process.startedAt / 1000],
    ]),
    counter("process_cpu_seconds_total", "CPU time that the process has taken.", [
      [{}, process.cpuMs / 1000],
    ]),
    gauge("process_resident_memory_bytes", "Resident memory of the process.", [
      [{}, process.residentBytes],
    ]),
    gauge(
      "process_max_fds",
      "Files that the process may have open.",
      process.openFiles === null ? [] : [[{}, process.openFiles]],
    ),
  ];
}

function gauge(name: string, help: string, samples: Samples<number>): Family {
  return { name, help, type: "gauge", samples };
}

function counter(name: string, help: string, samples: Samples<number>): Family {
  return { name, help, type: "counter", samples };
}

function histogram(name: string, help: string, samples: Samples<Distribution>): Family {
  return { name, help, type: "histogram", samples };
}

type Server = ClientServerSnapshot | AdminServerSnapshot;

function labelsOf({ url }: Server): Labels {
  return { server: url };
}

function of<S extends Server, T>(servers: readonly S[], value: (server: S) => T): Samples<T> {
  return servers.map((each) => [labelsOf(each), value(each)] as const);
}

function byReason<S extends Server>(
  servers: readonly S[],
  counts: (server: S) => Counts,
): Samples<number> {
  return servers.flatMap((each) =>
    Object.entries(counts(each)).map(([reason, count]) =>
      [{ ...labelsOf(each), reason }, count] as const
    )
  );
}

function ofAccounts(
  { accounts }: MemorySnapshot,
  value: "bytes" | "refused" | "evicted",
): Samples<number> {
  return Object.entries(accounts).map(([account, each]) => [{ account }, each[value]] as const);
}

function ofPeers(
  peers: readonly PeerStatus[],
  value: "queued" | "sent" | "failed" | "contradictions",
): Samples<number> {
  return peers.map((each) => [{ peer: each.peer }, each[value]] as const);
}
