/**
 * One connection over a stream and a clock that do what they are told, for what takes a minute or a
 * full network otherwise.
 */

import { Duplex } from "node:stream";
import type { Socket as Stream } from "node:net";
import type { Admitted, Refusal } from "../../src/websocket/admission.ts";
import { Connection, type Home } from "../../src/websocket/connection.ts";
import { Outbox } from "../../src/websocket/outbox.ts";
import type { RefusalKind, SocketLimits } from "../../src/websocket/rules.ts";
import { type EndKind, SocketCounters, type SocketHandlers } from "../../src/websocket/socket.ts";
import { REQUEST } from "../acceptance/wire.ts";
import { assert, assertEquals } from "../assert.ts";
import { SOCKET_LIMITS } from "../entries.ts";
import { concat, frame, hex, utf8 } from "./bytes.ts";

/** The network: takes what is written while it is open, else keeps it waiting. */
class FakeStream extends Duplex {
  written: Uint8Array = new Uint8Array(0);
  writes = 0;
  #waiting: (() => void) | null = null;
  full = false;

  override _read(): void {}

  override _write(chunk: Uint8Array, _: string, done: () => void): void {
    const take = () => {
      this.written = concat(this.written, chunk);
      this.writes++;
      done();
    };
    if (this.full) this.#waiting = take;
    else take();
  }

  /** What is waiting goes on its way. */
  open(): void {
    this.full = false;
    this.#waiting?.();
    this.#waiting = null;
  }

  destroySoon(): void {
    this.end(() => this.destroy());
  }

  /** What was written since the last call. */
  taken(): Uint8Array {
    const { written } = this;
    this.written = new Uint8Array(0);
    return written;
  }
}

class Fixture implements Home {
  readonly limits: SocketLimits;
  readonly otherwise = { status: 501, body: "no" };
  readonly counters = new SocketCounters();
  readonly outbox = new Outbox(this.counters.writing);
  now = 0;
  readonly stream = new FakeStream();
  readonly connection: Connection;
  readonly messages: string[] = [];
  readonly over: (readonly [EndKind, string | null])[] = [];
  readonly refusals: (readonly [RefusalKind, string])[] = [];
  admission: Admitted | Refusal = { address: "unknown", network: "a network" };
  /** What it was admitted under, once it has left. */
  network: string | null | undefined = null;
  gone = 0;

  constructor(limits: Partial<SocketLimits> = {}) {
    this.limits = { ...SOCKET_LIMITS, ...limits };
    this.connection = new Connection(
      this,
      this.stream as unknown as Stream,
      this.stream as unknown as Stream,
    );
  }

  /** One that is open, and whose clock has advanced a little. */
  static async open(limits: Partial<SocketLimits> = {}): Promise<Fixture> {
    const fixture = new Fixture(limits);
    await fixture.hears(utf8(REQUEST));
    fixture.stream.taken();
    return fixture;
  }

  accept(): SocketHandlers {
    return {
      message: (text: string) => void this.messages.push(text),
      close: (kind: EndKind, fault: string | null) => void this.over.push([kind, fault]),
    };
  }

  refused(_: string, kind: RefusalKind, reason: string): void {
    this.refusals.push([kind, reason]);
  }

  admit(): Admitted | Refusal {
    return this.admission;
  }

  answered(): void {}

  left(_: Connection, network: Admitted["network"] | undefined): void {
    this.gone++;
    this.network = network;
  }

  /** Bytes of the peer arrive, and what is to be done about them is. */
  async hears(bytes: Uint8Array): Promise<void> {
    this.stream.push(bytes);
    await settled();
  }

  /** The clock shows `now`. */
  async tick(now: number): Promise<void> {
    this.now = now;
    this.connection.tick();
    await settled();
  }
}

