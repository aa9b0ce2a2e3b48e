/**
 * Bytes that arrive cost in proportion to their number, whatever they say and in whatever pieces they come.
 *
 * Each case does its work for an input and for one of four times the size. A quadratic cost would make that 16
 * times the time.
 */

import { Budget } from "../src/budget.ts";
import { parseCommand } from "../src/client/client_command.ts";
import { AnswerReader, BODY_LIMIT } from "../src/http/answer.ts";
import { Redaction } from "../src/config/redaction.ts";
import { Networks } from "../src/config/network.ts";
import { Hub } from "../src/hub/hub.ts";
import type { Listener, Sink } from "../src/hub/listener.ts";
import { type Message, parseMessage } from "../src/hub/message.ts";
import { memberOf, readMembers, stringsOf } from "../src/json_members.ts";
import { drawKey, KeyedHash } from "../src/keyed_hash.ts";
import { KeyedMap } from "../src/keyed_map.ts";
import { parseField, parseFields, parseParameter, tokensOf, trimmed } from "../src/net/fields.ts";
import { ChunkQueue } from "../src/net/chunk_queue.ts";
import { clientAddress } from "../src/net/forwarded.ts";
import { GrowingBuffer } from "../src/net/growing_buffer.ts";
import { flatCopy } from "../src/text.ts";
import { Decoder } from "../src/websocket/decoder.ts";
import { FrameQueue } from "../src/websocket/frame_queue.ts";
import { BodyDecoder } from "../src/http/body.ts";
import { HEAD_LIMIT, HeadReader } from "../src/http/head.ts";
import { Receptions } from "../src/http/reception.ts";
import { pathOf } from "../src/websocket/handshake.ts";
import { colliding, integerLike } from "./acceptance/collisions.ts";
import { assert, assertEquals } from "./assert.ts";
import { concat, frame } from "./websocket/bytes.ts";

/** The factor by which four times the size may take longer: linear is 4, quadratic 16. */
const BOUND = 8;

/** When the larger work takes less than this times as long, there is no doubt, and no further run. */
const CLEAR = 6;

/** Work that takes less, at the larger size, is too short to compare. Quadratic work takes far longer. */
const NOTHING_MS = 2;

/** A machine that is busy makes one time longer, not the best of several. */
const RUNS = 7;

/** Comparisons that must fail before a cost counts as more than linear. */
const ATTEMPTS = 5;

/**
 * Fails if work on an input of four times the size takes more than {@linkcode BOUND} times as long.
 *
 * @param prepare Makes an input of a size, and returns the work on it.
 */
function assertLinear(what: string, size: number, prepare: (size: number) => () => unknown): void {
  const works = [prepare(size), prepare(4 * size)] as const;
  let seen = "";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const best: [number, number] = [Infinity, Infinity];
    for (let run = 0; run < RUNS; run++) {
      best[0] = Math.min(best[0], timeOf(works[0]));
      best[1] = Math.min(best[1], timeOf(works[1]));
      if (best[1] < NOTHING_MS || (run > 0 && best[1] < CLEAR * best[0])) return;
    }
    if (best[1] < BOUND * best[0]) return;
    seen = `${size}: ${best[0]} ms, ${4 * size}: ${best[1]} ms`;
  }
  throw new Error(`${what} is not linear: ${seen}`);
}

/** The factor by which work may take longer when others hold a thousand times as much: caches are missed. */
const HELD_BOUND = 8;

/**
 * Fails if work takes more than {@linkcode HELD_BOUND} times as long when much is held instead of little.
 *
 * @param prepare Holds as much as it is told, and returns work that leaves it so.
 */
function assertIndependent(
  what: string,
  held: readonly [few: number, many: number],
  prepare: (held: number) => () => unknown,
): void {
  const works = [prepare(held[0]), prepare(held[1])] as const;
  let seen = "";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const best: [number, number] = [Infinity, Infinity];
    for (let run = 0; run < RUNS; run++) {
      best[0] = Math.min(best[0], timeOf(works[0]));
      best[1] = Math.min(best[1], timeOf(works[1]));
    }
    if (best[1] < HELD_BOUND * best[0]) return;
    seen = `${held[0]} held: ${best[0]} ms, ${held[1]} held: ${best[1]} ms`;
  }
  throw new Error(`${what} costs more when more is held: ${seen}`);
}

