import fc from "fast-check";
import {
  type Answer,
  ANSWER_HEAD_LIMIT,
  AnswerError,
  AnswerReader,
  BODY_LIMIT,
} from "../../src/http/answer.ts";
import { assertEquals, assertThrows } from "../assert.ts";

const encoder = new TextEncoder();

/** Everything that a connection brings before it ends, in pieces. */
function read(...pieces: readonly string[]): Answer[] {
  const reader = new AnswerReader(String);
  const answers = pieces.flatMap((piece) => reader.push(encoder.encode(piece)));
  const last = reader.end();
  return last === null ? answers : [...answers, last];
}

const OK = "HTTP/1.1 200 OK\r\n";
const RECEIPT =
  `${OK}content-type: application/json\r\ncontent-length: 19\r\n\r\n{"fingerprint":"x"}`;

/** What each is read as: status, reason, body, whether it is the last one. */
const WHOLE: readonly [string, string, readonly unknown[]][] = [
  ["a receipt of ours", RECEIPT, [200, "OK", '{"fingerprint":"x"}', false]],
  [
    "chunks, with extensions and trailers",
    `${OK}Transfer-Encoding: chunked\r\n\r\n4;a="b;c"\r\n{"a"\r\n00A; x\r\n:"é1234"}\r\n0\r\nT: 1\r\n\r\n`,
    [200, "OK", '{"a":"é1234"}', false],
  ],
  [
    "what is to be closed behind it",
    `${OK}Connection: x , CLOSE\r\nContent-Length: 0\r\n\r\n`,
    [200, "OK", "", true],
  ],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", [200, "OK", "hi", true]],
  [
    "HTTP/1.0 that stays",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    [200, "OK", "hi", false],
  ],
  ["a body that ends with the connection", `${OK}\r\nhello`, [200, "OK", "hello", true]],
  ["no reason", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", [404, "", "", false]],
  ["lines that end with LF alone", "HTTP/1.1 204 No\nA: b\n\n", [204, "No", "", false]],
  [
    "an answer behind interim ones",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${RECEIPT}`,
    [200, "OK", '{"fingerprint":"x"}', false],
  ],
  [
    "a reason in no plain ASCII",
    "HTTP/1.1 500 \x1b[31m\x00é\r\nContent-Length: 0\r\n\r\n",
    [500, "?[31m???", "", false],
  ],
  ["a length that is said twice", `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, [
    200,
    "OK",
    "x",
    false,
  ]],
  [
    "the longest body",
    `${OK}Content-Length: ${BODY_LIMIT}\r\n\r\n${"x".repeat(BODY_LIMIT)}`,
    [200, "OK", "x".repeat(BODY_LIMIT), false],
  ],
];

for (const [name, text, expected] of WHOLE) {
  Deno.test(`an answer is read: ${name}`, () => {
    const values = read(text).map(({ status, reason, body, isLast }) => [
      status,
      reason,
      body,
      isLast,
    ]);
    assertEquals(values, [expected]);
  });
}

for (
  const [name, text] of [
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["HTTP/2", "HTTP/2 200 OK\r\n"],
    ["an empty line", "\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n"],
    ["a status of none", "HTTP/1.1 999 OK\r\n"],
    ["a header without a colon", `${OK}nonsense\r\n`],
    ["a header with a space before the colon", `${OK}Content-Length : 1\r\n`],
    ["a header over two lines", `${OK}A: b\r\n c\r\n`],
    ["a negative length", `${OK}Content-Length: -1\r\n`],
    ["a length in hexadecimal", `${OK}Content-Length: 0x1\r\n`],
    ["two lengths", `${OK}Content-Length: 1\r\nContent-Length: 2\r\n`],
    ["an unknown encoding", `${OK}Transfer-Encoding: gzip, chunked\r\n`],
    ["chunked twice", `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n`],
    ["a chunk without a size", `${OK}Transfer-Encoding: chunked\r\n\r\nx\r\n`],
    ["a chunk longer than its size", `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n`],
    ["a chunk with a blank before its size", `${OK}Transfer-Encoding: chunked\r\n\r\n 1\r\n`],
    ["a chunk with a line break in it", `${OK}Transfer-Encoding: chunked\r\n\r\n1;\ra\r\n`],
    ["a reason with a line break in it", "HTTP/1.1 200 O\rK\r\n"],
    ["a header whose name is no token", `${OK}A(b): c\r\n`],
    ["a header with NUL", `${OK}A: \0\r\n`],
    ["another protocol, unasked", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
    ["too long a body, at its announcement", `${OK}Content-Length: ${BODY_LIMIT + 1}\r\n\r\n`],
    ["too long a body, without an announcement", `${OK}\r\n${"x".repeat(BODY_LIMIT + 1)}`],
    ["too long a chunk", `${OK}Transfer-Encoding: chunked\r\n\r\n10001\r\n${"x".repeat(0x10001)}`],
    [
      "too much in chunks",
      `${OK}Transfer-Encoding: chunked\r\n\r\n10000\r\n${"x".repeat(0x10000)}\r\n1\r\nx`,
    ],
    ["a line without end", "H".repeat(ANSWER_HEAD_LIMIT + 1)],
    ["headers without end", OK + "a: b\r\n".repeat(ANSWER_HEAD_LIMIT / 6)],
    ["interim answers without end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(ANSWER_HEAD_LIMIT / 24)],
    [
      "trailers without end",
      `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n${"a: b\r\n".repeat(ANSWER_HEAD_LIMIT / 6)}`,
    ],
  ] as const
) {
  Deno.test(`what is no answer is refused as soon as it can be: ${name}`, () => {
    assertThrows(() => new AnswerReader(String).push(encoder.encode(text)), AnswerError);
  });
}

Deno.test("a connection that breaks off within an answer is told from one that ends behind it", () => {
  for (const length of [3, 20, RECEIPT.length - 1]) {
    assertThrows(() => read(RECEIPT.slice(0, length)), AnswerError, "broke off");
  }
  assertEquals(read(), []);
  assertEquals(read(RECEIPT).length, 1);
});

Deno.test("for any answers and any pieces that they arrive in, they are the same", () => {
  const texts = WHOLE.map(([, text]) => text).filter((text) =>
    text.length < 1000 && !text.endsWith("hello")
  );
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...texts), { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(700), { maxLength: 20 }),
      (answers, cuts) => {
        const bytes = encoder.encode(answers.join(""));
        const reader = new AnswerReader(String);
        const found: Answer[] = [];
        const places = [...cuts.sort((a, b) => a - b), bytes.length];
        let at = 0;
        for (const place of places) {
          // The same memory for each piece, as a connection reads them.
          const piece = bytes.slice(at, Math.max(at, place));
          found.push(...reader.push(piece));
          piece.fill(0);
          at = Math.max(at, place);
        }
        assertEquals(found, answers.flatMap((text) => read(text)));
      },
    ),
  );
});

