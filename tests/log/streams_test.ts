import { fstatSync } from "node:fs";
import { ConsoleStream, journalOf, NO_JOURNAL } from "../../src/log/streams.ts";
import { assertEquals } from "../assert.ts";

/** A stream that takes a few bytes at a time, and nothing while it is held. */
class Reader {
  text = "";
  #gate = Promise.resolve();

  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#gate;
    const part = bytes.subarray(0, 1000);
    this.text += new TextDecoder().decode(part);
    return part.length;
  }
}

Deno.test("the console gets every line whole and in order", async () => {
  const reader = new Reader();
  const stream = new ConsoleStream(reader);
  const lines = Array.from({ length: 10 }, (_, index) => `${index} ${"x".repeat(3000)}\n`);
  for (const line of lines) stream.write(line);
  await stream.flush();
  assertEquals(reader.text, lines.join(""));
});

Deno.test("a console that nobody reads takes a bounded amount, and says later what is missing", async () => {
  const reader = new Reader();
  const release = reader.hold();
  const stream = new ConsoleStream(reader);
  const line = `${"x".repeat(99_999)}\n`;
  for (let index = 0; index < 50; index++) stream.write(line);
  release();
  await stream.flush();
  assertEquals(
    reader.text,
    line.repeat(10) + "(40 lines were not shown here, as nobody read them)\n",
  );
});

Deno.test("a console that has gone disturbs nobody", async () => {
  const stream = new ConsoleStream({ write: () => Promise.reject(new Deno.errors.BrokenPipe()) });
  stream.write("one\n");
  await stream.flush();
  stream.write("two\n");
  await stream.flush();
});

Deno.test("nothing that is written to the console steers a terminal", async () => {
  const reader = new Reader();
  const stream = new ConsoleStream(reader);
  stream.write("\x1b[2J\u009b31m\u202e\ta\nb\r\n");
  await stream.flush();
  assertEquals(reader.text, "\\u{1b}[2J\\u{9b}31m\\u{202e}\\u{9}a\nb\\u{d}\n");
});

Deno.test("a stream is the journal's if device and inode are those that systemd names", () => {
  const { dev, ino } = fstatSync(2, { bigint: true });
  assertEquals(journalOf(`${dev}:${ino}`).stderr, true);
});

Deno.test("a stream that leads elsewhere is not the journal's, whatever was inherited", () => {
  for (const text of [undefined, "", "8:1", "x", "9:99999999999999999999"]) {
    assertEquals(journalOf(text), NO_JOURNAL);
  }
});
