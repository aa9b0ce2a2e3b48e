import { BodyTooLong, readBody } from "../../src/admin/body.ts";
import { assertEquals, assertRejects } from "../assert.ts";

/** A request whose body comes in these pieces. */
function request(...pieces: readonly Uint8Array<ArrayBuffer>[]): Request {
  return new Request("http://127.0.0.1/", { method: "POST", body: ReadableStream.from(pieces) });
}

Deno.test("readBody() keeps a character whole wherever the body is cut", async () => {
  const text = '{"text":"é😀"}';
  const bytes = new TextEncoder().encode(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assertEquals(await readBody(request(bytes.slice(0, cut), bytes.slice(cut)), 1000), {
      text,
      bytes: bytes.length,
    });
  }
});

Deno.test("readBody() takes a body of exactly the limit, and stops reading a longer one", async () => {
  assertEquals(await readBody(request(new Uint8Array(5), new Uint8Array(5)), 10), {
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
    () => readBody(new Request("http://127.0.0.1/", { method: "POST", body: endless }), 10),
    BodyTooLong,
  );
  assertEquals(read, 3);
});

Deno.test("readBody() of nothing is an empty text, and keeps a byte order mark", async () => {
  assertEquals(await readBody(new Request("http://127.0.0.1/", { method: "POST" }), 10), {
    text: "",
    bytes: 0,
  });
  assertEquals(await readBody(request(new TextEncoder().encode("\ufeff{}")), 10), {
    text: "\ufeff{}",
    bytes: 5,
  });
});
