import { Buffer } from "node:buffer";
import { BodyBroken, BodyTooLong, BodyTooSlow, Intake, NoRoom } from "../../src/admin/body.ts";
import { assertEquals, assertRejects } from "../assert.ts";

/** A request whose body comes in these pieces. */
function request(...pieces: readonly Uint8Array<ArrayBuffer>[]): Request {
  return new Request("http://127.0.0.1/", { method: "POST", body: ReadableStream.from(pieces) });
}

Deno.test("an intake keeps a character whole wherever the body is cut", async () => {
  const text = '{"text":"é😀"}';
  const bytes = new TextEncoder().encode(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assertEquals(await new Intake().read(request(bytes.slice(0, cut), bytes.slice(cut)), 1000), {
      text,
      bytes: bytes.length,
    });
  }
});

Deno.test("an intake takes a body of exactly the limit, and stops reading a longer one", async () => {
  assertEquals(await new Intake().read(request(new Uint8Array(5), new Uint8Array(5)), 10), {
    text: "\0".repeat(10),
    bytes: 10,
  });
  let read = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      read++;
      controller.enqueue(new Uint8Array(4));
    },
  }, { highWaterMark: 0 });
  await assertRejects(
    () =>
      new Intake().read(new Request("http://127.0.0.1/", { method: "POST", body: endless }), 10),
    BodyTooLong,
  );
  assertEquals(read, 3);
});

Deno.test("a body of nothing is an empty text, and keeps a byte order mark", async () => {
  assertEquals(await new Intake().read(new Request("http://127.0.0.1/", { method: "POST" }), 10), {
    text: "",
    bytes: 0,
  });
  assertEquals(await new Intake().read(request(new TextEncoder().encode("\ufeff{}")), 10), {
    text: "\ufeff{}",
    bytes: 5,
  });
});

/** A request with a body of so many bytes, which comes when `arrives` resolves. */
function late(bytes: number, arrives: Promise<void>): Request {
  return streamed(ReadableStream.from(async function* () {
    yield new Uint8Array(bytes - 1);
    await arrives;
    yield new Uint8Array(1);
  }()));
}

function streamed(body: ReadableStream<Uint8Array<ArrayBuffer>>): Request {
  return new Request("http://127.0.0.1/", { method: "POST", body });
}

Deno.test("bodies that are too much together find no room, and do when others have arrived", async () => {
  const MB = 1024 * 1024;
  const intake = new Intake();
  const gate = Promise.withResolvers<void>();
  const many = Array.from({ length: 32 }, () => intake.read(late(MB, gate.promise), MB));
  await assertRejects(() => intake.read(late(MB, gate.promise), MB), NoRoom);
  gate.resolve();
  assertEquals((await Promise.all(many)).every(({ bytes }) => bytes === MB), true);
  assertEquals((await intake.read(late(MB, gate.promise), MB)).bytes, MB);
});

Deno.test("a body that does not arrive in time is given up, and leaves its room", async () => {
  const MB = 1024 * 1024;
  const intake = new Intake(50);
  const gate = Promise.withResolvers<void>();
  for (let round = 0; round < 3; round++) {
    const slow = Array.from({ length: 20 }, () => intake.read(late(MB, gate.promise), MB));
    const ends = await Promise.allSettled(slow);
    assertEquals(
      ends.every((end) => end.status === "rejected" && end.reason instanceof BodyTooSlow),
      true,
    );
  }
  gate.resolve();
});

for (
  const [what, headers] of [["in pieces", {}], ["in one go", { "content-length": "9" }]] as const
) {
  Deno.test(`a body that breaks off is told from an error of the program, read ${what}`, async () => {
    const body = ReadableStream.from(async function* () {
      yield new Uint8Array(4);
      throw new TypeError("connection reset");
    }());
    const broken = new Request("http://127.0.0.1/", { method: "POST", body, headers });
    const error = await assertRejects(() => new Intake().read(broken, 1000), BodyBroken);
    assertEquals((error.cause as Error).message, "connection reset");
  });
}

Deno.test("an error of the program while a body is read is not taken for one of the connection", async () => {
  const { concat } = Buffer;
  Buffer.concat = () => {
    throw new RangeError("a mistake");
  };
  try {
    await assertRejects(() => new Intake().read(request(new Uint8Array(4)), 1000), RangeError);
  } finally {
    Buffer.concat = concat;
  }
});