/** What was scheduled has been done. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setTimeout(resolve, 0));
}

const text = (text: string) => ({ text, bytes: utf8(text) });
const PING = hex("89 00");
const CLOSE_1001 = hex("88 02 03 e9");

Deno.test("silence is counted from the last byte, and a ping adds the time to answer", async () => {
  const it = await Fixture.open();
  await it.tick(59_999);
  assertEquals(it.stream.taken(), hex(""));
  await it.hears(frame("x"));
  await it.tick(119_998);
  assertEquals(it.stream.taken(), hex(""), "59,999 ms after it was heard");
  await it.tick(119_999);
  assertEquals(it.stream.taken(), PING);
  await it.tick(149_998);
  assertEquals([it.stream.taken(), it.gone], [hex(""), 0], "one ping is enough");
  await it.tick(149_999);
  assertEquals(it.gone, 1);
  assertEquals(it.over, [["silent", "it has been silent for 90000 ms, in spite of a ping"]]);
});

Deno.test("one that sends too much in a second is told 1008, and dropped if it goes on", async () => {
  const it = await Fixture.open({ bytesPerSecond: 1000 });
  for (let second = 1; second < 4; second++) {
    await it.tick(second * 1000);
    await it.hears(frame("x".repeat(994 - 2)));
  }
  assertEquals([it.messages.length, it.over], [3, []], "1,000 bytes a second with heads and masks");
  await it.hears(frame("y"));
  assertEquals(it.stream.taken(), hex("88 02 03 f0"));
  assertEquals(it.over, [["rate", "it sent more than 1000 bytes in a second (1008)"]]);
  assertEquals([it.messages.length, it.gone], [3, 0]);
  await it.hears(frame("z".repeat(900)));
  assertEquals(it.gone, 0);
  await it.hears(frame("z".repeat(900)));
  assertEquals(it.gone, 1);
});

Deno.test("a mistake of the owner's ends the connection with 1011, and is reported", async () => {
  const it = await Fixture.open();
  const errors: string[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    errors.push(event.error.message);
  };
  addEventListener("error", onError);
  it.messages.push = () => {
    throw new Error("mine");
  };
  await it.hears(frame("x"));
  removeEventListener("error", onError);
  assertEquals([errors, it.over], [["mine"], [["failed", "the server failed (1011)"]]]);
  assertEquals(it.stream.taken(), hex("88 02 03 f3"));
});

Deno.test("a peer that does not read gets no pongs, and after that it does", async () => {
  const it = await Fixture.open();
  it.stream.full = true;
  it.connection.send(text("x".repeat(100_000)));
  await settled();
  for (let n = 0; n < 100; n++) await it.hears(frame("x", { opcode: 9 }));
  const queued = it.connection.queuedBytes;
  assert(queued > 100_000 && queued < 100_100, `${queued}`);
  it.stream.open();
  await settled();
  assertEquals(it.connection.queuedBytes, 0);
  it.stream.taken();
  await it.hears(frame("x", { opcode: 9 }));
  assertEquals(it.stream.taken(), hex("8a 01 78"));
});

Deno.test("what was queued while the stream was full goes when it has drained", async () => {
  const it = await Fixture.open();
  it.stream.full = true;
  it.connection.send(text("x".repeat(100_000)));
  await settled();
  it.connection.send(text("last"));
  assert(it.connection.queuedBytes > 100_005);
  it.stream.open();
  await settled();
  assertEquals(it.stream.taken().slice(-6), hex("81 04 6c 61 73 74"));
});

Deno.test("a pong keeps the payload of its ping, whatever becomes of the chunk", async () => {
  const it = await Fixture.open();
  const bytes = frame("abc", { opcode: 9 });
  it.connection.data(bytes);
  bytes.fill(0); // the runtime reads the next chunk into the same buffer
  await settled();
  assertEquals(it.stream.taken(), hex("8a 03 61 62 63"));
});

Deno.test("while the peer's close frame is awaited it is not obeyed, and told nothing more", async () => {
  const it = await Fixture.open();
  it.connection.close(1001, "");
  it.connection.close(1001, "");
  await settled();
  assertEquals(it.stream.taken(), CLOSE_1001);
  assertEquals([it.stream.writableEnded, it.over], [false, []]);
  assertEquals(it.connection.send(text("x")), false);
  await it.hears(concat(frame("late"), frame("", { opcode: 9 })));
  assertEquals([it.messages, it.stream.taken()], [[], hex("")]);
  await it.hears(frame("x", { key: null }));
  assertEquals([it.stream.taken(), it.over.length], [hex(""), 1], "no second close frame");
});

for (const phase of ["closing", "ending"] as const) {
  Deno.test(`one that is ${phase} is dropped after closeMs, counted from then`, async () => {
    const it = await Fixture.open({ closeMs: 5000 });
    await it.tick(50_000);
    if (phase === "closing") it.connection.close(1001, "");
    else it.connection.abort(1013, "");
    await it.tick(54_999);
    assertEquals(it.gone, 0);
    await it.tick(55_000);
    assertEquals([it.gone, it.over], [1, [["server", null]]]);
  });
}

Deno.test("the answer to a close frame is written behind what is queued, then it is over", async () => {
  const it = await Fixture.open();
  it.stream.full = true;
  it.connection.send(text("x".repeat(100_000)));
  await settled();
  it.connection.send(text("last"));
  await it.hears(frame(hex("03 e8"), { opcode: 8 }));
  assertEquals(it.gone, 0, "not before it has been read");
  it.stream.open();
  await settled();
  assertEquals(it.stream.taken().slice(-10), hex("81 04 6c 61 73 74 88 02 03 e8"));
  assertEquals([it.gone, it.over], [1, [["client", null]]]);
});

Deno.test("what grows beyond 64 KiB is written before the turn ends", async () => {
  const it = await Fixture.open();
  it.connection.send(text("x".repeat(70_000)));
  assertEquals(it.stream.writes > 0 && it.stream.written.length > 70_000, true);
  await settled();
});

Deno.test("a request is awaited from connecting on", async () => {
  const it = new Fixture({ handshakeMs: 10_000 });
  await it.hears(utf8("GET"));
  await it.tick(9_999);
  await it.hears(utf8(" "));
  assertEquals(it.stream.taken(), hex(""));
  await it.tick(10_000);
  assertEquals(new TextDecoder().decode(it.stream.taken()).slice(0, 13), "HTTP/1.1 408 ");
  await it.tick(12_999);
  assertEquals(it.gone, 0);
  await it.tick(13_000);
  assertEquals(it.gone, 1);
});

Deno.test("one that stops sending gets what is queued for it, and the end", async () => {
  const it = await Fixture.open();
  it.connection.send(text("last"));
  it.stream.push(null);
  await settled();
  assertEquals(it.stream.taken(), hex("81 04 6c 61 73 74"));
  assertEquals([it.stream.writableFinished, it.over], [true, [["lost", null]]]);
});

Deno.test("one whose network breaks is told of once", async () => {
  const it = await Fixture.open();
  it.stream.destroy(new Error("reset"));
  await settled();
  assertEquals([it.gone, it.over, it.refusals], [1, [["lost", null]], []]);
  assertEquals(it.network, "a network", "it gives its place back");
});

Deno.test("one that was told to go and stops sending without a word was ended by the server", async () => {
  const it = await Fixture.open();
  it.connection.close(1001, "");
  it.stream.push(null);
  await settled();
  assertEquals(it.over, [["server", null]]);
});

for (const [status, retries] of [[403, false], [429, true], [503, true]] as const) {
  Deno.test(`one that is not admitted is answered with ${status} and never was a WebSocket`, async () => {
    const it = new Fixture();
    it.admission = { kind: "origin", address: "192.0.2.7", status, reason: "It may not" };
    await it.hears(concat(utf8(REQUEST), frame("x")));
    const answer = new TextDecoder().decode(it.stream.taken());
    assertEquals(answer.slice(0, 13), `HTTP/1.1 ${status} `);
    assertEquals(/^Retry-After: /m.test(answer), retries);
    assertEquals(it.refusals, [["origin", "It may not"]]);
    assertEquals(it.connection.send(text("x")), false);
    it.stream.destroy();
    await settled();
    assertEquals([it.messages, it.over, it.gone], [[], [], 1]);
    assertEquals(it.network, undefined, "it has no place to give back");
  });
}

Deno.test("what came and went is counted: all that came, and the frames that went", async () => {
  const it = await Fixture.open();
  const request = utf8(REQUEST).length;
  assertEquals([it.counters.bytesIn, it.counters.bytesOut], [request, 0]);
  const hasty = new Fixture();
  await hasty.hears(concat(utf8(REQUEST), frame("x")));
  assertEquals(hasty.counters.bytesIn, request + frame("x").length, "nothing counts twice");
  hasty.stream.destroy();
  await it.hears(frame("x", { opcode: 9 }));
  it.connection.send(text("last"));
  it.connection.close(1001, "");
  await settled();
  assertEquals(it.counters.bytesIn, request + frame("x").length);
  assertEquals(it.counters.bytesOut, it.stream.taken().length);
  it.stream.destroy();
});
