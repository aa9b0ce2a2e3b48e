import fc from "fast-check";
import { type Command, InvalidCommand, parseCommand } from "../../src/client/command.ts";
import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "../assert.ts";

const VALID: readonly [string, Command][] = [
  ['{"command":"subscribe","data":["A","B"]}', { command: "subscribe", topics: ["A", "B"] }],
  ['{"command":"subscribe","data":[]}', { command: "subscribe", topics: [] }],
  ['{"command":"subscribe","data":["__proto__",""]}', {
    command: "subscribe",
    topics: ["__proto__", ""],
  }],
  ['{"command":"unsubscribe","data":["A"]}', { command: "unsubscribe", topics: ["A"] }],
  ['{"command":"ping"}', { command: "ping" }],
  ['{"command":"ping","data":null,"more":1}', { command: "ping" }],
  ['{"command":"replay","data":{"age":5000}}', { command: "replay", ageMs: 5000 }],
  ['{"command":"replay","data":{"age":-5}}', { command: "replay", ageMs: -5 }],
  ['{"command":"replay","data":{"age":1e300}}', { command: "replay", ageMs: 1e300 }],
  ['{"command":"replay","data":{"age":0}}', { command: "replay", ageMs: 60_000 }],
  ['{"command":"replay","data":{"age":null}}', { command: "replay", ageMs: 60_000 }],
  ['{"command":"replay","data":{}}', { command: "replay", ageMs: 60_000 }],
  ['{"command":"replay","data":[]}', { command: "replay", ageMs: 60_000 }],
];

for (const [text, command] of VALID) {
  Deno.test(`parseCommand() understands ${text}`, () => {
    assertEquals(parseCommand(text), command);
  });
}

const INVALID: readonly [string, string][] = [
  ["", "not JSON"],
  ["ping", "not JSON"],
  ['\ufeff{"command":"ping"}', "not JSON"],
  ["null", "not an object"],
  ["true", "not an object"],
  ['"ping"', "not an object"],
  ["[]", 'no "command"'],
  ["{}", 'no "command"'],
  ['{"__proto__":{"command":"ping"}}', 'no "command"'],
  ['{"command":null}', "unknown"],
  ['{"command":"PING"}', "unknown"],
  ['{"command":"toString"}', "unknown"],
  ['{"command":["ping"]}', "unknown"],
  ['{"command":"subscribe"}', '"data" of "subscribe"'],
  ['{"command":"subscribe","data":null}', '"data" of "subscribe"'],
  ['{"command":"subscribe","data":"A"}', '"data" of "subscribe"'],
  ['{"command":"subscribe","data":{"length":500000000}}', '"data" of "subscribe"'],
  ['{"command":"subscribe","data":["A",7]}', '"data" of "subscribe"'],
  ['{"command":"unsubscribe","data":[["A"]]}', '"data" of "unsubscribe"'],
  ['{"command":"replay"}', '"data" of "replay"'],
  ['{"command":"replay","data":null}', '"data" of "replay"'],
  ['{"command":"replay","data":5000}', '"data" of "replay"'],
  ['{"command":"replay","data":{"age":"5000"}}', '"age" of "replay"'],
  ['{"command":"replay","data":{"age":{"valueOf":1}}}', '"age" of "replay"'],
];

for (const [text, reason] of INVALID) {
  Deno.test(`parseCommand() refuses ${JSON.stringify(text)} and says why`, () => {
    const error = assertThrows(() => parseCommand(text), InvalidCommand);
    assertStringIncludes(error.message, reason);
  });
}

Deno.test("parseCommand() answers any text with a command or with InvalidCommand", () => {
  const data = fc.oneof(fc.jsonValue(), fc.array(fc.string()), fc.record({ age: fc.double() }));
  const command = fc.oneof(
    fc.constantFrom("subscribe", "unsubscribe", "replay", "ping"),
    fc.jsonValue(),
  );
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ command, data }, { requiredKeys: [] }).map((value) => JSON.stringify(value)),
  );
  fc.assert(fc.property(texts, (text) => {
    try {
      const parsed = parseCommand(text);
      assertEquals(JSON.parse(text).command, parsed.command);
    } catch (error) {
      assertInstanceOf(error, InvalidCommand);
    }
  }));
});
