import type { ConsoleData } from "../../src/admin/console.ts";
import { dashboard, fit } from "../../src/cli/dashboard.ts";
import { UNPRINTABLE } from "../../src/text.ts";
import { collect, labelled, single } from "../../src/metrics/families.ts";
import { assertEquals, assertStringIncludes } from "../assert.ts";

const ROOM = { width: Infinity, height: Infinity };
const EVIL = "\x1b[2J\u202e\n";

const CLIENT_URL = "wss://0.0.0.0:22280/";
const ADMIN_URL = "http://127.0.0.1:22281/";
const METRICS = collect([
  {
    aphlict_restarts_total: single(1),
    aphlict_internal_errors_total: single(2),
    aphlict_ready: single(1),
    aphlict_subscriptions: single(5000),
    aphlict_instances: single(1),
    aphlict_messages_total: [[{ outcome: "published" }, 70], [{ outcome: "touched" }, 7]],
    aphlict_deliveries_total: single(88),
    aphlict_memory_limit_bytes: single(256 * 1024 * 1024),
    aphlict_memory_bytes: [[{ account: "frames" }, 1024], [{ account: "bodies" }, 2048]],
    aphlict_memory_refused_total: [[{ account: "frames" }, 0], [{ account: "bodies" }, 3]],
    aphlict_memory_evicted_total: [[{ account: "frames" }, 0], [{ account: "bodies" }, 1]],
    aphlict_heap_bytes: single(1024 * 1024),
    aphlict_heap_limit_bytes: single(320 * 1024 * 1024),
    aphlict_event_loop_lag_seconds: single(0.003),
    process_max_fds: single(1024),
    aphlict_log_left_out_total: single(1),
    aphlict_log_lost_total: single(0),
    aphlict_certificate_expiry_timestamp_seconds: [
      [{ server: CLIENT_URL }, Date.parse("2027-01-02T00:00:00Z") / 1000],
    ],
    aphlict_history_messages: single(9),
    aphlict_history_bytes: single(2048),
  },
  labelled({ server: CLIENT_URL }, {
    aphlict_server_listening: single(1),
    aphlict_connections: single(1234),
    aphlict_connections_limit: single(50_000),
    aphlict_backlog_bytes: single(1536),
    aphlict_refused_connections_total: [
      [{ reason: "origin" }, 3],
      [{ reason: "tls" }, 0],
      [{ reason: "timeout" }, 2],
    ],
    aphlict_ignored_commands_total: [[{ reason: "invalid" }, 4]],
  }),
  labelled({ server: ADMIN_URL }, {
    aphlict_server_listening: single(0),
    aphlict_requests: single(2),
    aphlict_requests_limit: single(1000),
    aphlict_refused_requests_total: [[{ reason: "token" }, 6], [{ reason: "page" }, 0]],
  }),
]);

const DATA: ConsoleData = {
  now: {
    version: "1.2.3",
    deno: "2.9.6",
    fingerprint: "abc",
    at: Date.parse("2026-11-27T12:00:00Z"),
    uptimeMs: 90_000,
    servers: [
      { type: "client", url: CLIENT_URL, certificate: "a.crt" },
      { type: "admin", url: ADMIN_URL, certificate: null },
    ],
    peers: [{
      peer: "http://b:22281/",
      state: "down",
      fingerprint: null,
      proof: "contradicted",
      contradictions: 1,
      queued: 5,
      sent: 6,
      failed: 7,
      dropped: 8,
      "dropped.full": 0,
      "dropped.old": 8,
      "dropped.refused": 0,
      "last.error": `is ${EVIL}`,
      "last.failure": 1,
      "last.contact": null,
    }],
    metrics: METRICS,
  },
  samples: [{
    at: 0,
    listeners: 1234,
    messagesIn: 12.34,
    messagesOut: 5678.9,
    latency50Ms: 0.5,
    latency99Ms: null,
    backlogBytes: 0,
    lagMs: 0,
  }],
  messages: [{
    id: 1,
    at: 0,
    instance: `acme${EVIL}`,
    type: EVIL,
    subscribers: 1,
    receivers: 3,
    outcome: "duplicate",
    bytes: 100,
  }],
  configuration: { path: "a.json", flags: "", settings: {} },
};

Deno.test("the dashboard shows the figures, and of refusals only what has happened", () => {
  const text = dashboard(DATA, ROOM).join("\n");
  for (
    const part of [
      "Aphlict 1.2.3 abc at ",
      ": ready, up 1m 30s, 1 restart",
      "1,234 of 50,000, 5,000 subscriptions, 1 instance",
      "12.3/s in, 5,679/s out, 77 in and 88 out in all",
      "p50 <= 0.5 ms, p99 -, backlog 1.5 KiB",
      "heap 1 MiB of 320 MiB",
      "2 internal errors: see the log, and report it",
      "certificate until 2027-01-02",
      "\n  refused   3 origin, 2 timeout\n",
      "\n  ignored   4 invalid\n",
      "\n  refused   6 token\n",
      "3 KiB of 256 MiB held for browsers and Phorge, bodies: 3 refused, 1 ended",
      "lag 3 ms, 1,024 files at most",
      "9 messages, 2 KiB",
      "http://127.0.0.1:22281/, 2 of 1,000 messages at a time, NOT LISTENING",
      "http://b:22281/ DOWN, 5 waiting, 6 sent, 8 dropped, NOT WHO IT SAYS, it is ",
      "1 topic, 3 receivers, 100 bytes, duplicate  acme",
      "1 line left out, 0 lost",
    ]
  ) assertStringIncludes(text, part);
});

Deno.test("nothing that comes from outside can steer the terminal", () => {
  for (const line of dashboard(DATA, ROOM)) assertEquals(line.match(UNPRINTABLE), null, line);
});

Deno.test("in 80 columns, and in 40, rows go on in the next line and no figure is cut", () => {
  for (const width of [80, 40]) {
    const lines = dashboard(DATA, { width, height: Infinity });
    for (const line of lines) assertEquals([...line].length <= width, true, line);
    const words = (all: readonly string[]) =>
      all.slice(0, all.findIndex((line) => line.startsWith("last messages"))).join(" ").split(
        /\s+/,
      );
    assertEquals(words(lines), words(dashboard(DATA, ROOM)));
  }
});

Deno.test("the dashboard keeps to the room that there is", () => {
  const lines = dashboard(DATA, { width: 20, height: 5 });
  assertEquals(lines.length, 5);
  for (const line of lines) assertEquals([...line].length <= 20, true, line);
});

Deno.test("a line is cut where it would be too wide, with wide characters counted twice", () => {
  assertEquals(["abc", "abcd", "日本", "日本語", ""].map((line) => fit(line, 3)), [
    "abc",
    "ab…",
    "…",
    "…",
    "",
  ]);
  assertEquals(fit("日本語", 5), "日…");
});
