/**
 * One connection over a stream and a clock that do what they are told, for what takes a minute or a
 * full network otherwise.
 */

import { Duplex } from "node:stream";
import type { Socket as Stream } from "node:net";
import { type AccountName, Budget } from "../../src/budget.ts";
import { CONNECTION_BYTES } from "../../src/config/memory.ts";
import { drawKey, KeyedHash } from "../../src/keyed_hash.ts";
import { watch } from "../../src/http/stream_owner.ts";
import { KeyedMap } from "../../src/keyed_map.ts";
import type { Admitted } from "../../src/websocket/admission.ts";
import { type Accounts, Connection, type ConnectionHost } from "../../src/websocket/connection.ts";
import { frameSize, OPCODE, writeFrame } from "../../src/websocket/frame.ts";
import { Outbox } from "../../src/websocket/outbox.ts";
import type { SocketLimits } from "../../src/websocket/rules.ts";
import { type EndKind, SocketCounters, type SocketHandlers } from "../../src/websocket/socket.ts";
import { WorkQueue } from "../../src/work_queue.ts";
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

const NETWORK = new KeyedMap<number>(new KeyedHash(drawKey())).add("a network", 1);

class Fixture implements ConnectionHost {
  readonly limits: SocketLimits;
  readonly counters = new SocketCounters();
  readonly outbox = new Outbox(this.counters.writing);
  readonly budget: Budget;
  readonly workQueue = new WorkQueue().share();
  readonly accounts: Accounts;
  now = 0;
  readonly stream: FakeStream;
  readonly connection: Connection;
  readonly messages: string[] = [];
  readonly over: (readonly [EndKind, string | null])[] = [];
  /** What it was admitted under, once it has left. */
  network: Admitted["network"] = null;
  gone = 0;
  frames = 0;
  drained = 0;
  /** Whether the owner has nothing more to queue; else `done` is to be called. */
  finishes = true;
  done = () => {};

  constructor(
    limits: Partial<SocketLimits> = {},
    budget: Budget = new Budget(1e9),
    fake: FakeStream = new FakeStream(),
  ) {
    this.stream = fake;
    this.limits = { ...SOCKET_LIMITS, ...limits };
    this.budget = budget;
    this.accounts = {
      connections: budget.account("connections"),
      messages: budget.account("messages"),
      frames: budget.account("frames"),
    };
    const stream = this.stream as unknown as Stream;
    const taken = { stream, isTls: false };
    this.connection = new Connection(this, taken, "192.0.2.7:50122", NETWORK);
    watch(stream, this.connection, () => {});
    this.connection.begin("/");
  }

  accept(): SocketHandlers {
    return {
      message: (text: string) => void this.messages.push(text),
      frame: () => void this.frames++,
      drained: () => void this.drained++,
      confirmed() {},
      finish: (done: () => void) => this.finishes ? done() : void (this.done = done),
      close: (kind: EndKind, fault: string | null) => void this.over.push([kind, fault]),
    };
  }

