/**
 * Bytes that arrive cost in proportion to their number, whatever they say and in whatever pieces they come.
 *
 * Each case does its work for an input and for one of four times the size. A quadratic cost would make that 16
 * times the time.
 */

import { AnswerReader, BODY_LIMIT } from "../src/cluster/answer.ts";
import { Networks } from "../src/config/network.ts";
import { parseField, parseFields, parseParameter, tokensOf, trimmed } from "../src/net/fields.ts";
import { clientAddress } from "../src/net/forwarded.ts";
import { GrowingBuffer } from "../src/net/growing_buffer.ts";
import { flatCopy } from "../src/text.ts";
import { HandshakeReader, HEAD_LIMIT, pathOf } from "../src/websocket/handshake.ts";
import { assert, assertEquals } from "./assert.ts";

/** The factor by which four times the size may take longer: linear is 4, quadratic 16. */
const BOUND = 8;

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
      if (best[1] < NOTHING_MS) return;
    }
    if (best[1] < BOUND * best[0]) return;
    seen = `${size}: ${best[0]} ms, ${4 * size}: ${best[1]} ms`;
  }
  throw new Error(`${what} is not linear: ${seen}`);
}

/** The time that some work takes, in ms, without that in which other processes and threads had the processor. */
function timeOf(work: () => unknown): number {
  const waited = waitedMs();
  const started = performance.now();
  work();
  const passed = performance.now() - started;
  return passed - (waitedMs() - waited);
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
  const reader = new HandshakeReader({ status: 501, body: "" });
  for (let at = 0; at < bytes.length; at += pieces) reader.read(bytes.subarray(at, at + pieces));
}

function readAnswer(bytes: Uint8Array, pieces: number): void {
  const reader = new AnswerReader();
  for (let at = 0; at < bytes.length; at += pieces) reader.push(bytes.subarray(at, at + pieces));
}

Deno.test("a head of many fields is read in linear time", () => {
  assertLinear("fields", 50, (count) => {
    const text = Array.from({ length: count }, (_, index) => `x-${index}: y`).join("\r\n");
    return repeatedly(() => parseFields(text));
  });
});

Deno.test("a head that drips byte by byte is copied twice at most", () => {
  const head = encoder.encode(`GET / HTTP/1.1\r\nA: ${"x".repeat(HEAD_LIMIT)}`).slice(
    0,
    HEAD_LIMIT - 1,
  );
  const reader = new HandshakeReader({ status: 501, body: "" });
  let [held, copied] = [0, 0];
  for (let at = 0; at < head.length; at++) {
    assertEquals(reader.read(head.subarray(at, at + 1)), null);
    // Another buffer is a copy of what has come before.
    if (reader.heldBytes !== held) copied += at;
    held = reader.heldBytes;
  }
  assert(copied <= 2 * head.length, `${copied} bytes were copied`);
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
