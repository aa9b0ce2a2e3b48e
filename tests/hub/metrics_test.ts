import fc from "fast-check";
import { entryBytes } from "../../src/hub/history.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { countOf } from "../../src/metrics/histogram.ts";
import { assertEquals } from "../assert.ts";
import { value } from "../metrics/value.ts";
import { type Ear, listen, makeHub, post } from "./fixtures.ts";
import { CLIENT_LIMITS } from "../entries.ts";

/** Listeners of the instances that are told apart, by name; of all others under no name. */
function listenersOf(hub: Hub): readonly (readonly [string | undefined, number])[] {
  return (hub.metrics().aphlict_listeners ?? []).map(([labels, count]) =>
    [labels["phorge_instance"], count] as const
  );
}

Deno.test("a new hub has the default instance, and nothing else", () => {
  const { aphlict_fan_out: fanOut = [], ...others } = makeHub().hub.metrics();
  assertEquals(others, {
    aphlict_listeners: [[{ phorge_instance: "default" }, 0], [{ phorge_instance: "" }, 0]],
    aphlict_instances: [[{}, 0]],
    aphlict_subscriptions: [[{}, 0]],
    aphlict_messages_total: [
      [{ outcome: "published" }, 0],
      [{ outcome: "touched" }, 0],
      [{ outcome: "duplicate" }, 0],
    ],
    aphlict_deliveries_total: [[{}, 0]],
    aphlict_history_messages: [[{}, 0]],
    aphlict_history_bytes: [[{}, 0]],
  });
  assertEquals(fanOut.map(([, distribution]) => countOf(distribution)), [0]);
});

Deno.test("the hub counts messages by what became of them, and deliveries", () => {
  const { hub } = makeHub();
  for (const _ of "xxx") listen(hub, ["A"]);
  post(hub, "default", { subscribers: ["A"], uniqueID: "x" });
  post(hub, "default", { subscribers: ["A"], uniqueID: "x" });
  post(hub, "default", { subscribers: ["A"], touched: ["OURS"] });
  post(hub, "acme", { subscribers: ["A"] });
  const counts = ["published", "touched", "duplicate"].map((outcome) =>
    value(hub, "aphlict_messages_total", { outcome })
  );
  assertEquals(counts, [2, 1, 1]);
  assertEquals(value(hub, "aphlict_deliveries_total"), 3);
  const [[, fanOut] = []] = hub.metrics().aphlict_fan_out ?? [];
  assertEquals([fanOut && countOf(fanOut), fanOut?.sum], [2, 3], "of those that were published");
});

Deno.test("the hub counts what is remembered, until it is forgotten", () => {
  const { hub, clock } = makeHub();
  const encoded = ["default", "acme"].map((name) =>
    post(hub, name, { subscribers: ["A"], name }).encoded
  );
  const topics = new Int32Array(2);
  const bytes = encoded.reduce((sum, each) => sum + entryBytes({ encoded: each, topics }), 0);
  const remembered = () => [
    value(hub, "aphlict_history_messages"),
    value(hub, "aphlict_history_bytes"),
    value(hub, "aphlict_instances"),
  ];
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
  assertEquals(listenersOf(hub), [["default", 0], ["acme", 1], ["empty", 0], ["", 1]]);
  clock.advance(60_001);
  listener.leave();
  const names = listenersOf(hub).map(([name]) => name);
  assertEquals(names, ["default", "acme", "empty", ""], "their series go on");
});

Deno.test("100 instances are told apart by name, the default one among them", () => {
  const { hub } = makeHub();
  for (let index = 0; index < 500; index++) post(hub, `acme ${index}`, { subscribers: [] });
  post(hub, "default", { subscribers: [] });
  assertEquals(value(hub, "aphlict_instances"), 501);
  assertEquals(listenersOf(hub).map(([name]) => name), [
    "default",
    ...Array.from({ length: 99 }, (_, index) => `acme ${index}`),
    "",
  ]);
});

/** Returns the listeners and the subscriptions of a hub. */
function held(hub: Hub): readonly [number, number] {
  return [value(hub, "aphlict_listeners"), value(hub, "aphlict_subscriptions")];
}

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
        const wanted = here.reduce((sum, { wants }) => sum + wants.size, 0);
        assertEquals(held(hub), [here.length, wanted]);
      }
      for (const { listener } of ears) listener.leave();
      for (const { listener } of ears) listener.unsubscribe(TOPICS);
      assertEquals(held(hub), [0, 0]);
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
  assertEquals(held(hub)[1], 5);
  listener.unsubscribe(["A", "B", "C"]);
  assertEquals(listener.subscribe(["F"], limits).limit, 1);
  listener.unsubscribe(["D"]);
  assertEquals(listener.subscribe(["F"], limits).limit, 0);
  assertEquals(held(hub)[1], 2);
});
