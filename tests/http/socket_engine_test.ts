/**
 * The engine on the runtime's streams over real sockets: what `Deno.serve` cannot do, or not in the same way.
 */

import type { Buffer } from "node:buffer";
import { type AddressInfo, connect, createServer } from "node:net";
import { Budget } from "../../src/budget.ts";
import { freeBytes } from "../../src/bytes.ts";
import { CONNECTION_BYTES } from "../../src/config/memory.ts";
import { OpenFiles, OTHER_FILES } from "../../src/config/open_files.ts";
import type { HttpRequest, StreamOwner, Taken } from "../../src/http/handler.ts";
import { WorkQueue } from "../../src/work_queue.ts";
import { makeSelfSigned } from "../acceptance/certificate.ts";
import { until } from "../acceptance/until.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../assert.ts";
import { concat, textOf, utf8 } from "../pieces.ts";
import { echo, HeldQueue, Running } from "./running.ts";
import { request, Talk } from "./talk.ts";

const A = request("GET /a");
const GET_A = "GET /a 0 ";

function pathOf({ url }: HttpRequest): string {
  return new URL(url).pathname;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves when a time has passed on the server's clock, which ticks once a second. */
function ticked(): Promise<void> {
  return passed(1200);
}

// Deadlines.

Deno.test("half a head is answered with 408 in the end, and silence with nothing", async () => {
  await using running = await Running.start({ headMs: 500 });
  using half = await running.connect();
  using silent = await running.connect();
  await half.send("GET / HTTP/1.1\r\nHost: x\r\n");
  const { status, headers, body } = await half.answer();
  assertEquals([status, headers.get("connection"), body], [408, "close", ""]);
  assertEquals([await half.ended(), await silent.ended()].map(({ text }) => text), ["", ""]);
  const refusal = ["timeout", "It sent no whole request in 500 ms"];
  assertEquals(running.refusals as unknown[], [refusal, refusal]);
});

Deno.test("bytes that trickle in, and empty lines, win no time for a head", async () => {
  await using running = await Running.start({ headMs: 1000 });
  using trickling = await running.connect();
  using empty = await running.connect();
  const began = performance.now();
  while (!trickling.isOver || !empty.isOver) {
    await trickling.send("G");
    await empty.send("\r\n");
    await passed(50);
    assert(performance.now() - began < 5000, "they are still there");
  }
  assertMatch((await trickling.ended()).text, /^HTTP\/1\.1 408 /);
  assertEquals(running.kinds, ["timeout", "timeout"]);
});

Deno.test("the time of a second head begins with its first byte", async () => {
  await using running = await Running.start({ headMs: 1500 });
  using talk = await running.connect();
  await talk.send(A);
  await talk.answer();
  await passed(2500);
  await talk.send(A.slice(0, 5));
  await passed(200);
  await talk.send(A.slice(5));
  assertEquals((await talk.answer()).body, GET_A);
  await talk.send(A.slice(0, 5));
  assertEquals(await talk.status(), 408);
  assertEquals(running.kinds, ["timeout"]);
});

Deno.test("a connection that is idle is closed, which is nobody's fault", async () => {
  await using running = await Running.start({ idleMs: 500 });
  using talk = await running.connect();
  await talk.send(A);
  await talk.answer();
  assertEquals(await talk.ended(), { end: "end", text: "" });
  assertEquals(running.refusals, []);
  talk[Symbol.dispose]();
  await running.empty();
});

Deno.test("a body that does not come in time is given up, which the client is told", async () => {
  await using running = await Running.start({ bodyMs: 500 });
  using talk = await running.connect();
  await talk.send(`${request("POST /a", ["Content-Length: 6"])}Hello`);
  const { status, body } = await talk.answer();
  assertEquals([status, body], [408, "BodyTooSlow"]);
  assertEquals((await talk.ended()).text, "");
});

Deno.test("a client that does not read its answer is dropped in the end, and nothing of it is held", async () => {
  await using running = await Running.start(
    { answerMs: 500 },
    () => new Response("x".repeat(20_000_000)),
  );
  using talk = await running.connect();
  talk.pause();
  await talk.send(A);
  await running.empty();
  talk.resume();
  assert((await talk.ended()).text.length < 20_000_000);
});

Deno.test("a client that reads its answers late is not read either, and costs no more than it has asked", async () => {
  let answered = 0;
  await using running = await Running.start({ answerMs: 30_000 }, () => {
    answered++;
    return new Response("x".repeat(100_000));
  });
  using talk = await running.connect();
  talk.pause();
  const many = 300;
  const sending = talk.send(A.repeat(many));
  await passed(500);
  assert(answered < many, `${answered} were answered`);
  assert(running.budget.bytes < 1_000_000, `${running.budget.bytes}`);
  talk.resume();
  for (let index = 0; index < many; index++) {
    assertEquals((await talk.answer()).body.length, 100_000);
  }
  await sending;
  assertEquals(answered, many);
});

Deno.test("a client that reads nothing and is gone leaves nothing behind", async () => {
  await using running = await Running.start(
    { answerMs: 30_000 },
    () => new Response("x".repeat(200_000)),
  );
  for (const end of ["reset", "closeWrite"] as const) {
    using talk = await running.connect();
    talk.pause();
    const sending = talk.send(A.repeat(1000));
    await until(() => running.budget.bytes > 100_000);
    await passed(100);
    talk[end]();
    if (end === "closeWrite") talk.reset();
    await sending.catch(() => {});
    await running.empty();
  }
});

Deno.test("a client that does not hang up behind the last answer is dropped in the end", async () => {
  await using running = await Running.start({ closeMs: 500 });
  using talk = await running.connect();
  await talk.send(request("GET /a", ["Connection: close"]));
  assertEquals((await talk.answer()).body, GET_A);
  assertEquals((await talk.ended()).end, "end");
  assertEquals(running.files.used, 1);
  await running.empty();
});

// The end of a connection.

for (const [what, handler] of [["asked for", echo], ["not asked for", refuse]] as const) {
  Deno.test(`a client still sending a body of 3 MB that is ${what} gets its answer and no reset`, async () => {
    await using running = await Running.start({ bodyBytes: 1000 }, handler);
    for (const headers of [["Content-Length: 3000000"], ["Transfer-Encoding: chunked"]]) {
      using talk = await running.connect();
      await talk.send(request("POST /a", headers));
      if (headers[0]?.includes("chunked")) await talk.send("2dc6c0\r\n");
      for (let sent = 0; sent < 3_000_000; sent += 100_000) {
        await talk.send("x".repeat(100_000));
        await passed(1);
      }
      const { status, headers: { get: _ }, body } = await talk.answer();
      assertEquals([status, body], [413, "BodyTooLong"]);
      assertEquals(await talk.ended(), { end: "end", text: "" });
    }
  });
}

function refuse(): Response {
  return new Response("BodyTooLong", { status: 413 });
}

Deno.test("a client that goes on sending behind its answer is cut off after 4 MiB", async () => {
  await using running = await Running.start({ bodyBytes: 1000 });
  using talk = await running.connect();
  await talk.send(request("POST /a", ["Content-Length: 100000000"]));
  assertEquals(await talk.status(), 413);
  let sent = 0;
  while (running.files.used > 0) {
    void talk.send("x".repeat(100_000));
    sent += 100_000;
    await passed(1);
    assert(sent < 90_000_000, "it is still there");
  }
  assert(sent > 4_000_000, `${sent}`);
  await running.empty();
});

Deno.test("what comes behind a refused head is thrown away, and is no request", async () => {
  const paths: string[] = [];
  await using running = await Running.start({}, (request) => {
    paths.push(pathOf(request));
    return new Response(null);
  });
  using talk = await running.connect();
  await talk.send("GET /a HTTP/1.1\r\n\r\n");
  assertEquals(await talk.status(), 400);
  for (let round = 0; round < 10; round++) await talk.send(A);
  assertEquals(await talk.ended(), { end: "end", text: "" });
  assertEquals(paths, []);
  assertEquals(running.refusals, [["malformed", "It does not have one Host header"]]);
});

Deno.test("answers before a request that is refused are sent, and nothing behind it", async () => {
  await using running = await Running.start();
  using talk = await running.connect();
  await talk.send(`${A}${A}GET /\0${A}`);
  assertEquals([await talk.status(), await talk.status(), await talk.status()], [200, 200, 400]);
  assertEquals((await talk.ended()).text, "");
});

Deno.test("answers before half a head are sent to a client that has shut down its side", async () => {
  await using running = await Running.start({}, () => new Response("x".repeat(1_000_000)));
  using talk = await running.connect();
  talk.pause();
  await talk.send(`${A}${A}${A.slice(0, 10)}`);
  talk.closeWrite();
  await passed(100);
  talk.resume();
  for (let round = 0; round < 2; round++) {
    assertEquals((await talk.answer()).body.length, 1_000_000);
  }
  assertEquals(await talk.ended(), { end: "end", text: "" });
  assertEquals(running.refusals, []);
});

Deno.test("who connects and goes, with or without half a head, is not worth a word", async () => {
  await using running = await Running.start();
  for (const begin of ["", "\r\n", "GET /"]) {
    for (const end of ["closeWrite", "reset"] as const) {
      using talk = await running.connect();
      if (begin !== "") await talk.send(begin);
      await passed(10);
      talk[end]();
      await talk.ended();
    }
  }
  await running.empty();
  assertEquals(running.refusals, []);
});

// What waits for its turn.

Deno.test("requests that wait for their turn are handled when the client has shut down its side, and answered", async () => {
  for (const count of [1, 3]) {
    const workQueue = new HeldQueue();
    await using running = await Running.start({ workQueue });
    using talk = await running.connect();
    await talk.send(request("POST /a", [], "Hello").repeat(count));
    talk.closeWrite();
    await passed(50);
    workQueue.release();
    for (let index = 0; index < count; index++) {
      assertEquals((await talk.answer()).body, "POST /a 5 Hello");
    }
    assertEquals(await talk.ended(), { end: "end", text: "" });
    await running.empty();
  }
});

Deno.test("bodies that wait for their turn are handled when the client is gone, and no request without one", async () => {
  const workQueue = new HeldQueue();
  const handled: string[] = [];
  await using running = await Running.start({ workQueue }, async (request) => {
    handled.push(`${pathOf(request)} ${(await request.bytes()).length}`);
    return new Response(null);
  });
  const bodies = [5, 60_000].map((size) => request(`POST /${size}`, [], "x".repeat(size)));
  const sent = `${A}${bodies[0]}${A}${A}${bodies[1]}${A}`;
  using talk = await running.connect();
  await talk.send(sent);
  await until(() => running.counters.bytesIn === sent.length);
  talk.reset();
  await until(() => running.files.used === 0);
  workQueue.release();
  await running.empty();
  assertEquals(handled, ["/5 5", "/60000 60000"]);
});

Deno.test("what a stream may still read when it waits is charged", async () => {
  const workQueue = new HeldQueue();
  await using running = await Running.start({ workQueue });
  const size = 20_000;
  using talk = await running.connect();
  await talk.send(request("POST /a", [], "x".repeat(size)));
  // A chunk of the stream.
  await until(() => running.budget.bytes > CONNECTION_BYTES.plain + size + 64 * 1024);
  workQueue.release();
  assertEquals((await talk.answer()).status, 200);
  assert(running.budget.bytes <= CONNECTION_BYTES.plain);
});

// Bodies.

Deno.test("a body may be freed by its handler, in whatever pieces it came", async () => {
  await using running = await Running.start({}, async (request) => {
    const bytes = await request.bytes();
    const { length } = bytes;
    freeBytes(bytes);
    return new Response(`${length}`);
  });
  using talk = await running.connect();
  for (const length of [4096, 5000, 60_000, 200_000]) {
    const body = "x".repeat(length);
    // The body as a chunk of its own, with its head, before the next head, and in two.
    for (const pieces of [[0], [], [0, body.length], [0, 4096]]) {
      const head = request("POST /a", [`Content-Length: ${length}`]);
      let at = 0;
      const all = `${head}${body}${A}`;
      for (const place of pieces) {
        await talk.send(all.slice(at, head.length + place));
        await passed(5);
        at = head.length + place;
      }
      await talk.send(all.slice(at));
      assertEquals((await talk.answer()).body, `${length}`);
      assertEquals((await talk.answer()).body, "0");
    }
    // A head and the charge of a connection.
    assert(running.budget.bytes < 10_000, `${running.budget.bytes} bytes are held`);
  }
  talk.closeWrite();
  assertEquals(await talk.ended(), { end: "end", text: "" });
  await running.empty();
});

Deno.test("a body that is asked for twice is the same, and takes nothing of what follows", async () => {
  await using running = await Running.start({}, async (request) => {
    const [first, second] = [await request.bytes(), await request.bytes()];
    return new Response(`${textOf(first)} ${textOf(second)}`);
  });
  using talk = await running.connect();
  await talk.send(`${request("POST /a", [], "Hello")}${request("POST /b", [], "world")}`);
  assertEquals((await talk.answer()).body, "Hello Hello");
  assertEquals((await talk.answer()).body, "world world");
  await talk.send(request("POST /c", ["Content-Length: 5"]));
  await passed(20);
  await talk.send("Hello");
  assertEquals((await talk.answer()).body, "Hello Hello");
});

Deno.test("a body that is asked for late has been kept, and is read no further than it is held", async () => {
  const gate = Promise.withResolvers<void>();
  await using running = await Running.start({}, async (request) => {
    await gate.promise;
    return await echo(request);
  });
  using talk = await running.connect();
  const body = "Hello".padEnd(900_000, "x");
  const sending = talk.send(request("POST /a", [], body) + A);
  await passed(200);
  assert(running.budget.bytes < 400_000, `${running.budget.bytes} bytes are held`);
  gate.resolve();
  assertEquals((await talk.answer()).body, "POST /a 900000 Helloxxxxxxxxxxxxxxx");
  assertEquals((await talk.answer()).body, GET_A);
  await sending;
});

Deno.test("the bytes of a body stay the handler's when its connection is dropped", async () => {
  const gate = Promise.withResolvers<void>();
  const received = Promise.withResolvers<number>();
  await using running = await Running.start({}, async (request) => {
    const bytes = await request.bytes();
    await gate.promise;
    received.resolve(bytes.length);
    return new Response(null);
  });
  using talk = await running.connect();
  await talk.send(request("POST /a", [], "x".repeat(5000)));
  await passed(50);
  await running.server.shutdown(0);
  await talk.ended();
  gate.resolve();
  assertEquals(await received.promise, 5000);
  await running.empty();
});

Deno.test("for one body too many the slowest is refused, not the newcomer", async () => {
  await using running = await Running.start({ bodies: 2 });
  const slow = [await running.connect(), await running.connect()];
  for (const talk of slow) {
    await talk.send(`${request("POST /slow", ["Content-Length: 5"])}Hel`);
    await passed(20);
  }
  using third = await running.connect();
  await third.send(request("POST /a", ["Content-Length: 5"]));
  await passed(20);
  await third.send("Hello");
  assertEquals((await third.answer()).body, "POST /a 5 Hello");
  const [first, second] = slow;
  assertEquals(await first?.answer().then(({ status, body }) => [status, body]), [503, "NoRoom"]);
  await second?.send("lo");
  assertEquals((await second?.answer())?.body, "POST /slow 5 Hello");
  for (const talk of slow) talk[Symbol.dispose]();
});

// Answers.

Deno.test("answers keep their order when a client that does not read them is refused", async () => {
  const budget = new Budget(1e9);
  let answered = 0;
  await using running = await Running.start(
    { budget, workQueue: new WorkQueue().share() },
    () => new Response(`${answered++} `.padEnd(40_000, "x")),
  );
  using talk = await running.connect();
  talk.pause();
  // As much as the system takes, and some more.
  await talk.send(A.repeat(500));
  let before = -1;
  while (before !== answered) {
    before = answered;
    await passed(50);
  }
  assert(answered < 500, "the client is not waited for");
  budget.limit = 0;
  await talk.send("x".repeat(40_000));
  await until(() => running.kinds.length > 0);
  talk.resume();
  const expected = answered;
  for (let index = 0; index < expected; index++) {
    assertEquals(parseInt((await talk.answer()).body), index);
  }
  assertEquals([running.kinds, await talk.status()], [["memory"], 503]);
  assertEquals((await talk.ended()).text, "");
});

Deno.test("an idle connection that has not taken its answers yet is not closed before it has", async () => {
  await using running = await Running.start(
    { idleMs: 500 },
    () => new Response("x".repeat(40_000)),
  );
  using talk = await running.connect();
  talk.pause();
  await talk.send(A.repeat(300));
  await passed(2500);
  talk.resume();
  for (let index = 0; index < 300; index++) {
    assertEquals((await talk.answer()).body.length, 40_000, `${index}`);
  }
  assertEquals(await talk.ended(), { end: "end", text: "" });
});

Deno.test("small answers are collected, and none waits for the next request", async () => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let asked = 0;
  await using running = await Running.start({}, async (request) => {
    if (pathOf(request) === "/slow") await gates[asked++]?.promise;
    return new Response(pathOf(request));
  });
  using talk = await running.connect();
  await talk.send([A, A, request("GET /slow"), A, request("GET /slow"), A].join(""));
  const bodies = async (count: number) => {
    const all: string[] = [];
    for (let index = 0; index < count; index++) all.push((await talk.answer()).body);
    return all;
  };
  assertEquals(await bodies(2), ["/a", "/a"]);
  gates[0]?.resolve();
  assertEquals(await bodies(2), ["/slow", "/a"]);
  gates[1]?.resolve();
  assertEquals(await bodies(2), ["/slow", "/a"]);
});

