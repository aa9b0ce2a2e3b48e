import fc from "fast-check";
import { Encoded, InvalidMessage, parseMessage } from "../../src/hub/message.ts";
import { assertEquals, assertStrictEquals, assertThrows } from "../assert.ts";

for (
  const json of [
    '{"subscribers":[]}',
    '{"subscribers":["A"],"touched":null}',
    '{"subscribers":["A"],"touched":["x"],"uniqueID":7}',
    '{"subscribers":["__proto__"],"__proto__":{"subscribers":1}}',
  ]
) {
  Deno.test(`parseMessage() takes ${json} as it is`, () => {
    const value = JSON.parse(json);
    assertStrictEquals(parseMessage(value), value);
  });
}

for (
  const json of [
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
    assertThrows(() => parseMessage(JSON.parse(json)), InvalidMessage);
  });
}

Deno.test("parseMessage() refuses more than 1,024 servers that have handled a message", () => {
  const touched = Array.from({ length: 1024 }, () => "x");
  assertEquals(parseMessage({ subscribers: [], touched }).touched, touched);
  assertThrows(
    () => parseMessage({ subscribers: [], touched: [...touched, "x"] }),
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
      const encoded = new Encoded(message);
      const plain = JSON.parse(JSON.stringify(message));
      assertEquals(decode(encoded.bytes), plain);
      assertEquals(decode(encoded.touchedBy(others)), { ...plain, touched: others });
    }),
  );
});
