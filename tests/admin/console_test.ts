import fc from "fast-check";
import { Console, LATENCY_MAX_MS, type View } from "../../src/admin/console.ts";
import type { Snapshot } from "../../src/admin/snapshot.ts";
import { parseMessage } from "../../src/hub/message.ts";
import { type Metrics, single } from "../../src/metrics/families.ts";
import { Histogram, SECONDS } from "../../src/metrics/histogram.ts";
import { assert, assertEquals } from "../assert.ts";
import { type Json, listen, post } from "../hub/fixtures.ts";
import { Office } from "./fixtures.ts";

/** A console that looks at what a test says. */
class Looking {
  readonly office = new Office();
  readonly writing = [new Histogram(SECONDS), new Histogram(SECONDS)];
  metrics: Partial<Metrics> = {};
  change: Partial<Snapshot> = {};
  readonly view: View = {
    snapshot: () => {
      const snapshot = this.office.snapshot();
      const writing = this.writing.map(({ distribution }) => [{}, distribution] as const);
      return {
        ...snapshot,
        metrics: {
          ...snapshot.metrics,
          aphlict_write_duration_seconds: writing,
          ...this.metrics,
        },
        ...this.change,
      };
    },
    settings: () => ({ path: "/etc/aphlict.json", flags: "--no-prompt", settings: { drain: 2 } }),
    isReady: () => true,
  };
  readonly console = new Console(this.view, 1);

  /** Takes a sample at this time since the start. */
  sample(uptimeMs: number): void {
    this.change = { uptimeMs, at: 1e12 + uptimeMs };
    this.console.sample();
  }

  /** Publishes a message as a router does. */
  publish(json: Json, instance = "default"): void {
    const message = parseMessage(JSON.stringify(json));
    this.console.note(instance, message, this.office.hub.publish(instance, message));
  }
}

Deno.test("a first look is no sample, as nothing can be said of the time before", () => {
  const it = new Looking();
  it.sample(0);
  assertEquals(it.console.data().samples, []);
});

Deno.test("a sample has the rates since the one before, and how it is now", () => {
  const it = new Looking();
  const { hub } = it.office;
  for (let index = 0; index < 7; index++) post(hub, "default", { subscribers: ["A"] });
  it.sample(1000);
  for (const _ of "xx") listen(hub, ["A"]);
  for (let index = 0; index < 10; index++) post(hub, "default", { subscribers: ["A"] });
  it.writing[0]?.observe(0.001);
  for (let index = 0; index < 99; index++) it.writing[1]?.observe(0.0001);
  it.metrics = {
    aphlict_backlog_bytes: [[{ server: "a" }, 100], [{ server: "b" }, 20]],
    aphlict_event_loop_lag_seconds: single(0.012),
  };
  it.sample(6000);
  assertEquals(it.console.data().samples, [{
    at: 1e12 + 6000,
    listeners: 2,
    messagesIn: 2,
    messagesOut: 4,
    latency50Ms: 0.1,
    latency99Ms: 0.1,
    backlogBytes: 120,
    lagMs: 12,
  }]);
});

Deno.test("a sample's latencies are of its own time, and null when nothing was written", () => {
  const it = new Looking();
  it.writing[0]?.observe(1);
  it.sample(0);
  it.sample(5000);
  it.writing[0]?.observe(0.01);
  it.writing[1]?.observe(0.2);
  it.sample(10_000);
  assertEquals(
    it.console.data().samples.map(({ latency50Ms, latency99Ms }) => [latency50Ms, latency99Ms]),
    [[null, null], [10, 250]],
  );
});

Deno.test("a latency beyond all bounds is told as a number, as JSON would have nothing for it", () => {
  const it = new Looking();
  it.sample(0);
  it.writing[0]?.observe(60);
  it.sample(5000);
  const data = JSON.parse(JSON.stringify(it.console.data()));
  assertEquals(data.samples[0].latency99Ms, LATENCY_MAX_MS);
  assertEquals(LATENCY_MAX_MS, 2500);
});

Deno.test("180 samples are kept, the oldest first", () => {
  const it = new Looking();
  for (let index = 0; index <= 200; index++) it.sample(index * 5000);
  const times = it.console.data().samples.map(({ at }) => at - 1e12);
  assertEquals([times.length, times[0], times.at(-1)], [180, 21 * 5000, 1_000_000]);
});

