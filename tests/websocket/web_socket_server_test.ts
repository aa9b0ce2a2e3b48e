/**
 * The socket engine over real sockets, with limits small enough to meet.
 */

import type { RefusalKind, SocketLimits, SocketRules } from "../../src/websocket/rules.ts";
import {
  type EndKind,
  type Socket,
  SocketCounters,
  type SocketServer,
  type SocketServerOptions,
} from "../../src/websocket/socket.ts";
import type { PemPair } from "../../src/net/tls_trial.ts";
import { Budget } from "../../src/budget.ts";
import { OpenFiles, OTHER_FILES } from "../../src/config/open_files.ts";
import { WorkQueue } from "../../src/work_queue.ts";
import { Networks } from "../../src/config/network.ts";
import { Origins } from "../../src/config/origin.ts";
import { Admission } from "../../src/websocket/admission.ts";
import { listenWebSocket as bind } from "../../src/websocket/web_socket_server.ts";
import type { HttpLimits } from "../../src/http/engine.ts";
import { ENGINES } from "../../src/http/engines.ts";
import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { onFreePort } from "../acceptance/ports.ts";
import { until } from "../acceptance/until.ts";
import { REQUEST, Wire } from "../acceptance/wire.ts";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { socketRules } from "../entries.ts";
import { frame, hex, utf8 } from "./bytes.ts";

const listen = (options: SocketServerOptions) => bind(options, ENGINES.socket);
const listenOnServe = (options: SocketServerOptions) => bind(options, ENGINES.serve);

/** A server that keeps what happens to it. */
class Running implements AsyncDisposable {
  readonly port: number;
  readonly sockets: Socket[] = [];
  /** The number of messages that had come at each confirmation. */
  readonly confirmed: number[] = [];
  readonly messages: string[] = [];
  /** Resolves with the fault of the connection that ends first. */
  readonly over = Promise.withResolvers<string | null>();
  readonly ends: EndKind[] = [];
  readonly refusals: string[] = [];
  readonly kinds: RefusalKind[] = [];
  readonly counters = new SocketCounters();
  readonly files: OpenFiles;
  server!: SocketServer;
  /** They may be changed. */
  rules: SocketRules;

  private constructor(port: number, rules: SocketRules, openFiles: number | null) {
    this.files = new OpenFiles(openFiles);
    this.port = port;
    this.rules = rules;
  }

  static start(
    limits: Partial<SocketLimits> = {},
    engine = listen,
    change: Parameters<typeof socketRules>[1] = {},
    tls: PemPair | null = null,
    openFiles: number | null = null,
  ): Promise<Running> {
    return onFreePort((port) =>
      Running.#bind(new Running(port, socketRules(limits, change), openFiles), engine, tls)
    );
  }

  static async #bind(
    running: Running,
    engine: typeof listen,
    tls: PemPair | null,
  ): Promise<Running> {
    const { port } = running;
    running.server = await engine({
      hostname: "127.0.0.1",
      port,
      tls,
      rules: () => running.rules,
      budget: new Budget(1e9),
      files: running.files.share("client"),
      workQueue: new WorkQueue().share(),
      admission: new Admission(() => running.rules),
      counters: running.counters,
      fallback: { status: 501, body: "no" },
      accept: (socket) => {
        running.sockets.push(socket);
        return {
          message: (text) => {
            running.messages.push(text);
            if (text === "echo") socket.send(message(text));
          },
          frame() {},
          drained() {},
          confirmed: () => running.confirmed.push(running.messages.length),
          finish: (done) => done(),
          close: (kind, fault) => {
            running.ends.push(kind);
            running.over.resolve(fault);
          },
        };
      },
      refused: (_, kind, reason) => {
        running.kinds.push(kind);
        running.refusals.push(reason);
      },
      warn: (message) => running.refusals.push(message),
    });
    return running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.shutdown(0);
  }
}

function message(text: string): { text: string; bytes: Uint8Array } {
  return { text, bytes: utf8(text) };
}

