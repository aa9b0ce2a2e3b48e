import fc from "fast-check";
import { Budget } from "../../src/budget.ts";
import { Hub, INSTANCE_BYTES } from "../../src/hub/hub.ts";
import { assert, assertEquals, assertStrictEquals } from "../assert.ts";
import { join, type Json, listen, makeHub, makeSink, post } from "./fixtures.ts";
import { CLIENT_LIMITS } from "../entries.ts";

Deno.test("publish() delivers a message to the listeners subscribed to one of its topics", () => {
  const { hub } = makeHub();
  const a = listen(hub, ["PHID-A"]);
  const b = listen(hub, ["PHID-B"]);
  const publication = post(hub, "default", { subscribers: ["PHID-A", "PHID-C"], type: "x" });
  assertEquals(a.heard, [{ subscribers: ["PHID-A", "PHID-C"], type: "x", touched: ["OURS"] }]);
  assertEquals(b.heard, []);
  assertEquals(publication.outcome, "published");
  assertEquals(publication.receivers, 1);
});

Deno.test("publish() delivers once to a listener with several matching topics", () => {
  const { hub } = makeHub();
  const ear = listen(hub, ["A", "B", "C"]);
  post(hub, "default", { subscribers: ["A", "B", "C", "A"] });
  assertEquals(ear.heard.length, 1);
});

Deno.test("publish() hands the same encoded message to every listener", () => {
  const { hub } = makeHub();
  const received: unknown[] = [];
  for (let index = 0; index < 3; index++) {
    join(hub, makeSink({ deliver: (encoded) => received.push(encoded) > 0 })).subscribe(
      ["A"],
      CLIENT_LIMITS,
    );
  }
  post(hub, "default", { subscribers: ["A"] });
  assertEquals(new Set(received).size, 1);
});

Deno.test("publish() keeps every key of the message and the order of the keys, but for touched", () => {
  const { hub } = makeHub();
  const texts: string[] = [];
  join(hub, makeSink({ deliver: ({ text }) => texts.push(text) > 0 })).subscribe(
    ["A"],
    CLIENT_LIMITS,
  );
  const keys = '"__proto__":{"x":1},"subscribers":["A"],"n":null,"é":"😀"';
  post(hub, "default", `{"touched":["THEIRS"],${keys}}`);
  assertEquals(texts, [`{${keys},"touched":["THEIRS","OURS"]}`]);
});

Deno.test("publish() stops a message that this server has touched", () => {
  const { hub } = makeHub();
  const ear = listen(hub, ["A"]);
  const message = { subscribers: ["A"], touched: ["THEIRS", "OURS"] };
  const { outcome, touched, receivers } = post(hub, "default", message);
  assertEquals([outcome, touched, receivers], ["touched", message.touched, 0]);
  assertEquals(ear.heard, []);
  assertEquals(hub.status("default").historySize, 0);
});

Deno.test("publish() delivers and remembers a message with a known uniqueID once", () => {
  const { hub } = makeHub();
  const ear = listen(hub, ["A"]);
  const outcomes = ["THEIRS", "OTHER"].map((peer) =>
    post(hub, "default", { subscribers: ["A"], uniqueID: "u1", touched: [peer] }).outcome
  );
  assertEquals(outcomes, ["published", "duplicate"]);
  assertEquals(ear.heard.length, 1);
  assertEquals(hub.status("default").historySize, 1);
});

Deno.test("publish() tells the same uniqueID apart in two instances", () => {
  const { hub } = makeHub();
  const a = listen(hub, ["A"], "a");
  const b = listen(hub, ["A"], "b");
  post(hub, "a", { subscribers: ["A"], uniqueID: "u1" });
  post(hub, "b", { subscribers: ["A"], uniqueID: "u1" });
  assertEquals([a.heard.length, b.heard.length], [1, 1]);
});

