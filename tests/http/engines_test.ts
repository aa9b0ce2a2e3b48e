/**
 * What both engines owe to a client, over real sockets. Where the runtime's own server does otherwise, the row says how.
 */

import { Budget } from "../../src/budget.ts";
import type { HttpRequest } from "../../src/http/handler.ts";
import { until } from "../acceptance/until.ts";
import { assert, assertEquals } from "../assert.ts";
import { echo, FIELDS, Running } from "./running.ts";
import { request, type Talk } from "./talk.ts";

/** An answer that is expected: its status, or its body if it is a 200. */
type Expected = number | string;

/** What comes of some bytes: the answers, and what becomes of the connection behind them. */
interface Outcome {
  readonly answers: readonly Expected[];
  readonly then: "stays" | "closes" | "is of no use";
}

/** A row whose outcome is another one on `Deno.serve`, and why. */
interface OnServe {
  readonly outcome: Outcome;
  readonly because: string;
}

/** What it is (a sentence), the bytes, and what comes of them. */
type Row = readonly [string, string, Outcome, OnServe?];

/** The next request is answered. */
function stays(...answers: readonly Expected[]): Outcome {
  return { answers, then: "stays" };
}

/** The server ends the connection, and answers nothing more. */
function closes(...answers: readonly Expected[]): Outcome {
  return { answers, then: "closes" };
}

/** Nothing more is answered, and the client has to end the connection. */
function isOfNoUse(...answers: readonly Expected[]): Outcome {
  return { answers, then: "is of no use" };
}

function onServe(outcome: Outcome, because: string): OnServe {
  return { outcome, because };
}

/** A request that must not be taken for one. */
const SMUGGLED = request("GET /smuggled");
const SMUGGLED_ANSWER = "GET /smuggled 0 ";

/** A POST with these header lines and this body, with a request behind it. */
function posted(headers: readonly string[], body: string): string {
  return `${["POST / HTTP/1.1", "Host: x", ...headers, "", body].join("\r\n")}${SMUGGLED}`;
}

/** A chunked POST, with a request behind it. */
function chunked(body: string): string {
  return posted(CHUNKED, body);
}

const CHUNKED = ["Transfer-Encoding: chunked"];
const A = request("GET /a");
const GET_A = "GET /a 0 ";
const POST_A = "POST /a 5 Hello";

const PERSISTENCE: readonly Row[] = [
  ["a connection of HTTP/1.1 stays", A, stays(GET_A)],
  ["one that is asked to close closes", request("GET /a", ["Connection: close"]), closes(GET_A)],
  [
    "the option has no case and may be one of several",
    request("GET /a", ["Connection: x, CLOSE"]),
    closes(GET_A),
  ],
  [
    "the option may stand in a second field",
    request("GET /a", ["Connection: keep-alive", "Connection: close"]),
    closes(GET_A),
  ],
  ["another option closes nothing", request("GET /a", ["Connection: closed"]), stays(GET_A)],
  ["one of HTTP/1.0 closes", "GET /a HTTP/1.0\r\n\r\n", closes(GET_A)],
  [
    "one of HTTP/1.0 stays on demand",
    "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    stays(GET_A),
  ],
  [
    "one of HTTP/1.0 that is asked for both closes",
    "GET /a HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
    closes(GET_A),
  ],
  [
    "what comes behind the last request is not read",
    `${request("GET /a", ["Connection: close"])}${SMUGGLED}`,
    closes(GET_A),
  ],
  [
    "requests that come together are answered in order",
    [A, request("POST /a", [], "Hello"), request("GET /b"), request("POST /c", [], "x")].join(""),
    stays(GET_A, POST_A, "GET /b 0 ", "POST /c 1 x"),
  ],
  [
    "an empty line behind a body is skipped",
    `${request("POST /a", [], "Hello")}\r\n${A}`,
    stays(POST_A, GET_A),
  ],
];

/** Why the runtime does otherwise: it reads as leniently as RFC 9112 allows, or more. */
const LENIENT =
  "the runtime takes an LF alone for the end of a line, as RFC 9112, section 2.2, allows";

