import {
  acceptClients,
  CLIENT_REASONS,
  ClientCounters,
  type ClientOptions,
  REFUSAL_LOG_LIMIT,
} from "../../src/client/client.ts";
import type { ClientLimits } from "../../src/config/config.ts";
import { WorkQueue } from "../../src/work_queue.ts";
import { ACCOUNTS, Budget } from "../../src/budget.ts";
import { logger } from "../../src/log/log.ts";
import { LimitedLog } from "../../src/log/rate_limiter.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { DEFAULT_HISTORY_LIMITS } from "../../src/hub/history.ts";
import { closeLog } from "../../src/log/log.ts";
import { openLogFile } from "../log/open.ts";
import type { Socket, SocketHandlers, TextMessage } from "../../src/websocket/socket.ts";
import { assertEquals } from "../assert.ts";
import { Folder } from "../folder.ts";
import { makeHub, post } from "../hub/fixtures.ts";
import { CLIENT_LIMITS } from "../entries.ts";
import { countsOf, value } from "../metrics/value.ts";

/** A socket that keeps what it is told to do. */
class FakeSocket implements Socket {
  readonly remoteAddress = "127.0.0.1:1234";
  queuedBytes = 0;
  readonly sent: string[] = [];
  readonly closed: number[] = [];
  /** The reasons that go with the codes. */
  readonly reasons: string[] = [];

  send(message: TextMessage): boolean {
    this.sent.push(message.text);
    this.queuedBytes += this.bytesPerMessage;
    return true;
  }

  /** Whether its engine can ask; and how often it was asked to. */
  canConfirm = true;
  questions = 0;

  confirm(): boolean {
    this.questions++;
    return this.canConfirm;
  }

  close(): void {
    throw new Error("A client is told to go by the server's shutdown, or aborted");
  }

  abort(code: number, reason: string): void {
    this.closed.push(code);
    this.reasons.push(reason);
  }

  bytesPerMessage = 0;
  /** Told when the socket ends by itself. */
  owner: SocketHandlers | null = null;

  evict(account: string): void {
    this.closed.push(1013);
    this.owner?.close(
      "memory",
      `memory is short, and it holds much of it: ${account} (1013)`,
    );
  }
}

/** What a server is made with whose limits can be changed. */
class Options implements ClientOptions {
  workQueue = new WorkQueue().share();
  readonly log = new LimitedLog(logger("test"), CLIENT_REASONS, "");
  readonly counters = new ClientCounters(this.log);
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
function connect(path: string = "/", { hub }: Pick<Connected, "hub"> = makeHub()): Connected {
  const socket = new FakeSocket();
  const options = new Options();
  const client = acceptClients(hub, options)(socket, path);
  socket.owner = client;
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
  assertEquals(post(hub, "default", { subscribers: ["A"] }).receivers, 1);
  assertEquals(socket.closed, []);
});

Deno.test("a listener whose backlog is above the limit is ended with 1013 and leaves the hub", () => {
  const { hub, socket, client } = connect();
  socket.queuedBytes = CLIENT_LIMITS.backlog + 1;
  assertEquals(post(hub, "default", { subscribers: ["A"] }).receivers, 0);
  post(hub, "default", { subscribers: ["A"] });
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
    assertEquals([countsOf(options.counters.ended)["commands"], options.counters.ended.total], [
      1,
      1,
    ]);
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
  assertEquals([socket.closed, value(hub, "aphlict_subscriptions")], [
    [],
    CLIENT_LIMITS.subscriptions,
  ]);
});

