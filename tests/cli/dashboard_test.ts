import type { ConsoleData } from "../../src/admin/console.ts";
import { dashboard, fit } from "../../src/cli/dashboard.ts";
import { UNPRINTABLE } from "../../src/text.ts";
import { Histogram, RECEIVERS, SECONDS } from "../../src/metrics/histogram.ts";
import { assertEquals, assertStringIncludes } from "../assert.ts";

const ROOM = { width: Infinity, height: Infinity };
const EVIL = "\x1b[2J\u202e\n";

const DATA: ConsoleData = {
  now: {
    version: "1.2.3",
    deno: "2.9.6",
    fingerprint: "abc",
    at: Date.parse("2026-11-27T12:00:00Z"),
    uptimeMs: 90_000,
    restarts: 1,
    internalErrors: 2,
    ready: true,
    servers: [
      {
        type: "client",
        url: "wss://0.0.0.0:22280/",
        listening: true,
        certificate: { file: "a.crt", expires: Date.parse("2027-01-02T00:00:00Z") },
        refused: { origin: 3, tls: 0, timeout: 2 },
        connections: 1234,
        connectionLimit: 50_000,
        opened: 2000,
        ended: {},
        messages: 1,
        ignored: { invalid: 4 },
        bytesIn: 1,
        bytesOut: 1,
        backlogBytes: 1536,
        writing: new Histogram(SECONDS).distribution,
      },
      {
        type: "admin",
        url: "http://127.0.0.1:22281/",
        listening: false,
        certificate: null,
        refused: {},
        requests: 2,
        requestLimit: 1000,
        bytesIn: 1,
        publishing: new Histogram(SECONDS).distribution,
      },
    ],
    hub: {
      listeners: 1234,
      subscriptions: 5000,
      instances: 1,
      named: [],
      messages: 77,
      published: { published: 77, touched: 0, duplicate: 0 },
      deliveries: 88,
      historyMessages: 9,
      historyBytes: 2048,
      fanOut: new Histogram(RECEIVERS).distribution,
    },
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
    memory: { limit: 256 * 1024 * 1024, granted: null, accounts: {} },
    process: {
      startedAt: 0,
      cpuMs: 0,
      heapBytes: 1024 * 1024,
      heapLimitBytes: 320 * 1024 * 1024,
      externalBytes: 0,
      residentBytes: 0,
      lagMs: 3,
      openFiles: 1024,
      openFilesHold: 924,
    },
    log: { leftOut: 1, lost: 0 },
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