Deno.test("a connection that is no WebSocket has the limits of handshakes", async () => {
  const limits: HttpLimits[] = [];
  await using _ = await Running.start(
    { handshakes: 7, handshakeMs: 1000, closeMs: 500 },
    (options) =>
      bind(options, (http) => {
        limits.push(http.limits());
        return ENGINES.socket(http);
      }),
  );
  assertEquals(limits, [{
    bodyBytes: 0,
    bodies: 1,
    bodyMs: 1000,
    connections: 7,
    headMs: 1000,
    idleMs: 500,
    answerMs: 500,
    closeMs: 500,
  }]);
});

Deno.test("a silent client is sent a ping, and is ended when it stays silent", async () => {
  await using running = await Running.start({ idleMs: 1000, pongMs: 1000 });
  using wire = await Wire.open(running.port, []);
  assertEquals(await wire.frame(), { opcode: 9, payload: new Uint8Array(0) });
  assertEquals(await wire.frame(), null);
  assertMatch(
    await running.over.promise ?? "",
    /^it has been silent for \d+ ms, in spite of a ping$/,
  );
  assertEquals(running.ends, ["silent"]);
});

Deno.test("a client that answers pings stays", async () => {
  await using running = await Running.start({ idleMs: 1000, pongMs: 1000 });
  using wire = await Wire.open(running.port, []);
  for (let pings = 0; pings < 3; pings++) {
    assertEquals((await wire.frame())?.opcode, 9);
    await wire.send(frame("", { opcode: 10 }));
  }
  await wire.send(frame("echo"));
  assertEquals(await wire.text(), "echo");
});

Deno.test("half a request is answered with 408, and silence with nothing", async () => {
  await using running = await Running.start({ handshakeMs: 1000, closeMs: 1000 });
  using half = await Wire.connect(running.port);
  using silent = await Wire.connect(running.port);
  await half.send("GET / HTTP/1.1\r\nHost: x\r\n");
  assertMatch(await half.head(), /^HTTP\/1\.1 408 /);
  assertEquals([await half.frame(), await silent.frame()], [null, null]);
  assertEquals(running.refusals, Array(2).fill("It sent no whole request in 1000 ms"));
  assertEquals(running.kinds, ["timeout", "timeout"]);
});

Deno.test("of too many unfinished requests the oldest goes, and whole ones come through", async () => {
  await using running = await Running.start({ handshakes: 2 });
  using oldest = await Wire.connect(running.port);
  await oldest.send("GET /");
  using older = await Wire.connect(running.port);
  await older.send("GET /");
  using wire = await Wire.open(running.port, []);
  assertEquals(await oldest.frame(), null);
  await wire.send(frame("echo"));
  assertEquals(await wire.text(), "echo");
  await older.send(REQUEST.slice("GET /".length));
  assertMatch(await older.head(), /^HTTP\/1\.1 101 /);
});

Deno.test("one connection too many is answered with 503, until another one has gone", async () => {
  await using running = await Running.start({ connections: 1 });
  {
    using wire = await Wire.open(running.port, []);
    using second = await Wire.connect(running.port);
    await second.send(REQUEST);
    assertMatch(await second.head(), /^HTTP\/1\.1 503 /);
    assertEquals(running.refusals, ["There are 1 connections, as many as there may be"]);
    await wire.send(frame(hex("03 e8"), { opcode: 8 }));
    assertEquals(await wire.closed(), 1000);
  }
  using third = await Wire.open(running.port, []);
  await third.send(frame("echo"));
  assertEquals(await third.text(), "echo");
});

Deno.test("a client that does not answer the close frame is dropped", async () => {
  const running = await Running.start({ closeMs: 1000 });
  using wire = await Wire.open(running.port, []);
  await running.server.shutdown(0);
  assertEquals(await wire.closed(), 1001);
});

Deno.test("a stop waits for clients to answer, and drops those that have sent no request", async () => {
  const running = await Running.start();
  using silent = await Wire.connect(running.port);
  using wire = await Wire.open(running.port, []);
  const stopped = running.server.shutdown(0);
  assertEquals((await wire.frame())?.opcode, 8);
  await wire.send(frame(hex("03 e9"), { opcode: 8 }));
  assertEquals([await wire.frame(), await silent.frame()], [null, null]);
  await stopped;
});

