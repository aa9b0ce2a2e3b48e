import { RequestError } from "../../src/http/failure.ts";
import { Subscriber } from "../../src/probe/subscriber.ts";
import { Decoder } from "../../src/websocket/decoder.ts";
import { closePayload, OPCODE } from "../../src/websocket/frame.ts";
import { acceptKey } from "../../src/websocket/handshake.ts";
import { assertEquals, assertRejects } from "../assert.ts";
import { concat, frame, utf8 } from "../websocket/bytes.ts";

/** A frame as a server sends it. */
function unmasked(text: string, opcode: number, final: boolean = true): Uint8Array {
  return frame(text, { opcode, final, key: null });
}

/** Opens a subscriber at a server that sends these bytes, and then reads what it answers until it closes. */
async function subscribed(
  bytes: Uint8Array,
  use: (subscriber: Subscriber) => Promise<void>,
): Promise<Uint8Array<ArrayBuffer>> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    const buffer = new Uint8Array(4096);
    const head = new TextDecoder().decode(
      buffer.subarray(0, await connection.read(buffer) ?? 0),
    );
    const [, key = ""] = /sec-websocket-key: (\S+)/i.exec(head) ?? [];
    const answer = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${acceptKey(key)}`,
    ].join("\r\n") + "\r\n\r\n";
    const writer = connection.writable.getWriter();
    const parts: Uint8Array[] = [];
    try {
      await writer.write(concat(utf8(answer), bytes));
      for await (const part of connection.readable) parts.push(part);
    } catch (error) {
      // It is cut off when it does not keep to the protocol.
      if (
        !(error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe)
      ) {
        throw error;
      }
    }
    return new Uint8Array(concat(...parts));
  })();
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/`);
  const subscriber = await Subscriber.open({ url, trust: { by: "nobody" }, token: null }, {
    origin: "http://x",
  });
  try {
    await use(subscriber);
  } finally {
    subscriber.close();
  }
  return await serving;
}

Deno.test("a subscriber reads messages in fragments, answers pings, and tells why it was closed", async () => {
  const bytes = concat(
    unmasked("one ", OPCODE.text, false),
    unmasked("?", OPCODE.ping),
    unmasked("message", OPCODE.continuation),
    frame(closePayload(1001, "Bye"), { opcode: OPCODE.close, key: null }),
  );
  const answered = await subscribed(bytes, async (subscriber) => {
    assertEquals(await subscriber.next(), "one message");
    await assertRejects(
      () => subscriber.next(),
      RequestError,
      "ended the connection with 1001: Bye",
    );
  });
  assertEquals([...new Decoder(() => 100).decode(answered)].map(({ type }) => type), [
    "pong",
    "close",
  ]);
});

Deno.test("a message may have many fragments, and not any number", async () => {
  const first = unmasked("x", OPCODE.text, false);
  const next = unmasked("x", OPCODE.continuation, false);
  const last = unmasked("x", OPCODE.continuation);
  const whole = concat(first, ...Array(16_382).fill(next), last);
  await subscribed(concat(whole, whole), async (subscriber) => {
    for (let count = 0; count < 2; count++) {
      assertEquals(await subscriber.next(), "x".repeat(16_384));
    }
  });
  await subscribed(concat(first, ...Array(16_384).fill(next)), async (subscriber) => {
    await assertRejects(() => subscriber.next(), RequestError, "in more than 16384 pieces");
  });
});

Deno.test("what no server may send ends the connection with the reason", async () => {
  await subscribed(frame("x"), async (subscriber) => {
    await assertRejects(
      () => subscriber.next(),
      RequestError,
      "is no WebSocket server: it sent a frame with a mask",
    );
  });
});