Deno.test("limits that change hold for those who are connected already", () => {
  using clock = new StoppedClock();
  const { hub, socket, client, options } = connect();
  options.change({ subscriptions: 2, topic: 3, commands: 10, backlog: 64 * 1024 });
  clock.ms += 60_000;
  client.message('{"command":"subscribe","data":["BBBB","BBB","C"]}');
  assertEquals(value(hub, "aphlict_subscriptions"), 2);
  assertEquals(countsOf(options.counters.ignored)["subscriptions"], 1);
  for (let index = 0; index < 18; index++) client.message('{"command":"ping"}');
  assertEquals(socket.closed, []);
  client.message('{"command":"ping"}');
  assertEquals(socket.closed, [1008]);
  const slow = connect();
  slow.options.change({ backlog: 64 * 1024 });
  slow.socket.queuedBytes = 64 * 1024;
  assertEquals(post(slow.hub, "default", { subscribers: ["A"] }).receivers, 1);
  slow.socket.queuedBytes++;
  assertEquals(post(slow.hub, "default", { subscribers: ["A"] }).receivers, 0);
  assertEquals(slow.socket.closed, [1013]);
});

Deno.test("what a client does is counted, by why it went", () => {
  const { socket, client, options } = connect();
  const { counters } = options;
  client.message("null");
  client.message('{"command":"ping"}');
  assertEquals([counters.opened, counters.messages, counters.ignored.total], [1, 3, 1]);
  client.close("lost", null);
  assertEquals([countsOf(counters.ended)["lost"], counters.ended.total], [1, 1]);
  const slow = connect();
  slow.socket.queuedBytes = CLIENT_LIMITS.backlog + 1;
  post(slow.hub, "default", { subscribers: ["A"] });
  slow.client.close("server", null);
  assertEquals(countsOf(slow.options.counters.ended)["backlog"], 1);
  assertEquals(slow.options.counters.ended.total, 1);
  assertEquals(socket.closed, []);
});

/** Bytes that a replay keeps queued. */
const AHEAD = 64 * 1024;

/** What has come, by the number that each message has. */
function numbers({ sent }: FakeSocket): unknown[] {
  return sent.map((text) => JSON.parse(text).n);
}

Deno.test("a replay queues 64 KiB and what is left of a message, and goes on when that was read", () => {
  const { hub, socket, client } = connect();
  socket.queuedBytes = 0;
  for (let n = 0; n < 10; n++) post(hub, "default", { subscribers: ["A"], n });
  socket.sent.length = 0;
  socket.bytesPerMessage = AHEAD / 2 - 1;
  client.message('{"command":"replay","data":{}}');
  assertEquals(numbers(socket), [0, 1, 2]);
  assertEquals(socket.queuedBytes, 3 * socket.bytesPerMessage);
  client.drained();
  assertEquals(numbers(socket), [0, 1, 2], "what waits is still too much");
  for (const come of [6, 9, 10, 10]) {
    socket.queuedBytes = 0;
    client.drained();
    assertEquals(numbers(socket), Array.from({ length: come }, (_, n) => n));
  }
  assertEquals(socket.closed, []);
});

Deno.test("a replay begins when there is room, however much waits", () => {
  const { hub, socket, client } = connect();
  post(hub, "default", { subscribers: ["A"], n: 1 });
  socket.sent.length = 0;
  socket.queuedBytes = AHEAD;
  client.message('{"command":"replay","data":{}}');
  assertEquals(socket.sent, []);
  socket.queuedBytes = AHEAD - 1;
  client.drained();
  assertEquals([numbers(socket), socket.closed], [[1], []]);
});

Deno.test("what is published during a replay comes at once, and only once", () => {
  const { hub, socket, client } = connect();
  for (let n = 0; n < 3; n++) post(hub, "default", { subscribers: ["A"], n });
  socket.sent.length = 0;
  socket.bytesPerMessage = AHEAD;
  client.message('{"command":"replay","data":{}}');
  assertEquals(post(hub, "default", { subscribers: ["A"], n: 3 }).receivers, 1);
  assertEquals(numbers(socket), [0, 3]);
  for (let turn = 0; turn < 5; turn++) {
    socket.queuedBytes = 0;
    client.drained();
  }
  assertEquals(numbers(socket), [0, 3, 1, 2]);
});