Deno.test("what is queued is dropped for a client that is aborted, which is soon gone", async () => {
  await using running = await Running.start({ closeMs: 1000 });
  using wire = await Wire.open(running.port, []);
  const [socket] = running.sockets;
  assert(socket);
  const big = message("x".repeat(1_000_000));
  for (let index = 0; index < 50; index++) socket.send(big);
  assert(socket.queuedBytes > 40_000_000);
  socket.abort(1013, "Too slow");
  assertEquals(socket.send(big), false);
  assertEquals(await running.over.promise, null);
  // It reads what the system had taken already, and nothing of the rest.
  let read = 0;
  for (let next = await wire.frame(); next?.opcode === 1; next = await wire.frame()) read++;
  assert(read < 20, `${read}`);
});

Deno.test("messages of one turn are written together, in order, and as they are to each client", async () => {
  await using running = await Running.start();
  using a = await Wire.open(running.port, []);
  using b = await Wire.open(running.port, []);
  const [first, second] = running.sockets;
  for (let n = 0; n < 1000; n++) {
    const shared = message(`shared ${n}`);
    first?.send(shared);
    if (n % 3 === 0) second?.send(message(`own ${n}`));
    second?.send(shared);
  }
  for (let n = 0; n < 1000; n++) {
    assertEquals(await a.text(), `shared ${n}`);
    if (n % 3 === 0) assertEquals(await b.text(), `own ${n}`);
    assertEquals(await b.text(), `shared ${n}`);
  }
});

Deno.test("a client that reads late gets everything in order", async () => {
  await using running = await Running.start();
  using wire = await Wire.open(running.port, []);
  const [socket] = running.sockets;
  const filler = "x".repeat(10_000);
  for (let n = 0; n < 2000; n++) socket?.send(message(`${n} ${filler}`));
  for (let n = 0; n < 2000; n++) assertEquals(parseInt(await wire.text()), n);
  assertEquals(socket?.queuedBytes, 0);
});

Deno.test("a close frame is answered with its code, or without one", async () => {
  await using running = await Running.start();
  using coded = await Wire.open(running.port, []);
  await coded.send(frame(hex("0f a0 62 79 65"), { opcode: 8 }));
  assertEquals(await coded.frame(), { opcode: 8, payload: hex("0f a0") });
  assertEquals(await coded.frame(), null);
  using bare = await Wire.open(running.port, []);
  await bare.send(frame("", { opcode: 8 }));
  assertEquals(await bare.frame(), { opcode: 8, payload: hex("") });
  assertEquals(await bare.frame(), null);
});

Deno.test("nothing that follows a close frame is heard", async () => {
  await using running = await Running.start();
  using wire = await Wire.open(running.port, []);
  await wire.send(frame("before"));
  await wire.send(frame("", { opcode: 8 }));
  await wire.send(frame("after"));
  await running.over.promise;
  assertEquals(await wire.frame(), { opcode: 8, payload: hex("") });
  assertEquals(running.messages, ["before"]);
});

Deno.test("a client that stops sending is done", async () => {
  await using running = await Running.start();
  using wire = await Wire.open(running.port, []);
  await wire.closeWrite();
  assertEquals(await wire.frame(), null);
  assertEquals(await running.over.promise, null);
});

Deno.test("frames that come with the request are heard", async () => {
  await using running = await Running.start();
  using wire = await Wire.connect(running.port);
  await wire.send(REQUEST);
  await wire.send(frame("echo"));
  assertMatch(await wire.head(), /^HTTP\/1\.1 101 /);
  assertEquals(await wire.text(), "echo");
});

Deno.test("each ping is answered with its payload", async () => {
  await using running = await Running.start();
  using wire = await Wire.open(running.port, []);
  for (const payload of ["", "a", "b".repeat(125)]) {
    await wire.send(frame(payload, { opcode: 9 }));
    assertEquals(await wire.frame(), { opcode: 10, payload: utf8(payload) });
  }
});

