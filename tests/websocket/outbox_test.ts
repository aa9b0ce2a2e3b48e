import { setImmediate } from "node:timers";
import { type FrameWriter, Outbox } from "../../src/websocket/outbox.ts";
import { assert, assertEquals, assertStrictEquals } from "../assert.ts";
import { utf8 } from "./bytes.ts";

/** Resolves when what was scheduled before has been done. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Writers that log their names. */
class Log {
  readonly written: string[] = [];

  writer(name: string, then: () => void = () => {}): FrameWriter {
    return {
      write: () => {
        this.written.push(name);
        then();
      },
    };
  }
}

Deno.test("a writer that was added writes once, when the turn is over", async () => {
  const outbox = new Outbox();
  const log = new Log();
  outbox.add(log.writer("a"));
  assertEquals(log.written, []);
  await Promise.resolve();
  assertEquals(log.written, [], "after microtasks");
  await turn();
  assertEquals(log.written, ["a"]);
  await turn();
  await turn();
  assertEquals(log.written, ["a"], "later");
});

Deno.test("writers write in the order in which they were added", async () => {
  const outbox = new Outbox();
  const log = new Log();
  for (const name of ["c", "a", "b"]) outbox.add(log.writer(name));
  await turn();
  assertEquals(log.written, ["c", "a", "b"]);
});

Deno.test("a writer writes as often as it was added", async () => {
  const outbox = new Outbox();
  const log = new Log();
  const writer = log.writer("a");
  outbox.add(writer);
  outbox.add(writer);
  await turn();
  outbox.add(writer);
  await turn();
  assertEquals(log.written, ["a", "a", "a"]);
});

Deno.test("a writer that is added while others write has its turn too", async () => {
  const outbox = new Outbox();
  const log = new Log();
  const late = log.writer("late");
  outbox.add(log.writer("a", () => outbox.add(late)));
  outbox.add(log.writer("b"));
  await turn();
  await turn();
  assertEquals(log.written, ["a", "b", "late"]);
  await turn();
  assertEquals(log.written, ["a", "b", "late"], "later");
});

Deno.test("as many writers as there are clients all write, and once", async () => {
  const outbox = new Outbox();
  const log = new Log();
  const names = Array.from({ length: 10_000 }, (_, index) => `${index}`);
  for (const name of names) outbox.add(log.writer(name));
  for (let turns = 0; turns < 1000 && log.written.length < names.length; turns++) await turn();
  await turn();
  assertEquals(log.written.join(), names.join());
});

/** Adds `count` writers that take 5 ms each. How many had written when the event loop came round. */
async function writtenBefore(other: (then: () => void) => void, count: number): Promise<number> {
  const outbox = new Outbox();
  const log = new Log();
  for (let index = 0; index < count; index++) {
    outbox.add(log.writer("slow", () => {
      const end = performance.now() + 5;
      while (performance.now() < end);
    }));
  }
  const before = await new Promise<number>((resolve) => other(() => resolve(log.written.length)));
  while (log.written.length < count) await turn();
  return before;
}

Deno.test("a long queue lets others that are due have their turn", async () => {
  const before = await writtenBefore(setImmediate, 20);
  assert(before < 20, `${before} of 20 wrote first`);
});

Deno.test("a long queue lets timers run", async () => {
  const before = await writtenBefore((then) => setTimeout(then, 0), 20);
  assert(before < 20, `${before} of 20 wrote first`);
});

Deno.test("even the longest queue lets timers run", async () => {
  const before = await writtenBefore((then) => setTimeout(then, 0), 130);
  assert(before < 130, `${before} of 130 wrote first`);
});

Deno.test("all who ask for the same first frame in a turn get the same batch", () => {
  const outbox = new Outbox();
  const payload = utf8("a");
  assertStrictEquals(outbox.first(1, payload), outbox.first(1, payload));
});

Deno.test("a first frame is forgotten when it has been written", async () => {
  const outbox = new Outbox();
  const payload = utf8("a");
  const batch = outbox.first(1, payload);
  outbox.add(new Log().writer("a"));
  await turn();
  assertEquals(outbox.first(1, payload) === batch, false);
});

Deno.test("a writer that fails is reported, and keeps no other from writing", async () => {
  const outbox = new Outbox();
  const errors: string[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    errors.push(event.error.message);
  };
  addEventListener("error", onError);
  let written = 0;
  outbox.add({
    write: () => {
      throw new Error("mine");
    },
  });
  outbox.add({ write: () => void written++ });
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  removeEventListener("error", onError);
  assertEquals([written, errors], [1, ["mine"]]);
});

Deno.test("a batch is forgotten after the turn, though nobody was added", async () => {
  const outbox = new Outbox();
  const payload = new Uint8Array(1);
  const batch = outbox.first(1, payload);
  assertEquals(outbox.first(1, payload) === batch, true);
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals(outbox.first(1, payload) === batch, false);
});
