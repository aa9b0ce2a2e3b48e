import { acceptClient, BACKLOG_LIMIT, MESSAGE_LIMIT } from "../../src/client/server.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { Socket, SocketHandlers, TextMessage } from "../../src/websocket/socket.ts";
import { assertEquals } from "../assert.ts";
import { makeHub } from "../hub/fixtures.ts";

/** A socket that keeps what it is told to do. */
class FakeSocket implements Socket {
  readonly remoteAddress = "127.0.0.1:1234";
  readonly path = "/";
  queuedBytes = 0;
  readonly sent: string[] = [];
  readonly closed: number[] = [];

  send(message: TextMessage): void {
    this.sent.push(message.text);
    this.queuedBytes += this.bytesPerMessage;
  }

  close(code: number): void {
    this.closed.push(code);
  }

  bytesPerMessage = 0;
}

function connect(): { hub: Hub; socket: FakeSocket; client: SocketHandlers } {
  const { hub } = makeHub();
  const socket = new FakeSocket();
  const client = acceptClient(hub, socket);
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
  assertEquals(hub.status("default").active, 0);
  socket.queuedBytes = 0;
  client.message('{"command":"ping"}');
  assertEquals(socket.sent, [], "it is not obeyed any more");
  client.close();
  assertEquals(hub.status("default").active, 0);
});

Deno.test("a client that asks for pongs and does not read them is ended with 1013", () => {
  const { socket, client } = connect();
  socket.bytesPerMessage = 1000;
  for (let index = 0; index < 5000; index++) client.message('{"command":"ping"}');
  assertEquals(socket.closed, [1013]);
  assertEquals(socket.queuedBytes <= BACKLOG_LIMIT + 1000, true);
});

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

Deno.test("a message above the limit ends the connection with 1009", () => {
  const { hub, socket, client } = connect();
  client.message(`{"command":"ping","x":"${"x".repeat(MESSAGE_LIMIT)}"}`);
  client.message("x".repeat(MESSAGE_LIMIT + 1));
  assertEquals([socket.sent, socket.closed], [[], [1009]]);
  assertEquals(hub.status("default").active, 0);
});

Deno.test("a message at the limit is obeyed", () => {
  const { socket, client } = connect();
  const text = '{"command":"ping","x":""}';
  client.message(text.replace('""', `"${"x".repeat(MESSAGE_LIMIT - text.length)}"`));
  assertEquals(socket.sent, ['{"type":"pong"}']);
});

Deno.test("a connection that is gone leaves the hub", () => {
  const { hub, socket, client } = connect();
  client.close();
  hub.publish("default", { subscribers: ["A"] });
  assertEquals([hub.status("default").active, socket.sent], [0, []]);
});
