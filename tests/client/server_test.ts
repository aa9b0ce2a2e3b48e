import {
  acceptClients,
  ClientCounters,
  type ClientOptions,
  COMPLAINTS,
  REFUSAL_LOG_LIMIT,
} from "../../src/client/server.ts";
import { CLIENT_LIMITS, type ClientLimits } from "../../src/config/limits.ts";
import { Allowances } from "../../src/log/allowance.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { closeLog } from "../../src/log/log.ts";
import { openLogFile } from "../log/open.ts";
import type { Socket, SocketHandlers, TextMessage } from "../../src/websocket/socket.ts";
import { assertEquals } from "../assert.ts";
import { Folder } from "../folder.ts";
import { makeHub } from "../hub/fixtures.ts";

/** A socket that keeps what it is told to do. */
class FakeSocket implements Socket {
  readonly remoteAddress = "127.0.0.1:1234";
  readonly path: string;
  queuedBytes = 0;
  readonly sent: string[] = [];
  readonly closed: number[] = [];

  constructor(path: string) {
    this.path = path;
  }

  send(message: TextMessage): boolean {
    this.sent.push(message.text);
    this.queuedBytes += this.bytesPerMessage;
    return true;
  }

  close(): void {
    throw new Error("A client is told to go by the server's shutdown, or aborted");
  }

  abort(code: number): void {
    this.closed.push(code);
  }

  bytesPerMessage = 0;
}

/** What a server is made with whose limits can be changed. */
class Options implements ClientOptions {
  readonly counters = new ClientCounters();
  readonly complaints = new Allowances(COMPLAINTS, () => {});
  #limits: ClientLimits = CLIENT_LIMITS;

  limits(): ClientLimits {
    return this.#limits;
  }

  change(limits: Partial<ClientLimits>): void {
    this.#limits = { ...this.#limits, ...limits };
  }
}

interface Connected {
  readonly hub: Hub;
  readonly socket: FakeSocket;
  readonly client: SocketHandlers;
  readonly options: Options;
}

/** A client that is subscribed to "A". */
function connect(path: string = "/"): Connected {
  const { hub } = makeHub();
  const socket = new FakeSocket(path);
  const options = new Options();
  const client = acceptClients(hub, options)(socket);
  client.message('{"command":"subscribe","data":["A"]}');
  return { hub, socket, client, options };
}

/** The clock stands still, until it is told to move. */
class StoppedClock implements Disposable {
  readonly #real = performance.now;
  ms = performance.now();

  constructor() {
    performance.now = () => this.ms;
  }

  [Symbol.dispose](): void {
    performance.now = this.#real;
  }
}

Deno.test("a listener whose backlog is at the limit still gets its messages", () => {
  const { hub, socket } = connect();
  socket.queuedBytes = CLIENT_LIMITS.backlog;
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 1);
  assertEquals(socket.closed, []);
});

Deno.test("a listener whose backlog is above the limit is ended with 1013 and leaves the hub", () => {
  const { hub, socket, client } = connect();
  socket.queuedBytes = CLIENT_LIMITS.backlog + 1;
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 0);
  hub.publish("default", { subscribers: ["A"] });
  assertEquals([socket.sent, socket.closed], [[], [1013]]);
  assertEquals(hub.status("default").messagesOut, 0);
  assertEquals(hub.status("default").active, 0);
  socket.queuedBytes = 0;
  client.message('{"command":"ping"}');
  assertEquals(socket.sent, [], "it is not obeyed any more");
  client.close("client", null);
  assertEquals(hub.status("default").active, 0);
});

Deno.test("a client that asks for pongs and does not read them is ended with 1013", () => {
  const { socket, client } = connect();
  socket.bytesPerMessage = 1000;
  socket.bytesPerMessage = CLIENT_LIMITS.backlog / 64;
  for (let index = 0; index < 110; index++) client.message('{"command":"ping"}');
  assertEquals(socket.closed, [1013]);
  assertEquals(socket.sent.length, 65);
});

for (
  const [what, command, allowed] of [
    ["pings", { command: "ping" }, 198],
    ["replays", { command: "replay", data: {} }, 19],
    ["messages that are no commands", { command: "what" }, 198],
    ["long lists of topics", { command: "unsubscribe", data: Array(400).fill("x") }, 18],
    ["new subscriptions", { command: "subscribe", data: Array(400).fill("x") }, 18],
  ] as const
) {
  Deno.test(`a client that sends ${what} without end is ended with 1008`, () => {
    using _clock = new StoppedClock();
    // It has subscribed to one topic already, which counts for 1.02 of 200.
    const { hub, socket, client, options } = connect();
    for (let index = 0; index < allowed; index++) client.message(JSON.stringify(command));
    assertEquals(socket.closed, []);
    client.message(JSON.stringify(command));
    assertEquals([socket.closed, hub.status("default").active], [[1008], 0]);
    client.close("server", null);
    assertEquals([options.counters.ended.counts.commands, options.counters.ended.total], [1, 1]);
  });
}