Deno.test("what comes behind an answer that fills the stream comes behind it", async () => {
  await using running = await Running.start({}, async (request, { upgrade }) => {
    if (pathOf(request) === "/a") return new Response("x".repeat(200_000));
    if (pathOf(request) !== "/up") return await echo(request);
    assert(upgrade.engine === "socket");
    return upgrade.take({}, (taken) => new Owner(taken));
  });
  for (
    const [text, status] of [
      [request("GET /b", ["Connection: close"]), 200],
      [request("POST /b", ["Content-Length: 5", "Expect: 100-continue"]), 100],
      [request("GET /up"), 101],
      ["GET /\0", 400],
      ["POST / HTTP/1.1\r\n\r\n", 400],
    ] as const
  ) {
    for (const count of [1, 2, 3]) {
      using talk = await running.connect();
      talk.pause();
      await talk.send(A.repeat(count) + text);
      await passed(20);
      talk.resume();
      for (let index = 0; index < count; index++) assertEquals(await talk.status(), 200, text);
      assertEquals(await talk.status(), status, text);
    }
  }
});

Deno.test("an answer does not wait for the body of the next request", async () => {
  await using running = await Running.start();
  using talk = await running.connect();
  await talk.send(`${A}${request("POST /b", ["Content-Length: 5"])}Hel`);
  assertEquals((await talk.answer()).body, GET_A);
  await talk.send("lo");
  assertEquals((await talk.answer()).body, "POST /b 5 Hello");
});

