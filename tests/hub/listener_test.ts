import { CLIENT_LIMITS } from "../../src/config/limits.ts";
import { assertEquals } from "../assert.ts";
import { listen, makeHub } from "./fixtures.ts";

Deno.test("subscribe() and unsubscribe() do not mind repetitions and unknown topics", () => {
  const { hub } = makeHub();
  const { listener, heard } = listen(hub, ["A", "A"]);
  listener.subscribe(["A"], CLIENT_LIMITS);
  listener.unsubscribe(["B"]);
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(heard.length, 1);
  listener.unsubscribe(["A", "A"]);
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(heard.length, 1);
});

Deno.test("subscribe() refuses topics beyond the limit and counts them", () => {
  const { hub } = makeHub();
  const { listener, heard } = listen(hub, []);
  const topics = Array.from(
    { length: CLIENT_LIMITS.subscriptions + 3 },
    (_, index) => `PHID-${index}`,
  );
  assertEquals(listener.subscribe(topics, CLIENT_LIMITS), 3);
  assertEquals(
    listener.subscribe(topics.slice(0, 5), CLIENT_LIMITS),
    0,
    "what it has is no new subscription",
  );
  hub.publish("default", { subscribers: [`PHID-${CLIENT_LIMITS.subscriptions}`] });
  assertEquals(heard, []);
  listener.unsubscribe(["PHID-0"]);
  assertEquals(listener.subscribe([`PHID-${CLIENT_LIMITS.subscriptions}`], CLIENT_LIMITS), 0);
});

Deno.test("subscribe() refuses a topic that is too long and takes the others", () => {
  const { hub } = makeHub();
  const { listener, heard } = listen(hub, []);
  const long = "x".repeat(CLIENT_LIMITS.topic + 1);
  assertEquals(listener.subscribe([long, long.slice(1), "A"], CLIENT_LIMITS), 1);
  hub.publish("default", { subscribers: [long] });
  assertEquals(heard.length, 0);
  hub.publish("default", { subscribers: [long.slice(1)] });
  assertEquals(heard.length, 1);
});

Deno.test("replay() delivers what matches the current subscriptions, oldest first", () => {
  const { hub } = makeHub();
  for (const [n, topic] of ["A", "B", "A", "C"].entries()) {
    hub.publish("default", { subscribers: [topic], n });
  }
  const { listener, heard } = listen(hub, ["A", "C"]);
  assertEquals(listener.replay(60_000), 3);
  assertEquals(heard.map(({ n }) => n), [0, 2, 3]);
});

Deno.test("replay() delivers nothing that is older than the age asked for", () => {
  const { hub, clock } = makeHub();
  const { listener, heard } = listen(hub, []);
  for (const n of [0, 1, 2]) {
    hub.publish("default", { subscribers: ["A"], n });
    clock.advance(1000);
  }
  listener.subscribe(["A"], CLIENT_LIMITS);
  listener.replay(2000);
  assertEquals(heard.map(({ n }) => n), [1, 2], "one exactly that old is delivered");
  assertEquals(listener.replay(-1), 0);
});

Deno.test("replay() delivers nothing that the history should have forgotten, whatever the age", () => {
  const { hub, clock } = makeHub();
  const { listener, heard } = listen(hub, ["A"]);
  hub.publish("default", { subscribers: ["A"] });
  clock.advance(60_001);
  assertEquals(listener.replay(1e12), 0);
  assertEquals(heard.length, 1);
});

Deno.test("replay() shows no message of another instance", () => {
  const { hub } = makeHub();
  hub.publish("other", { subscribers: ["A"] });
  assertEquals(listen(hub, ["A"], "acme").listener.replay(60_000), 0);
});

Deno.test("replay() is not counted as messages out, as in the original", () => {
  const { hub } = makeHub();
  hub.publish("default", { subscribers: ["A"] });
  listen(hub, ["A"]).listener.replay(60_000);
  assertEquals(hub.status("default").messagesOut, 0);
});

Deno.test("replay() stops when the sink takes no more", () => {
  const { hub } = makeHub();
  for (let n = 0; n < 5; n++) hub.publish("default", { subscribers: ["A"] });
  let room = 2;
  const listener = hub.join("default", { deliver: () => room-- > 0 });
  listener.subscribe(["A"], CLIENT_LIMITS);
  assertEquals(listener.replay(60_000), 2);
});

Deno.test("after leave() a listener hears nothing, whatever is called on it", () => {
  const { hub } = makeHub();
  const { listener, heard } = listen(hub, ["A"]);
  listener.leave();
  listener.leave();
  assertEquals(listener.subscribe(["A"], CLIENT_LIMITS), 0);
  hub.publish("default", { subscribers: ["A"] });
  assertEquals(listener.replay(60_000), 0);
  assertEquals(heard, []);
  assertEquals(hub.status("default").active, 0);
});