  left(_: Connection, network: Admitted["network"]): void {
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
  const it = new Fixture();
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
  const it = new Fixture({ bytesPerSecond: 1000 });
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
  const it = new Fixture();
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

Deno.test("a peer that does not read has one pong waiting, for the last of its pings", async () => {
  const it = new Fixture();
  it.stream.full = true;
  it.connection.send(text("x".repeat(100_000)));
  await settled();
  for (let n = 0; n < 100; n++) await it.hears(frame(`${n % 10}`, { opcode: 9 }));
  const queued = it.connection.queuedBytes;
  assert(queued > 100_000 && queued < 100_100, `${queued}`);
  it.stream.open();
  await settled();
  assertEquals(it.connection.queuedBytes, 0);
  assertEquals(it.stream.taken().slice(-3), hex("8a 01 39"));
  await it.hears(frame("x", { opcode: 9 }));
  assertEquals(it.stream.taken(), hex("8a 01 78"));
});

Deno.test("of many pings in one piece the last is answered, and each is a frame for the owner", async () => {
  const it = new Fixture();
  const pings = Array.from({ length: 5000 }, () => frame("", { opcode: 9 }));
  await it.hears(concat(...pings, frame("end", { opcode: 9 })));
  assertEquals([it.stream.taken(), it.frames], [hex("8a 03 65 6e 64"), 5001]);
});

Deno.test("pongs and fragments are frames for the owner, a message in one frame is none", async () => {
  const it = new Fixture();
  await it.hears(frame("", { opcode: 10 }));
  await it.hears(frame("a", { final: false }));
  await it.hears(frame("", { opcode: 0, final: false }));
  await it.hears(frame("b", { opcode: 0 }));
  await it.hears(frame("c"));
  assertEquals([it.frames, it.messages], [3, ["ab", "c"]]);
});

Deno.test("a message that does not come whole in 30 s ends the connection with 1008", async () => {
  const it = new Fixture({ messageMs: 30_000 });
  await it.tick(1000);
  await it.hears(frame("a", { final: false }));
  for (let second = 2; second <= 30; second++) {
    await it.tick(second * 1000);
    await it.hears(frame("b", { opcode: 0, final: false }));
  }
  assertEquals(it.over, []);
  await it.tick(31_000);
  assertEquals(it.stream.taken(), hex("88 02 03 f0"));
  assertEquals(it.over, [["unfinished", "it did not finish a message in 30000 ms (1008)"]]);
});

Deno.test("the time of a message begins with its own first byte", async () => {
  const it = new Fixture({ messageMs: 30_000 });
  await it.hears(frame("a", { final: false }));
  await it.tick(29_000);
  // The end of one and the beginning of the next come in one piece.
  await it.hears(concat(frame("b", { opcode: 0 }), frame("c", { final: false })));
  await it.tick(58_999);
  assertEquals([it.messages, it.over], [["ab"], []]);
  await it.tick(59_000);
  assertEquals(it.over.length, 1);
});

Deno.test("what a connection takes is charged as it is taken, and given back when it is gone", async () => {
  const budget = new Budget(1e9);
  const held = () => {
    const bytes = (account: AccountName) => budget.account(account).bytes;
    return [bytes("messages") > 0, bytes("frames") > 0];
  };
  const it = new Fixture({}, budget);
  assertEquals(it.connection.ownBytes, CONNECTION_BYTES.plain);
  await it.hears(frame("x".repeat(5000), { final: false }));
  assertEquals(held(), [true, false]);
  assert(budget.account("messages").bytes >= 5000);
  await it.hears(frame("x", { opcode: 0 }));
  assertEquals(held(), [false, false]);
  it.stream.full = true;
  it.connection.send(text("x".repeat(70_000)));
  for (let n = 0; n < 1000; n++) it.connection.send(text("y"));
  assert(budget.account("frames").bytes >= 70_000 + 1000 * (3 + 16));
  it.stream.open();
  await settled();
  assertEquals(held(), [false, false]);
  it.stream.full = true;
  it.connection.send(text("x".repeat(70_000)));
  it.connection.send(text("y"));
  it.stream.destroy();
  await settled();
  assertEquals(budget.bytes, 0);
});

Deno.test("what a stream keeps without being full is charged at the next look", async () => {
  const it = new Fixture();
  it.stream.full = true;
  it.connection.send(text("x".repeat(500)));
  await settled();
  assertEquals(it.budget.account("frames").bytes, 0, "it may be gone in a moment");
  await it.tick(1000);
  assertEquals(it.budget.account("frames").bytes, 504);
});

Deno.test("beyond the budget the one that has most waiting is dropped, and the other gets its messages", async () => {
  const budget = new Budget(2_000_000);
  const hog = new Fixture({}, budget);
  const other = new Fixture({}, budget);
  for (const { stream } of [hog, other]) stream.full = true;
  for (const it of [hog, other]) it.connection.send(text("x".repeat(70_000)));
  let sent = 0;
  while (hog.gone === 0 && sent < 5000) {
    sent++;
    if (!hog.connection.send(text("x".repeat(1000)))) break;
  }
  assert(sent < 5000, "it has a bound");
  assertEquals(hog.over[0]?.[0], "memory", "nobody held more");
  await settled();
  assertEquals([hog.gone, other.over], [1, []]);
  other.stream.open();
  await settled();
  assertEquals(other.connection.queuedBytes, 0);
});

Deno.test("large messages are written in pieces of 64 KiB or their own, as the stream drains", async () => {
  const it = new Fixture();
  it.stream.full = true;
  it.connection.send(text("x".repeat(70_000)));
  const messages = Array.from({ length: 300 }, (_, n) => text("y".repeat(n * 10)));
  const large = text("z".repeat(200_000));
  for (const message of [...messages, large, text("last")]) it.connection.send(message);
  it.stream.taken();
  it.stream.open();
  await settled();
  const expected = concat(
    ...[text("x".repeat(70_000)), ...messages, large, text("last")].map(({ bytes }) => {
      const frame = new Uint8Array(frameSize(bytes));
      writeFrame(frame, 0, OPCODE.text, bytes);
      return frame;
    }),
  );
  assertEquals(it.stream.taken(), expected);
  assert(it.drained > 0, "a replay may go on");
});

Deno.test("what was queued while the stream was full goes when it has drained", async () => {
  const it = new Fixture();
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
  const it = new Fixture();
  const bytes = frame("abc", { opcode: 9 });
  it.connection.data(bytes);
  bytes.fill(0); // the runtime reads the next chunk into the same buffer
  await settled();
  assertEquals(it.stream.taken(), hex("8a 03 61 62 63"));
});

Deno.test("while the peer's close frame is awaited it is not obeyed, and told nothing more", async () => {
  const it = new Fixture();
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

Deno.test("one that is to be closed is when its owner has finished, behind what that still queues", async () => {
  const it = new Fixture();
  it.finishes = false;
  it.connection.close(1001, "");
  await settled();
  assertEquals(it.stream.taken(), hex(""));
  it.connection.send(text("last"));
  it.done();
  it.done();
  await settled();
  assertEquals(it.stream.taken(), hex("81 04 6c 61 73 74 88 02 03 e9"));
  assertEquals(it.connection.send(text("x")), false);
});

Deno.test("an owner that does not finish is not waited for longer than closeMs", async () => {
  const it = new Fixture({ closeMs: 3000 });
  it.finishes = false;
  await it.tick(10_000);
  it.connection.close(1001, "");
  await it.tick(12_999);
  assertEquals(it.stream.taken(), hex(""));
  await it.tick(13_000);
  assertEquals(it.stream.taken(), CLOSE_1001);
  await it.tick(16_000);
  assertEquals([it.gone, it.over], [1, [["server", null]]]);
});

for (const phase of ["closing", "ending"] as const) {
  Deno.test(`one that is ${phase} is dropped after closeMs, counted from then`, async () => {
    const it = new Fixture({ closeMs: 5000 });
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
  const it = new Fixture();
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
  const it = new Fixture();
  it.connection.send(text("x".repeat(70_000)));
  assertEquals(it.stream.writes > 0 && it.stream.written.length > 70_000, true);
  await settled();
});

Deno.test("one that stops sending gets what is queued for it, and the end", async () => {
  const it = new Fixture();
  it.connection.send(text("last"));
  it.stream.push(null);
  await settled();
  assertEquals(it.stream.taken(), hex("81 04 6c 61 73 74"));
  assertEquals([it.stream.writableFinished, it.over], [true, [["lost", null]]]);
});

Deno.test("one whose network breaks is told of once", async () => {
  const it = new Fixture();
  it.stream.destroy(new Error("reset"));
  await settled();
  assertEquals([it.gone, it.over], [1, [["lost", null]]]);
  assertEquals(it.network, NETWORK, "it gives its place back");
});

Deno.test("one that was told to go and stops sending without a word was ended by the server", async () => {
  const it = new Fixture();
  it.connection.close(1001, "");
  it.stream.push(null);
  await settled();
  assertEquals(it.over, [["server", null]]);
});

Deno.test("what came and went is counted: all that came, and the frames that went", async () => {
  const it = new Fixture();
  await it.hears(frame("x", { opcode: 9 }));
  it.connection.send(text("last"));
  it.connection.close(1001, "");
  await settled();
  assertEquals(it.counters.bytesIn, frame("x").length);
  assertEquals(it.counters.bytesOut, it.stream.taken().length);
  it.stream.destroy();
});

Deno.test("one whose answer to the handshake has not gone waits with what it has to say", async () => {
  const stream = new FakeStream();
  stream.full = true;
  stream.write(new Uint8Array(100_000));
  const it = new Fixture({}, new Budget(1e9), stream);
  it.connection.send(text("first"));
  await settled();
  assertEquals(stream.taken(), hex(""));
  stream.open();
  await settled();
  assertEquals(stream.taken().slice(-7), hex("81 05 66 69 72 73 74"));
});

Deno.test("an owner that fails at the beginning ends the connection with 1011, and is reported", async () => {
  const errors: string[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    errors.push(event.error.message);
  };
  addEventListener("error", onError);
  const it = new class extends Fixture {
    override accept(): SocketHandlers {
      throw new Error("mine");
    }
  }();
  await settled();
  removeEventListener("error", onError);
  assertEquals([errors, it.stream.taken()], [["mine"], hex("88 02 03 f3")]);
});