const WAITS = "the runtime waits for the rest of the body, or for the client to go";

const METHODS: readonly Row[] = [
  [
    "HTTP/1.2 is read as HTTP/1.1",
    "GET /a HTTP/1.2\r\nHost: x\r\n\r\n",
    stays(GET_A),
    onServe(
      closes(400),
      "the runtime knows no later minor versions",
    ),
  ],
  [
    "HTTP/2.0 is not spoken",
    "GET /a HTTP/2.0\r\nHost: x\r\n\r\n",
    closes(505),
    onServe(
      closes(400),
      "the runtime has one status for what it cannot read",
    ),
  ],
  ["methods have a case", request("get /a"), stays("get /a 0 ")],
  ["the handler is asked what it has to say to TRACE", request("TRACE /a"), stays("TRACE /a 0 ")],
  ["a URL as target is accepted", request("GET http://y/a"), stays(GET_A)],
  [
    "an asterisk is the server itself",
    request("OPTIONS *"),
    stays("OPTIONS / 0 "),
    onServe(
      stays("OPTIONS /* 0 "),
      "the runtime makes a path of it",
    ),
  ],
  [
    "an authority is the server itself",
    request("CONNECT y:1"),
    stays("CONNECT / 0 "),
    onServe(
      stays("CONNECT  0 "),
      "the runtime gives the authority as URL",
    ),
  ],
  ["a target that is none is refused", request("GET a"), closes(400)],
  [
    "a target may have bytes above 7F",
    request("GET /\xe9"),
    stays("GET /\xc3\xa9 0 "),
    onServe(
      closes(400),
      "the runtime refuses them, unless they are UTF-8",
    ),
  ],
  ["a method that is none is refused", request("G(T /a"), closes(400)],
  [
    "an unknown Upgrade is ignored",
    request("GET /a", ["Upgrade: h2c", "Connection: Upgrade"]),
    stays(
      GET_A,
    ),
  ],
  [
    "a head that is too long is answered with 431",
    request("GET /a", [`A: ${"x".repeat(17_000)}`]),
    closes(431),
    onServe(stays(GET_A), "the runtime has a longer limit"),
  ],
  [
    "too many fields are answered with 431",
    request("GET /a", Array.from({ length: 250 }, (_, index) => `A${index}: b`)),
    closes(431),
    onServe(closes(400), "the runtime has one status for what it cannot read"),
  ],
  [
    "HTTP/1.1 demands a Host",
    "GET /a HTTP/1.1\r\n\r\n",
    closes(400),
    onServe(
      stays(GET_A),
      "the runtime does not look at it",
    ),
  ],
  ["two Hosts are refused", request("GET /a", ["Host: y"]), closes(400)],
  [
    "a Host that is none is refused",
    "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n",
    closes(400),
    onServe(
      stays(GET_A),
      "the runtime does not look at it",
    ),
  ],
];