Deno.test("a replay that is asked for during another one begins when that has ended", () => {
  const { hub, socket, client, options } = connect();
  for (let n = 0; n < 2; n++) post(hub, "default", { subscribers: ["A"], n });
  socket.sent.length = 0;
  socket.bytesPerMessage = AHEAD;
  for (let turn = 0; turn < 3; turn++) client.message('{"command":"replay","data":{}}');
  assertEquals(numbers(socket), [0]);
  for (let turn = 0; turn < 6; turn++) {
    socket.queuedBytes = 0;
    client.drained();
  }
  assertEquals(numbers(socket), [0, 1, 0, 1], "two that wait are one");
  assertEquals(options.counters.ignored.total, 0);
});

/** A message of 64 KiB, four of which are what a browser may have unread of a replay. */
const LONG = { subscribers: ["A"], filler: "x".repeat(AHEAD) };

Deno.test("a replay goes on behind 256 KiB when the browser has shown that it has read them", () => {
  const { hub, socket, client } = connect();
  for (let n = 0; n < 10; n++) post(hub, "default", { ...LONG, n });
  assertEquals(socket.questions, 0, "what is published is not asked about");
  socket.sent.length = 0;
  client.message('{"command":"replay","data":{}}');
  for (const [come, questions] of [[4, 1], [8, 2], [10, 2]] as const) {
    assertEquals([numbers(socket).length, socket.questions], [come, questions]);
    client.drained();
    assertEquals(numbers(socket).length, come, "room is no answer");
    client.confirmed();
  }
});

Deno.test("what many small replays bring counts together", () => {
  const { hub, socket, client } = connect();
  post(hub, "default", LONG);
  socket.sent.length = 0;
  for (let n = 0; n < 9; n++) client.message('{"command":"replay","data":{}}');
  assertEquals([socket.sent.length, socket.questions], [4, 1]);
  client.confirmed();
  assertEquals(
    [socket.sent.length, socket.questions],
    [6, 1],
    "one goes on, and those behind it are one",
  );
});

Deno.test("what is published comes to a browser that has not shown that it reads", () => {
  const { hub, socket, client } = connect();
  for (let n = 0; n < 5; n++) post(hub, "default", { ...LONG, n });
  socket.sent.length = 0;
  client.message('{"command":"replay","data":{}}');
  for (let n = 5; n < 10; n++) post(hub, "default", { ...LONG, n });
  assertEquals([numbers(socket), socket.questions], [[0, 1, 2, 3, 5, 6, 7, 8, 9], 1]);
});

Deno.test("a replay on an engine that cannot ask goes on as there is room", () => {
  const { hub, socket, client } = connect();
  socket.canConfirm = false;
  for (let n = 0; n < 10; n++) post(hub, "default", { ...LONG, n });
  socket.sent.length = 0;
  client.message('{"command":"replay","data":{}}');
  assertEquals(socket.sent.length, 10);
});

Deno.test("a replay allows no bytes on top of the limit", () => {
  const { hub, socket, client } = connect();
  post(hub, "default", { subscribers: ["A"] });
  client.message('{"command":"replay","data":{}}');
  socket.queuedBytes = CLIENT_LIMITS.backlog + 1;
  assertEquals(post(hub, "default", { subscribers: ["A"] }).receivers, 0);
  assertEquals(socket.closed, [1013]);
  socket.queuedBytes = 0;
  socket.sent.length = 0;
  client.drained();
  assertEquals(socket.sent, [], "and it does not go on for one that was ended");
});

/** A history of three messages. */
const SHORT_HISTORY = { ...DEFAULT_HISTORY_LIMITS, messages: 3 };