Deno.test("a client shows that it has read all so far by the answer to a ping that nobody guesses", async () => {
  await using running = await Running.start();
  using wire = await Wire.open(running.port, []);
  const [socket] = running.sockets;
  assert(socket);
  const pong = (payload: string | Uint8Array) => wire.send(frame(payload, { opcode: 10 }));
  // More than the system takes.
  const big = message("x".repeat(1_000_000));
  for (let index = 0; index < 20; index++) socket.send(big);
  assert(socket.queuedBytes > 0);
  assertEquals(socket.confirm(), true);
  socket.send(message("after"));
  for (let index = 0; index < 20; index++) assertEquals((await wire.frame())?.opcode, 1);
  const frames = [await wire.frame(), await wire.frame()];
  const question = frames.find((each) => each?.opcode === 9)?.payload;
  assertEquals(question?.length, 8);
  for (const wrong of ["", "x".repeat(8), "x".repeat(125)]) await pong(wrong);
  await wire.send(frame("one"));
  await pong(question ?? "");
  await pong(question ?? "");
  await wire.send(frame("echo"));
  assertEquals(await wire.text(), "echo");
  assertEquals([running.confirmed, running.messages], [[1], ["one", "echo"]]);
  socket.confirm();
  const again = (await wire.frame())?.payload ?? new Uint8Array(8);
  assert(again.some((byte, index) => byte !== question?.[index]));
  await pong(question ?? "");
  await pong(again);
  await wire.send(frame("echo"));
  assertEquals(await wire.text(), "echo");
  assertEquals(running.confirmed, [1, 2]);
});

Deno.test("a client that does not show that it reads is asked again, and then dropped", async () => {
  await using running = await Running.start({ idleMs: 1000, pongMs: 1000 });
  using wire = await Wire.open(running.port, []);
  running.sockets[0]?.confirm();
  const question = await wire.frame();
  assertEquals([question?.opcode, question?.payload.length], [9, 8]);
  // Of two pings a client may answer the last one alone.
  assertEquals(await wire.frame(), question);
  await wire.send(frame("not silent"));
  assertEquals(await wire.frame(), null);
  assertMatch(await running.over.promise ?? "", /^it has not shown for \d+ ms that it reads/);
  assertEquals([running.ends, running.confirmed], [["silent"], []]);
});

Deno.test("a socket that is closed asks nothing", async () => {
  await using running = await Running.start();
  using _wire = await Wire.open(running.port, []);
  const [socket] = running.sockets;
  socket?.close(1001, "");
  assertEquals(socket?.confirm(), false);
});

Deno.test("a message does not wait for the acknowledgement of the one before (no delay)", async () => {
  await using running = await Running.start();
  using wire = await Wire.open(running.port, []);
  const [socket] = running.sockets;
  const times: number[] = [];
  for (let round = 0; round < 20; round++) {
    const started = performance.now();
    // The kernel delays acknowledgements by 40 ms to a peer that is itself about to send.
    await wire.send(frame("echo"));
    assertEquals(await wire.text(), "echo");
    for (const name of ["a", "b"]) {
      socket?.send(message(name));
      await new Promise((resolve) => setTimeout(resolve, 1)); // a write of its own for each
    }
    assertEquals([await wire.text(), await wire.text()], ["a", "b"]);
    times.push(performance.now() - started);
  }
  const median = times.sort((a, b) => a - b)[10] ?? Infinity;
  assert(median < 30, `${median} ms`);
});

Deno.test("one that goes before its request makes room, and one that is evicted is told of", async () => {
  await using running = await Running.start({ handshakes: 2 });
  for (let round = 0; round < 5; round++) {
    using gone = await Wire.connect(running.port);
    await gone.closeWrite();
    assertEquals(await gone.frame(), null);
  }
  using first = await Wire.connect(running.port);
  using second = await Wire.connect(running.port);
  for (const wire of [first, second]) await wire.send("GET /");
  using third = await Wire.connect(running.port);
  assertEquals(await first.frame(), null);
  assertEquals(running.refusals, ["It was the slowest of too many connections"]);
  assertEquals(running.kinds, ["handshakes"]);
  for (const wire of [second, third]) await wire.send(wire === third ? REQUEST : REQUEST.slice(5));
  for (const wire of [second, third]) assertMatch(await wire.head(), /^HTTP\/1\.1 101 /);
});

