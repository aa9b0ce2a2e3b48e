import fc from "fast-check";
import { InvalidMessage, parseMessage } from "../../src/hub/message.ts";
import { assertEquals, assertThrows } from "../assert.ts";
import { encode } from "./fixtures.ts";

const NOTHING = { subscribers: [], touched: [], uniqueID: null, type: "" };

for (
  const [json, expected] of [
    ['{"subscribers":[]}', {}],
    ['{"subscribers":["A"],"touched":null}', { subscribers: ["A"] }],
    ['{"subscribers":["A"],"touched":["x"],"uniqueID":7}', { subscribers: ["A"], touched: ["x"] }],
    ['{"uniqueID":"u","type":"t","subscribers":[]}', { uniqueID: "u", type: "t" }],
    ['{"subscribers":["__proto__"],"__proto__":{"subscribers":1}}', { subscribers: ["__proto__"] }],
    ['{"subscribers":["A"],"subscribers":["B"]}', { subscribers: ["B"] }],
    ['{"s\\u0075bscribers":["\\u00e9\\n"]}', { subscribers: ["é\n"] }],
  ] as const
) {
  Deno.test(`parseMessage() reads ${json}`, () => {
    const { members, ...message } = parseMessage(json);
    assertEquals(message, { ...NOTHING, ...expected });
    assertEquals(json.replace(/,"touched":.*?(?=[,}])/, ""), `{${members}}`);
  });
}

Deno.test("parseMessage() leaves out touched wherever it stands, and as often", () => {
  const json = '{ "touched" : ["a"] , "subscribers" : [ ] ,"touched":["b"],"n": {"touched":[]} }';
  const { members, touched } = parseMessage(json);
  assertEquals([members, touched], ['"subscribers" : [ ],"n": {"touched":[]}', ["b"]]);
});

for (
  const json of [
    "",
    "{",
    "null",
    "7",
    '"text"',
    "[]",
    "{}",
    '{"subscribers":null}',
    '{"subscribers":"A"}',
    '{"subscribers":{"length":1,"0":"A"}}',
    '{"subscribers":["A",7]}',
    '{"subscribers":[null]}',
    '{"__proto__":{"subscribers":["A"]}}',
    '{"subscribers":[],"touched":"x"}',
    '{"subscribers":[],"touched":[7]}',
    '{"subscribers":[],"touched":{}}',
  ]
) {
  Deno.test(`parseMessage() refuses ${json}`, () => {
    assertThrows(() => parseMessage(json), InvalidMessage);
  });
}

Deno.test("parseMessage() refuses more than 1,024 servers that have handled a message", () => {
  const touched = Array.from({ length: 1024 }, () => "x");
  const message = (touched: string[]) => JSON.stringify({ subscribers: [], touched });
  assertEquals(parseMessage(message(touched)).touched, touched);
  assertThrows(
    () => parseMessage(message([...touched, "x"])),
    InvalidMessage,
    "at most 1024",
  );
});

Deno.test("an encoded message can be had with any other list of servers that have handled it", () => {
  const list = fc.array(fc.string({ unit: "grapheme" }), { maxLength: 5 });
  fc.assert(
    fc.property(fc.jsonValue(), list, list, (content, touched, others) => {
      const message = { touched, subscribers: ["é"], content };
      const decode = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
      const encoded = encode(message);
      const plain = JSON.parse(JSON.stringify(message));
      assertEquals(decode(encoded.bytes), plain);
      assertEquals(decode(encoded.touchedBy(others)), { ...plain, touched: others });
    }),
  );
});

Deno.test("parseMessage() refuses what is nested more deeply than any message, and too many keys", () => {
  const deep = (depth: number) =>
    `{"subscribers":[],"a":${'{"1":'.repeat(depth)}1${"}".repeat(depth)}}`;
  assertEquals(parseMessage(deep(400)).subscribers, []);
  assertThrows(() => parseMessage(deep(20_000)), InvalidMessage, "nested too deeply");
  const keys = Array.from({ length: 1000 }, (_, index) => `"${index}":0`).join();
  assertThrows(() => parseMessage(`{"subscribers":[],${keys}}`), InvalidMessage, "1000 keys");
});
