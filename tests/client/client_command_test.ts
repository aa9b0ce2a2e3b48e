import fc from "fast-check";
import {
  type ClientCommand,
  InvalidCommand,
  parseCommand,
} from "../../src/client/client_command.ts";
import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "../assert.ts";

const VALID: readonly [string, ClientCommand][] = [
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
  ['{"command":"replay","data":{"age":5000,"more":{"age":1}}}', {
    command: "replay",
    ageMs: 5000,
  }],
  ['{"command":"replay","data":{"more":{"age":1}}}', { command: "replay", ageMs: 60_000 }],
  ['{"command":"replay","data": {"age" : 5000 } }', { command: "replay", ageMs: 5000 }],
  // JSON reads the last of several; so does the original.
  ['{"command":"ping","data":[],"command":"subscribe","data":["A"]}', {
    command: "subscribe",
    topics: ["A"],
  }],
  ['{"command":"replay","data":{"age":1,"age":2}}', { command: "replay", ageMs: 2 }],
  // Escapes, in names as well as in values.
  [String.raw`{"\u0063ommand":"\u0070ing"}`, { command: "ping" }],
  [String.raw`{"command":"subscribe","d\u0061ta":["\u0041","\"\\\/\n","\ud83e\udd95"]}`, {
    command: "subscribe",
    topics: ["A", '"\\/\n', "🦕"],
  }],
  [String.raw`{"command":"replay","data":{"\u0061ge":7}}`, { command: "replay", ageMs: 7 }],
  // What is nested beside them is passed over.
  ['{"command":"ping","more":{"command":"subscribe","data":["A"]}}', { command: "ping" }],
  ['{"more":[{"command":["subscribe"]}],"command":"ping"}', { command: "ping" }],
  ['{"command":"subscribe","data":[ "[", "]" ,"},{" ]}', {
    command: "subscribe",
    topics: ["[", "]", "},{"],
  }],
  [' \t\r\n{ "command" : "ping" } \n', { command: "ping" }],
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
  ["[]", "not an object"],
  ['[{"command":"ping"}]', "not an object"],
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
  ['{"command":"replay","data":{"age":true}}', '"age" of "replay"'],
  ['{"command":"replay","data":{"age":[]}}', '"age" of "replay"'],
  ['{"command":"replay","data":[]}', '"data" of "replay"'],
  ['{"command":"replay","data":"{}"}', '"data" of "replay"'],
  ['{"command":"subscribe","data":[]', "not JSON: it breaks off"],
  ['{"command":"subscribe","data":["A",]}', "not JSON"],
  ['{"command":"ping"}{}', "not JSON"],
  ['{"command":"ping",}', "not JSON"],
  ["{'command':'ping'}", "not JSON"],
  ['{"command":"replay","data":{"age":01}}', "not JSON"],
  ['{"command":"replay","data":{"age":0x10}}', "not JSON"],
];

for (const [text, reason] of INVALID) {
  Deno.test(`parseCommand() refuses ${JSON.stringify(text)} and says why`, () => {
    const error = assertThrows(() => parseCommand(text), InvalidCommand);
    assertStringIncludes(error.message, reason);
  });
}

/** A command with so many keys in all, and a replay whose data have so many. */
function ofKeys(count: number): readonly [string, string] {
  const more = (from: number) =>
    Array.from({ length: count - from }, (_, index) => `,"key ${index}":${index}`).join("");
  return [
    `{"command":"ping"${more(1)}}`,
    `{"command":"replay","data":{"age":5${more(1)}}}`,
  ];
}

Deno.test("parseCommand() reads up to 16 keys, of the command as of a replay's data", () => {
  const [ping, replay] = ofKeys(16);
  assertEquals(parseCommand(ping), { command: "ping" });
  assertEquals(parseCommand(replay), { command: "replay", ageMs: 5 });
  for (const text of ofKeys(17)) {
    const { message } = assertThrows(() => parseCommand(text), InvalidCommand);
    assertEquals(message, "It is not JSON: it has more than 16 keys");
  }
});

Deno.test("parseCommand() does not count keys of what is nested", () => {
  const nested = ofKeys(100)[0].replace("ping", "x");
  assertEquals(parseCommand(`{"command":"ping","more":${nested}}`), { command: "ping" });
});

Deno.test("parseCommand() reads up to 16 lists and objects within each other", () => {
  const nested = (depth: number) =>
    `{"command":"ping","more":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  assertEquals(parseCommand(nested(16)), { command: "ping" });
  for (const depth of [17, 30_000]) {
    const { message } = assertThrows(() => parseCommand(nested(depth)), InvalidCommand);
    assertEquals(message, "It is not JSON: it is nested too deeply");
  }
});

/** What the texts below are taken for, with `JSON.parse`; `null`: they are no command. */
function expected(text: string): ClientCommand | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { command, data } = value as Readonly<Record<string, unknown>>;
  switch (command) {
    case "ping":
      return { command };
    case "subscribe":
    case "unsubscribe":
      return Array.isArray(data) && data.every((topic) => typeof topic === "string")
        ? { command, topics: data }
        : null;
    case "replay": {
      if (typeof data !== "object" || data === null || Array.isArray(data)) return null;
      const { age = null } = data as { readonly age?: unknown };
      if (age !== null && typeof age !== "number") return null;
      return { command, ageMs: age || 60_000 };
    }
    default:
      return null;
  }
}

Deno.test("parseCommand() understands what JSON.parse does, however it is written", () => {
  const age = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(null, 0, "1", true));
  const data = fc.oneof(
    fc.array(fc.string({ unit: "binary" }), { maxLength: 5 }),
    fc.array(fc.constantFrom("A", 1, null, []), { maxLength: 3 }),
    fc.record({ age }, { requiredKeys: [] }),
  );
  const name = fc.constantFrom("subscribe", "unsubscribe", "replay", "ping", "x");
  const command = fc.record({ command: name, data, more: fc.jsonValue({ maxDepth: 3 }) }, {
    requiredKeys: [],
  });
  // With spaces, with escapes, and with a character that is not there, or is another one.
  const damage = fc.option(fc.tuple(fc.nat(), fc.constantFrom("", ",", "]", '"', "0", "\\")));
  fc.assert(
    fc.property(
      command,
      fc.constantFrom(0, 1, "\t"),
      fc.boolean(),
      damage,
      (value, space, escapes, damage) => {
        let text = JSON.stringify(value, null, space);
        if (escapes) {
          text = text.replace(
            /[a-zA-Z\x80-\uffff](?=[^"\\]*")/g,
            (letter) =>
              /[truefalsn]/.test(letter)
                ? letter
                : `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
          );
        }
        if (damage !== null) {
          const at = damage[0] % text.length;
          text = text.slice(0, at) + damage[1] + text.slice(at + 1);
        }
        const wanted = expected(text);
        if (wanted === null) assertThrows(() => parseCommand(text), InvalidCommand);
        else assertEquals(parseCommand(text), wanted);
      },
    ),
    { numRuns: 2000 },
  );
});

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
