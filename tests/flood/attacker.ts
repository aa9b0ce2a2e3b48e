/**
 * The clients of an attack, in a process of their own: so the honest browser's clock is its own.
 * `attacks.ts` starts it, once for each part of an attack.
 *
 * @module
 */

import type { Socket } from "node:net";
import { parseArgs } from "node:util";
import { Decoder } from "../../src/websocket/decoder.ts";
import { OPCODE } from "../../src/websocket/frame.ts";
import { concat, frame, utf8 } from "../websocket/bytes.ts";
import { answering, ScriptedPeer } from "../acceptance/bad_peer.ts";
import { colliding, integerLike } from "../acceptance/collisions.ts";
import { ADMIN_ATTACKS } from "./admin_attacks.ts";
import { connectedFrom, share, sleep, type Target } from "./target.ts";
import { REQUEST, requestWith } from "../acceptance/wire.ts";

/** Connections that are opened at a time. */
const LANES = 100;

/** A connection that was refused or ended is opened again after this time. */
const AGAIN_MS = 500;

/** More than a second, the time in which `limit.message` and `limit.commands` allow as much again. */
const ROUND_MS = 1100;

const OPENING = utf8(REQUEST);

/** A connection of an attacker, opened again whenever it ends. */
class Attacker {
  readonly #port: number;
  readonly #opening: () => Uint8Array;
  readonly #reads: boolean;
  readonly #from: string | null;
  #connection: Deno.TcpConn | Socket | null = null;

  /** @param from The address to connect from; `null`: as the system chooses. */
  constructor(
    port: number,
    { opening = () => OPENING, reads = false, from = null }: {
      readonly opening?: () => Uint8Array;
      readonly reads?: boolean;
      readonly from?: string | null;
    } = {},
  ) {
    this.#port = port;
    this.#opening = opening;
    this.#reads = reads;
    this.#from = from;
  }

