import { acceptClients, BACKLOG_LIMIT, REFUSAL_LOG_LIMIT } from "../../src/client/server.ts";
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

function connect(path: string = "/"): { hub: Hub; socket: FakeSocket; client: SocketHandlers } {
  const { hub } = makeHub();
  const socket = new FakeSocket(path);
  const client = acceptClients(hub)(socket);
  client.message('{"command":"subscribe","data":["A"]}');
  return { hub, socket, client };
}

Deno.test("a listener whose backlog is at the limit still gets its messages", () => {
  const { hub, socket } = connect();
  socket.queuedBytes = BACKLOG_LIMIT;
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 1);
  assertEquals(socket.closed, []);
});

Deno.test("a listener whose backlog is above the limit is ended with 1013 and leaves the hub", () => {
  const { hub, socket, client } = connect();
  socket.queuedBytes = BACKLOG_LIMIT + 1;
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 0);
  hub.publish("default", { subscribers: ["A"] });
  assertEquals([socket.sent, socket.closed], [[], [1013]]);
  assertEquals(hub.status("default").messagesOut, 0);
  assertEquals(hub.status("default").active, 0);
  socket.queuedBytes = 0;
  client.message('{"command":"ping"}');
  assertEquals(socket.sent, [], "it is not obeyed any more");
  client.close(null);
  assertEquals(hub.status("default").active, 0);
});

Deno.test("a client that asks for pongs and does not read them is ended with 1013", () => {
  const { socket, client } = connect();
  socket.bytesPerMessage = 1000;
  socket.bytesPerMessage = BACKLOG_LIMIT / 64;
  for (let index = 0; index < 110; index++) client.message('{"command":"ping"}');
  assertEquals(socket.closed, [1013]);
  assertEquals(socket.sent.length, 65);
});

for (
  const [what, command, allowed] of [
    ["pings", { command: "ping" }, 128],
    ["replays", { command: "replay", data: {} }, 12],
    ["messages that are no commands", { command: "what" }, 128],
    ["long lists of topics", { command: "unsubscribe", data: Array(400).fill("x") }, 3],
  ] as const
) {
  Deno.test(`a client that sends ${what} without end is ended with 1008`, () => {
    const { hub, socket, client } = connect();
    // It has subscribed already.
    for (let index = 0; index < allowed - 2; index++) client.message(JSON.stringify(command));
    assertEquals(socket.closed, []);
    for (let index = 0; index < 4; index++) client.message(JSON.stringify(command));
    assertEquals([socket.closed, hub.status("default").active], [[1008], 0]);
  });
}

Deno.test("a replay that queues more than the limit does not end the connection", () => {
  const { hub, socket, client } = connect();
  for (let index = 0; index < 10; index++) hub.publish("default", { subscribers: ["A"] });
  socket.sent.length = 0;
  socket.bytesPerMessage = BACKLOG_LIMIT;
  client.message('{"command":"replay","data":{}}');
  assertEquals(socket.sent.length, 10);
  socket.bytesPerMessage = 1;
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 1);
  assertEquals(socket.closed, []);
  client.message('{"command":"replay","data":{}}');
  assertEquals(socket.sent.length, 11, "another replay has to wait until the first has been read");
  socket.queuedBytes += BACKLOG_LIMIT;
  assertEquals(hub.publish("default", { subscribers: ["A"] }).receivers, 0);
  assertEquals(socket.closed, [1013]);
});

Deno.test("a replay of nothing allows no bytes on top of the limit", () => {
  const { hub, socket, client } = connect();
  socket.queuedBytes = BACKLOG_LIMIT;
  client.message('{"command":"replay","data":{}}');
  socket.queuedBytes = BACKLOG_LIMIT + 1;
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(socket.closed, [1013]);
});

Deno.test("what a replay was allowed ends when the backlog has been below the limit", () => {
  const { hub, socket, client } = connect();
  hub.publish("default", { subscribers: ["A"] });
  socket.bytesPerMessage = 10 * BACKLOG_LIMIT;
  client.message('{"command":"replay","data":{}}');
  socket.bytesPerMessage = 1;
  socket.queuedBytes = 5 * BACKLOG_LIMIT;
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(socket.closed, [], "it is still being read");
  socket.queuedBytes = 0;
  hub.publish("default", { subscribers: ["A"] });
  socket.queuedBytes = 5 * BACKLOG_LIMIT;
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(socket.closed, [1013]);
});

Deno.test("a connection that is gone leaves the hub", () => {
  const { hub, socket, client } = connect();
  client.close(null);
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
  const client = acceptClients(hub)(socket);
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
    client.close(null);
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
    client.close(null);
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
