import { Buffer } from "node:buffer";
import { BodyBroken, BodyTooLong, BodyTooSlow, Intake, NoRoom } from "../../src/admin/body.ts";
import { Budget } from "../../src/budget.ts";
import { until } from "../acceptance/until.ts";
import { assert, assertEquals, assertRejects } from "../assert.ts";

function intake(patienceMs = 30_000, budget = new Budget(1e9)): Intake {
  return new Intake(budget.account("bodies"), patienceMs);
}

/** A request whose body comes in these pieces. */
function request(...pieces: readonly Uint8Array<ArrayBuffer>[]): Request {
  return new Request("http://127.0.0.1/", { method: "POST", body: ReadableStream.from(pieces) });
}

Deno.test("an intake keeps a character whole wherever the body is cut", async () => {
  const text = '{"text":"é😀"}';
  const bytes = new TextEncoder().encode(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assertEquals(await intake().read(request(bytes.slice(0, cut), bytes.slice(cut)), 1000), {
      text,
      bytes: bytes.length,
    });
  }
});

Deno.test("an intake takes a body of exactly the limit, and stops reading a longer one", async () => {
  assertEquals(await intake().read(request(new Uint8Array(5), new Uint8Array(5)), 10), {
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
    () => intake().read(new Request("http://127.0.0.1/", { method: "POST", body: endless }), 10),
    BodyTooLong,
  );
  assertEquals(read, 3);
});

Deno.test("a body of nothing is an empty text, and keeps a byte order mark", async () => {
  assertEquals(await intake().read(new Request("http://127.0.0.1/", { method: "POST" }), 10), {
    text: "",
    bytes: 0,
  });
  assertEquals(await intake().read(request(new TextEncoder().encode("\ufeff{}")), 10), {
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

const MB = 1024 * 1024;

Deno.test("a body that would be the largest finds no room when memory is short, and later it does", async () => {
  const budget = new Budget(64 * MB);
  const reading = intake(30_000, budget);
  const gate = Promise.withResolvers<void>();
  const many = Array.from({ length: 5 }, () => reading.read(late(MB, gate.promise), MB));
  await until(() => budget.account("bodies").bytes > 5 * MB);
  await assertRejects(() => reading.read(late(40 * MB, gate.promise), 64 * MB), NoRoom);
  gate.resolve();
  assertEquals((await Promise.all(many)).every(({ bytes }) => bytes === MB), true);
  assertEquals(budget.bytes, 0);
  assertEquals((await reading.read(late(10 * MB, gate.promise), 64 * MB)).bytes, 10 * MB);
});

Deno.test("when memory is short the largest body gives way to a small one", async () => {
  const budget = new Budget(16 * MB);
  const reading = intake(30_000, budget);
  const gate = Promise.withResolvers<void>();
  const slow: Promise<unknown>[] = [];
  while (budget.status().bodies.evicted === 0) {
    slow.push(reading.read(late(MB, gate.promise), MB).catch((error) => error));
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert(slow.length < 16, "there is no room for as many");
  }
  assert(await slow[0] instanceof NoRoom, "the oldest of the largest");
  assertEquals((await reading.read(late(300, Promise.resolve()), MB)).bytes, 300);
  gate.resolve();
  await Promise.all(slow);
  assertEquals(budget.bytes, 0);
});

Deno.test("the pieces of a body that is given up are given back though no other comes", async () => {
  const piece = new Uint8Array(MB);
  const open = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(piece),
  });
  await assertRejects(() => intake(20).read(streamed(open), 2 * MB), BodyTooSlow);
  assertEquals(piece.byteLength, 0);
});

Deno.test("a body that does not arrive in time is given up, and leaves its room", async () => {
  const reading = intake(50);
  const gate = Promise.withResolvers<void>();
  for (let round = 0; round < 3; round++) {
    const slow = Array.from({ length: 20 }, () => reading.read(late(MB, gate.promise), MB));
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
    const error = await assertRejects(() => intake().read(broken, 1000), BodyBroken);
    assertEquals((error.cause as Error).message, "connection reset");
  });
}

Deno.test("an error of the program while a body is read is not taken for one of the connection", async () => {
  const { concat } = Buffer;
  Buffer.concat = () => {
    throw new RangeError("a mistake");
  };
  try {
    await assertRejects(() => intake().read(request(new Uint8Array(4)), 1000), RangeError);
  } finally {
    Buffer.concat = concat;
  }
});