Deno.test("bytes are counted in both directions", async () => {
  await using running = await Running.start();
  using talk = await running.connect();
  const sent = `${A}${request("POST /a", [], "Hello")}`;
  await talk.send(sent);
  talk.closeWrite();
  const { text } = await talk.ended();
  assertEquals(running.counters, { bytesIn: sent.length, bytesOut: text.length });
});

// Limits.

Deno.test("for one connection too many the slowest goes: one that ends, one that is idle, one without a head", async () => {
  await using running = await Running.start({ connections: 5 });
  const talks: Talk[] = [];
  const connected = async (text = "") => {
    const talk = await running.connect();
    talks.push(talk);
    if (text !== "") await talk.send(text);
    await passed(50);
    return talk;
  };
  const ending = await connected(request("GET /a", ["Connection: close"]));
  await ending.answer();
  const idle = await connected(A);
  await idle.answer();
  const fresh = [await connected("GET /"), await connected("GET /")];
  const body = await connected(`${request("POST /a", ["Content-Length: 5"])}Hel`);
  const gone = () => [running.files.used, ...[idle, ...fresh].map(({ isOver }) => isOver)];
  assertEquals(gone(), [5, false, false, false]);
  await connected();
  assertEquals(gone(), [5, false, false, false]);
  await connected();
  assertEquals(gone(), [5, true, false, false]);
  assertEquals(running.refusals, [], "nobody has lost anything yet");
  await connected();
  assertEquals(gone(), [5, true, true, false]);
  await connected();
  assertEquals(gone(), [5, true, true, true]);
  assertEquals(running.kinds, ["handshakes", "handshakes"]);
  await body.send("lo");
  assertEquals((await body.answer()).body, "POST /a 5 Hello");
  for (const talk of talks) talk[Symbol.dispose]();
});

