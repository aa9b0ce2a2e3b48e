/**
 * The live page with made-up data: what a real service comes to in weeks, or only when all goes wrong.
 *
 * @module
 */

import { UNKNOWN_PEER } from "../admin/fixtures.ts";
import type { ConsoleData, MessageNote, Sample } from "../../src/admin/console.ts";
import { page } from "../../src/admin/page.ts";
import type { Snapshot } from "../../src/admin/snapshot.ts";
import { collect, labelled, type Samples, single } from "../../src/metrics/families.ts";
import type { PeerStatus } from "../../src/metrics/peer_status.ts";
import { serviceFlags, shellQuote } from "../../src/config/permissions.ts";
import { validate } from "../../src/config/validate.ts";
import { Histogram, RECEIVERS, SECONDS } from "../../src/metrics/histogram.ts";

const DAY_MS = 24 * 3600_000;

/** Serves the page, and answers what it asks. Dispose of it: it is shut down. */
export class Stage implements AsyncDisposable {
  /** What answers `GET /console/data/`; may be replaced. */
  answer: () => Response;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(data: ConsoleData) {
    this.answer = () => Response.json(data);
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      switch (new URL(request.url).pathname) {
        case "/console/":
          return page();
        case "/console/data/":
          return this.answer();
        case "/console/message/":
          return Response.json(CONTENT);
        default:
          return new Response(null, { status: 404 });
      }
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/console/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const CONTENT = {
  type: "notification",
  subscribers: ["PHID-USER-qk2d3tjxzyhnmm2u5bqn", "PHID-USER-w5nq7c4vdlzpfe3rkaye"],
  uniqueID: "bHtvB4dm",
  touched: ["GkW2mXvQd8sTz4hB"],
};

/** A site of some size with a peer that is down and a certificate that ends soon. */
export function busy(at: number): ConsoleData {
  return {
    now: busySnapshot(at),
    samples: Array.from({ length: 180 }, (_, index) => sample(at, index)),
    messages: Array.from({ length: 50 }, (_, index) => note(at, index)),
    configuration: {
      path: CONFIG.path,
      flags: shellQuote(serviceFlags(CONFIG)),
      settings: CONFIG,
    },
  };
}

/** A service that has just started: nobody and nothing has come, and nothing is known. */
export function empty(at: number): ConsoleData {
  const { now, configuration } = busy(at);
  const { metrics } = now;
  const zeros = (samples: Samples) => samples.map(([labels]) => [labels, 0] as const);
  const servers = now.servers.map((server) => ({ ...server, certificate: null }));
  return {
    now: {
      ...now,
      uptimeMs: 0,
      servers,
      peers: [],
      metrics: {
        ...metrics,
        aphlict_restarts_total: [],
        aphlict_certificate_expiry_timestamp_seconds: [],
        aphlict_connections: zeros(metrics.aphlict_connections),
        aphlict_disconnects_total: zeros(metrics.aphlict_disconnects_total),
        aphlict_refused_connections_total: zeros(metrics.aphlict_refused_connections_total),
        aphlict_refused_requests_total: zeros(metrics.aphlict_refused_requests_total),
        aphlict_ignored_commands_total: zeros(metrics.aphlict_ignored_commands_total),
        aphlict_received_bytes_total: zeros(metrics.aphlict_received_bytes_total),
        aphlict_sent_bytes_total: zeros(metrics.aphlict_sent_bytes_total),
        aphlict_backlog_bytes: zeros(metrics.aphlict_backlog_bytes),
        aphlict_requests: zeros(metrics.aphlict_requests),
        aphlict_listeners: [[{ phorge_instance: "" }, 0]],
        aphlict_instances: single(1),
        aphlict_subscriptions: single(0),
        aphlict_messages_total: zeros(metrics.aphlict_messages_total),
        aphlict_history_messages: single(0),
        aphlict_history_bytes: single(0),
        aphlict_files_connections_limit: [],
        process_max_fds: [],
        aphlict_log_left_out_total: single(0),
      },
    },
    samples: [],
    messages: [],
    configuration,
  };
}

/** What those outside might try to get onto the page. */
export const HOSTILE = [
  '<img src=x onerror="document.title=1">',
  "</script><script>document.title=1</script>",
  "\u202Egnp.exe\u200F\u2066",
  "\u0000\u001B[31m\u2028\uD800",
  "W".repeat(80),
];

/** The same as {@linkcode busy}, with the worst in every text that comes from outside. */
export function hostile(at: number): ConsoleData {
  const data = busy(at);
  const text = HOSTILE.join(" ");
  return {
    ...data,
    now: {
      ...data.now,
      metrics: {
        ...data.now.metrics,
        aphlict_listeners: HOSTILE.map((name) => [{ phorge_instance: name }, 1] as const),
      },
      peers: data.now.peers.map((peer) => ({ ...peer, peer: text, "last.error": text })),
    },
    messages: data.messages.map((each, index) => {
      const type = HOSTILE[index % HOSTILE.length] ?? "";
      return { ...each, type, instance: type };
    }),
  };
}

const CLIENT_URL = "wss://0.0.0.0:22280/";
const ADMIN_URL = "http://127.0.0.1:22281/";

function busySnapshot(at: number): Snapshot {
  return {
    version: "0.1.0",
    deno: "2.9.6",
    fingerprint: "GkW2mXvQd8sTz4hB",
    at,
    uptimeMs: 12.3 * DAY_MS,
    servers: [
      {
        type: "client",
        url: CLIENT_URL,
        certificate: "/etc/aphlict/phorge.example.com.pem",
      },
      { type: "admin", url: ADMIN_URL, certificate: null },
    ],
    peers: [
      peer("https://192.0.2.11:22281/", { fingerprint: "hV7pRn3wYc5LqE9f", sent: 608_114 }),
      peer("https://192.0.2.12:22281/", {
        state: "down",
        fingerprint: "Zt6bKj2sMx8uNa4d",
        queued: 214,
        sent: 590_021,
        failed: 9,
        dropped: 31,
        "dropped.old": 31,
        "last.error": "refuses the connection",
        "last.failure": 4100,
        "last.contact": 97_000,
      }),
    ],
    metrics: collect([
      {
        aphlict_restarts_total: single(0),
        aphlict_internal_errors_total: single(0),
        aphlict_ready: single(1),
        aphlict_certificate_expiry_timestamp_seconds: [
          [{ server: CLIENT_URL }, (at + 9.5 * DAY_MS) / 1000],
        ],
        aphlict_listeners: samples("phorge_instance", {
          default: 812,
          acme: 341,
          payroll: 95,
          "": 0,
        }),
        aphlict_instances: single(3),
        aphlict_subscriptions: single(4107),
        aphlict_messages_total: samples("outcome", {
          published: 609_872,
          touched: 1190,
          duplicate: 142,
        }),
        aphlict_deliveries_total: single(14_201_337),
        aphlict_fan_out: single(new Histogram(RECEIVERS).distribution),
        aphlict_history_messages: single(1740),
        aphlict_history_bytes: single(912_004),
        aphlict_log_left_out_total: single(118),
        aphlict_log_lost_total: single(0),
        aphlict_event_loop_lag_seconds: single(0.0034),
        aphlict_memory_granted_bytes: single(8 * 1024 ** 3),
        aphlict_memory_limit_bytes: single(569 * 1024 * 1024),
        aphlict_memory_bytes: samples("account", {
          requests: 24_576,
          connections: 51_118_080,
          messages: 0,
          frames: 18_432,
          subscriptions: 1_051_392,
          history: 912_004,
          bodies: 4096,
        }),
        aphlict_memory_refused_total: samples("account", { frames: 0, subscriptions: 2 }),
        aphlict_memory_evicted_total: samples("account", { requests: 3, frames: 1 }),
        aphlict_heap_bytes: single(91_204_113),
        aphlict_heap_limit_bytes: single(4192 * 1024 * 1024),
        aphlict_external_bytes: single(12_404_113),
        aphlict_files_connections_limit: single(65_436),
        process_resident_memory_bytes: single(198_204_113),
        process_max_fds: single(65_536),
      },
      labelled({ server: CLIENT_URL }, {
        aphlict_server_listening: single(1),
        aphlict_connections: single(1248),
        aphlict_connections_limit: single(50_000),
        aphlict_connects_total: single(91_204),
        aphlict_disconnects_total: samples("reason", {
          client: 88_310,
          server: 0,
          lost: 1532,
          silent: 97,
          protocol: 2,
          encoding: 0,
          size: 0,
          rate: 0,
          unfinished: 1,
          memory: 1,
          failed: 0,
          commands: 4,
          backlog: 11,
          instance: 0,
        }),
        aphlict_refused_connections_total: samples("reason", {
          origin: 14,
          address: 3,
          connections: 0,
          memory: 0,
          handshakes: 0,
          timeout: 27,
          tls: 41,
          malformed: 8,
        }),
        aphlict_commands_total: single(402_113),
        aphlict_ignored_commands_total: samples("reason", {
          invalid: 6,
          subscriptions: 0,
          memory: 2,
          replay: 2,
        }),
        aphlict_received_bytes_total: single(81_204_113),
        aphlict_sent_bytes_total: single(9_104_113_220),
        aphlict_backlog_bytes: single(18_432),
        aphlict_write_duration_seconds: single(new Histogram(SECONDS).distribution),
      }),
      labelled({ server: ADMIN_URL }, {
        aphlict_server_listening: single(1),
        aphlict_refused_requests_total: samples("reason", {
          forbidden: 2,
          token: 5,
          page: 0,
          busy: 0,
          large: 1,
          invalid: 3,
          misdirected: 12,
          slow: 0,
          broken: 0,
          stopping: 0,
        }),
        aphlict_requests: single(3),
        aphlict_requests_limit: single(1000),
        aphlict_received_bytes_total: single(212_430_001),
        aphlict_publish_duration_seconds: single(new Histogram(SECONDS).distribution),
      }),
    ]),
  };
}

/** A sample for each value of a label. */
function samples(label: string, counts: Readonly<Record<string, number>>): Samples {
  return Object.entries(counts).map(([value, count]) => [{ [label]: value }, count]);
}

function peer(peer: string, change: Partial<PeerStatus>): PeerStatus {
  return { ...UNKNOWN_PEER, peer, state: "up", "last.contact": 800, ...change };
}

/** One of 180 samples: a working day with a burst in it, the same each time. */
function sample(at: number, index: number): Sample {
  const wave = Math.sin(index / 17) + Math.sin(index / 5.3) / 3 + Math.sin(index * 2.4) / 5;
  const burst = index > 118 && index < 127 ? 1 : 0;
  const messagesIn = 8.4 + 2.6 * wave + 34 * burst;
  return {
    at: at - (180 - index) * 5000,
    listeners: Math.round(1180 + index * 0.4 + 14 * wave),
    messagesIn,
    messagesOut: messagesIn * (22 + 3 * Math.sin(index / 9)),
    latency50Ms: burst ? 2.5 : wave > 0.8 ? 0.5 : 0.25,
    latency99Ms: burst ? 25 : wave > 0.4 ? 5 : 2.5,
    backlogBytes: Math.round(18_432 + 12_000 * wave + 410_000 * burst),
    lagMs: 3.4 + wave + 21 * burst,
  };
}

function note(at: number, index: number): MessageNote {
  const receivers = [2, 7, 0, 14, 1, 3, 31, 5][index % 8] ?? 0;
  return {
    id: 611_204 - index,
    at: at - 400 - index * 130,
    instance: ["default", "acme", "default", "payroll", "default"][index % 5] ?? "",
    type: ["notification", "refresh", "notification", "conpherence", "notification"][index % 5] ??
      "",
    subscribers: 1 + (index * 5) % 9,
    receivers,
    outcome: index % 11 === 4 ? "duplicate" : "published",
    bytes: 214 + (index * 37) % 190,
  };
}

const CONFIG = validate("/etc/aphlict/aphlict.json", {
  servers: [
    {
      type: "client",
      port: 22280,
      "ssl.key": "/etc/aphlict/phorge.example.com.key",
      "ssl.cert": "/etc/aphlict/phorge.example.com.pem",
      origins: ["https://phorge.example.com"],
      "limit.address": 64,
    },
    { type: "admin", port: 22281, "token.file": "/etc/aphlict/token" },
  ],
  logs: [{ path: "/var/log/aphlict/aphlict.log" }],
  cluster: [
    { host: "192.0.2.11", port: 22281, protocol: "https" },
    { host: "192.0.2.12", port: 22281, protocol: "https" },
  ],
  pidfile: "/run/aphlict/aphlict.pid",
});