Deno.test("what commands have cost comes back within two seconds, and not more of it", () => {
  using clock = new StoppedClock();
  const { socket, client } = connect();
  const pings = (count: number) => {
    for (let index = 0; index < count; index++) client.message('{"command":"ping"}');
  };
  pings(198);
  clock.ms += 500;
  pings(50);
  clock.ms += 3_600_000;
  pings(200);
  assertEquals(socket.closed, []);
  clock.ms += 9;
  pings(1);
  assertEquals(socket.closed, [1008]);
});

Deno.test("as many topics as there may be can be subscribed to at once, and replayed", () => {
  using _clock = new StoppedClock();
  const { hub, socket, client } = connect();
  const data = Array.from({ length: CLIENT_LIMITS.subscriptions - 1 }, (_, index) => `${index}`);
  client.message(JSON.stringify({ command: "subscribe", data }));
  client.message('{"command":"replay","data":{}}');
  assertEquals([socket.closed, hub.overview().subscriptions], [[], CLIENT_LIMITS.subscriptions]);
});

Deno.test("limits that change hold for those who are connected already", () => {
  using clock = new StoppedClock();
  const { hub, socket, client, options } = connect();
  options.change({ subscriptions: 2, topic: 3, commands: 10, backlog: 100 });
  clock.ms += 60_000;
  client.message('{"command":"subscribe","data":["BBBB","BBB","C"]}');
  assertEquals(hub.overview().subscriptions, 2);
  assertEquals(options.counters.ignored.counts.subscriptions, 1);
  socket.queuedBytes = 101;
  client.message('{"command":"replay","data":{}}');
  assertEquals(options.counters.ignored.counts.replay, 1);
  socket.queuedBytes = 0;
  for (let index = 0; index < 8; index++) client.message('{"command":"ping"}');
  assertEquals(socket.closed, []);
  client.message('{"command":"ping"}');
  assertEquals(socket.closed, [1008]);
});

Deno.test("what a client does is counted, by why it went", () => {
  const { socket, client, options } = connect();
  const { counters } = options;
  client.message("null");
  client.message('{"command":"ping"}');
  assertEquals([counters.opened, counters.messages, counters.ignored.total], [1, 3, 1]);
  client.close("lost", null);
  assertEquals([counters.ended.counts.lost, counters.ended.total], [1, 1]);
  const slow = connect();
  slow.socket.queuedBytes = CLIENT_LIMITS.backlog + 1;
  slow.hub.publish("default", { subscribers: ["A"] });
  slow.client.close("server", null);
  assertEquals(slow.options.counters.ended.counts.backlog, 1);
  assertEquals(slow.options.counters.ended.total, 1);
  assertEquals(socket.closed, []);
});

Deno.test("a replay that queues more than the limit does not end the connection", () => {
  const { hub, socket, client } = connect();
  for (let index = 0; index < 10; index++) hub.publish("default", { subscribers: ["A"] });
  socket.sent.length = 0;
  socket.bytesPerMessage = CLIENT_LIMITS.backlog;
  client.message('{"command":"replay","data":{}}');
  assertEquals(socket.sent.length, 10);
  socket.bytesPerMessage = 1;
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 1);
  assertEquals(socket.closed, []);
  client.message('{"command":"replay","data":{}}');
  assertEquals(socket.sent.length, 11, "another replay has to wait until the first has been read");
  socket.queuedBytes += CLIENT_LIMITS.backlog;
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 0);
  assertEquals(socket.closed, [1013]);
});

Deno.test("a replay of nothing allows no bytes on top of the limit", () => {
  const { hub, socket, client } = connect();
  socket.queuedBytes = CLIENT_LIMITS.backlog;
  client.message('{"command":"replay","data":{}}');
  socket.queuedBytes = CLIENT_LIMITS.backlog + 1;
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(socket.closed, [1013]);
});