Deno.test("bodies have half of the places: where they have more the slowest body goes for who connects", async () => {
  const ends: string[] = [];
  await using running = await Running.start({ connections: 4 }, async (request) => {
    const response = await echo(request);
    ends.push(await response.clone().text());
    return response;
  });
  const bodies: Talk[] = [];
  for (let count = 0; count < 4; count++) {
    const talk = await running.connect();
    bodies.push(talk);
    await talk.send(`${request("POST /a", ["Content-Length: 5"])}Hel`);
    await passed(50);
  }
  using newcomer = await running.connect();
  await newcomer.send(A);
  assertEquals((await newcomer.answer()).body, GET_A);
  await bodies[0]?.ended();
  assertEquals(ends, ["BodyBroken", GET_A]);
  for (const talk of bodies.slice(1)) {
    await talk.send("lo");
    assertEquals((await talk.answer()).body, "POST /a 5 Hello");
  }
  for (const talk of bodies) talk[Symbol.dispose]();
});

Deno.test("of those without a head the oldest goes, and the others come through", async () => {
  await using running = await Running.start({ connections: 2 });
  using oldest = await running.connect();
  using older = await running.connect();
  for (const talk of [oldest, older]) await talk.send("GET /");
  await passed(50);
  using third = await running.connect();
  assertEquals((await oldest.ended()).text, "");
  for (const [talk, text] of [[older, "a HTTP/1.1\r\nHost: x\r\n\r\n"], [third, A]] as const) {
    await talk.send(text);
    assertEquals((await talk.answer()).body, GET_A);
  }
  assertEquals(running.refusals, [[
    "handshakes",
    "It was the slowest of too many connections",
  ]]);
});

Deno.test("beyond the files that there are the slowest gives way, a body last, and then nobody does", async () => {
  const gate = Promise.withResolvers<void>();
  await using running = await Running.start({ openFiles: OTHER_FILES + 2 }, async (request) => {
    if (pathOf(request) === "/wait") await gate.promise;
    return await echo(request);
  });
  using waiting = await running.connect();
  await waiting.send(request("GET /wait"));
  using body = await running.connect();
  await body.send(`${request("POST /a", ["Content-Length: 5"])}Hel`);
  await passed(50);
  assertEquals(running.files.used, 2);
  using third = await running.connect();
  await body.ended();
  await third.send(request("GET /wait"));
  await until(() => running.files.used === 2);
  using fourth = await running.connect();
  assertEquals((await fourth.ended()).text, "");
  assertEquals(running.refusals, [
    ["files", "It was the slowest, and there are no files for more"],
    ["files", "There is no open file for one more connection"],
  ]);
  gate.resolve();
  for (const talk of [waiting, third]) {
    assertEquals((await talk.answer()).body, "GET /wait 0 ");
    talk[Symbol.dispose]();
  }
  await running.empty();
});

Deno.test("beyond the files that there are a server with many silent connections makes room for another one", async () => {
  const files = new OpenFiles(OTHER_FILES + 40);
  await using crowded = await Running.start({ files });
  const { running, owners } = await upgrading({ files });
  await using _ = running;
  const silent = await opened(crowded, 60);
  // Each of them stays, as a WebSocket does.
  const taken: Talk[] = [];
  for (let index = 0; index < 30; index++) {
    const talk = await running.connect();
    taken.push(talk);
    await talk.send(UPGRADE);
    assertEquals(await talk.status(), 101);
  }
  assertEquals(owners.length, 30);
  assertEquals(running.refusals, []);
  await until(() => files.used <= 40);
  for (const talk of [...silent, ...taken]) talk[Symbol.dispose]();
  await running.empty();
});

/** A budget with room for so many connections that have sent nothing. */
function budgetFor(connections: number): Budget {
  // A quarter of it is for connections that have not become something else.
  return new Budget(4 * connections * CONNECTION_BYTES.plain);
}

/** Opens so many connections, and sends something on each. */
async function opened(running: Running, count: number, text = ""): Promise<Talk[]> {
  const talks: Talk[] = [];
  for (let index = 0; index < count; index++) {
    const talk = await running.connect();
    talks.push(talk);
    if (text !== "") await talk.send(text);
  }
  await passed(50);
  return talks;
}

const SLOWEST = "It was the slowest when memory was short";

Deno.test("of connections that come together each takes the place of another one", async () => {
  await using running = await Running.start({ openFiles: OTHER_FILES + 10 });
  await using limited = await Running.start({ connections: 10 });
  for (
    const { connect, files } of [running, limited].map((each) => ({
      connect: () => each.connect(),
      files: each.files,
    }))
  ) {
    const talks = await Promise.all(Array.from({ length: 40 }, connect));
    await passed(100);
    assertEquals(files.used, 10);
    for (const talk of talks) talk[Symbol.dispose]();
  }
});

Deno.test("when memory is short silent connections give way to requests, on this server or another", async () => {
  const budget = budgetFor(10);
  // The answer comes later, so that a request is under way while others want room.
  const answer = async (request: HttpRequest) => {
    await passed(20);
    return await echo(request);
  };
  await using attacked = await Running.start({ budget });
  await using running = await Running.start({ budget }, answer);
  for (const server of [attacked, running]) {
    const silent = await opened(server, 12);
    for (const size of [2000, 20_000, 60_000]) {
      using talk = await running.connect();
      await talk.send(request("POST /a", [], "x".repeat(size)));
      assertEquals((await talk.answer()).body, `POST /a ${size} ${"x".repeat(20)}`);
    }
    await silent[0]?.ended();
    assertEquals(server.refusals[0], ["memory", SLOWEST]);
    for (const talk of silent) talk[Symbol.dispose]();
    await until(() => budget.bytes === 0);
  }
});

Deno.test("when memory is short a request whose body does not come is told, and one that is being answered is not ended", async () => {
  const budget = budgetFor(10);
  const gate = Promise.withResolvers<void>();
  await using running = await Running.start({ budget }, async (request) => {
    // A body is asked for in a later turn.
    await (pathOf(request) === "/wait" ? gate.promise : passed(0));
    return await echo(request);
  });
  const waiting = await opened(running, 2, request("POST /wait", [], "Hello"));
  const [body] = await opened(running, 1, `${request("POST /a", ["Content-Length: 5"])}Hel`);
  await opened(running, 10);
  const answer = await body?.answer();
  assertEquals([answer?.status, answer?.body], [503, "NoRoom"]);
  assertEquals((await body?.ended())?.end, "end");
  gate.resolve();
  for (const talk of waiting) assertEquals((await talk.answer()).body, "POST /wait 5 Hello");
});

