import fc from "fast-check";
import {
  decodeHead,
  FIELD_LIMIT,
  Fields,
  isToken,
  lastParts,
  parseField,
  parseFields,
  parseParameter,
  tokensOf,
  trimmed,
  unquoted,
} from "../../src/net/fields.ts";
import { assert, assertEquals } from "../assert.ts";

for (
  const [line, name, value] of [
    ["Host: example.com", "host", "example.com"],
    ["Host:example.com", "host", "example.com"],
    ["Host: \t example.com\t ", "host", "example.com"],
    ["X-Empty:", "x-empty", ""],
    ["X-Blank: \t ", "x-blank", ""],
    ["A: b:c", "a", "b:c"],
    ["A: b  c", "a", "b  c"],
    ["A: \xa0b\xff", "a", "\xa0b\xff"],
    ["!#$%&'*+-.^_`|~9zZ: x", "!#$%&'*+-.^_`|~9zz", "x"],
    ["__proto__: x", "__proto__", "x"],
  ] as const
) {
  Deno.test(`the field ${JSON.stringify(line)} is read`, () => {
    assertEquals(parseField(line), { name, value });
  });
}

for (
  const line of [
    ...["", "Host", ":", ": x", "Host : x", "Host\t: x", " Host: x", "\tHost: x", "Ho st: x"],
    ...[
      "H\xf6st: x",
      "H(st: x",
      "Host: a\rb",
      "Host: a\nb",
      "Host: a\0b",
      "Host\r: a",
      "Host: a\r",
    ],
  ]
) {
  Deno.test(`the field ${JSON.stringify(line)} is malformed`, () => {
    assertEquals(parseField(line), null);
  });
}

/** The fields of a head that is well formed. */
function fieldsOf(text: string): Fields {
  const fields = parseFields(text);
  assert(fields instanceof Fields, String(fields));
  return fields;
}

Deno.test("fields are found by name, in the order in which they were sent", () => {
  const fields = fieldsOf("A: 1\r\nB: 2\r\na: 3,\r\nC:");
  assertEquals([fields.get("a"), fields.count("a")], ["1, 3,", 2]);
  assertEquals(fields.get("c"), "");
  assertEquals([fields.get("d"), fields.count("d")], [null, 0]);
  assertEquals([fields.has("c"), fields.has("d"), fields.has("constructor")], [true, false, false]);
});

Deno.test("the tokens of a name are those of all its fields", () => {
  const fields = fieldsOf("Connection: keep-alive, ,Upgrade\r\nconnection: \t X ,");
  assertEquals(fields.tokens("connection"), ["keep-alive", "upgrade", "x"]);
  assertEquals(fields.tokens("upgrade"), []);
});

Deno.test("no line is no field", () => {
  assertEquals(fieldsOf("").has(""), false);
});

Deno.test("one malformed line makes a head malformed", () => {
  for (const text of ["A: b\r\nC", "A: b\r\n c: d", "\r\n", "A: b\r\n\r\nC: d", "A: b\nC: d"]) {
    assertEquals(parseFields(text), "malformed", JSON.stringify(text));
  }
});

Deno.test(`a message has at most ${FIELD_LIMIT} fields`, () => {
  const lines = Array.from({ length: FIELD_LIMIT }, (_, index) => `x-${index}: ${index}`);
  assertEquals(fieldsOf(lines.join("\r\n")).get(`x-${FIELD_LIMIT - 1}`), `${FIELD_LIMIT - 1}`);
  assertEquals(parseFields([...lines, "a: b"].join("\r\n")), "too many");
});

Deno.test("a head is text of one character a byte", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  assertEquals(decodeHead(bytes), String.fromCharCode(...bytes));
  assertEquals(decodeHead(bytes.subarray(65, 68)), "ABC");
});