Deno.test("one connection too many is answered with 503, until another one has gone (serve)", async () => {
  await using running = await Running.start({ connections: 1 }, listenOnServe);
  {
    using wire = await Wire.open(running.port, []);
    await wire.send(frame("echo"));
    assertEquals(await wire.text(), "echo");
    using second = await Wire.connect(running.port);
    await second.send(REQUEST);
    const head = await second.head();
    assertMatch(head, /^HTTP\/1\.1 503 /);
    assertMatch(head, /^retry-after: 10\r$/mi);
    assertEquals(running.refusals, ["There are 1 connections, as many as there may be"]);
  }
  await running.over.promise;
  using third = await Wire.open(running.port, []);
  await third.send(frame("", { opcode: 8 }));
  await third.closed().catch(() => {});
});

for (const [name, engine] of [["socket", listen], ["serve", listenOnServe]] as const) {
  Deno.test(`limits are of UTF-8, and a byte order mark stays (${name})`, async () => {
    await using running = await Running.start({ messageBytes: 10 }, engine);
    using wire = await Wire.open(running.port, []);
    for (const opcode of [1, 2]) await wire.send(frame("\ufeffx", { opcode }));
    await wire.send(frame("12345678é"));
    await wire.send(frame("123456789é"));
    await wire.send(frame("late"));
    // The runtime's engine may reset a connection on which more is on its way.
    const code = await wire.closed();
    if (name === "socket") assertEquals(code, 1009);
    assertMatch(await running.over.promise ?? "", /message of 11 bytes, over 10 \(1009\)$/);
    assertEquals(running.messages, ["\ufeffx", "\ufeffx", "12345678é"]);
  });
}

Deno.test("a stop drops those that have sent no request at once", async () => {
  const running = await Running.start();
  using silent = await Wire.connect(running.port);
  const started = performance.now();
  await running.server.shutdown(0);
  assertEquals(await silent.frame(), null);
  assert(performance.now() - started < 2000, "it does not wait for the time of the handshake");
});

for (
  const [what, bytes, code, kind] of [
    ["breaks the protocol", frame("x", { key: null }), 1002, "protocol"],
    ["sends text that is not UTF-8", frame(hex("c0 af")), 1007, "encoding"],
    ["announces too much", frame("x", { length: 65_537 }), 1009, "size"],
  ] as const
) {
  Deno.test(`a client that ${what} is told ${code}, and the owner why`, async () => {
    await using running = await Running.start();
    using wire = await Wire.open(running.port, []);
    await wire.send(bytes);
    assertEquals(await wire.closed(), code);
    assertMatch(await running.over.promise ?? "", new RegExp(`^it .* \\(${code}\\)$`));
    assertEquals(running.ends, [kind]);
  });
}

/** The request of a page, with these lines in its head. */
function requestWith(...lines: readonly string[]): string {
  return REQUEST.replace("Host: x\r\n", ["Host: x", ...lines, ""].join("\r\n"));
}

/** The status of the answer to a request. */
async function statusOf(wire: Wire, ...lines: readonly string[]): Promise<number> {
  await wire.send(requestWith(...lines));
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(await wire.head())?.[1]);
}