Deno.test("when memory is short what waits for its turn is not ended for what comes later", async () => {
  const budget = budgetFor(30);
  const workQueue = new HeldQueue();
  await using running = await Running.start({ budget, workQueue });
  const sent = request("POST /a", [], "x".repeat(60_000));
  using waiting = await running.connect();
  await waiting.send(sent);
  await until(() => running.counters.bytesIn === sent.length);
  await opened(running, 40);
  workQueue.release();
  assertEquals((await waiting.answer()).status, 200);
});

Deno.test("when memory is short half a head gives way, and where nobody does the newcomer is told", async () => {
  const budget = budgetFor(3);
  await using running = await Running.start({ budget });
  using first = await running.connect();
  await first.send("GET /".padEnd(3000, "x"));
  using second = await running.connect();
  await second.send(A);
  await second.answer();
  await passed(50);
  using third = await running.connect();
  await third.send(A);
  assertEquals((await third.answer()).body, GET_A);
  assertEquals((await first.ended()).text, "");
  assertEquals(running.refusals, [["memory", SLOWEST]]);
  for (const talk of [second, third]) talk[Symbol.dispose]();
  await until(() => budget.bytes === 0);
  using early = await running.connect();
  await until(() => budget.bytes > 0);
  budget.limit = 0;
  await early.send(request("POST /a", [], "x".repeat(2000)));
  assertEquals((await early.answer()).status, 200, "it takes no more than it has");
  early[Symbol.dispose]();
  await until(() => budget.bytes === 0);
  using fourth = await running.connect();
  const { status, headers } = await fourth.answer();
  assertEquals([status, headers.get("retry-after")], [503, "10"]);
  assertEquals((await fourth.ended()).text, "");
  assertEquals(running.refusals[1], ["memory", "There is no memory for it"]);
  fourth[Symbol.dispose]();
  await running.empty();
});

Deno.test("the budget gives up the largest body alone, and its client is told", async () => {
  const budget = new Budget(4_000_000);
  await using running = await Running.start({ budget });
  const slow: Talk[] = [];
  while (budget.account("bodies").evicted === 0) {
    const talk = await running.connect();
    slow.push(talk);
    await talk.send(request("POST /a", ["Content-Length: 200000"]) + "x".repeat(199_999));
    await passed(20);
    assert(slow.length < 20, "there is no room for as many");
  }
  const ends = await Promise.race(slow.map((talk) => talk.answer()));
  assertEquals([ends.status, ends.body], [503, "NoRoom"]);
  using small = await running.connect();
  await small.send(request("POST /a", ["Content-Length: 5"]));
  await passed(20);
  await small.send("Hello");
  assertEquals((await small.answer()).body, "POST /a 5 Hello");
  assertEquals(running.refusals, []);
  for (const talk of [...slow, small]) talk[Symbol.dispose]();
  await running.empty();
});

Deno.test("limits that change hold for what comes next", async () => {
  await using running = await Running.start();
  using talk = await running.connect();
  await talk.send(request("POST /a", [], "Hello"));
  assertEquals(await talk.status(), 200);
  running.limits = { ...running.limits, bodyBytes: 4, idleMs: 500 };
  await talk.send(request("POST /a", [], "Hello"));
  assertEquals(await talk.status(), 413);
  using idle = await running.connect();
  await idle.send(A);
  assertEquals((await idle.answer()).body, GET_A);
  assertEquals(await idle.ended(), { end: "end", text: "" });
});

// Who is screened.

const NOT_YOU = () => new Response("not you", { status: 403 });

Deno.test("who is screened is answered when something of a request has come, whatever it is, and closed", async () => {
  await using running = await Running.start({ screen: NOT_YOU });
  for (const sent of ["G", A, request("POST /a", [], "x".repeat(900_000)), "\0\n"]) {
    using talk = await running.connect();
    await passed(50);
    assertEquals(talk.unread, 0, "clients do not expect an answer before they have asked");
    await talk.send(sent);
    const { status, headers, body } = await talk.answer();
    assertEquals([status, headers.get("connection"), body], [403, "close", "not you"]);
    assertEquals(await talk.ended(), { end: "end", text: "" });
    talk[Symbol.dispose]();
  }
  assertEquals(running.refusals, []);
  await running.empty();
});

Deno.test("who is screened and says nothing is dropped in the end, and at once when it sends no more", async () => {
  await using running = await Running.start({ screen: NOT_YOU, closeMs: 1000 });
  using silent = await running.connect();
  using ended = await running.connect();
  const order: string[] = [];
  const dropped = silent.ended().then(({ text }) => order.push(`silent: ${text}`));
  ended.closeWrite();
  order.push(`ended: ${(await ended.ended()).text}`);
  await dropped;
  assertEquals(order, ["ended: ", "silent: "]);
  assertEquals(running.refusals, []);
  await running.empty();
});

Deno.test("who is screened takes no memory and no place of others, and gives way to them", async () => {
  const budget = budgetFor(3);
  const isStranger = { next: false };
  await using running = await Running.start({
    budget,
    connections: 4,
    screen: () => isStranger.next ? NOT_YOU() : null,
  });
  const friends = await opened(running, 3);
  isStranger.next = true;
  using dropped = await running.connect();
  assertEquals((await dropped.ended()).text, "");
  budget.limit *= 4;
  const strangers = await opened(running, 3);
  for (const stranger of strangers.slice(0, 2)) assertEquals((await stranger.ended()).text, "");
  await until(() => budget.bytes === 4 * CONNECTION_BYTES.plain);
  isStranger.next = false;
  using another = await running.connect();
  assertEquals((await strangers[2]?.ended())?.text, "");
  for (const friend of [...friends, another]) {
    await friend.send(A);
    assertEquals((await friend.answer()).body, GET_A);
    friend[Symbol.dispose]();
  }
  assertEquals(running.refusals, []);
});

// TLS.

const PAIR = makeSelfSigned({ isAuthority: true });

Deno.test("over TLS a client that would rather have HTTP/2 gets HTTP/1.1", async () => {
  await using running = await Running.start({ tls: PAIR });
  for (const protocols of [["h2", "http/1.1"], ["http/1.1"], []]) {
    using talk = await Talk.connectTls(running.port, protocols);
    assertEquals(talk.protocol, protocols.length > 0 ? "http/1.1" : null);
    await talk.send(`${A}${request("POST /a", [], "Hello")}`);
    assertEquals((await talk.answer()).body, GET_A);
    assertEquals((await talk.answer()).body, "POST /a 5 Hello");
  }
  assertEquals(running.refusals, []);
});