const SMUGGLING: readonly Row[] = [
  ...[
    ["a length and chunked", ["Content-Length: 5", "Transfer-Encoding: chunked"]],
    ["chunked and a length", ["Transfer-Encoding: chunked", "Content-Length: 5"]],
    ["two lengths", ["Content-Length: 5", "Content-Length: 6"]],
    ["a list of lengths", ["Content-Length: 5, 5"]],
    ["a length with a sign", ["Content-Length: +5"]],
    ["a negative length", ["Content-Length: -5"]],
    ["a hexadecimal length", ["Content-Length: 0x5"]],
    ["an empty length", ["Content-Length:"]],
    ["a length with a blank before its colon", ["Content-Length : 5"]],
    ["a folded length", ["Content-Length:", " 5"]],
    ["another coding", ["Transfer-Encoding: gzip"]],
    ["chunked twice", ["Transfer-Encoding: chunked, chunked"]],
    ["chunked before another coding", ["Transfer-Encoding: chunked, identity"]],
    ["a coding that only looks like chunked", ["Transfer-Encoding: xchunked"]],
    ["a folded coding", ["Transfer-Encoding:", " chunked"]],
    ["NUL in a header", ["A: \0", "Content-Length: 5"]],
    ["a CR alone in a header", ["A: b\rContent-Length: 5"]],
  ].map(([name, headers]): Row => [
    `${name} is refused`,
    posted([headers ?? []].flat(), "0\r\n\r\n"),
    closes(400),
  ]),
  [
    "an LF alone in a header is refused",
    posted(["A: b\nContent-Length: 5"], "Hello"),
    closes(
      400,
    ),
    onServe(stays("POST / 5 Hello", SMUGGLED_ANSWER), LENIENT),
  ],
  [
    "LFs alone end no head",
    `GET /a HTTP/1.1\nHost: x\n\n${SMUGGLED}`,
    closes(400),
    onServe(
      stays(GET_A, SMUGGLED_ANSWER),
      LENIENT,
    ),
  ],
  ["an LF alone before a head is refused", `\n${A}`, closes(400), onServe(stays(GET_A), LENIENT)],
  [
    "two equal lengths are refused",
    posted(["Content-Length: 5", "Content-Length: 5"], "Hello"),
    closes(
      400,
    ),
    onServe(
      stays("POST / 5 Hello", SMUGGLED_ANSWER),
      "the runtime takes them for one, as RFC 9110, section 8.6, allows",
    ),
  ],
  [
    "a coding before chunked is not known",
    posted(["Transfer-Encoding: x, chunked"], "0\r\n\r\n"),
    closes(
      501,
    ),
    onServe(
      stays("POST / 0 ", SMUGGLED_ANSWER),
      "the runtime leaves other codings to the handler",
    ),
  ],
  [
    "a coding in HTTP/1.0 is refused",
    `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    closes(400),
  ],
  [
    "a length beyond any limit is too long",
    posted(["Content-Length: 18446744073709551621"], "Hello"),
    closes(
      413,
    ),
    onServe(closes(400), "the runtime's numbers have 64 bits"),
  ],
  [
    "a length over the limit is too long",
    posted(["Content-Length: 1000001"], "Hello"),
    closes(413),
    onServe(isOfNoUse(413), WAITS),
  ],
  [
    "chunks over the limit are too long",
    chunked(`f4241\r\n${"x".repeat(1_000_001)}\r\n0\r\n\r\n`),
    closes(413),
    onServe(stays(413, SMUGGLED_ANSWER), "the runtime reads the rest and goes on"),
  ],
  [
    "extensions and trailers are left out",
    chunked('5;x="y"\r\nHello\r\n0;z\r\nA: b\r\n\r\n'),
    stays(
      "POST / 5 Hello",
      SMUGGLED_ANSWER,
    ),
  ],
  [
    "a blank behind the size of a chunk is refused",
    chunked("5 \r\nHello\r\n0\r\n\r\n"),
    closes(
      400,
    ),
    onServe(stays("POST / 5 Hello", SMUGGLED_ANSWER), "the runtime leaves blanks out"),
  ],
  ...[
    ["a chunk that ends its size with an LF alone", "5\nHello\r\n0\r\n\r\n"],
    ["a hexadecimal prefix", "0x5\r\nHello\r\n0\r\n\r\n"],
    ["a negative size", "-5\r\nHello\r\n0\r\n\r\n"],
    ["an empty size", "\r\nHello\r\n0\r\n\r\n"],
    ["a size beyond 64 bits", "10000000000000005\r\nHello\r\n0\r\n\r\n"],
    ["a chunk longer than its size", "4\r\nHello\r\n0\r\n\r\n"],
    ["a chunk that ends with an LF alone", "5\r\nHello\n0\r\n\r\n"],
    ["an extension with an LF alone", "5;x\nHello\r\n0\r\n\r\n"],
    ["a malformed trailer", "0\r\nA : b\r\n\r\n"],
    ["a trailer that ends with LFs alone", "0\r\nA: b\n\n"],
  ].map(([name, body = ""]): Row => [
    `${name} breaks the body off`,
    chunked(body),
    closes(400),
    onServe(closes(), "the runtime cuts the connection without an answer"),
  ]),
];

const EXPECTING = ["Expect: 100-continue"];

/** They are sent in one piece alone: what has come when the head is whole makes a difference. */
const EXPECTATIONS: readonly Row[] = [
  [
    "a client whose body comes with its request is not told to go on",
    request("POST /a", EXPECTING, "Hello"),
    stays(POST_A),
    onServe(stays(100, POST_A), "the runtime tells it all the same"),
  ],
  [
    "an expectation has no case",
    request("POST /a", ["expect: 100-CONTINUE"], "Hello"),
    stays(POST_A),
    onServe(stays(100, POST_A), "the runtime tells it all the same"),
  ],
  [
    "another expectation is not met",
    request("POST /a", ["Expect: x"], "Hello"),
    closes(417),
    onServe(
      stays(POST_A),
      "the runtime ignores it",
    ),
  ],
  ["an expectation without a body needs no answer", request("GET /a", EXPECTING), stays(GET_A)],
  [
    "HTTP/1.0 has no expectations",
    "POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nHello",
    closes(POST_A),
    onServe(closes(100, POST_A), "the runtime does not look at the version"),
  ],
];

const SECTIONS: readonly (readonly [string, readonly Row[]])[] = [
  ["RFC 9112, section 9.3", PERSISTENCE],
  ["RFC 9112, section 3", METHODS],
  ["RFC 9112, section 6", SMUGGLING],
  ["RFC 9110, section 10.1.1", EXPECTATIONS],
];

/** Sends, and reads the expected answers, and what becomes of the connection then. */
async function check(
  running: Running,
  send: (talk: Talk) => Promise<void>,
  { answers, then }: Outcome,
): Promise<void> {
  using talk = await running.connect();
  await send(talk);
  for (const expected of answers) {
    const { status, body } = await talk.answer();
    if (typeof expected === "number") assertEquals(status, expected);
    else assertEquals([status, body], [200, expected]);
  }
  if (then === "stays") {
    await talk.send(request("GET /next"));
    assertEquals((await talk.answer()).body, "GET /next 0 ");
    return;
  }
  if (then === "is of no use") talk.closeWrite();
  assertEquals((await talk.ended()).text, "", "there is no other answer");
}

/** Bytes up to which a row is sent byte by byte, too. */
const SHORT = 1000;

for (const [section, rows] of SECTIONS) {
  for (const [name, input, onSocket, otherwise] of rows) {
    Deno.test(`${section}: ${name} (socket)`, async () => {
      await using running = await Running.start();
      await check(running, (talk) => talk.send(input), onSocket);
      if (input.length <= SHORT && rows !== EXPECTATIONS) {
        await check(running, (talk) => talk.sendBytewise(input), onSocket);
      }
    });
    const because = otherwise ? `, where ${otherwise.because}` : "";
    Deno.test(`${section}: ${name} (serve${because})`, async () => {
      await using running = await Running.start({ engine: "serve" });
      await check(running, (talk) => talk.send(input), otherwise?.outcome ?? onSocket);
    });
  }
}

/** The path of a request, whatever its host. */
function pathOf({ url }: HttpRequest): string {
  return new URL(url).pathname;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

for (const engine of ["socket", "serve"] as const) {
  Deno.test(`RFC 9112, section 9.3.2: requests that come together are answered in order, however long each takes (${engine})`, async () => {
    const delays = [30, 0, 10, 0, 20];
    const begun: string[] = [];
    await using running = await Running.start({ engine }, async (request) => {
      begun.push(pathOf(request));
      await passed(delays[begun.length - 1] ?? 0);
      return new Response(pathOf(request));
    });
    using talk = await running.connect();
    await talk.send(delays.map((_, index) => request(`GET /${index}`)).join(""));
    for (const index of delays.keys()) assertEquals((await talk.answer()).body, `/${index}`);
    assertEquals(begun, ["/0", "/1", "/2", "/3", "/4"]);
  });

  Deno.test(`RFC 9110, section 9.3.2: HEAD is answered as GET, without the body (${engine})`, async () => {
    await using running = await Running.start({ engine }, () => new Response("Hello"));
    using talk = await running.connect();
    await talk.send(`${request("HEAD /")}${request("GET /")}`);
    const { status, headers, body } = await talk.answer("HEAD");
    assertEquals([status, headers.get("content-length"), body], [200, "5", ""]);
    assertEquals((await talk.answer()).body, "Hello");
  });

  Deno.test(`RFC 9110, section 10.1.1: a client that waits with its body is told to go on (${engine})`, async () => {
    await using running = await Running.start({ engine });
    using talk = await running.connect();
    for (let round = 0; round < 2; round++) {
      await talk.send(request("POST /a", ["Expect: 100-continue", "Content-Length: 5"]));
      const { status, headers } = await talk.answer();
      assertEquals([status, [...headers]], [100, []]);
      await talk.send("Hello");
      assertEquals((await talk.answer()).body, POST_A);
    }
    await talk.send(request("POST /a", ["Expect: 100-continue", "Transfer-Encoding: chunked"]));
    assertEquals(await talk.status(), 100);
    await talk.send("5\r\nHello\r\n0\r\n\r\n");
    assertEquals((await talk.answer()).body, POST_A);
  });

  Deno.test(`a client that waits with its body is not told to go on when nobody asks for it (${engine})`, async () => {
    await using running = await Running.start(
      { engine },
      () => new Response(null, { status: 404 }),
    );
    using talk = await running.connect();
    await talk.send(request("POST /a", ["Expect: 100-continue", "Content-Length: 5"]));
    // The runtime reads ahead.
    if (engine === "serve") assertEquals(await talk.status(), 100);
    assertEquals(await talk.status(), 404);
    talk.closeWrite();
    assertEquals((await talk.ended()).text, "");
  });

  Deno.test(`a client that has shut down its side is answered (${engine})`, async () => {
    await using running = await Running.start({ engine });
    for (const text of [A, request("POST /a", [], "Hello"), `${A}${request("GET /b")}`]) {
      using talk = await running.connect();
      await talk.send(text);
      talk.closeWrite();
      const { end, text: answers } = await talk.ended();
      assertEquals(end, "end");
      assertEquals(answers.match(/HTTP\/1\.1 200/g)?.length, text.match(/HTTP/g)?.length);
    }
  });

  Deno.test(`a client that has shut down its side is sent all of a long answer (${engine})`, async () => {
    const length = 8_000_000;
    await using running = await Running.start({ engine }, () => new Response("x".repeat(length)));
    using talk = await running.connect();
    await talk.send(A);
    talk.pause();
    // The rest of the answer waits for the client to read.
    await passed(100);
    talk.closeWrite();
    await passed(100);
    talk.resume();
    assertEquals((await talk.answer()).body.length, length);
    assertEquals(await talk.ended(), { end: "end", text: "" });
  });

  Deno.test(`a body that came whole is the handler's although the client is gone (${engine})`, async () => {
    const received: number[] = [];
    let arrived = 0;
    const gate = Promise.withResolvers<void>();
    await using running = await Running.start({ engine }, async (request) => {
      const bytes = await request.bytes();
      arrived++;
      await gate.promise;
      received.push(bytes.length);
      assertEquals(bytes.every((byte) => byte === 0x78), true);
      return new Response("done");
    });
    for (const [index, length] of [10, 5000, 60_000].entries()) {
      using talk = await running.connect();
      await talk.send(request("POST /a", [], "x".repeat(length)));
      await until(() => arrived === index + 1);
      talk.reset();
    }
    await passed(20);
    gate.resolve();
    await until(() => received.length === 3);
    assertEquals([received.sort((a, b) => a - b), running.errors], [[10, 5000, 60_000], []]);
  });

  Deno.test(`a body that did not come whole before the client was gone is broken (${engine})`, async () => {
    const ends: string[] = [];
    let begun = 0;
    const gate = Promise.withResolvers<void>();
    await using running = await Running.start({ engine }, async (request) => {
      begun++;
      if (pathOf(request) === "/late") await gate.promise;
      const end = await request.bytes().catch((error) => error);
      ends.push(end instanceof Error ? end.name : "whole");
      return new Response(null);
    });
    const halves = [[["Content-Length: 6"], "Hello"], [CHUNKED, "5\r\nHello"]] as const;
    for (const [index, [headers, body]] of halves.entries()) {
      using talk = await running.connect();
      await talk.send(request("POST /a", headers) + body);
      await until(() => begun === index + 1);
      talk.reset();
    }
    using talk = await running.connect();
    await talk.send(request("POST /a", CHUNKED));
    talk.closeWrite();
    await until(() => ends.length === 3);
    for (const end of ["closeWrite", "reset"] as const) {
      using late = await running.connect();
      await late.send(`${request("POST /late", ["Content-Length: 6"])}Hello`);
      await until(() => begun === (end === "closeWrite" ? 4 : 5));
      late[end]();
      await passed(50);
    }
    gate.resolve();
    await until(() => ends.length === 5);
    assertEquals(ends, Array(5).fill("BodyBroken"));
    await until(() => running.budget.bytes === 0);
  });

  Deno.test(`an error of a handler is a 500, and the next request is answered (${engine})`, async () => {
    const mistake = new RangeError("a mistake");
    await using running = await Running.start({ engine }, (request) => {
      if (pathOf(request) === "/thrown") throw mistake;
      if (pathOf(request) === "/rejected") return Promise.reject(mistake);
      return new Response("fine");
    });
    using talk = await running.connect();
    for (const path of ["thrown", "rejected"]) {
      await talk.send(request(`GET /${path}`));
      const { status, body } = await talk.answer();
      assertEquals([status, body], [500, "broken"]);
      await talk.send(request("GET /"));
      assertEquals((await talk.answer()).body, "fine");
    }
    assertEquals(running.errors, [mistake, mistake]);
  });

  Deno.test(`an error of a handler that has not asked for the body is a 500, and the body no request (${engine})`, async () => {
    const paths: string[] = [];
    await using running = await Running.start({ engine }, (request) => {
      paths.push(pathOf(request));
      throw new RangeError("a mistake");
    });
    using talk = await running.connect();
    await talk.send(request("POST /a", [], SMUGGLED));
    assertEquals(await talk.status(), 500);
    talk.closeWrite();
    assertEquals(await talk.ended(), { end: "end", text: "" });
    assertEquals(paths, ["/a"]);
  });

  Deno.test(`a body that nobody asks for is no request (${engine})`, async () => {
    const paths: string[] = [];
    await using running = await Running.start({ engine }, (request) => {
      paths.push(pathOf(request));
      return new Response(pathOf(request));
    });
    for (
      const [headers, body] of [
        [["Content-Length: 58"], SMUGGLED],
        [CHUNKED, `3a\r\n${SMUGGLED.padEnd(0x3a, "x")}\r\n0\r\n\r\n`],
      ] as const
    ) {
      using talk = await running.connect();
      await talk.send(request("POST /a", headers) + body);
      assertEquals((await talk.answer()).body, "/a");
      talk.closeWrite();
      assertEquals((await talk.ended()).text, "");
    }
    assertEquals(paths, ["/a", "/a"]);
  });

  Deno.test(`who is screened gets one response to whatever it asks, and no handler (${engine})`, async () => {
    const asked: string[] = [];
    let port = 0;
    await using running = await Running.start({
      engine,
      screen(remote) {
        asked.push(remote.hostname);
        port = remote.port;
        return new Response("not you", { status: 403, headers: { connection: "close" } });
      },
    }, () => {
      throw new Error("It was asked");
    });
    using talk = await running.connect();
    await talk.send(request("POST /a", [], "Hello"));
    const { status, body } = await talk.answer();
    assertEquals([status, body, asked], [403, "not you", ["127.0.0.1"]]);
    talk.closeWrite();
    assertEquals((await talk.ended()).text, "");
    assert(port > 0);
    assertEquals(running.errors, []);
  });

  Deno.test(`a stop answers what is under way, and accepts no more (${engine})`, async () => {
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    await using running = await Running.start({ engine }, async () => {
      begun.resolve();
      await gate.promise;
      return new Response("done");
    });
    using talk = await running.connect();
    await talk.send(A);
    await begun.promise;
    let isOver = false;
    const stopped = running.server.shutdown(10_000).then(() => isOver = true);
    await until(() => refuses(running));
    assertEquals(isOver, false);
    gate.resolve();
    const { body } = await talk.answer();
    assertEquals(body, "done");
    assertEquals(await talk.ended(), { end: "end", text: "" });
    talk[Symbol.dispose]();
    await stopped;
    await running.server.finished;
  });

  Deno.test(`a long answer arrives whole at a client that reads late (${engine})`, async () => {
    const text = Array.from({ length: 400_000 }, (_, index) => `${index}\n`).join("");
    await using running = await Running.start({ engine }, () => new Response(text));
    using talk = await running.connect();
    talk.pause();
    await talk.send(A + A);
    await passed(100);
    talk.resume();
    for (let round = 0; round < 2; round++) assert((await talk.answer()).body === text);
  });
}