Deno.test("publish() delivers messages without a uniqueID, or with one that is no string, each time", () => {
  const { hub } = makeHub();
  const ear = listen(hub, ["A"]);
  for (const uniqueID of [undefined, null, 7, ["u"]]) {
    post(hub, "default", { subscribers: ["A"], uniqueID });
    post(hub, "default", { subscribers: ["A"], uniqueID });
  }
  assertEquals(ear.heard.length, 8);
});

Deno.test("publish() delivers a uniqueID again after two minutes", () => {
  const { hub, clock } = makeHub();
  const ear = listen(hub, ["A"]);
  post(hub, "default", { subscribers: ["A"], uniqueID: "u1" });
  clock.advance(120_000);
  post(hub, "default", { subscribers: ["A"], uniqueID: "u1" });
  assertEquals(ear.heard.length, 1);
  clock.advance(1);
  post(hub, "default", { subscribers: ["A"], uniqueID: "u1" });
  assertEquals(ear.heard.length, 2);
});

Deno.test("publish() takes the names of Object.prototype for topics and instances like any other", () => {
  const { hub } = makeHub();
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  const bystander = listen(hub, ["A"]);
  for (const name of names) {
    const ear = listen(hub, [name], name);
    post(hub, name, { subscribers: names });
    post(hub, "default", { subscribers: names });
    assertEquals(ear.heard.length, 1, name);
    assertEquals(hub.status(name).active, 1, name);
  }
  assertEquals(bystander.heard, []);
});

Deno.test("publish() does not count what a sink refuses", () => {
  const { hub } = makeHub();
  join(hub, makeSink({ deliver: () => false })).subscribe(["A"], CLIENT_LIMITS);
  assertEquals(post(hub, "default", { subscribers: ["A"] }).receivers, 0);
  assertEquals(hub.status("default").messagesOut, 0);
});

Deno.test("publish() survives a sink that leaves while it is being delivered to", () => {
  const { hub } = makeHub();
  const listener = join(
    hub,
    makeSink({
      deliver() {
        listener.leave();
        return false;
      },
    }),
  );
  listener.subscribe(["A", "B"], CLIENT_LIMITS);
  const ear = listen(hub, ["A", "B"]);
  post(hub, "default", { subscribers: ["B", "A"] });
  assertEquals(ear.heard.length, 1);
  assertEquals(hub.status("default").active, 1);
});

Deno.test("a sink that throws does not keep the message from those behind it", () => {
  const faults: unknown[] = [];
  const { hub } = makeHub({ onFault: (error) => faults.push(error) });
  const before = listen(hub, ["A"]);
  const mistake = new Error("a mistake of ours");
  const deliver = () => {
    throw mistake;
  };
  join(hub, makeSink({ deliver })).subscribe(["A"], CLIENT_LIMITS);
  const behind = listen(hub, ["A"]);
  const { receivers, outcome } = post(hub, "default", { subscribers: ["A"], uniqueID: "x" });
  assertEquals([before.heard.length, behind.heard.length], [1, 1]);
  assertEquals([receivers, outcome, faults], [2, "published", [mistake]]);
});

Deno.test("a budget without room for one more instance refuses listeners, and never Phorge", () => {
  const budget = new Budget(32 * INSTANCE_BYTES);
  const { hub } = makeHub({ budget });
  let joined = 0;
  while (joined < 1000 && hub.join(`made-up-${joined}`, makeSink()) !== null) joined++;
  assert(joined > 0 && joined < 32, `${joined} of its own joined`);
  assertEquals(hub.instances, joined);
  post(hub, "acme", { subscribers: [] });
  assertEquals(hub.instances, joined + 1);
});

Deno.test("status() counts listeners and history by instance, messages over all", () => {
  const { hub, clock } = makeHub();
  const gone = listen(hub, ["A"], "a");
  listen(hub, ["A"], "a");
  listen(hub, ["A"], "b");
  post(hub, "a", { subscribers: ["A"] });
  clock.advance(500);
  gone.listener.leave();
  post(hub, "b", { subscribers: ["A", "B"] });
  assertEquals(hub.status("a"), {
    fingerprint: "OURS",
    instance: "a",
    uptimeMs: 500,
    active: 1,
    total: 2,
    messagesIn: 2,
    messagesOut: 3,
    historySize: 1,
    historyAgeMs: 500,
  });
});

