/**
 * The load of the scenarios over TLS. `idle-tls` is `wsload --scenario idle` over TLS: it takes the same
 * options, ignores those that are about messages, and prints the same figures. `handshakes-ec` and
 * `handshakes-rsa` do full handshakes over and over.
 *
 * @module
 */

import { parseArgs } from "node:util";

/** Connections that are opened at a time. */
const CONCURRENCY = 32;
/** A connection is ready, or closed, within this time. */
const LIMIT_MS = 10_000;
/** The unit of CPU time in `/proc/PID/stat`: Linux tells programs of 100 a second everywhere. */
const TICKS_PER_SECOND = 100;
const TEXT_FRAME = 0x81;
/** With status 1000, masked. */
const CLOSE_FRAME = Uint8Array.of(0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8);

const { values } = parseArgs({
  options: {
    "client-url": { type: "string", default: "" },
    "server-pid": { type: "string", default: "" },
    ca: { type: "string", default: "" },
    listeners: { type: "string", short: "n", default: "2000" },
    header: { type: "string", multiple: true, default: [] },
    topics: { type: "string", default: "10" },
    rounds: { type: "string", default: "1" },
    settle: { type: "string", default: "1" },
    "after-close": { type: "string", default: "3" },
    "admin-url": { type: "string" },
    scenario: { type: "string", default: "idle" },
    duration: { type: "string", default: "20" },
    label: { type: "string" },
  },
});
const url = new URL(values["client-url"]);
const caCerts = [await Deno.readTextFile(values.ca)];
const listeners = Number(values.listeners);
const utf8 = new TextEncoder();
const handshake = utf8.encode([
  `GET ${url.pathname} HTTP/1.1`,
  `Host: ${url.host}`,
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ...values.header,
  "\r\n",
].join("\r\n"));

/** Frames an object as JSON, of less than 64 KiB. The mask is of zeroes, which change nothing. */
function frame(command: unknown): Uint8Array {
  const body = utf8.encode(JSON.stringify(command));
  const length = body.length < 126 ? [body.length] : [126, body.length >> 8, body.length & 255];
  return Uint8Array.of(
    TEXT_FRAME,
    0x80 | (length[0] ?? 0),
    ...length.slice(1),
    0,
    0,
    0,
    0,
    ...body,
  );
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

/** Reads until `part` has come. */
async function readUntil(connection: Deno.Conn, part: string): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (let text = ""; !text.includes(part);) {
    const length = await connection.read(buffer);
    if (length === null) throw new Error(`the server ended the connection before "${part}"`);
    text += new TextDecoder("latin1").decode(buffer.subarray(0, length));
  }
}

/** Ends a connection on which `work` takes too long. */
async function limit(connection: Deno.Conn, work: Promise<void>): Promise<void> {
  const timer = setTimeout(() => connection.close(), LIMIT_MS);
  await work.finally(() => clearTimeout(timer));
}

/** Returns a connection, whose handshake comes with what is written first. */
async function connect(): Promise<Deno.TlsConn> {
  const { hostname, port } = url;
  const plain = await Deno.connect({ hostname, port: Number(port) });
  plain.setNoDelay(); // else each handshake waits 40 ms for a delayed acknowledgement
  return await Deno.startTls(plain, { hostname, caCerts });
}

/** Returns a connection whose subscriptions are in force. */
async function open(index: number): Promise<Deno.Conn> {
  const connection = await connect();
  await limit(connection, subscribe(connection, index));
  return connection;
}

async function subscribe(connection: Deno.Conn, index: number): Promise<void> {
  await writeAll(connection, handshake);
  await readUntil(connection, "\r\n\r\n");
  const phid = (topic: number) =>
    `PHID-USER-${`${index}`.padStart(12, "0")}${`${topic}`.padStart(8, "0")}`;
  const own = Array.from({ length: Number(values.topics) }, (_, topic) => phid(topic));
  await writeAll(
    connection,
    frame({ command: "subscribe", data: [...own, "PHID-SHRD-abcdefghijklmnopqrst"] }),
  );
  await writeAll(connection, frame({ command: "ping" }));
  await readUntil(connection, '"pong"'); // the subscriptions were there before the ping
}