Deno.test("whatever arrives, it is answers, or refused, and never anything else", () => {
  const fragment = fc.constantFrom(
    ...[
      "HTTP/1.1 ",
      "HTTP/1.0 ",
      "200",
      " OK",
      "100",
      "\r\n",
      "\n",
      "\r",
      ": ",
      ",",
      ";",
      "0",
      "5",
    ],
    ...["Content-Length", "Transfer-Encoding", "chunked", "Connection", "close", "x", "\0", "é"],
  );
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 40 }), (fragments) => {
      try {
        for (const { status, body } of read(...fragments)) {
          assertEquals(status >= 200 && status < 600, true);
          assertEquals(body.length <= BODY_LIMIT, true);
        }
      } catch (error) {
        if (!(error instanceof AnswerError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("an answer that changes the protocol as it was asked to ends what is read, and has its fields", () => {
  const reader = new AnswerReader(String, { mayUpgrade: true });
  const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-A: 1\r\nx-a: 2\r\n\r\n";
  const [answer, ...others] = reader.push(encoder.encode(`${head}HTTP/1.1 no answer\n`));
  assertEquals([answer?.status, answer?.isLast, others], [101, true, []]);
  assertEquals(new TextDecoder().decode(reader.rest), "HTTP/1.1 no answer\n");
  assertEquals(
    ["upgrade", "x-a", "x-b"].map((name) => reader.fields.get(name)),
    ["websocket", "1, 2", null],
  );
});

Deno.test("a reader may have another limit for bodies", () => {
  const reader = new AnswerReader(String, { bodyLimit: 2 });
  const [answer] = reader.push(encoder.encode(`${OK}Content-Length: 2\r\n\r\nhi`));
  assertEquals(answer?.body, "hi");
  const next = encoder.encode(`${OK}Content-Length: 3\r\n\r\n`);
  assertThrows(() => reader.push(next), AnswerError, "more than the 2 bytes");
});