for (const [name, engine] of [["socket", listen], ["serve", listenOnServe]] as const) {
  Deno.test(`a page of another origin is answered with 403 (${name})`, async () => {
    const origins = new Origins(["https://phorge.example.com"]);
    await using running = await Running.start({}, engine, { origins });
    using good = await Wire.connect(running.port);
    assertEquals(await statusOf(good, "Origin: https://phorge.example.com"), 101);
    for (
      const lines of [
        ["Origin: https://evil.net"],
        ["Origin: null"],
        [],
        ["Origin: https://phorge.example.com", "Origin: https://evil.net"],
        ["Origin: https://phorge.example.com", "Origin: https://phorge.example.com"],
      ]
    ) {
      using bad = await Wire.connect(running.port);
      assertEquals(await statusOf(bad, ...lines), 403, lines.join());
    }
    assertEquals(running.kinds, Array(5).fill("origin"));
    assertEquals([running.sockets.length, running.server.open], [1, 1]);
  });

  Deno.test(`one connection too many from an address is answered with 429 (${name})`, async () => {
    const proxies = new Networks(["127.0.0.1"]);
    await using running = await Running.start({ address: 1 }, engine, { proxies });
    const forwarded = "X-Forwarded-For: 192.0.2.7";
    {
      using first = await Wire.connect(running.port);
      assertEquals(await statusOf(first, forwarded), 101);
      using second = await Wire.connect(running.port);
      await second.send(requestWith("X-Forwarded-For: 198.51.100.1, 192.0.2.7"));
      const head = await second.head();
      assertMatch(head, /^HTTP\/1\.1 429 /);
      assertMatch(head, /^retry-after: 10\r?$/mi);
      assertEquals(running.kinds, ["address"]);
      using other = await Wire.connect(running.port);
      assertEquals(await statusOf(other, "X-Forwarded-For: 192.0.2.8"), 101);
      assertMatch(
        running.sockets[0]?.remoteAddress ?? "",
        /^192\.0\.2\.7 via 127\.0\.0\.1:\d+$/,
      );
      await first.send(frame("", { opcode: 8 }));
      await first.closed().catch(() => {});
    }
    await running.over.promise;
    using third = await Wire.connect(running.port);
    assertEquals(await statusOf(third, forwarded), 101);
  });

  Deno.test(`rules that change hold for the next request, and for who is connected (${name})`, async () => {
    await using running = await Running.start({}, engine);
    using wire = await Wire.open(running.port, []);
    await wire.send(frame("echo"));
    assertEquals(await wire.text(), "echo");
    running.rules = socketRules({ connections: 1, messageBytes: 10 });
    using second = await Wire.connect(running.port);
    assertEquals(await statusOf(second), 503);
    running.rules = socketRules({ messageBytes: 10 }, { origins: new Origins(["https://x"]) });
    using third = await Wire.connect(running.port);
    assertEquals(await statusOf(third, "Origin: https://y"), 403);
    using fourth = await Wire.connect(running.port);
    assertEquals(await statusOf(fourth, "Origin: https://x"), 101);
    await fourth.send(frame("12345678901"));
    // The runtime's engine waits for the answer to its close frame.
    assertEquals((await fourth.frame())?.opcode, 8);
    await fourth.send(frame(hex("03 f1"), { opcode: 8 }));
    assertMatch(await running.over.promise ?? "", /\(1009\)$/);
    assertEquals(running.ends, ["size"]);
    assertEquals(running.kinds, ["connections", "origin"]);
  });

  Deno.test(`a limit of bytes that changes holds for messages of who is connected (${name})`, async () => {
    await using running = await Running.start({ messageBytes: 100 }, engine);
    using old = await Wire.open(running.port, []);
    running.rules = socketRules({ messageBytes: 1000 });
    await old.send(frame("x".repeat(1000)));
    await old.send(frame("echo"));
    assertEquals(await old.text(), "echo");
    running.rules = socketRules({ messageBytes: 50 });
    await old.send(frame("x".repeat(51)));
    assertEquals(await old.farewell(), 1009);
  });

  Deno.test(`bytes are counted in both directions (${name})`, async () => {
    await using running = await Running.start({}, engine);
    using wire = await Wire.open(running.port, []);
    const { bytesIn, bytesOut } = running.counters;
    await wire.send(frame("echo"));
    assertEquals(await wire.text(), "echo");
    // The engines count frames, or what is in them.
    assert(running.counters.bytesIn - bytesIn >= 4, `${running.counters.bytesIn}`);
    assert(running.counters.bytesOut - bytesOut >= 4, `${running.counters.bytesOut}`);
    assertEquals(running.server.queuedBytes, 0);
  });

  for (
    const [what, bytes, kind] of [
      ["breaks the protocol", frame("", { opcode: 3 }), "protocol"],
      ["sends text that is not UTF-8", frame(hex("c0 af")), "encoding"],
      ["announces too much", frame("x", { length: 200_000_000 }), "size"],
    ] as const
  ) {
    Deno.test(`the end of a client that ${what} is of the kind ${kind} (${name})`, async () => {
      await using running = await Running.start({}, engine);
      using wire = await Wire.open(running.port, []);
      await wire.send(bytes);
      await running.over.promise;
      assertEquals(running.ends, [kind]);
    });
  }

  Deno.test(`a client that is silent gives its place back once (${name})`, async () => {
    const limits = { idleMs: 1000, pongMs: 1000, connections: 1 };
    await using running = await Running.start(limits, engine);
    {
      using wire = await Wire.open(running.port, []);
      await running.over.promise;
      assertEquals(running.ends, ["silent"]);
      await wire.frame();
    }
    using second = await Wire.open(running.port, []);
    await second.send(frame("echo"));
    assertEquals((await second.frame())?.opcode, 1);
    using third = await Wire.connect(running.port);
    assertEquals(await statusOf(third), 503);
    assertEquals([running.ends.length, running.server.open], [1, 1]);
  });

  Deno.test(`clients that are gone before their answer keep no place (${name})`, async () => {
    await using running = await Running.start({ connections: 1 }, engine);
    for (let round = 0; round < 50; round++) {
      using wire = await Wire.connect(running.port);
      await wire.send(REQUEST);
    }
    await until(async () => {
      using wire = await Wire.connect(running.port);
      return await statusOf(wire) === 101;
    });
  });

  Deno.test(`how it ended is told by who ended it (${name})`, async () => {
    await using running = await Running.start({}, engine);
    {
      using wire = await Wire.open(running.port, []);
      await wire.send(frame(hex("03 e8"), { opcode: 8 }));
      assertEquals(await running.over.promise, null);
      assertEquals(running.ends, ["client"]);
    }
    {
      using wire = await Wire.open(running.port, []);
      running.sockets[1]?.close(1001, "");
      await wire.send(frame(hex("03 e9"), { opcode: 8 }));
      await until(() => running.ends.length === 2);
      assertEquals(running.ends[1], "server");
    }
    (await Wire.open(running.port, []))[Symbol.dispose]();
    await until(() => running.ends.length === 3);
    assertEquals(running.ends[2], "lost");
  });
}

