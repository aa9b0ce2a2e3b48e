import type { Clock } from "../../src/clock.ts";
import { AnswerReader } from "../../src/http/answer.ts";
import { ConnectionError, PipelinedConnection } from "../../src/cluster/pipelined_connection.ts";
import { assertEquals, assertRejects } from "../assert.ts";
import { VirtualClock } from "../virtual_clock.ts";

const never = new AbortController().signal;

/** A port on 127.0.0.1. */
function listen(): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

/** Opens a connection, and returns it with its other end. */
async function open(clock?: Clock) {
  using listener = listen();
  const accepted = listener.accept();
  const address = { hostname: "127.0.0.1", port: listener.addr.port, tls: null };
  const connection = await PipelinedConnection.open(address, never, String, clock);
  return { connection, accepted: await accepted };
}

Deno.test("what a listener throws ends the connection, and is thrown", async () => {
  const { connection, accepted } = await open();
  using other = accepted;
  connection.send(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  await other.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const listening = connection.listen(() => {
    throw new RangeError("a mistake");
  });
  await assertRejects(() => listening, RangeError, "a mistake");
  await rest(other);
});

Deno.test("an error of the program while an answer is read is not blamed on the peer", async () => {
  const { connection, accepted } = await open();
  using other = accepted;
  const { push } = AnswerReader.prototype;
  AnswerReader.prototype.push = () => {
    throw new RangeError("a mistake");
  };
  try {
    await other.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n"));
    await assertRejects(() => connection.listen(() => {}), RangeError, "a mistake");
  } finally {
    AnswerReader.prototype.push = push;
  }
  await rest(other);
});

Deno.test("a name that TLS does not take leaves no connection behind", async () => {
  using listener = listen();
  const accepted = listener.accept();
  // The system takes it for 127.0.0.1.
  const address = { hostname: "127.1", port: listener.addr.port, tls: { authorities: [] } };
  await assertRejects(
    () => PipelinedConnection.open(address, never, String),
    ConnectionError,
    "127.1",
  );
  using other = await accepted;
  assertEquals(await rest(other), 0);
});

const encoder = new TextEncoder();
const RECEIPT = encoder.encode('HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"fingerprint":"x"}');

for (const [answers, seconds] of [[0, 5], [4, 15]] as const) {
  Deno.test(`a server is late ${seconds} s after a request, when ${answers} were answered meanwhile`, async () => {
    const clock = new VirtualClock();
    const { connection, accepted } = await open(clock);
    using other = accepted;
    let heard = Promise.withResolvers<void>();
    const listening = connection.listen(() => heard.resolve());
    for (let n = 0; n < 6; n++) connection.send(encoder.encode("GET / HTTP/1.1\r\n\r\n"));
    for (let n = 0; n < answers; n++) {
      // Each of them comes soon enough behind the one before.
      await clock.advance(3700);
      heard = Promise.withResolvers();
      await other.write(RECEIPT);
      await heard.promise;
    }
    const end = seconds * 1000 - clock.now();
    await clock.advance(end - 1);
    assertEquals(connection.inFlight, 6 - answers);
    connection.send(encoder.encode("GET / HTTP/1.1\r\n\r\n"));
    assertEquals(connection.inFlight, 7 - answers, "it has not ended");
    await clock.advance(1);
    const why = await listening;
    assertEquals([why instanceof ConnectionError, why.message], [
      true,
      `does not answer within ${seconds} s`,
    ]);
    await rest(other);
  });
}

Deno.test("an answer that nobody asked for is not taken for the next one's", async () => {
  const { connection, accepted } = await open();
  using other = accepted;
  connection.send(encoder.encode("GET / HTTP/1.1\r\n\r\n"));
  await other.write(new Uint8Array([...RECEIPT, ...RECEIPT]));
  let answers = 0;
  const why = await connection.listen(() => answers++);
  assertEquals([answers, why.message], [1, "answers what it was not asked"]);
  await rest(other);
});

/** Reads up to the end; resolves with the number of bytes. */
async function rest(conn: Deno.TcpConn): Promise<number> {
  let size = 0;
  for await (const chunk of conn.readable) size += chunk.length;
  return size;
}