Deno.test("a token has letters, digits and certain signs", () => {
  for (let code = 0; code < 0x180; code++) {
    const character = String.fromCharCode(code);
    assertEquals(isToken(`a${character}`), /^[!#$%&'*+.^_`|~0-9A-Za-z-]$/.test(character));
  }
  assertEquals(isToken(""), false);
});

Deno.test("blanks around a text are spaces and tabs", () => {
  assertEquals(trimmed(" \t a \t b\t "), "a \t b");
  assertEquals(trimmed("\xa0a\n"), "\xa0a\n");
  assertEquals([trimmed(""), trimmed(" \t")], ["", ""]);
});

Deno.test("a list of tokens may have blanks and gaps, and its case does not matter", () => {
  assertEquals(tokensOf(" Close ,\t,keep-Alive,"), ["close", "keep-alive"]);
  assertEquals(tokensOf(", ,"), []);
  assertEquals(tokensOf("no close"), ["no close"]);
});

for (
  const [value, parts] of [
    ["", [""]],
    ["a", ["a"]],
    [" a , b\t", ["a", "b"]],
    [",a,,", ["", "a", "", ""]],
    ['a="x,y",b', ['a="x,y"', "b"]],
    ['a="x\\",y",b', ['a="x\\",y"', "b"]],
    ['a="x\\\\",y,b', ['a="x\\\\"', "y", "b"]],
    ['a="x,b', ['a="x', "b"]],
    ['a",b="x,y"', ['a"', 'b="x,y"']],
    ["a\\,b", ["a\\", "b"]],
    ['""', ['""']],
    ['\\",a', ['\\"', "a"]],
  ] as const
) {
  Deno.test(`the parts of ${JSON.stringify(value)} are ${JSON.stringify(parts)}`, () => {
    assertEquals(lastParts(value, ",", Infinity), [...parts]);
  });
}

Deno.test("of many parts the last ones are returned", () => {
  assertEquals(lastParts("a,b,c", ",", 2), ["b", "c"]);
  assertEquals(lastParts("a,b,c", ",", 3), ["a", "b", "c"]);
  assertEquals(lastParts("a,b,c", ";", 1), ["a,b,c"]);
  assertEquals(lastParts(",".repeat(100_000), ",", 2), ["", ""]);
});

for (
  const [text, name, value] of [
    ["for=192.0.2.7", "for", "192.0.2.7"],
    ["For = [::1]:80", "for", "[::1]:80"],
    ['for="[2001:db8::7]:80"', "for", "[2001:db8::7]:80"],
    ['host \t=\t"a \\"b\\\\"', "host", 'a "b\\'],
    ["for=", "for", ""],
    ['for=""', "for", ""],
    ["a=b=c", "a", "b=c"],
  ] as const
) {
  Deno.test(`the parameter ${JSON.stringify(text)} is read`, () => {
    assertEquals(parseParameter(text), { name, value });
  });
}

for (
  const text of [
    ...["", "for", "=x", "f or=x", "for=a b", 'for=a"b', 'for="a', 'for="a"b', 'for="a"b"'],
    ...['for="a\\"', 'for="', '"for"=x'],
  ]
) {
  Deno.test(`the parameter ${JSON.stringify(text)} is malformed`, () => {
    assertEquals(parseParameter(text), null);
  });
}

Deno.test("any text can be quoted, and is read as it was", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const quoted = `"${text.replace(/["\\]/g, "\\$&")}"`;
    assertEquals(unquoted(quoted), text);
    assertEquals(parseParameter(`a=${quoted}`), { name: "a", value: text });
  }));
});

Deno.test("fields that were written are read as they were", () => {
  const name = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_!"), minLength: 1, maxLength: 9 });
  const value = fc.string({ unit: fc.constantFrom(...'ab ,;:="\\\t\xe9'), maxLength: 12 });
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 30 }), (written) => {
      const fields = fieldsOf(written.map(([name, value]) => `${name}: ${value}`).join("\r\n"));
      for (const [name] of written) {
        const expected = written.filter(([other]) => other.toLowerCase() === name.toLowerCase())
          .map(([, value]) => trimmed(value));
        const lower = name.toLowerCase();
        assertEquals([fields.get(lower), fields.count(lower)], [
          expected.join(", "),
          expected.length,
        ]);
      }
    }),
  );
});