Deno.test("status() of an unknown instance shows nothing and makes nothing", () => {
  const { hub } = makeHub();
  const { active, total, historySize, historyAgeMs } = hub.status("nobody");
  assertEquals([active, total, historySize, historyAgeMs], [0, 0, 0, null]);
  assertEquals(hub.instances, 0);
});

Deno.test("an instance is dropped when it has neither listeners nor history", () => {
  const { hub, clock } = makeHub();
  for (let index = 0; index < 100; index++) listen(hub, ["A"], `made-up-${index}`).listener.leave();
  assertEquals(hub.instances, 0);
  const ear = listen(hub, ["A"], "acme");
  post(hub, "acme", { subscribers: ["A"] });
  ear.listener.leave();
  assertEquals(hub.instances, 1, "its history is still there");
  clock.advance(60_001);
  hub.expire();
  assertEquals(hub.instances, 0);
});

Deno.test("the default instance keeps its counters when it is empty", () => {
  const { hub } = makeHub();
  listen(hub, ["A"]).listener.leave();
  assertEquals(hub.status("default").total, 1);
});

Deno.test("an instance whose history is cut while a message is added stays reachable", () => {
  const { hub } = makeHub({ history: { messages: 1, ageMs: 60_000, bytes: 1_000_000 } });
  post(hub, "acme", { subscribers: ["A"], n: 1 });
  post(hub, "acme", { subscribers: ["A"], n: 2 });
  assertEquals(hub.status("acme").historySize, 1);
  assertEquals(hub.instances, 1);
});

type Step =
  | { readonly kind: "subscribe" | "unsubscribe"; readonly who: number; readonly topics: string[] }
  | { readonly kind: "leave"; readonly who: number }
  | { readonly kind: "publish"; readonly instance: string; readonly topics: string[] };

const WHO = 6;
const topic = fc.constantFrom("A", "B", "C", "D", "__proto__", "constructor", "");
const topics = fc.array(topic, { maxLength: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("subscribe" as const, "unsubscribe" as const),
    who: fc.nat(WHO - 1),
    topics,
  }),
  fc.record({ kind: fc.constant("leave" as const), who: fc.nat(WHO - 1) }),
  fc.record({ kind: fc.constant("publish" as const), instance: fc.constantFrom("x", "y"), topics }),
);

Deno.test("for any sequence of steps, the receivers are those of the naive definition", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const hub = new Hub({ fingerprint: "OURS", now: () => 0 });
    const everybody = Array.from({ length: WHO }, (_, who) => {
      const instance = who % 2 === 0 ? "x" : "y";
      return { ...listen(hub, [], instance), instance, wants: new Set<string>(), here: true };
    });
    const expected: Json[][] = everybody.map(() => []);
    for (const [n, step] of steps.entries()) {
      if (step.kind === "publish") {
        post(hub, step.instance, { subscribers: step.topics, n });
        for (const [who, { instance, wants, here }] of everybody.entries()) {
          if (here && instance === step.instance && step.topics.some((each) => wants.has(each))) {
            expected[who]?.push({ subscribers: step.topics, n, touched: ["OURS"] });
          }
        }
        continue;
      }
      const somebody = everybody[step.who];
      if (!somebody) continue;
      if (step.kind === "leave") {
        somebody.listener.leave();
        somebody.here = false;
      } else {
        if (step.kind === "subscribe") somebody.listener.subscribe(step.topics, CLIENT_LIMITS);
        else somebody.listener.unsubscribe(step.topics);
        for (const each of step.topics) {
          if (step.kind === "subscribe") somebody.wants.add(each);
          else somebody.wants.delete(each);
        }
      }
    }
    assertEquals(everybody.map(({ heard }) => heard), expected);
    for (const name of ["x", "y"]) {
      const active = everybody.filter(({ here, instance }) => here && instance === name).length;
      assertStrictEquals(hub.status(name).active, active);
    }
  }));
});