Deno.test("a message is noted without its content", () => {
  const it = new Looking();
  listen(it.office.hub, ["A"], "acme");
  const before = Date.now();
  it.publish({ type: "notification", subscribers: ["A", "B"], secret: "x" }, "acme");
  const [note] = it.console.data().messages;
  assert(note !== undefined && note.at >= before && note.at <= Date.now());
  assertEquals(note, {
    id: note.id,
    at: note.at,
    instance: "acme",
    type: "notification",
    subscribers: 2,
    receivers: 1,
    outcome: "published",
    bytes: note.bytes,
  });
  assertEquals(JSON.stringify(it.console.data()).includes("secret"), false);
  const content = it.console.content(note.id) ?? "";
  assertEquals(JSON.parse(content).secret, "x");
  assertEquals(new TextEncoder().encode(content).length, note.bytes);
});

Deno.test("what became of a message is noted, too", () => {
  const it = new Looking();
  it.publish({ subscribers: [], uniqueID: "x" });
  it.publish({ subscribers: [], uniqueID: "x" });
  it.publish({ subscribers: [], touched: ["OURS"] });
  assertEquals(it.console.data().messages.map(({ outcome }) => outcome), [
    "touched",
    "duplicate",
    "published",
  ]);
});

Deno.test("50 messages are kept, the newest first, and what is older is not shown any more", () => {
  const it = new Looking();
  for (let index = 0; index < 120; index++) it.publish({ subscribers: [], index });
  const ids = it.console.data().messages.map(({ id }) => id);
  assertEquals(ids, Array.from({ length: 50 }, (_, index) => 120 - index));
  assertEquals(it.console.content(70), null);
  assertEquals(JSON.parse(it.console.content(71) ?? "").index, 70);
  for (const id of [0, -1, 121, 71.5, NaN, Infinity]) assertEquals(it.console.content(id), null);
});

Deno.test("the content of a message of up to 16 KiB is kept", () => {
  const it = new Looking();
  const bytes = (filler: string) => {
    it.publish({ subscribers: [], filler });
    const [note] = it.console.data().messages;
    return [note?.bytes, it.console.content(note?.id ?? 0)?.length];
  };
  const [empty = 0] = bytes("");
  const most = 16 * 1024 - empty;
  assertEquals(bytes("x".repeat(most)), [16 * 1024, 16 * 1024]);
  assertEquals(bytes("x".repeat(most + 1)), [16 * 1024 + 1, undefined]);
  // In UTF-8 it is longer than its text.
  assertEquals(bytes("é".repeat(most / 2 + 1))[1], undefined);
  assertEquals(it.console.data().messages.length, 4, "they are noted all the same");
});

for (
  const [what, type, shown] of [
    ["none", undefined, ""],
    ["null", null, ""],
    ["a number", 7, ""],
    ["a list", ["notification"], ""],
    ["an object", { toString: "x" }, ""],
    ["a text", "aphlict.server", "aphlict.server"],
    ["markup", "<script>alert(1)</script>", "<script>alert(1)</script>"],
    ["a long text", "x".repeat(100_000), "x".repeat(80)],
  ] as const
) {
  Deno.test(`the type of a message may be ${what}`, () => {
    const it = new Looking();
    it.publish({ subscribers: [], ...(type === undefined ? {} : { type }) });
    assertEquals(it.console.data().messages[0]?.type, shown);
  });
}

Deno.test("whatever messages hold, what is shown of them is small", () => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 60 }),
      fc.string(),
      (messages, instance) => {
        const it = new Looking();
        for (const message of messages) {
          it.publish({ ...message, touched: [], subscribers: [] }, instance.repeat(50));
        }
        const { messages: notes } = it.console.data();
        assertEquals(notes.length, Math.min(50, messages.length));
        for (const { type, instance } of notes) assert(type.length <= 80 && instance.length <= 80);
        assert(JSON.stringify(notes).length <= 50 * 1200);
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("the data have the service as it is now, and what it runs with", () => {
  const it = new Looking();
  it.change = { version: "9.9.9" };
  const { now, configuration } = it.console.data();
  assertEquals(now.version, "9.9.9");
  assertEquals(configuration, {
    path: "/etc/aphlict.json",
    flags: "--no-prompt",
    settings: { drain: 2 },
  });
});