Deno.test("over TLS the URL of a request is one of https", async () => {
  await using running = await Running.start({ tls: PAIR }, ({ url }) => new Response(url));
  using talk = await Talk.connectTls(running.port);
  await talk.send(A);
  assertEquals((await talk.answer()).body, "https://x/a");
});

Deno.test("over TLS who is screened is closed without a handshake", async () => {
  await using running = await Running.start({ tls: PAIR, screen: () => new Response(null) });
  await assertRejects(() => Talk.connectTls(running.port));
  await running.empty();
  assertEquals([running.counters.bytesIn, running.refusals], [0, []]);
});

for (const tls of [PAIR, null]) {
  const over = tls === null ? "without TLS" : "over TLS";
  Deno.test(`${over} nobody gives way to who is screened, however few files there are`, async () => {
    await using running = await Running.start({
      tls,
      openFiles: OTHER_FILES + 2,
      screen: ({ hostname }) =>
        hostname === "127.0.0.9" ? new Response("not you", { status: 403 }) : null,
    });
    const friend = () => tls === null ? running.connect() : Talk.connectTls(running.port);
    using first = await friend();
    using second = await friend();
    for (let round = 0; round < 20; round++) {
      await new Promise<void>((resolve) => {
        const stranger = connect({ port: running.port, localAddress: "127.0.0.9" });
        stranger.on("error", () => {}).on("close", () => resolve()).resume();
      });
    }
    for (const talk of [first, second]) {
      await talk.send(A);
      assertEquals((await talk.answer()).status, 200);
    }
    assertEquals(running.refusals, []);
    for (const talk of [first, second]) talk[Symbol.dispose]();
    await running.empty();
  });
}

Deno.test("over TLS a body is received, a late one given up, and what is held given back", async () => {
  await using running = await Running.start({ tls: PAIR, bodyMs: 500 });
  using talk = await Talk.connectTls(running.port);
  const body = "Hello".padEnd(900_000, "x");
  await talk.send(request("POST /a", [], body));
  assertEquals((await talk.answer()).body, "POST /a 900000 Helloxxxxxxxxxxxxxxx");
  await talk.send(request("POST /a", ["Content-Length: 5"]));
  assertEquals((await talk.answer()).body, "BodyTooSlow");
  assertEquals((await talk.ended()).text, "");
  talk[Symbol.dispose]();
  await running.empty();
});

Deno.test("over TLS who says nothing is refused once, and plain text as well", async () => {
  await using running = await Running.start({ tls: PAIR, headMs: 500 });
  using silent = await running.connect();
  using secured = await Talk.connectTls(running.port);
  using plain = await running.connect();
  await plain.send(A);
  for (const talk of [silent, secured, plain]) await talk.ended();
  await until(() => running.kinds.length === 3);
  assertEquals(running.kinds.toSorted(), ["timeout", "timeout", "tls"]);
  await running.empty();
});

/** A relay to a server that passes the first bytes of a client on one by one. Resolves with its port. */
async function slowRelay(to: number, slowBytes: number): Promise<Disposable & { port: number }> {
  const server = createServer(async (client) => {
    const stream = connect({ host: "127.0.0.1", port: to, noDelay: true });
    stream.on("error", () => {});
    stream.pipe(client).on("error", () => {});
    let left = slowBytes;
    for await (const chunk of client) {
      const slow = chunk.subarray(0, left);
      left -= slow.length;
      for (const byte of slow) {
        await new Promise((resolve) => stream.write(Uint8Array.of(byte), resolve));
      }
      stream.write(chunk.subarray(slow.length));
    }
    stream.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.dispose]: () => void server.close() };
}

/** The header of a record of a TLS handshake that says how much follows. */
function record(length: number): Uint8Array {
  return Uint8Array.of(22, 3, 1, length >> 8, length & 255);
}

/** A whole ClientHello, in so many records, that TLS refuses, as nothing is in it. */
function hello(size: number, records = 1): Uint8Array {
  const message = new Uint8Array(size);
  message.set([1, 0, (size - 4) >> 8, (size - 4) & 255]);
  const part = Math.ceil(size / records);
  return concat(...Array.from({ length: records }, (_, index) => {
    const bytes = message.subarray(index * part, (index + 1) * part);
    return concat(record(bytes.length), bytes);
  }));
}

/** Resolves when a connection has a ClientHello that waits for its turn, on a server with a queue that is held. */
async function waits(workQueue: HeldQueue): Promise<void> {
  await until(() => workQueue.size > 0);
}

Deno.test("over TLS a ClientHello that comes byte by byte is one", async () => {
  await using running = await Running.start({ tls: PAIR });
  using relay = await slowRelay(running.port, 200);
  using talk = await Talk.connectTls(relay.port);
  await talk.send(A);
  assertEquals((await talk.answer()).body, GET_A);
  talk[Symbol.dispose]();
  await running.empty();
});

Deno.test("over TLS who sends nothing, or a part of a ClientHello, holds no memory of TLS", async () => {
  await using running = await Running.start({ tls: PAIR });
  const parts = [
    new Uint8Array(0),
    record(500),
    concat(record(1), Uint8Array.of(1)),
    hello(500).subarray(0, 504),
    hello(500, 2).subarray(0, 300),
  ];
  const talks = await Promise.all(parts.map(async (bytes) => {
    const talk = await running.connect();
    await talk.send(bytes);
    return talk;
  }));
  const held = parts.reduce((sum, { length }) => sum + length, 0);
  const expected = parts.length * CONNECTION_BYTES.plain + held;
  await until(() => running.budget.bytes === expected);
  using secure = await Talk.connectTls(running.port);
  await until(() => running.budget.bytes === expected + CONNECTION_BYTES.tls);
  for (const talk of [...talks, secure]) talk[Symbol.dispose]();
  await running.empty();
});

Deno.test("over TLS what is no ClientHello, or none that fits, is left to TLS", async () => {
  for (
    const bytes of [
      utf8("GET / HTTP/1.1\r\n\r\n"),
      hello(500),
      hello(500, 3),
      concat(record(4), Uint8Array.of(2, 0, 0, 0)),
      record(0),
      concat(record(2 ** 14 + 1), new Uint8Array(2 ** 14 + 300)),
    ]
  ) {
    await using running = await Running.start({ tls: PAIR, headMs: 500 });
    using talk = await running.connect();
    await talk.send(bytes);
    await talk.ended();
    await until(() => running.kinds.length > 0);
    assertEquals(running.kinds.length, 1);
    await running.empty();
  }
});

Deno.test("over TLS who breaks off within its ClientHello is reported, and who sends nothing is not", async () => {
  await using running = await Running.start({ tls: PAIR });
  const reason = "The TLS handshake failed: it was broken off";
  for (const end of ["closeWrite", "reset"] as const) {
    using half = await running.connect();
    using silent = await running.connect();
    await half.send(record(500));
    await until(() => running.budget.bytes > 2 * CONNECTION_BYTES.plain);
    half[end]();
    silent[end]();
    await running.empty();
  }
  assertEquals(running.refusals, [["tls", reason], ["tls", reason]]);
});

