import fc from "fast-check";
import { entryBytes } from "../../src/hub/history.ts";
import { countOf } from "../../src/metrics/histogram.ts";
import { assertEquals } from "../assert.ts";
import { type Ear, listen, makeHub, post } from "./fixtures.ts";
import { CLIENT_LIMITS } from "../entries.ts";

Deno.test("the overview of a new hub is of the default instance, and of nothing", () => {
  const { fanOut, ...overview } = makeHub().hub.overview();
  assertEquals(overview, {
    listeners: 0,
    subscriptions: 0,
    instances: 0,
    named: [{ name: "default", listeners: 0 }],
    messages: 0,
    published: { published: 0, touched: 0, duplicate: 0 },
    deliveries: 0,
    historyMessages: 0,
    historyBytes: 0,
  });
  assertEquals(countOf(fanOut), 0);
});

Deno.test("the overview counts messages by what became of them, and deliveries", () => {
  const { hub } = makeHub();
  for (const _ of "xxx") listen(hub, ["A"]);
  post(hub, "default", { subscribers: ["A"], uniqueID: "x" });
  post(hub, "default", { subscribers: ["A"], uniqueID: "x" });
  post(hub, "default", { subscribers: ["A"], touched: ["OURS"] });
  post(hub, "acme", { subscribers: ["A"] });
  const { messages, published, deliveries, fanOut } = hub.overview();
  assertEquals([messages, published], [4, { published: 2, touched: 1, duplicate: 1 }]);
  assertEquals(deliveries, 3);
  assertEquals([countOf(fanOut), fanOut.sum], [2, 3], "of those that were published");
});

Deno.test("the overview counts what is remembered, until it is forgotten", () => {
  const { hub, clock } = makeHub();
  const encoded = ["default", "acme"].map((name) =>
    post(hub, name, { subscribers: ["A"], name }).encoded
  );
  const topics = new Int32Array(2);
  const bytes = encoded.reduce((sum, each) => sum + entryBytes({ encoded: each, topics }), 0);
  const remembered = () => {
    const { historyMessages, historyBytes, instances } = hub.overview();
    return [historyMessages, historyBytes, instances];
  };
  assertEquals(remembered(), [2, bytes, 2]);
  clock.advance(60_001);
  assertEquals(remembered(), [0, 0, 1], "the default instance stays");
});

Deno.test("an instance counts by name when something was published for it, even without listeners", () => {
  const { hub, clock } = makeHub();
  const { listener } = listen(hub, ["A"], "quiet");
  listen(hub, ["A"], "acme");
  post(hub, "acme", { subscribers: [] });
  post(hub, "empty", { subscribers: [] });
  post(hub, "stopped", { subscribers: [], touched: ["OURS"] });
  const named = () => hub.overview().named;
  assertEquals(named(), [
    { name: "default", listeners: 0 },
    { name: "acme", listeners: 1 },
    { name: "empty", listeners: 0 },
  ]);
  clock.advance(60_001);
  listener.leave();
  assertEquals(named().map(({ name }) => name), ["default", "acme", "empty"], "their series go on");
});

Deno.test("100 instances are told apart by name, the default one among them", () => {
  const { hub } = makeHub();
  for (let index = 0; index < 500; index++) post(hub, `acme ${index}`, { subscribers: [] });
  post(hub, "default", { subscribers: [] });
  const { named, instances } = hub.overview();
  assertEquals([named.length, instances], [100, 501]);
  assertEquals(named.map(({ name }) => name), [
    "default",
    ...Array.from({ length: 99 }, (_, index) => `acme ${index}`),
  ]);
});

const TOPICS = ["A", "B", "C", "D", "E"];
const topics = fc.array(fc.constantFrom(...TOPICS, "too long for a topic"), { maxLength: 6 });
const step = fc.oneof(
  fc.record({ kind: fc.constant("join"), instance: fc.constantFrom("default", "acme") }),
  fc.record({ kind: fc.constantFrom("subscribe", "unsubscribe"), who: fc.nat(4), topics }),
  fc.record({ kind: fc.constant("leave"), who: fc.nat(4) }),
  fc.record({ kind: fc.constant("publish"), topics }),
);

Deno.test("subscriptions and listeners are counted whatever happens, and go back to 0", () => {
  const limits = { subscriptions: 3, topic: 5 };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { hub } = makeHub();
      const ears: (Ear & { readonly wants: Set<string>; here: boolean })[] = [];
      for (const step of steps) {
        if (step.kind === "join") {
          ears.push({ ...listen(hub, [], step.instance), wants: new Set(), here: true });
        } else if (step.kind === "publish") {
          post(hub, "default", { subscribers: step.topics });
        } else {
          const ear = ears[step.who];
          if (ear === undefined) continue;
          if (step.kind === "leave") {
            ear.listener.leave();
            ear.here = false;
          } else if (step.kind === "subscribe") {
            ear.listener.subscribe(step.topics, limits);
            for (const topic of step.topics) {
              if (ear.wants.size < 3 && topic.length <= 5) ear.wants.add(topic);
            }
          } else {
            ear.listener.unsubscribe(step.topics);
            for (const topic of step.topics) ear.wants.delete(topic);
          }
        }
        const here = ears.filter((each) => each.here);
        const { listeners, subscriptions } = hub.overview();
        assertEquals(listeners, here.length);
        assertEquals(subscriptions, here.reduce((sum, { wants }) => sum + wants.size, 0));
      }
      for (const { listener } of ears) listener.leave();
      for (const { listener } of ears) listener.unsubscribe(TOPICS);
      const { listeners, subscriptions } = hub.overview();
      assertEquals([listeners, subscriptions], [0, 0]);
    }),
    { numRuns: 300 },
  );
});

Deno.test("limits that are lowered take nothing away, and let nothing more in", () => {
  const { hub } = makeHub();
  const { listener } = listen(hub, []);
  assertEquals(listener.subscribe(TOPICS, CLIENT_LIMITS).limit, 0);
  const limits = { subscriptions: 2, topic: 5 };
  assertEquals(listener.subscribe(["A", "F"], limits).limit, 1);
  assertEquals(hub.overview().subscriptions, 5);
  listener.unsubscribe(["A", "B", "C"]);
  assertEquals(listener.subscribe(["F"], limits).limit, 1);
  listener.unsubscribe(["D"]);
  assertEquals(listener.subscribe(["F"], limits).limit, 0);
  assertEquals(hub.overview().subscriptions, 2);
});