  /** Opens the WebSocket; whether it is there. */
  async open(): Promise<boolean> {
    try {
      this.#connection = this.#from === null
        ? await Deno.connect({ hostname: "127.0.0.1", port: this.#port })
        : await connectedFrom(this.#from, this.#port);
      await this.send(this.#opening());
      if (!(this.#connection && "read" in this.#connection) || this.#from !== null) return true;
      const answer = new Uint8Array(1024);
      const count = await (this.#connection as Deno.TcpConn).read(answer);
      if (count === null || !isAccepted(answer)) throw new Deno.errors.ConnectionRefused();
      if (this.#reads) void this.#drain();
      return true;
    } catch {
      this.close();
      return false;
    }
  }

  /** Sends all of it; an error ends the connection. */
  async send(bytes: Uint8Array): Promise<boolean> {
    const connection = this.#connection;
    if (connection === null) return false;
    try {
      if ("writable" in connection && "writableLength" in connection) {
        return await new Promise((resolve) =>
          (connection as Socket).write(bytes, (error) => resolve(!error))
        );
      }
      let left = bytes;
      while (left.length > 0) left = left.subarray(await (connection as Deno.TcpConn).write(left));
      return true;
    } catch {
      this.close();
      return false;
    }
  }

  /** Reads some of what has come, waits for it, and answers pings, as it is sent no more of a replay otherwise. */
  async read(size: number): Promise<void> {
    const bytes = new Uint8Array(65_536);
    const decoder = new Decoder(() => 1_000_000, "client");
    try {
      for (let left = size; left > 0;) {
        const count = await (this.#connection as Deno.TcpConn | null)?.read(bytes);
        if (typeof count !== "number") return;
        left -= count;
        for (const incoming of decoder.decode(bytes.subarray(0, count))) {
          if (incoming.type !== "ping") continue;
          await this.send(frame(incoming.payload, { opcode: OPCODE.pong }));
        }
      }
    } catch {
      this.close();
    }
  }

  close(): void {
    const connection = this.#connection;
    this.#connection = null;
    try {
      if (connection === null) return;
      if ("destroy" in connection) connection.destroy();
      else connection.close();
    } catch {
      // It has ended already.
    }
  }

  async #drain(): Promise<void> {
    const bytes = new Uint8Array(65_536);
    const connection = this.#connection as Deno.TcpConn;
    try {
      while (await connection.read(bytes) !== null);
    } catch {
      // It has ended.
    }
    if (connection === this.#connection) this.close();
  }

  /** Whether it has a connection, as far as it knows. */
  get isOpen(): boolean {
    const connection = this.#connection;
    return connection !== null && !("destroyed" in connection && connection.destroyed);
  }
}

function isAccepted(answer: Uint8Array): boolean {
  // "HTTP/1.1 1"
  return answer[9] === 0x31;
}

/** The attacks, by the names that the issue gives them. */
const ATTACKS: Readonly<Record<string, (target: Target) => Promise<void>>> = {
  ...ADMIN_ATTACKS,

  async C1(target) {
    const bytes = concat(...Array(18_300).fill(frame("", { opcode: 9 })));
    await rounds(target, share(target, 80), () => [bytes]);
  },

  async C2a(target) {
    await rounds(target, share(target, 257), (index) => {
      const topics = numbered(4096, index * 4096, (number) => number.toString(36).padStart(5, "0"));
      return [subscribe(topics)];
    }, { once: true });
  },

  async C2b(target) {
    const filler = "x".repeat(250);
    await rounds(
      target,
      share(target, 199),
      (index) =>
        Array.from({ length: 18 }, (_, message) => {
          const first = index * 4096 + message * 240;
          return subscribe(
            numbered(240, first, (number) => `${number.toString(36).padStart(6, "0")}${filler}`),
          );
        }),
      {
        once: true,
        pauseMs: 600,
        // `limit.address` counts each address, and the honest browser has one of its own.
        from: (index) => `127.0.0.${2 + Math.floor(index / 199)}`,
      },
    );
  },

  async C3(target) {
    const pings = concat(...Array(90).fill(frame('{"command":"ping"}')));
    await rounds(target, share(target, 1000), () => [pings], { roundMs: 1000 });
  },

  async C3b(target) {
    const topics = numbered(10, 0, (number) => `SMALL-${number}`);
    if (target.part === 0) {
      const filler = "x".repeat(100_000);
      for (let number = 0; number < 42; number++) {
        await post(target, JSON.stringify({ subscribers: ["LARGE"], number, filler }));
      }
      for (let number = 0; number < 4000; number += 50) {
        await Promise.all(
          numbered(50, number, (each) => JSON.stringify({ subscribers: [topics[each % 10]], each }))
            .map((body) => post(target, body)),
        );
      }
    } else await sleep(3000);
    const replay = frame('{"command":"replay","data":{"age":60000}}');
    await rounds(target, share(target, 250), (index) => [
      // Fills what the system holds for a connection, some 4 MB.
      concat(subscribe(["LARGE"]), replay, unsubscribe(["LARGE"])),
      // Each wants others, so that no two wait for the same frames.
      subscribe(topics.filter((_, bit) => bit > 7 || ((index + 1) >> bit & 1) === 0)),
      ...Array(12).fill(replay),
    ], { once: true, pauseMs: 150 });
  },

  async C4(target) {
    await rounds(target, share(target, 12), (index) => {
      const topics = integerLike(4096, index * 4096);
      return [subscribe(topics), unsubscribe(topics)];
    }, { pauseMs: ROUND_MS });
  },

  async C4b(target) {
    await rounds(target, share(target, 12), (index) => {
      const topics = strangers(2500, index * 2500);
      return [subscribe(topics), unsubscribe(topics)];
    }, { pauseMs: ROUND_MS });
  },

  async C5(target) {
    await rounds(target, share(target, 25), (index) => {
      const keys = strangers(2900, index * 1900).map((key) => `${JSON.stringify(key)}:1`);
      return [frame(`{${keys.join()}}`)];
    });
  },

  async H1(target) {
    const sizes = 100;
    const filler = "x".repeat(100_000);
    const history = async () => {
      for (let number = 0; number < sizes; number++) {
        await post(target, JSON.stringify({ subscribers: [`H1-${number}`], number, filler }));
      }
    };
    // The first part publishes it, and again before it is forgotten.
    if (target.part === 0) {
      await history();
      const again = setInterval(() => void history(), 45_000);
      Deno.unrefTimer(again);
    } else await sleep(2000);
    const replay = frame('{"command":"replay","data":{"age":60000}}');
    await rounds(target, share(target, 200), (index) => {
      const topics = numbered(sizes, 0, (number) => `H1-${number}`)
        // Each wants all but a few, so that what two of them wait for is not the same.
        .filter((_, number) => (number + index) % sizes > 20 || (number * index) % 7 === 0);
      return [concat(subscribe(topics), replay)];
      // What waits is put together when the system takes more, so a part is read and answered.
    }, { once: true, readBytes: 2_000_000 });
  },

  async H2(target) {
    const cookie = "c".repeat(8192 - REQUEST.length - 40);
    const request = requestWith({ Cookie: cookie });
    const attackers = share(target, 18_000).map((index) => {
      // Each has an instance of its own, which takes more than the default one's listeners.
      const path = `/~instance-${index.toString().padStart(5, "0")}/`;
      return new Attacker(target.client, {
        opening: () => utf8(request.replace("GET / ", `GET ${path} `)),
      });
    });
    await openAll(attackers);
    for (;;) {
      await sleep(ROUND_MS);
      await openAll(attackers.filter(({ isOpen }) => !isOpen).slice(0, 1000));
    }
  },

  async M4(target) {
    const type = "t".repeat(1_040_000);
    for (const index of share(target, 61)) {
      // The live page notes the beginning of its type.
      if (index % 2 === 1) await post(target, JSON.stringify({ type, subscribers: [], index }));
      else {
        const first = index * 149_000;
        const subscribers = numbered(149_000, first, (each) => (each % 36 ** 4).toString(36));
        await post(target, JSON.stringify({ subscribers }));
      }
    }
  },

  async M5({ peers }) {
    const spaces = " ".repeat(16_000);
    const answer = `HTTP/1.1 200 OK\r\nX:${spaces}\rx\r\n\r\n`;
    const bad = peers.map((port) => new ScriptedPeer(answering(answer), port));
    await bad[0]?.until(() => false);
  },

  async M10(target) {
    const whole = frame("x".repeat(65_536));
    const unfinished = whole.subarray(0, whole.length - 1);
    await rounds(target, share(target, 5000), () => [unfinished], { once: true });
  },

  async L3(target) {
    const forwarded = `for=${" ".repeat(7700)}a b`;
    const opening = utf8(requestWith({ Forwarded: forwarded }));
    for (;;) {
      await Promise.all(
        share(target, 400).map(async () => {
          const attacker = new Attacker(target.client, { opening: () => opening });
          await attacker.open();
          attacker.close();
        }),
      );
      await sleep(ROUND_MS);
    }
  },
};

/** Lets each client open a WebSocket and send its payloads, again and again. */
async function rounds(
  { client }: Target,
  indices: readonly number[],
  payloads: (index: number) => readonly Uint8Array[],
  { once = false, roundMs = ROUND_MS, pauseMs = 0, readBytes = 0, from = () => null }: {
    /** Whether a connection that lasts sends its payloads only once. */
    readonly once?: boolean;
    readonly roundMs?: number;
    /** Between two payloads. */
    readonly pauseMs?: number;
    /** What is read behind the payloads, once. */
    readonly readBytes?: number;
    readonly from?: (index: number) => string | null;
  } = {},
): Promise<void> {
  const clients = indices.map((index) => ({
    payloads: payloads(index),
    attacker: new Attacker(client, { from: from(index) }),
  }));
  // All are there before the first one sends.
  await openAll(clients.map(({ attacker }) => attacker));
  await Promise.all(clients.map(async ({ payloads, attacker }) => {
    for (;;) {
      const started = performance.now();
      for (const payload of payloads) {
        if (!await attacker.send(payload)) break;
        if (pauseMs > 0) await sleep(pauseMs);
      }
      if (readBytes > 0) await attacker.read(readBytes);
      while (once && attacker.isOpen) await sleep(ROUND_MS);
      await sleep(Math.max(0, roundMs - (performance.now() - started)));
      while (!attacker.isOpen && !await attacker.open()) await sleep(AGAIN_MS);
    }
  }));
}

/** Opens some at a time. */
async function openAll(attackers: readonly Attacker[]): Promise<void> {
  const left = attackers.values();
  await Promise.all(Array.from({ length: LANES }, async () => {
    for (const attacker of left) await attacker.open();
  }));
}

async function post({ admin }: Target, body: string): Promise<void> {
  try {
    const response = await fetch(`http://127.0.0.1:${admin}/`, { method: "POST", body });
    await response.body?.cancel();
  } catch {
    // The service has ended, or refuses.
  }
}

function subscribe(topics: readonly string[]): Uint8Array {
  return frame(JSON.stringify({ command: "subscribe", data: topics }));
}

function unsubscribe(topics: readonly string[]): Uint8Array {
  return frame(JSON.stringify({ command: "unsubscribe", data: topics }));
}

function numbered(count: number, first: number, name: (number: number) => string): string[] {
  return Array.from({ length: count }, (_, index) => name(first + index));
}

/** Strings that collide; the integer-like ones where others are not to be found. */
function strangers(count: number, first: number): string[] {
  return colliding(count, first) ?? integerLike(count, first);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      attack: { type: "string", default: "" },
      client: { type: "string", default: "" },
      admin: { type: "string", default: "" },
      peer: { type: "string", multiple: true, default: [] },
      scale: { type: "string", default: "1" },
      part: { type: "string", default: "0" },
      parts: { type: "string", default: "1" },
    },
  });
  // An attacker goes on whatever the service does to its connections.
  globalThis.addEventListener("unhandledrejection", (event) => event.preventDefault());
  globalThis.addEventListener("error", (event) => event.preventDefault());
  const attack = ATTACKS[values.attack];
  if (!attack) throw new Error(`There is no attack ${values.attack}`);
  await attack({
    client: Number(values.client),
    admin: Number(values.admin),
    peers: values.peer.map(Number),
    scale: Number(values.scale),
    part: Number(values.part),
    parts: Number(values.parts),
  });
}