Deno.test("over TLS who breaks off while its ClientHello waits for its turn is reported once", async () => {
  for (const end of ["closeWrite", "reset"] as const) {
    const workQueue = new HeldQueue();
    await using running = await Running.start({ tls: PAIR, workQueue });
    using talk = await running.connect();
    await talk.send(hello(500));
    await waits(workQueue);
    talk[end]();
    await running.empty();
    workQueue.release();
    assertEquals(running.kinds, ["tls"]);
  }
});

Deno.test("over TLS what comes behind a ClientHello that waits for its turn goes to TLS with it, up to 96 KiB", async () => {
  for (const [count, kind] of [[3, "tls"], [100, "tls"]] as const) {
    const workQueue = new HeldQueue();
    await using running = await Running.start({ tls: PAIR, workQueue });
    using talk = await running.connect();
    await talk.send(hello(500));
    await waits(workQueue);
    for (let each = 0; each < count && !talk.isOver; each++) {
      await talk.send(new Uint8Array(1000));
      await passed(2);
    }
    workQueue.release();
    await running.empty();
    assertEquals(running.kinds, [kind]);
    assertEquals(running.errors, []);
  }
});

Deno.test("over TLS half a ClientHello has the time of a head, and what a whole one waits for its turn does not count", async () => {
  const workQueue = new HeldQueue();
  await using running = await Running.start({ tls: PAIR, workQueue, headMs: 1000 });
  using half = await running.connect();
  await half.send(record(500));
  const connecting = Talk.connectTls(running.port);
  await half.ended();
  await ticked();
  assertEquals(running.kinds, ["timeout"]);
  workQueue.release();
  using talk = await connecting;
  await talk.send(A);
  assertEquals((await talk.answer()).body, GET_A);
});

Deno.test("over TLS who has sent no ClientHello gives way when memory is short, or there are too many", async () => {
  const budget = budgetFor(4);
  await using running = await Running.start({ tls: PAIR, budget });
  const talks = await opened(running, 6);
  await until(() => running.kinds.length === 2);
  assertEquals(running.kinds, ["memory", "memory"]);
  await using limited = await Running.start({ tls: PAIR, connections: 4 });
  talks.push(...await opened(limited, 6));
  await until(() => limited.kinds.length === 2);
  assertEquals([limited.kinds, limited.files.used], [["handshakes", "handshakes"], 4]);
  for (const talk of talks) talk[Symbol.dispose]();
  await running.empty();
});

Deno.test("over TLS a ClientHello that waits for its turn is not ended for who comes later when memory is short", async () => {
  const workQueue = new HeldQueue();
  const budget = budgetFor(8);
  await using running = await Running.start({ tls: PAIR, budget, workQueue });
  const connecting = Talk.connectTls(running.port);
  await waits(workQueue);
  const silent = await opened(running, 12);
  await until(() => running.kinds.length >= 4);
  for (const talk of silent) talk[Symbol.dispose]();
  await until(() => budget.bytes < 2 * CONNECTION_BYTES.plain);
  workQueue.release();
  using talk = await connecting;
  await talk.send(A);
  assertEquals((await talk.answer()).body, GET_A);
});

Deno.test("over TLS a handshake for which there is no memory is refused, and leaves nothing behind", async () => {
  const budget = budgetFor(2);
  await using running = await Running.start({ tls: PAIR, budget });
  await assertRejects(() => Talk.connectTls(running.port));
  await running.empty();
  assertEquals(running.kinds, ["memory"]);
});

Deno.test("over TLS a stop closes who has sent no ClientHello, or waits for its turn, at once", async () => {
  const workQueue = new HeldQueue();
  await using running = await Running.start({ tls: PAIR, workQueue });
  using silent = await running.connect();
  const connecting = Talk.connectTls(running.port);
  connecting.catch(() => {});
  await waits(workQueue);
  await running.server.shutdown(0);
  await silent.ended();
  await assertRejects(() => connecting);
  workQueue.release();
  await running.empty();
});

Deno.test("a network that connects in a loop takes no more than its share of the places", async () => {
  await using running = await Running.start({ connections: 8 });
  using friend = await running.connect();
  const strangers = Array.from({ length: 40 }, () => {
    const stranger = connect({ host: "127.0.0.1", port: running.port, localAddress: "127.0.0.9" });
    return stranger.on("error", () => {}).resume();
  });
  await until(() => running.kinds.length === 33);
  await friend.send(A);
  assertEquals((await friend.answer()).body, GET_A);
  for (const stranger of strangers) stranger.destroy();
});

Deno.test("a certificate that is renewed is that of the next connection, and the others stay", async () => {
  await using running = await Running.start({ tls: PAIR });
  using before = await Talk.connectTls(running.port);
  const renewed = makeSelfSigned({ isAuthority: true });
  running.server.renew?.(renewed);
  using behind = await Talk.connectTls(running.port);
  assert(before.certificate !== behind.certificate, "it is another one");
  for (const talk of [before, behind]) {
    await talk.send(A);
    assertEquals((await talk.answer()).body, GET_A);
  }
});

// Becoming something else.

/** Keeps what its stream brings. */
class Owner implements StreamOwner {
  readonly stream: Taken["stream"];
  readonly isTls: boolean;
  text = "";
  readonly events: string[] = [];

  constructor({ stream, isTls }: Taken) {
    this.stream = stream;
    this.isTls = isTls;
  }

  data(chunk: Buffer): void {
    this.text += textOf(chunk);
    freeBytes(chunk);
  }

  drained(): void {}

  ended(): void {
    this.events.push("ended");
    this.stream.end();
  }

  failed(): void {}

  closed(): void {
    this.events.push("closed");
  }
}

/** A server whose connections become something else; a path of `/late` does so after a gate has opened. */
async function upgrading(
  options: Parameters<typeof Running.start>[0] = {},
  gate: Promise<void> = Promise.resolve(),
): Promise<{ readonly running: Running; readonly owners: Owner[] }> {
  const owners: Owner[] = [];
  const running = await Running.start(options, async (request, { upgrade }) => {
    if (pathOf(request) === "/a") return new Response("no upgrade");
    if (pathOf(request) === "/late") await gate;
    assert(upgrade.engine === "socket");
    return upgrade.take({ "Upgrade": "x", "Connection": "Upgrade" }, (taken) => {
      const owner = new Owner(taken);
      owners.push(owner);
      return owner;
    });
  });
  return { running, owners };
}

const UPGRADE = request("GET /up", ["Upgrade: x", "Connection: Upgrade"]);
const LATE_UPGRADE = UPGRADE.replace("/up", "/late");