Deno.test("who connects with TLS and says nothing is refused once, or not at all", async () => {
  const authority = makeAuthority("Test");
  await using running = await Running.start(
    { handshakeMs: 300 },
    listen,
    {},
    makeCertificate(authority),
  );
  const connect = async () => {
    const wire = await Wire.connect(running.port, [authority.cert]);
    await wire.handshake();
    return wire;
  };
  (await connect())[Symbol.dispose]();
  using silent = await connect();
  assertEquals(await silent.frame().catch(() => null), null, "it is dropped");
  using alert = await Wire.connect(running.port);
  await alert.send("GET / HTTP/1.1\r\n\r\n");
  assertEquals(await alert.frame().catch(() => null), null);
  await until(() => running.kinds.length === 2);
  assertEquals(running.kinds, ["timeout", "tls"]);
});

Deno.test("beyond the files that there are, those that are no WebSocket give way, and then nobody does", async () => {
  await using running = await Running.start({}, listen, {}, null, OTHER_FILES + 3);
  using silent = await Wire.connect(running.port);
  const first = await Wire.open(running.port, []);
  using second = await Wire.open(running.port, []);
  await until(() => running.files.used === 3);
  using third = await Wire.open(running.port, []);
  assertEquals(await silent.frame(), null, "it had sent nothing");
  assertEquals(running.kinds, ["files"]);
  using fourth = await Wire.connect(running.port);
  assertEquals(await fourth.frame(), null);
  assertEquals([running.server.open, running.files.used, running.kinds], [3, 3, [
    "files",
    "files",
  ]]);
  first[Symbol.dispose]();
  await until(() => running.files.used === 2);
  using fifth = await Wire.open(running.port, []);
  for (const wire of [second, third, fifth]) {
    await wire.send(frame("echo"));
    assertEquals(await wire.text(), "echo");
  }
});