Deno.test("messages that are forgotten during a replay are counted and logged, once for all of them", async () => {
  let ignored: Readonly<Record<string, number>> = {};
  const lines = await linesOf(({ hub, socket, client, options }) => {
    for (let n = 0; n < 3; n++) post(hub, "default", { subscribers: ["A"], n });
    socket.sent.length = 0;
    socket.bytesPerMessage = AHEAD;
    client.message('{"command":"replay","data":{}}');
    for (let n = 3; n < 5; n++) post(hub, "default", { subscribers: ["A"], n });
    socket.queuedBytes = 0;
    client.drained();
    assertEquals(numbers(socket), [0, 3, 4, 2]);
    socket.queuedBytes = 0;
    client.drained();
    ignored = countsOf(options.counters.ignored);
  }, makeHub({ history: SHORT_HISTORY }));
  assertEquals(lines, [
    "Its replay may have gaps: 1 messages of its instance were forgotten before their turn.",
  ]);
  assertEquals(ignored, { invalid: 0, subscriptions: 0, memory: 0, replay: 1 });
});

/** A client that is not interested in what a long history holds, but for its last message. */
function late(): Connected {
  const connected = connect();
  let ms = 0;
  // Each piece of work takes a whole turn.
  connected.options.workQueue = new WorkQueue(() => ms += 20).share();
  const subscribers = Array.from({ length: 1000 }, (_, index) => `no ${index}`);
  for (let n = 0; n < 50; n++) post(connected.hub, "default", { subscribers, n });
  post(connected.hub, "default", { subscribers: ["A"], n: 50 });
  connected.socket.sent.length = 0;
  return connected;
}