/** Whether nobody accepts connections on the server's port. */
async function refuses({ port }: Running): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return true;
    if (error instanceof Deno.errors.ConnectionReset) return false;
    throw error;
  }
}

for (const engine of ["socket", "serve"] as const) {
  const on = ` (${engine})`;

  /** Sends some bytes, and returns the status of the answer and whether it has the server's own fields once. */
  const answerTo = async (running: Running, bytes: string, method?: string) => {
    using talk = await running.connect();
    await talk.send(bytes);
    const { status, headers } = await talk.answer(method);
    return [status, headers.get("x-served-by")];
  };
  const own = FIELDS["x-served-by"];

  Deno.test(`every answer has the fields of its server, whoever makes it${on}`, async () => {
    let rejects = false;
    await using running = await Running.start({
      engine,
      screen: () => rejects ? new Response("not you", { status: 403 }) : null,
    }, (request) => {
      if (request.url.endsWith("/now")) throw new TypeError("a mistake");
      if (request.url.endsWith("/later")) return Promise.reject(new TypeError("a mistake"));
      return request.url.endsWith("/json") ? Response.json({}) : echo(request);
    });
    for (
      const [bytes, status, method] of [
        [A, 200, "GET"],
        [request("GET /json"), 200, "GET"],
        [request("HEAD /a"), 200, "HEAD"],
        [`${request("POST /a", ["Content-Length: 5"])}Hello`, 200, "POST"],
        [request("POST /a", ["Content-Length: 2000000"]), 413, "POST"],
        [request("GET /now"), 500, "GET"],
        [request("GET /later"), 500, "GET"],
      ] as const
    ) assertEquals(await answerTo(running, bytes, method), [status, own], bytes);
    using kept = await running.connect();
    await kept.send(A);
    assertEquals((await kept.answer()).headers.get("x-served-by"), own);
    rejects = true;
    assertEquals(await answerTo(running, A), [403, own]);
    rejects = false;
    if (engine === "socket") return;
    running.server.refuse();
    await kept.send(A);
    const { status, headers } = await kept.answer();
    assertEquals([status, headers.get("x-served-by")], [503, own]);
  });
}

Deno.test("what is answered before there is a request has the fields of its server (socket)", async () => {
  await using running = await Running.start({ headMs: 300 });
  for (
    const [bytes, status] of [
      ["nonsense\r\n\r\n", 400],
      ["GET / HTTP/1.1\r\nHost: x\r\n", 408],
      [request("GET /", [`X: ${"x".repeat(17_000)}`]), 431],
      ["GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505],
    ] as const
  ) {
    using talk = await running.connect();
    await talk.send(bytes);
    const answer = await talk.answer();
    assertEquals(
      [answer.status, answer.headers.get("x-served-by")],
      [status, "test"],
      bytes.slice(0, 50),
    );
  }
  await using poor = await Running.start({ budget: new Budget(1) });
  using talk = await poor.connect();
  const { status, headers } = await talk.answer();
  assertEquals([status, headers.get("x-served-by")], [503, "test"]);
});