Deno.test("what a replay was allowed ends when the backlog has been below the limit", () => {
  const { hub, socket, client } = connect();
  hub.publish("default", { subscribers: ["A"] });
  socket.bytesPerMessage = 10 * CLIENT_LIMITS.backlog;
  client.message('{"command":"replay","data":{}}');
  socket.bytesPerMessage = 1;
  socket.queuedBytes = 5 * CLIENT_LIMITS.backlog;
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(socket.closed, [], "it is still being read");
  socket.queuedBytes = 0;
  hub.publish("default", { subscribers: ["A"] });
  socket.queuedBytes = 5 * CLIENT_LIMITS.backlog;
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(socket.closed, [1013]);
});

Deno.test("a connection that is gone leaves the hub", () => {
  const { hub, socket, client } = connect();
  client.close("client", null);
  hub.publish("default", { subscribers: ["A"] });
  assertEquals([hub.status("default").active, socket.sent], [0, []]);
});

Deno.test("a listener belongs to the instance that its path names", () => {
  const { hub, socket } = connect("/ws/~acme/");
  assertEquals([hub.status("acme").active, hub.status("default").active], [1, 0]);
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 0);
  assertEquals(hub.publish("acme", { subscribers: ["A"] }).receivers, 1);
  assertEquals(socket.sent.length, 1);
});

Deno.test("a listener gets nothing about what it has unsubscribed from", () => {
  const { hub, socket, client } = connect();
  client.message('{"command":"subscribe","data":["B"]}');
  client.message('{"command":"unsubscribe","data":["A","C"]}');
  hub.publish("default", { subscribers: ["A"] });
  hub.publish("default", { subscribers: ["B"] });
  assertEquals(socket.sent, ['{"subscribers":["B"],"touched":["OURS"]}']);
});

Deno.test("a replay is of the age asked for", () => {
  const { hub, clock } = makeHub();
  const socket = new FakeSocket("/");
  hub.publish("default", { subscribers: ["A"], n: 1 });
  clock.advance(1000);
  hub.publish("default", { subscribers: ["A"], n: 2 });
  const client = acceptClients(hub, new Options())(socket);
  client.message('{"command":"subscribe","data":["A"]}');
  client.message('{"command":"replay","data":{"age":500}}');
  assertEquals(socket.sent.map((text) => JSON.parse(text).n), [2]);
  client.message('{"command":"replay","data":{"age":1000}}');
  assertEquals(socket.sent.map((text) => JSON.parse(text).n), [2, 1, 2]);
});

for (const text of ["null", "no JSON", '{"command":"subscribe"}', '{"command":"x"}']) {
  Deno.test(`${text} is answered with nothing, and the next command is obeyed`, () => {
    const { socket, client } = connect();
    client.message(text);
    assertEquals([socket.sent, socket.closed], [[], []]);
    client.message('{"command":"ping"}');
    assertEquals(socket.sent, ['{"type":"pong"}']);
  });
}

/** The log's lines about what `use` does with a new client, without their times. */
async function linesOf(use: (client: SocketHandlers) => void): Promise<string[]> {
  using folder = new Folder();
  const path = `${folder.path}/a.log`;
  openLogFile(path);
  try {
    use(connect().client);
    return Deno.readTextFileSync(path).split("\n").slice(0, -1)
      .map((line) => line.replace(/^\[\S+\] INFO <[^>]+> /, ""));
  } finally {
    await closeLog();
  }
}

Deno.test("the first refused commands are logged, and all are counted at the end", async () => {
  const lines = await linesOf((client) => {
    for (let index = 0; index < REFUSAL_LOG_LIMIT + 5; index++) client.message(`<${index}\n>`);
    client.close("client", null);
  });
  assertEquals(lines, [
    ...Array.from(
      { length: REFUSAL_LOG_LIMIT },
      (_, index) => `Ignored its message: It is not JSON: <${index}\\u{a}>`,
    ),
    "What more it gets wrong is counted, not logged.",
    `${REFUSAL_LOG_LIMIT + 5} of its commands were refused in all.`,
  ]);
});

Deno.test("refused commands that were all logged are not counted again at the end", async () => {
  const lines = await linesOf((client) => {
    for (let index = 0; index < REFUSAL_LOG_LIMIT; index++) client.message("null");
    client.close("client", null);
  });
  assertEquals(lines.length, REFUSAL_LOG_LIMIT + 1);
});

Deno.test("subscriptions over the limit are refused in one line", async () => {
  const topics = ["B", "C".repeat(257), "D".repeat(257)];
  const lines = await linesOf((client) => {
    client.message(JSON.stringify({ command: "subscribe", data: topics }));
  });
  assertEquals(lines, ["Refused 2 of 3 subscriptions: over the limit."]);
});