Deno.test("a replay that looks at much lets others have their turns, and goes on by itself", async () => {
  const { socket, client } = late();
  client.message('{"command":"replay","data":{}}');
  assertEquals(socket.sent, []);
  for (let turn = 0; turn < 1000 && socket.sent.length === 0; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assertEquals(numbers(socket), [50]);
});

Deno.test("a replay ends with its connection, and leaves no timer", async () => {
  const { socket, client } = late();
  client.message('{"command":"replay","data":{}}');
  client.close("client", null);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(socket.sent, []);
});

Deno.test("pings, pongs and fragments count as commands", () => {
  using clock = new StoppedClock();
  const { hub, socket, client, options } = connect();
  // It has subscribed to a topic already, which counts for 1.02 of 200.
  for (let index = 0; index < 198; index++) client.frame();
  clock.ms += 500;
  for (let index = 0; index < 50; index++) client.frame();
  assertEquals(socket.closed, []);
  client.frame();
  assertEquals([socket.closed, socket.reasons], [[1008], ["Too many commands"]]);
  assertEquals(hub.status("default").active, 0);
  client.frame();
  assertEquals(socket.closed, [1008], "it is ended once");
  assertEquals(options.counters.messages, 1, "none of them is a message");
  client.close("server", null);
  assertEquals([countsOf(options.counters.ended)["commands"], options.counters.ended.total], [
    1,
    1,
  ]);
});

/** Subscribes to topics that nobody else has, all of the same length. */
function topics(count: number, prefix: string): string {
  const data = Array.from({ length: count }, (_, index) => `${prefix}${1000 + index}`);
  return JSON.stringify({ command: "subscribe", data });
}

/** Bytes that all listeners may hold. */
const ROOM = 32 * 1024;

const SMALL_BUDGET = ROOM / ACCOUNTS.subscriptions.ceiling;

Deno.test("whoever has the most subscriptions is ended with 1013 for one who has fewer", () => {
  const { hub } = makeHub({ budget: new Budget(SMALL_BUDGET) });
  const large = connect("/", { hub });
  large.client.message(topics(120, "large"));
  assertEquals(large.options.counters.ignored.total, 0);
  const small = connect("/", { hub });
  small.client.message(topics(60, "small"));
  assertEquals(large.socket.closed, [1013]);
  assertEquals([small.socket.closed, small.options.counters.ignored.total], [[], 0]);
  const { active } = hub.status("default");
  assertEquals(
    [active, value(hub, "aphlict_subscriptions")],
    [1, 61],
    "nothing is left of the large one",
  );
  assertEquals(post(hub, "default", { subscribers: ["A"] }).receivers, 1);
  assertEquals(countsOf(large.options.counters.ended)["memory"], 1);
  assertEquals(large.options.counters.ended.total, 1);
});

Deno.test("subscriptions beyond the memory that there is are refused, counted and logged", async () => {
  let ignored: Readonly<Record<string, number>> = {};
  const { hub } = makeHub({ budget: new Budget(SMALL_BUDGET) });
  const lines = await linesOf(({ client, socket, options }) => {
    client.message(topics(400, "much"));
    client.message('{"command":"unsubscribe","data":["A"]}');
    client.message('{"command":"subscribe","data":["B"]}');
    assertEquals(socket.closed, []);
    ignored = countsOf(options.counters.ignored);
  }, { hub });
  const [refused = ""] = /\d+/.exec(lines[0] ?? "") ?? [];
  assertEquals(lines, [`Refused ${refused} of 400 subscriptions: memory is short.`]);
  assertEquals(ignored, { invalid: 0, subscriptions: 0, memory: 1, replay: 0 });
  assertEquals(value(hub, "aphlict_subscriptions"), 400 - Number(refused) + 1);
  // A subscription takes 192 bytes and its name.
  const room = ROOM - (192 + 2);
  assertEquals(value(hub, "aphlict_subscriptions"), 1 + Math.floor(room / (192 + 16)));
});

Deno.test("topics that are over a limit and those that there is no memory for are told apart", () => {
  const { hub } = makeHub({ budget: new Budget(SMALL_BUDGET) });
  const { client, options } = connect("/", { hub });
  client.message(JSON.stringify({ command: "subscribe", data: ["x".repeat(257)] }));
  client.message(topics(400, "much"));
  assertEquals(countsOf(options.counters.ignored), {
    invalid: 0,
    subscriptions: 1,
    memory: 1,
    replay: 0,
  });
});

Deno.test("a connection whose instance finds no memory is ended with 1013", () => {
  const { hub } = makeHub({ budget: new Budget(1024) });
  const { socket, client, options } = connect("/~acme/", { hub });
  assertEquals([socket.closed, socket.reasons], [[1013], ["Out of memory"]]);
  assertEquals([hub.instances, value(hub, "aphlict_subscriptions")], [0, 0]);
  client.message('{"command":"ping"}');
  client.message('{"command":"replay","data":{}}');
  client.frame();
  client.drained();
  assertEquals([socket.sent, socket.closed], [[], [1013]]);
  client.close("server", null);
  const { opened, messages, ended } = options.counters;
  assertEquals([opened, messages, countsOf(ended)["memory"], ended.total], [1, 0, 1, 1]);
});

Deno.test("a connection whose instance has too long a name is ended with 1008, and makes none", () => {
  const longest = connect(`/~${"x".repeat(256)}/`);
  assertEquals([longest.socket.closed, longest.hub.instances], [[], 1]);
  const { hub, socket, client, options } = connect(`/~${"x".repeat(257)}/`);
  assertEquals(socket.closed, [1008]);
  assertEquals(socket.reasons, ["The instance has too long a name"]);
  assertEquals([hub.instances, value(hub, "aphlict_listeners")], [0, 0]);
  client.message('{"command":"ping"}');
  assertEquals(socket.sent, []);
  client.close("server", null);
  const { opened, ended } = options.counters;
  assertEquals([opened, countsOf(ended)["instance"], ended.total], [1, 1, 1]);
});

Deno.test("what ends a connection for its instance or for memory is logged, with its numbers", async () => {
  assertEquals(await linesOf(() => {}, makeHub(), `/~${"x".repeat(257)}/`), [
    "Ended its connection: its instance's name has more than 256 characters.",
  ]);
  const { hub } = makeHub({ budget: new Budget(SMALL_BUDGET) });
  const lines = await linesOf(({ client }) => {
    client.message(topics(120, "large"));
    connect("/", { hub }).client.message(topics(60, "small"));
  }, { hub });
  assertEquals(lines, [
    "Ended its connection: memory is short, and it holds much of it: subscriptions (1013).",
  ]);
});

Deno.test("a connection that is gone leaves the hub", () => {
  const { hub, socket, client } = connect();
  client.close("client", null);
  post(hub, "default", { subscribers: ["A"] });
  assertEquals([hub.status("default").active, socket.sent], [0, []]);
});

Deno.test("a listener belongs to the instance that its path names", () => {
  const { hub, socket } = connect("/ws/~acme/");
  assertEquals([hub.status("acme").active, hub.status("default").active], [1, 0]);
  assertEquals(post(hub, "default", { subscribers: ["A"] }).receivers, 0);
  assertEquals(post(hub, "acme", { subscribers: ["A"] }).receivers, 1);
  assertEquals(socket.sent.length, 1);
});

Deno.test("a listener gets nothing about what it has unsubscribed from", () => {
  const { hub, socket, client } = connect();
  client.message('{"command":"subscribe","data":["B"]}');
  client.message('{"command":"unsubscribe","data":["A","C"]}');
  post(hub, "default", { subscribers: ["A"] });
  post(hub, "default", { subscribers: ["B"] });
  assertEquals(socket.sent, ['{"subscribers":["B"],"touched":["OURS"]}']);
});

Deno.test("a replay is of the age asked for", () => {
  const { hub, clock } = makeHub();
  const socket = new FakeSocket();
  post(hub, "default", { subscribers: ["A"], n: 1 });
  clock.advance(1000);
  post(hub, "default", { subscribers: ["A"], n: 2 });
  const client = acceptClients(hub, new Options())(socket, "/");
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
async function linesOf(
  use: (connected: Connected) => void,
  hub: Pick<Connected, "hub"> = makeHub(),
  instance = "/",
): Promise<string[]> {
  using folder = new Folder();
  const path = `${folder.path}/a.log`;
  openLogFile(path);
  try {
    use(connect(instance, hub));
    return Deno.readTextFileSync(path).split("\n").slice(0, -1)
      .map((line) => line.replace(/^\[\S+\] INFO <[^>]+> /, ""));
  } finally {
    await closeLog();
  }
}

Deno.test("the first refused commands are logged, and all are counted at the end", async () => {
  const lines = await linesOf(({ client }) => {
    for (let index = 0; index < REFUSAL_LOG_LIMIT + 5; index++) client.message(`<${index}\n>`);
    client.close("client", null);
  });
  assertEquals(lines, [
    ...Array.from(
      { length: REFUSAL_LOG_LIMIT },
      (_, index) =>
        "Ignored its message: It is not JSON: there is something else at character 1: " +
        `<${index}\\u{a}>`,
    ),
    "Its further mistakes are counted, and not logged.",
    `${REFUSAL_LOG_LIMIT + 5} of its commands were refused in all.`,
  ]);
});

Deno.test("refused commands that were all logged are not counted again at the end", async () => {
  const lines = await linesOf(({ client }) => {
    for (let index = 0; index < REFUSAL_LOG_LIMIT; index++) client.message("null");
    client.close("client", null);
  });
  assertEquals(lines.length, REFUSAL_LOG_LIMIT + 1);
});

Deno.test("subscriptions over the limit are refused in one line", async () => {
  const topics = ["B", "C".repeat(257), "D".repeat(257)];
  const lines = await linesOf(({ client }) => {
    client.message(JSON.stringify({ command: "subscribe", data: topics }));
  });
  assertEquals(lines, ["Refused 2 of 3 subscriptions: over the limit."]);
});