for (const tls of [null, PAIR]) {
  const over = tls === null ? "plain text" : "TLS";
  const connect = ({ port }: Running) => tls ? Talk.connectTls(port) : Talk.connect(port);

  Deno.test(`what comes behind an upgrade is the new owner's, in order (${over})`, async () => {
    const gate = Promise.withResolvers<void>();
    const { running, owners } = await upgrading({ tls }, gate.promise);
    {
      await using _ = running;
      using talk = await connect(running);
      await talk.send(`${A}${LATE_UPGRADE}0 `);
      assertEquals((await talk.answer()).body, "no upgrade");
      const numbers = Array.from({ length: 40_000 }, (_, index) => `${index + 1} `);
      for (let at = 0; at < numbers.length; at += 10_000) {
        void talk.send(numbers.slice(at, at + 10_000).join(""));
        await passed(5);
      }
      gate.resolve();
      const { status, headers } = await talk.answer();
      assertEquals([status, headers.get("upgrade")], [101, "x"]);
      const expected = `0 ${numbers.join("")}`;
      await until(() => owners[0]?.text.length === expected.length);
      assert(owners[0]?.text === expected, "in order");
      assertEquals(owners[0]?.isTls, tls !== null);
      owners[0]?.stream.write("Hello");
      assertEquals(await talk.bytes(5), "Hello");
      assertEquals(running.budget.bytes, 0, "its memory is the new owner's to charge");
      talk.closeWrite();
      await talk.ended();
      await until(() => owners[0]?.events.length === 2);
      assertEquals(owners[0]?.events, ["ended", "closed"]);
      await running.empty();
    }
  });
}

Deno.test("an upgrade that comes byte by byte is one", async () => {
  const { running, owners } = await upgrading();
  await using _ = running;
  using talk = await running.connect();
  await talk.sendBytewise(`${UPGRADE}Hello`);
  assertEquals(await talk.status(), 101);
  await until(() => owners[0]?.text === "Hello");
});

Deno.test("the new owner is told that the client has shut down its side, or is gone", async () => {
  for (const end of ["closeWrite", "reset"] as const) {
    const gate = Promise.withResolvers<void>();
    const { running, owners } = await upgrading({}, gate.promise);
    await using _ = running;
    using talk = await running.connect();
    await talk.send(`${LATE_UPGRADE}Hello`);
    await passed(50);
    talk[end]();
    await passed(50);
    gate.resolve();
    await until(() => owners[0]?.events.includes("closed") ?? false);
    assertEquals(
      [owners[0]?.text, owners[0]?.events],
      ["Hello", end === "reset" ? ["closed"] : ["ended", "closed"]],
    );
    await running.empty();
  }
});

Deno.test("an upgrade whose new owner cannot be made cuts the connection", async () => {
  const mistake = new RangeError("a mistake");
  await using running = await Running.start({}, (_, { upgrade }) => {
    assert(upgrade.engine === "socket");
    return upgrade.take({}, () => {
      throw mistake;
    });
  });
  using talk = await running.connect();
  await talk.send(UPGRADE);
  await talk.ended();
  assertEquals(running.errors, [mistake]);
  await running.empty();
});

Deno.test("what has become something else has no deadline, no place among the connections, and outlives a stop", async () => {
  const { running, owners } = await upgrading({ connections: 1, headMs: 200, idleMs: 200 });
  await using _ = running;
  const talks: Talk[] = [];
  for (let count = 0; count < 3; count++) {
    const talk = await running.connect();
    talks.push(talk);
    await talk.send(UPGRADE);
    assertEquals(await talk.status(), 101);
  }
  await ticked();
  await ticked();
  await running.server.shutdown(0);
  for (const [index, talk] of talks.entries()) {
    await talk.send("Hello");
    await until(() => owners[index]?.text === "Hello");
    talk[Symbol.dispose]();
  }
});

// A stop.

Deno.test("a stop closes those that have sent nothing, or half a head, or are idle, at once", async () => {
  await using running = await Running.start();
  using silent = await running.connect();
  using half = await running.connect();
  await half.send("GET /");
  using idle = await running.connect();
  await idle.send(A);
  await idle.answer();
  await passed(50);
  const began = performance.now();
  await running.server.shutdown(10_000);
  assert(performance.now() - began < 2000, "nobody is waited for");
  for (const talk of [silent, half, idle]) assertEquals((await talk.ended()).text, "");
});

Deno.test("a stop gives up a body that has not come whole, and its client is told", async () => {
  await using running = await Running.start();
  using talk = await running.connect();
  await talk.send(`${request("POST /a", ["Content-Length: 5"])}Hel`);
  await passed(50);
  const stopped = running.server.shutdown(10_000);
  const { body, headers } = await talk.answer();
  assertEquals([body, headers.get("connection")], ["BodyInterrupted", "close"]);
  talk[Symbol.dispose]();
  await stopped;
});

Deno.test("a stop answers requests that have come and wait for their turn", async () => {
  const workQueue = new HeldQueue();
  await using running = await Running.start({ workQueue });
  const sent = request("POST /a", [], "Hello");
  const talks = await opened(running, 5, sent);
  await until(() => running.counters.bytesIn === 5 * sent.length);
  const stopped = running.server.shutdown(10_000);
  workQueue.release();
  for (const talk of talks) {
    assertEquals((await talk.answer()).body, "POST /a 5 Hello");
    talk[Symbol.dispose]();
  }
  await stopped;
});

Deno.test("a stop lets an answer arrive that is on its way", async () => {
  const length = 8_000_000;
  await using running = await Running.start({}, () => new Response("x".repeat(length)));
  using staying = await running.connect();
  using closing = await running.connect();
  for (const talk of [staying, closing]) talk.pause();
  await staying.send(A);
  await closing.send(request("GET /a", ["Connection: close"]));
  await passed(200);
  const stopped = running.server.shutdown(10_000);
  await passed(50);
  for (const talk of [staying, closing]) {
    talk.resume();
    assertEquals((await talk.answer()).body.length, length);
    assertEquals(await talk.ended(), { end: "end", text: "" });
    talk[Symbol.dispose]();
  }
  await stopped;
});

Deno.test("a stop cuts off what is not answered in time", async () => {
  const gate = Promise.withResolvers<void>();
  await using running = await Running.start({}, async () => {
    await gate.promise;
    return new Response(null);
  });
  using talk = await running.connect();
  await talk.send(A);
  await passed(50);
  await running.server.shutdown(100);
  assertEquals((await talk.ended()).text, "");
  gate.resolve();
  await running.empty();
  assertEquals(running.errors, []);
});

Deno.test("a server that refuses answers once more on each connection that has a request under way", async () => {
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  await using running = await Running.start({}, async () => {
    asked++;
    await gate.promise;
    return new Response(null);
  });
  using talk = await running.connect();
  await talk.send(A + A);
  await until(() => asked === 1);
  running.server.refuse();
  running.server.refuse();
  gate.resolve();
  const { status, headers } = await talk.answer();
  assertEquals([status, headers.get("connection")], [200, "close"]);
  assertEquals(await talk.ended(), { end: "end", text: "" });
  assertEquals(asked, 1);
});
