/**
 * The live page with made-up data: what a real service comes to in weeks, or only when all goes wrong.
 *
 * @module
 */

import { UNKNOWN_PEER } from "../admin/fixtures.ts";
import type { ConsoleData, MessageNote, Sample } from "../../src/admin/console.ts";
import { page } from "../../src/admin/page.ts";
import type { ServerSnapshot, Snapshot } from "../../src/admin/snapshot.ts";
import type { PeerStatus } from "../../src/metrics/peer.ts";
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
  const samples = Array.from({ length: 180 }, (_, index) => sample(at, index));
  return {
    now: busySnapshot(at),
    samples,
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
  const nothing = (counts: object) =>
    Object.fromEntries(Object.keys(counts).map((kind) => [kind, 0]));
  const servers = now.servers.map((server): ServerSnapshot => {
    const basics = { certificate: null, refused: nothing(server.refused), bytesIn: 0 };
    return server.type === "admin" ? { ...server, ...basics, requests: 1 } : {
      ...server,
      ...basics,
      ended: {},
      ignored: {},
      connections: 0,
      bytesOut: 0,
      backlogBytes: 0,
    };
  });
  const hub = { ...now.hub, listeners: 0, subscriptions: 0, instances: 1, named: [], messages: 0 };
  return {
    now: {
      ...now,
      uptimeMs: 0,
      restarts: null,
      servers,
      hub: {
        ...hub,
        published: { published: 0, touched: 0, duplicate: 0 },
        historyMessages: 0,
        historyBytes: 0,
      },
      peers: [],
      process: { ...now.process, openFiles: null },
      log: { leftOut: 0, lost: 0 },
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
      hub: { ...data.now.hub, named: HOSTILE.map((name) => ({ name, listeners: 1 })) },
      peers: data.now.peers.map((peer) => ({ ...peer, peer: text, "last.error": text })),
    },
    messages: data.messages.map((each, index) => {
      const type = HOSTILE[index % HOSTILE.length] ?? "";
      return { ...each, type, instance: type };
    }),
  };
}

function busySnapshot(at: number): Snapshot {
  const writing = new Histogram(SECONDS).distribution;
  const named = [["default", 812], ["acme", 341], ["payroll", 95]] as const;
  return {
    version: "0.1.0",
    deno: "2.9.6",
    fingerprint: "GkW2mXvQd8sTz4hB",
    at,
    uptimeMs: 12.3 * DAY_MS,
    restarts: 0,
    internalErrors: 0,
    ready: true,
    servers: [
      {
        type: "client",
        url: "wss://0.0.0.0:22280/",
        listening: true,
        certificate: { file: "/etc/aphlict/phorge.example.com.pem", expires: at + 9.5 * DAY_MS },
        refused: {
          origin: 14,
          address: 3,
          connections: 0,
          memory: 0,
          handshakes: 0,
          timeout: 27,
          tls: 41,
          malformed: 8,
        },
        connections: 1248,
        connectionLimit: 50_000,
        opened: 91_204,
        ended: {
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
        },
        messages: 402_113,
        ignored: { invalid: 6, subscriptions: 0, memory: 2, replay: 2 },
        bytesIn: 81_204_113,
        bytesOut: 9_104_113_220,
        backlogBytes: 18_432,
        writing,
      },
      {
        type: "admin",
        url: "http://127.0.0.1:22281/",
        listening: true,
        certificate: null,
        refused: {
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
        },
        requests: 3,
        requestLimit: 1000,
        bytesIn: 212_430_001,
        publishing: writing,
      },
    ],
    hub: {
      listeners: 1248,
      subscriptions: 4107,
      instances: 3,
      named: named.map(([name, listeners]) => ({ name, listeners })),
      messages: 611_204,
      published: { published: 609_872, touched: 1190, duplicate: 142 },
      deliveries: 14_201_337,
      historyMessages: 1740,
      historyBytes: 912_004,
      fanOut: new Histogram(RECEIVERS).distribution,
    },
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
    memory: {
      limit: 569 * 1024 * 1024,
      granted: 8 * 1024 ** 3,
      accounts: {
        requests: { bytes: 24_576, refused: 0, evicted: 3 },
        connections: { bytes: 51_118_080, refused: 0, evicted: 0 },
        messages: { bytes: 0, refused: 0, evicted: 0 },
        frames: { bytes: 18_432, refused: 0, evicted: 1 },
        subscriptions: { bytes: 1_051_392, refused: 2, evicted: 0 },
        history: { bytes: 912_004, refused: 0, evicted: 0 },
        bodies: { bytes: 4096, refused: 0, evicted: 0 },
      },
    },
    process: {
      startedAt: 0,
      cpuMs: 0,
      heapBytes: 91_204_113,
      heapLimitBytes: 4192 * 1024 * 1024,
      externalBytes: 12_404_113,
      residentBytes: 198_204_113,
      lagMs: 3.4,
      openFiles: 65_536,
      openFilesHold: 65436,
    },
    log: { leftOut: 118, lost: 0 },
  };
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
