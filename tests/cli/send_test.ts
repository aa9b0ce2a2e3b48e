import { UsageError } from "../../src/cli/args.ts";
import { instanceIn } from "../../src/cli/public.ts";
import { compose } from "../../src/cli/send.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../assert.ts";

Deno.test("a message without anything typed is a test with an id of its own", () => {
  const [one, other] = [compose(undefined, ["A"]), compose(undefined, ["A"])];
  assertEquals([one["type"], one.subscribers], ["test", ["A"]]);
  assertMatch(String(one.uniqueID), /^\w{32}$/);
  assert(one.uniqueID !== other.uniqueID);
});

Deno.test("what was typed is kept, and its subscribers and the topics are put together", () => {
  assertEquals(compose('{"type":"x","uniqueID":"u","subscribers":["A","B"],"n":1}', ["B", "C"]), {
    type: "x",
    n: 1,
    uniqueID: "u",
    subscribers: ["A", "B", "C"],
  });
});

Deno.test("a text that does not begin as JSON is the text of a test", () => {
  for (const text of ["-h", "hello", "null", "", '"{}"', "1"]) {
    const { type, text: sent, subscribers } = compose(text, ["A"]);
    assertEquals([type, sent, subscribers], ["test", text, ["A"]]);
  }
});

Deno.test("what is no message is refused before anything is sent, with the reason", () => {
  const cases: [string | undefined, readonly string[], string][] = [
    ["{", ["A"], "not JSON"],
    ["[1]", ["A"], "JSON object"],
    [" [1]", ["A"], "JSON object"],
    ['{"subscribers":"A"}', [], '"subscribers" of a message is a list of strings'],
    ['{"touched":[1]}', ["A"], '"touched" of a message'],
    [undefined, [], "--to TOPIC"],
  ];
  for (const [json, topics, reason] of cases) {
    assertThrows(() => compose(json, topics), UsageError, reason);
  }
});

Deno.test("an instance has a name that a path can have", () => {
  assertEquals(instanceIn(new Map()), undefined);
  assertEquals(instanceIn(new Map([["instance", "acme"]])), "acme");
  for (const name of ["a/b", "a b", "~", "é", "?", "x".repeat(257)]) {
    assertThrows(() => instanceIn(new Map([["instance", name]])), UsageError, "no name");
  }
});
