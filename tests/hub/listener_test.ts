import { Budget } from "../../src/budget.ts";
import type { Listener, ReplayResult, ReplayState } from "../../src/hub/listener.ts";
import { assert, assertEquals } from "../assert.ts";
import { join, listen, makeHub, makeSink, post, replay } from "./fixtures.ts";
import { CLIENT_LIMITS } from "../entries.ts";

/** Begins a replay, and goes on with it as far as it can. */
function start(
  listener: Listener,
  ageMs: number,
  onEnd: (result: ReplayResult) => void,
): ReplayState {
  listener.replay(ageMs);
  return listener.resume(onEnd);
}

const NONE = { limit: 0, memory: 0 };

Deno.test("subscribe() and unsubscribe() do not mind repetitions and unknown topics", () => {
  const { hub } = makeHub();
  const { listener, heard } = listen(hub, ["A", "A"]);
  listener.subscribe(["A"], CLIENT_LIMITS);
  listener.unsubscribe(["B"]);
  post(hub, "default", { subscribers: ["A"] });
  assertEquals(heard.length, 1);
  listener.unsubscribe(["A", "A"]);
  post(hub, "default", { subscribers: ["A"] });
  assertEquals(heard.length, 1);
});

Deno.test("subscribe() refuses topics beyond the limit and counts them", () => {
  const { hub } = makeHub();
  const { listener, heard } = listen(hub, []);
  const topics = Array.from(
    { length: CLIENT_LIMITS.subscriptions + 3 },
    (_, index) => `PHID-${index}`,
  );
  assertEquals(listener.subscribe(topics, CLIENT_LIMITS), { limit: 3, memory: 0 });
  assertEquals(
    listener.subscribe(topics.slice(0, 5), CLIENT_LIMITS),
    NONE,
    "what it has is no new subscription",
  );
  post(hub, "default", { subscribers: [`PHID-${CLIENT_LIMITS.subscriptions}`] });
  assertEquals(heard, []);
  listener.unsubscribe(["PHID-0"]);
  assertEquals(listener.subscribe([`PHID-${CLIENT_LIMITS.subscriptions}`], CLIENT_LIMITS), NONE);
});

Deno.test("subscribe() refuses a topic that is too long and takes the others", () => {
  const { hub } = makeHub();
  const { listener, heard } = listen(hub, []);
  const long = "x".repeat(CLIENT_LIMITS.topic + 1);
  assertEquals(listener.subscribe([long, long.slice(1), "A"], CLIENT_LIMITS), {
    limit: 1,
    memory: 0,
  });
  post(hub, "default", { subscribers: [long] });
  assertEquals(heard.length, 0);
  post(hub, "default", { subscribers: [long.slice(1)] });
  assertEquals(heard.length, 1);
});

Deno.test("replay() delivers what matches the current subscriptions, oldest first", () => {
  const { hub } = makeHub();
  for (const [n, topic] of ["A", "B", "A", "C"].entries()) {
    post(hub, "default", { subscribers: [topic], n });
  }
  const { listener, heard } = listen(hub, ["A", "C"]);
  assertEquals(replay(listener, 60_000), 3);
  assertEquals(heard.map(({ n }) => n), [0, 2, 3]);
});

Deno.test("replay() delivers nothing that is older than the age asked for", () => {
  const { hub, clock } = makeHub();
  const { listener, heard } = listen(hub, []);
  for (const n of [0, 1, 2]) {
    post(hub, "default", { subscribers: ["A"], n });
    clock.advance(1000);
  }
  listener.subscribe(["A"], CLIENT_LIMITS);
  replay(listener, 2000);
  assertEquals(heard.map(({ n }) => n), [1, 2], "one exactly that old is delivered");
  assertEquals(replay(listener, -1), 0);
});

Deno.test("replay() delivers nothing that the history should have forgotten, whatever the age", () => {
  const { hub, clock } = makeHub();
  const { listener, heard } = listen(hub, ["A"]);
  post(hub, "default", { subscribers: ["A"] });
  clock.advance(60_001);
  assertEquals(replay(listener, 1e12), 0);
  assertEquals(heard.length, 1);
});

Deno.test("replay() shows no message of another instance", () => {
  const { hub } = makeHub();
  post(hub, "other", { subscribers: ["A"] });
  assertEquals(replay(listen(hub, ["A"], "acme").listener, 60_000), 0);
});

Deno.test("replay() is not counted as messages out, as in the original", () => {
  const { hub } = makeHub();
  post(hub, "default", { subscribers: ["A"] });
  replay(listen(hub, ["A"]).listener, 60_000);
  assertEquals(hub.status("default").messagesOut, 0);
});

Deno.test("replay() stops when the sink takes no more", () => {
  const { hub } = makeHub();
  for (let n = 0; n < 5; n++) post(hub, "default", { subscribers: ["A"] });
  let room = 2;
  const listener = join(hub, makeSink({ deliver: () => room-- > 0 }));
  listener.subscribe(["A"], CLIENT_LIMITS);
  start(listener, 60_000, () => assert(false, "it has not come to its end"));
  assertEquals(room, -1);
});