/** The time that some work takes, in ms, without that in which other processes and threads had the processor. */
function timeOf(work: () => unknown): number {
  // The waiting is asked for within, so that no wait counts that is not of the time measured.
  const started = performance.now();
  const waited = waitedMs();
  work();
  const waitedInIt = waitedMs() - waited;
  return performance.now() - started - waitedInIt;
}

/** The time that this thread has waited for a processor, in ms, as far as the system tells. */
function waitedMs(): number {
  try {
    return Number(Deno.readTextFileSync("/proc/thread-self/schedstat").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** Texts of about a size that are hard on parsers of lists and parameters. */
const HARD: readonly (readonly [name: string, text: (size: number) => string])[] = [
  ...[
    " ",
    "\t ",
    '"',
    "\\",
    '\\"',
    '"\\',
    ",",
    ";",
    "=",
    ", ",
    " ,",
    "; ",
    '",',
    ',"',
    "for=",
    "[",
    ":",
  ]
    .map((unit) => [JSON.stringify(unit), repeated(unit)] as const),
  ["blanks behind for=", (size) => `for=${" ".repeat(size)}`],
  ["blanks between for and =", (size) => `for${" ".repeat(size)}=x`],
  ["blanks around a character", (size) => `for=${" ".repeat(size / 2)}x${" ".repeat(size / 2)}y`],
  ["backslashes in quotes", (size) => `for="${"\\".repeat(size)}"`],
  ["escaped quotes in quotes", (size) => `for="${'\\"'.repeat(size / 2)}"`],
  ["a quote left open", (size) => `for="${" ".repeat(size)}`],
  ["pairs of one element", (size) => "for=x;".repeat(size / 6)],
  ["quoted pairs", (size) => 'by="a,b;c";'.repeat(size / 11)],
  ["elements", (size) => "for=127.0.0.1, ".repeat(size / 15)],
  ["words and blanks", (size) => "a ".repeat(size / 2)],
  ["a bracket and colons", (size) => `for="[${":a".repeat(size / 2)}]:80"`],
];

function repeated(unit: string): (size: number) => string {
  return (size) => unit.repeat(size / unit.length);
}

/** Twice as much as the largest header, and four times that. */
const SIZE = 16_384;

const PROXIES = new Networks(["127.0.0.1"]);

for (const [name, text] of HARD) {
  Deno.test(`forwarding headers are read in linear time: ${name}`, () => {
    for (const header of ["forwarded", "x-forwarded-for"]) {
      assertLinear(header, SIZE, (size) => {
        const value = text(size);
        return () => clientAddress("127.0.0.1", (name) => name === header ? value : null, PROXIES);
      });
    }
  });

  Deno.test(`header fields are read in linear time: ${name}`, () => {
    for (
      const [what, read] of [
        ["a field", (value) => parseField(`A: ${value}`)],
        ["a line", parseField],
        ["fields", (value) => parseFields(`A: b\r\nC: ${value}`)],
        ["a list of tokens", tokensOf],
        ["a parameter", parseParameter],
        ["blanks", trimmed],
        ["a path", pathOf],
        ["a path behind an authority", (value) => pathOf(`http://${value}`)],
        ["a copy", flatCopy],
      ] as readonly (readonly [string, (value: string) => unknown])[]
    ) {
      assertLinear(what, SIZE, (size) => {
        const value = text(size);
        return () => read(value);
      });
    }
  });

  Deno.test(`a peer's head is read in linear time: ${name}`, () => {
    for (const [field, pieces] of [["A", Infinity], ["Connection", Infinity], ["A", 1]] as const) {
      assertLinear(`${field} in pieces of ${pieces}`, 3900, (size) => {
        const bytes = encoder.encode(`HTTP/1.1 200 OK\r\n${field}: ${text(size)}\r\n`);
        return repeatedly(() => readAnswer(bytes, pieces));
      });
    }
  });

  Deno.test(`a head is read in linear time: ${name}`, () => {
    for (const pieces of [Infinity, 1]) {
      assertLinear(`a head in pieces of ${pieces}`, 1980, (size) => {
        const bytes = encoder.encode(`GET / HTTP/1.1\r\nUpgrade: ${text(size)}\r\n\r\n`);
        return repeatedly(() => readHead(bytes, pieces));
      });
    }
  });
}

const encoder = new TextEncoder();

/** Work that is too short to be timed, several times. */
function repeatedly(work: () => unknown): () => void {
  return () => {
    for (let count = 0; count < 10; count++) work();
  };
}

function readHead(bytes: Uint8Array, pieces: number): void {
  const reader = new HeadReader();
  for (let at = 0; at < bytes.length; at += pieces) reader.read(bytes.subarray(at, at + pieces));
}

function readAnswer(bytes: Uint8Array, pieces: number): void {
  const reader = new AnswerReader(String);
  for (let at = 0; at < bytes.length; at += pieces) reader.push(bytes.subarray(at, at + pieces));
}

for (
  const [what, secret, piece] of [
    ["beginnings of it", "kT2/9sLq+4vXz0bWq7Yt/Re8mPd1+A==", "kT2/9sLq+4vXz0b"],
    ["a secret of one letter", "a".repeat(4096), `${"a".repeat(4095)}b`],
    ["a secret of one letter that nearly is there", `${"a".repeat(4095)}b`, "a"],
    [
      "the secret itself, again and again",
      "kT2/9sLq+4vXz0bWq7Yt/Re8mPd1+A==",
      "kT2/9sLq+4vXz0bWq7Yt/Re8mPd1+A==",
    ],
    ["escapes", "kT2/9sLq+4vXz0bWq7Yt/Re8mPd1+A==", "%25252f"],
    ["what seem to be escapes", "kT2/9sLq+4vXz0bWq7Yt/Re8mPd1+A==", "\\%25&#x0000"],
    ["backslashes", "kT2/9sLq+4vXz0bWq7Yt/Re8mPd1+A==", "\\"],
  ] as const
) {
  Deno.test(`a secret is taken out of a text in proportion to its length: ${what}`, () => {
    const redaction = new Redaction(secret);
    assertLinear(what, BODY_LIMIT, (size) => {
      const text = piece.repeat(Math.ceil(size / piece.length)).slice(0, size);
      return () => redaction.apply(text);
    });
  });
}

Deno.test("a head that drips byte by byte is copied twice at most", () => {
  const head = encoder.encode(`GET / HTTP/1.1\r\nA: ${"x".repeat(HEAD_LIMIT)}`).slice(
    0,
    HEAD_LIMIT - 1,
  );
  const reader = new HeadReader();
  let [held, copied] = [0, 0];
  for (let at = 0; at < head.length; at++) {
    assertEquals(reader.read(head.subarray(at, at + 1)), null);
    // Another buffer is a copy of what has come before.
    if (reader.heldBytes !== held) copied += at;
    held = reader.heldBytes;
  }
  assert(copied <= 2 * head.length, `${copied} bytes were copied`);
});

/** Chunked bodies of about a size. Each has all that its limits let through of what it is about. */
const CHUNKED: readonly (readonly [what: string, body: (size: number) => string])[] = [
  ["chunks of a byte", (size) => "1\r\nx\r\n".repeat(size / 6)],
  ["sizes with many zeros", (size) => "000000000001\r\nx\r\n".repeat(size / 17)],
  ["empty extensions", (size) => "1;\r\nx\r\n".repeat(size / 7)],
  ["a long chunk", (size) => `${size.toString(16)}\r\n${"x".repeat(size)}`],
  ["a trailer", () => `0\r\n${"A: b\r\n".repeat(200)}${"C".repeat(2000)}`],
];

for (const [what, body] of CHUNKED) {
  for (const pieces of [1, 65_536]) {
    Deno.test(`${what} cost in proportion to their bytes, in pieces of ${pieces}`, () => {
      assertLinear(what, 65_536, (size) => {
        const bytes = encoder.encode(body(size));
        return () => {
          const decoder = new BodyDecoder("chunked");
          for (let at = 0; at < bytes.length; at += pieces) {
            decoder.read(bytes.subarray(at, at + pieces), () => {});
          }
        };
      });
    });
  }
}

Deno.test("a body that drips is received in linear time", () => {
  assertLinear("a reception", 65_536, (size) => {
    const byte = Uint8Array.of(1);
    const receptions = new Receptions(
      new Budget(1e12).account("bodies"),
      () => ({ bodyBytes: size, bodies: 1, bodyMs: Infinity }),
      () => 0,
    );
    return () => {
      const body = receptions.begin(size, null);
      for (let count = 0; count < size; count++) body.take(byte);
      body.finish();
    };
  });
});

Deno.test("bytes that drip are collected in linear time", () => {
  assertLinear("a growing buffer", 65_536, (size) => {
    const byte = Uint8Array.of(1);
    return () => {
      const buffer = new GrowingBuffer(size);
      for (let count = 0; count < size; count++) buffer.append(byte);
    };
  });
});

Deno.test("a peer's body of 64 KiB is read in linear time, whatever the pieces", () => {
  for (const pieces of [1, 100, Infinity]) {
    for (const framing of [(size: number) => `Content-Length: ${size}\r\n`, () => ""]) {
      assertLinear(`a body in pieces of ${pieces}`, BODY_LIMIT / 4, (size) => {
        const bytes = encoder.encode(`HTTP/1.1 200 OK\r\n${framing(size)}\r\n${"x".repeat(size)}`);
        return () => readAnswer(bytes, pieces);
      });
    }
  }
});

Deno.test("a peer's body in chunks of one byte is read in linear time", () => {
  for (const pieces of [1, Infinity]) {
    assertLinear(`chunks in pieces of ${pieces}`, 600, (count) => {
      const text = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${
        "1\r\nx\r\n".repeat(count)
      }`;
      const bytes = encoder.encode(text);
      return repeatedly(() => readAnswer(bytes, pieces));
    });
  }
});

/** Phorge's message about a task, with an identifier of its own. */
function story(number: number): Message {
  return parseMessage(
    JSON.stringify({
      type: "notification",
      subscribers: ["PHID-USER-a", "PHID-TASK-b"],
      uniqueID: `story ${number}`,
    }),
  );
}

Deno.test("publishing costs the same after 200,000 messages with identifiers of their own", () => {
  assertIndependent("1,000 messages", [200, 200_000], (held) => {
    const hub = new Hub({ fingerprint: "OURS", now: () => 0 });
    let number = 0;
    const publish = (count: number) => {
      for (const end = number + count; number < end; number++) {
        hub.publish("default", story(number));
      }
    };
    publish(held);
    return () => publish(1000);
  });
});

const LIMITS = { subscriptions: 1e9, topic: 256 };

/** A sink that takes everything. */
const SINK: Sink = { deliver: () => true, hasRoom: () => true, holder: { evict() {} } };

function joined(hub: Hub): Listener {
  const listener = hub.join("default", SINK);
  assert(listener !== null);
  return listener;
}

function names(count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, index) => `PHID-TASK-${first + index}`);
}

/** A hub in which so many topics are subscribed to, by listeners with a thousand each. */
function crowded(topics: number): Hub {
  const hub = new Hub({ fingerprint: "OURS", now: () => 0 });
  for (let first = 0; first < topics; first += 1000) {
    joined(hub).subscribe(names(Math.min(1000, topics - first), first), LIMITS);
  }
  return hub;
}

Deno.test("subscribing, publishing and leaving cost the same among a million subscriptions", () => {
  assertIndependent("1,000 topics", [1000, 1_000_000], (held) => {
    const hub = crowded(held);
    const topics = names(1000, 2_000_000);
    const message = parseMessage(JSON.stringify({ subscribers: topics }));
    return () => {
      const listener = joined(hub);
      listener.subscribe(topics, LIMITS);
      hub.publish("default", message);
      listener.unsubscribe(topics.slice(0, 500));
      listener.leave();
    };
  });
});

Deno.test("telling how many a topic has costs the same among a hundred thousand who are subscribed to it", () => {
  assertIndependent("10,000 questions", [10, 100_000], (held) => {
    const hub = new Hub({ fingerprint: "OURS", now: () => 0 });
    for (let index = 0; index < held; index++) joined(hub).subscribe(["A"], LIMITS);
    return () => {
      for (let index = 0; index < 10_000; index++) hub.subscribers("default", "A");
    };
  });
});

Deno.test("a message that names a topic often is published in linear time", () => {
  const hub = crowded(1000);
  for (let count = 0; count < 500; count++) joined(hub).subscribe(["a"], LIMITS);
  assertLinear("a topic", 5000, (size) => {
    const message = parseMessage(JSON.stringify({ subscribers: Array(size).fill("a") }));
    return () => hub.publish("default", message);
  });
  assertIndependent("a topic named 2,000 times", [1, 2000], (held) => {
    const hub = new Hub({ fingerprint: "OURS", now: () => 0 });
    for (let count = 0; count < held; count++) joined(hub).subscribe(["a"], LIMITS);
    const message = parseMessage(JSON.stringify({ subscribers: Array(2000).fill("a") }));
    return () => hub.publish("default", message);
  });
});

Deno.test("a replay of the last messages costs the same however many are remembered", () => {
  assertIndependent("100 replays", [10, 4000], (held) => {
    let now = 0;
    const hub = new Hub({ fingerprint: "OURS", now: () => now });
    for (let number = 0; number < held; number++) {
      hub.publish("default", story(number));
      now += 10;
    }
    const listener = joined(hub);
    listener.subscribe(["PHID-USER-a"], LIMITS);
    return () => {
      for (let count = 0; count < 100; count++) {
        listener.replay(100);
        listener.resume(() => {});
      }
    };
  });
});

/** Texts with one hash in V8. */
function strangers(count: number): string[] {
  const texts = colliding(count, 0);
  assert(texts !== null, "V8's secrets are not where they were: find out where, see collisions.ts");
  return texts;
}

Deno.test("names that collide in V8's hash tables are looked up as fast as any others", () => {
  const chosen = [integerLike(20_000, 0), strangers(20_000)];
  for (const [index, collide] of chosen.entries()) {
    const works = [names(20_000), collide].map((texts) => {
      const map = new KeyedMap<number>(new KeyedHash(drawKey()));
      return () => {
        for (const text of texts) map.set(text, 1);
        for (const text of texts) map.get(text);
        for (const text of texts) map.delete(text);
      };
    });
    assertIndependent(`kind ${index}`, [0, 1], (which) => works[which] ?? (() => {}));
  }
});

Deno.test("a command whose keys or topics collide in V8 is read as fast as any other", () => {
  for (
    const text of [(list: string[]) => `{"command":"subscribe","data":${JSON.stringify(list)}}`]
  ) {
    const works = [names(5000), strangers(5000)].map((list) => {
      const command = text(list);
      return () => parseCommand(command);
    });
    assertIndependent("a list of topics", [0, 1], (which) => works[which] ?? (() => {}));
  }
  const nested = (list: string[]) =>
    `{"x":{${list.map((key) => `${JSON.stringify(key)}:1`).join()}}}`;
  const works = [names(5000), strangers(5000)].map((list) => {
    const text = nested(list);
    return () => readMembers(text, { members: 16, depth: 16 });
  });
  assertIndependent("an object", [0, 1], (which) => works[which] ?? (() => {}));
});

for (
  const [what, json] of [
    ["a list of lists", (size: number) => "[1],".repeat(size / 4)],
    ["a string", (size: number) => `"${"x".repeat(size)}",`],
    ["escapes", (size: number) => `"${"\\\\".repeat(size / 2)}",`],
    ["codes", (size: number) => `"${"\\u00e9".repeat(size / 6)}",`],
    ["strings", (size: number) => '"a",'.repeat(size / 4)],
    ["spaces", (size: number) => `${" ".repeat(size)}1,`],
    ["digits", (size: number) => `${"1".repeat(size)},`],
    ["objects", (size: number) => '{"a":1},'.repeat(size / 8)],
  ] as const
) {
  Deno.test(`JSON is read in linear time: ${what}`, () => {
    assertLinear(what, 262_144, (size) => {
      const text = `{"subscribers":[${json(size).slice(0, -1)}]}`;
      return () => {
        const members = readMembers(text, { members: 16, depth: 16 }) ?? [];
        stringsOf(text, memberOf(members, "subscribers"));
      };
    });
  });
}

Deno.test("frames that arrive in whatever pieces are read in linear time", () => {
  const fragments = (size: number) =>
    concat(
      frame("x", { final: false }),
      ...Array.from({ length: size }, () => frame("x", { opcode: 0, final: false })),
    );
  for (
    const [what, make] of [
      ["fragments", fragments],
      ["pings", (size: number) => concat(...Array(size).fill(frame("", { opcode: 9 })))],
      ["one message", (size: number) => frame("x".repeat(20 * size))],
    ] as const
  ) {
    for (const pieces of [1, Infinity]) {
      assertLinear(`${what} in pieces of ${pieces}`, 4000, (size) => {
        const bytes = make(size);
        return () => {
          const decoder = new Decoder(() => 1e9);
          for (let at = 0; at < bytes.length; at += pieces) {
            for (const _ of decoder.decode(bytes.slice(at, at + pieces)));
          }
        };
      });
    }
  }
});

Deno.test("messages that wait are queued and taken in linear time", () => {
  assertLinear("a queue", 20_000, (size) => {
    const payload = new Uint8Array(15);
    return () => {
      const queue = new FrameQueue();
      for (let count = 0; count < size; count++) queue.push(payload);
      while (queue.take(1000) !== null);
    };
  });
});

Deno.test("chunks that wait are queued and taken in linear time, however many and small", () => {
  assertLinear("a queue of chunks", 50_000, (size) => {
    const chunk = new Uint8Array(1);
    return () => {
      const queue = new ChunkQueue();
      for (let count = 0; count < size; count++) queue.push(chunk);
      while (queue.shift() !== undefined);
    };
  });
});

Deno.test("a queue that never becomes empty keeps nothing of what has left it", () => {
  assertIndependent("1,000 chunks, each behind another", [1, 1_000_000], (passed) => {
    const chunk = new Uint8Array(1);
    const queue = new ChunkQueue();
    queue.push(chunk);
    const pass = (count: number) => {
      for (; count > 0; count--) {
        queue.push(chunk);
        queue.shift();
      }
    };
    pass(passed);
    return () => {
      pass(1000);
      queue.takeAll();
      queue.push(chunk);
    };
  });
});

Deno.test("charging costs the same among a hundred thousand who hold something", () => {
  assertIndependent("1,000 charges", [100, 100_000], (held) => {
    const budget = new Budget(1e12);
    const account = budget.account("frames");
    const holder = { evict() {} };
    for (let count = 0; count < held; count++) account.open(holder).set(1 + count % 5000);
    const holding = account.open(holder);
    return () => {
      for (let count = 1; count <= 1000; count++) holding.set(count * 100);
      holding.close();
    };
  });
});

Deno.test("the largest is found as fast among a hundred thousand as among a hundred", () => {
  assertIndependent("100 ends", [1000, 100_000], (held) => {
    const budget = new Budget(held * 1600);
    const connections = budget.account("connections");
    const frames = budget.account("frames");
    for (let count = 0; count < held; count++) frames.open({ evict() {} }).set(500);
    connections.adjust(connections.floor + budget.free);
    return () => {
      for (let count = 0; count < 100; count++) {
        const subscriptions = budget.account("subscriptions");
        subscriptions.adjust(subscriptions.floor);
        assert(subscriptions.hold(1), "somebody was ended for it");
        subscriptions.adjust(-subscriptions.bytes);
        frames.open({ evict() {} }).set(500);
      }
    };
  });
});

Deno.test("the slowest is found as fast among a hundred thousand as among a hundred", () => {
  assertIndependent("100 ends", [1000, 100_000], (held) => {
    const budget = new Budget(held * 500 * 4);
    const requests = budget.account("requests");
    const fill = () => {
      while (requests.bytes + 500 <= requests.ceiling) requests.open({ evict() {} }).set(500);
    };
    return () => {
      fill();
      for (let count = 0; count < 100; count++) {
        assert(requests.open({ evict() {} }).set(500), "somebody was ended for it");
      }
    };
  });
});

Deno.test("a cost that grows with what is held is found", () => {
  let message = "";
  try {
    assertIndependent("a walk", [1000, 1_000_000], (held) => {
      const list = Array.from({ length: held }, (_, index) => index);
      // To look at the clock and at the system's count takes some 0.05 ms, beside which a walk of 0.3 ms is hard to see.
      return () => list.reduce((sum, each) => sum + each % 7, 0);
    });
  } catch (error) {
    message = error instanceof Error ? error.message : "";
  }
  assert(message.startsWith("a walk costs more when more is held: "), message);
});

Deno.test("a cost that is quadratic is found", () => {
  const work = (size: number) => () => {
    let sum = 0;
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) sum += j;
    return sum;
  };
  let message = "";
  try {
    assertLinear("a loop in a loop", 2048, work);
  } catch (error) {
    message = error instanceof Error ? error.message : "";
  }
  assert(message.startsWith("a loop in a loop is not linear: "), message);
});