/** Opens all connections. Those that failed are told of, and left out. */
async function openAll(): Promise<Deno.Conn[]> {
  const connections: Deno.Conn[] = [];
  let next = 0;
  const worker = async () => {
    while (next < listeners) {
      const index = next++;
      await open(index).then(
        (connection) => connections.push(connection),
        // deno-lint-ignore no-console -- what goes wrong is told on standard error, as wsload does
        (error) => console.error(`tlsload: connection ${index}: ${error}`),
      );
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return connections;
}

/** Closes a connection once the server has answered the close frame. */
async function close(connection: Deno.Conn): Promise<void> {
  const goodbye = async () => {
    await writeAll(connection, CLOSE_FRAME);
    await connection.read(new Uint8Array(64));
  };
  await limit(connection, goodbye());
  connection.close();
}

/** Resident bytes and CPU seconds of the server. */
async function usage(): Promise<{ rss: number; cpu: number }> {
  // Deno reads /proc itself only with every permission.
  const files = ["status", "stat"].map((name) => `/proc/${values["server-pid"]}/${name}`);
  const { stdout } = await new Deno.Command("cat", { args: files }).output();
  const text = new TextDecoder().decode(stdout);
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(text) ?? [];
  const times = text.slice(text.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
  const ticks = times.reduce((sum, time) => sum + time, 0);
  return { rss: Number(kilobytes) * 1024, cpu: ticks / TICKS_PER_SECOND };
}

function pause(seconds: string): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
}

async function round(): Promise<Record<string, number>> {
  const before = await usage();
  const startMs = performance.now();
  const connections = await openAll();
  const connectMs = performance.now() - startMs;
  await pause(values.settle);
  const opened = await usage();
  await Promise.allSettled(connections.map(close));
  await pause(values["after-close"]);
  return {
    opened: connections.length,
    connect_s: connectMs / 1000,
    connect_cpu_s: opened.cpu - before.cpu,
    rss_open: opened.rss,
    rss_closed: (await usage()).rss,
  };
}

/** Makes connections until the time is over, each for one request that gets its answer. */
async function handshakes(): Promise<Record<string, number>> {
  const before = await usage();
  const startMs = performance.now();
  const untilMs = startMs + Number(values.duration) * 1000;
  let done = 0;
  let failed = 0;
  const ask = async (connection: Deno.Conn) => {
    await writeAll(connection, utf8.encode(`GET / HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`));
    await readUntil(connection, "\r\n\r\n");
  };
  const worker = async () => {
    while (performance.now() < untilMs) {
      try {
        // Each has its own client configuration, so that no session is resumed.
        using connection = await connect();
        await limit(connection, ask(connection));
        done++;
      } catch {
        failed++;
      }
    }
  };
  await Promise.all(Array.from({ length: listeners }, worker));
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = (await usage()).cpu - before.cpu;
  return {
    handshakes: done,
    failed,
    handshakes_per_s: done / seconds,
    server_cpu_ms_per_handshake: cpu * 1000 / done,
  };
}

if (values.scenario === "handshakes") {
  const result = await handshakes();
  // deno-lint-ignore no-console -- the result is what standard output is for
  console.log(JSON.stringify(result));
  Deno.exit(result.failed === 0 ? 0 : 1);
}
const { rss } = await usage();
const rounds: Record<string, number>[] = [];
while (rounds.length < Number(values.rounds)) rounds.push(await round());
const { opened = 0, connect_s = NaN, rss_open = NaN } = rounds[0] ?? {};
const failed = rounds.reduce((sum, each) => sum + listeners - (each.opened ?? 0), 0);
// deno-lint-ignore no-console -- the result is what standard output is for
console.log(JSON.stringify({
  n: listeners,
  opened,
  failed,
  connect_s,
  rss_start: rss,
  bytes_per_conn_rss: (rss_open - rss) / opened,
  rounds,
}));
Deno.exit(failed > 0 ? 1 : 0);