Deno.test("after leave() a listener hears nothing, whatever is called on it", () => {
  const { hub } = makeHub();
  const { listener, heard } = listen(hub, ["A"]);
  listener.leave();
  listener.leave();
  assertEquals(listener.subscribe(["A"], CLIENT_LIMITS), NONE);
  post(hub, "default", { subscribers: ["A"] });
  assertEquals(replay(listener, 60_000), 0);
  assertEquals(heard, []);
  assertEquals(hub.status("default").active, 0);
});

Deno.test("a replay goes on where the sink had no more room, one message after the other", () => {
  const { hub } = makeHub();
  for (let n = 0; n < 5; n++) post(hub, "default", { subscribers: ["A"], n });
  const heard: unknown[] = [];
  const sink = makeSink({
    deliver: ({ text }) => heard.push(JSON.parse(text).n) > 0,
    hasRoom: () => heard.length % 2 === 0 || heard.length === 5,
  });
  const listener = join(hub, sink);
  listener.subscribe(["A"], CLIENT_LIMITS);
  const results: unknown[] = [];
  const onEnd = (result: unknown) => results.push(result);
  assertEquals(start(listener, 60_000, onEnd), "full");
  assertEquals(heard, [0]);
  assertEquals(listener.resume(onEnd), "full", "it still has none");
  heard.push("room");
  post(hub, "default", { subscribers: ["B"], n: 5 });
  assertEquals(listener.resume(onEnd), "full");
  heard.push("room");
  assertEquals(listener.resume(onEnd), "done");
  assertEquals(heard, [0, "room", 1, "room", 2, 3, 4].slice(0, heard.length));
});

Deno.test("a replay that is asked for during another one follows it, with the longest age", () => {
  const { hub, clock } = makeHub();
  let isOpen = false;
  const heard: unknown[] = [];
  const sink = makeSink({
    deliver: ({ text }) => heard.push(JSON.parse(text).n) > 0,
    hasRoom: () => isOpen,
  });
  post(hub, "default", { subscribers: ["A"], n: 0 });
  clock.advance(1000);
  post(hub, "default", { subscribers: ["A"], n: 1 });
  const listener = join(hub, sink);
  listener.subscribe(["A"], CLIENT_LIMITS);
  let ends = 0;
  const onEnd = () => ends++;
  for (const ageMs of [500, 100, 5000, 200]) {
    assertEquals(start(listener, ageMs, onEnd), "full");
  }
  isOpen = true;
  assertEquals(listener.resume(onEnd), "done");
  assertEquals([heard, ends], [[1, 0, 1], 2]);
});

Deno.test("a replay counts what was forgotten before its turn", () => {
  const { hub } = makeHub({ history: { messages: 4, ageMs: 60_000, bytes: 1e6 } });
  for (let n = 0; n < 4; n++) post(hub, "default", { subscribers: ["A"], n });
  let room = 1;
  const listener = join(hub, makeSink({ hasRoom: () => room-- > 0 }));
  listener.subscribe(["A"], CLIENT_LIMITS);
  const results: unknown[] = [];
  start(listener, 60_000, (result) => results.push(result));
  for (let n = 4; n < 6; n++) post(hub, "default", { subscribers: ["A"], n });
  room = 10;
  listener.resume((result) => results.push(result));
  assertEquals(results.length, 1);
  const [{ delivered, missed }] = results as [{ delivered: number; missed: number }];
  assertEquals([delivered, missed], [3, 1]);
});

Deno.test("a replay gives others their turn after many topics", () => {
  const { hub } = makeHub();
  const subscribers = Array.from({ length: 10_000 }, (_, index) => `PHID-${index}`);
  for (let n = 0; n < 4; n++) post(hub, "default", { subscribers, n });
  const { listener, heard } = listen(hub, ["PHID-9999"]);
  const states = [start(listener, 60_000, () => {})];
  while (states.at(-1) === "busy") states.push(listener.resume(() => {}));
  assertEquals(states, ["busy", "busy", "busy", "done"]);
  assertEquals(heard.length, 4);
});

Deno.test("a listener that holds much is ended for one that holds less", () => {
  const budget = new Budget(2_000_000);
  const { hub } = makeHub({ budget });
  join(hub, makeSink()).leave();
  const { bytes } = budget;
  const topics = (who: number, count: number) =>
    Array.from({ length: count }, (_, index) => `${who}-${index}`);
  const ended: number[] = [];
  const everybody = Array.from({ length: 10 }, (_, who) => {
    const evict = () => {
      ended.push(who);
      everybody[who]?.leave();
    };
    return join(hub, makeSink({ holder: { evict } }));
  });
  const limits = { subscriptions: 1e6, topic: 256 };
  assertEquals(everybody[0]?.subscribe(topics(0, 2000), limits).memory, 0);
  const refused = everybody[1]?.subscribe(topics(1, 4000), limits).memory ?? 0;
  assertEquals(ended, [0], "it held the most when there was no more room");
  assert(refused > 0, "then it was the largest itself");
  for (let who = 2; who < 10; who++) {
    assertEquals(everybody[who]?.subscribe(topics(who, 5), limits).memory, 0);
  }
  assertEquals(ended, [0, 1]);
  for (const each of everybody) each.leave();
  assertEquals(budget.bytes, bytes, "everything was given back");
});
