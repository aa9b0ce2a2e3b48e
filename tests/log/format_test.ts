import type { LogLevel } from "@logtape/logtape";
import fc from "fast-check";
import {
  formatLine,
  formatTime,
  formatValue,
  TRACE_VALUE_LIMIT,
  VALUE_LIMIT,
  Whole,
} from "../../src/log/format.ts";
import { assertEquals, assertMatch, assertNotMatch } from "../assert.ts";

function line(message: readonly unknown[], level: LogLevel = "info"): string {
  return formatLine({
    category: ["aphlict"],
    level,
    message,
    rawMessage: "",
    timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    properties: {},
  });
}

Deno.test("a line has a time with offset, a level, and the message with its values", () => {
  assertMatch(
    line(["Hello ", "World", "!"], "warning"),
    /^\[2026-01-0[123]T\d\d:\d\d:05\.006[+-]\d\d:\d\d\] WARNING Hello World!\n$/,
  );
});

for (
  const [offset, expected] of [
    [0, "2026-01-02T03:04:05.006+00:00"],
    [60, "2026-01-02T04:04:05.006+01:00"],
    [-210, "2026-01-01T23:34:05.006-03:30"],
    [345, "2026-01-02T08:49:05.006+05:45"],
  ] as const
) {
  Deno.test(`a time at ${offset} minutes from UTC is written ${expected}`, () => {
    assertEquals(formatTime(new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6)), offset), expected);
  });
}

Deno.test("a time is given the offset of the place and of its own date, unless told otherwise", () => {
  const date = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
  date.getTimezoneOffset = () => 210;
  assertEquals(formatTime(date), "2026-01-01T23:34:05.006-03:30");
});

Deno.test("whatever the values are, a line is one line and steers no terminal", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.anything(), (text, anything) => {
    const formatted = line(["Before ", text, " after ", anything, ""]);
    assertEquals(formatted.indexOf("\n"), formatted.length - 1);
    assertNotMatch(formatted.slice(0, -1), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
  }));
});

Deno.test("control, direction and separator characters are shown by their number", () => {
  assertEquals(
    formatValue("a\r\nb\u001b[31m\u0085\u202e\u2028\ufeff\ud800é😀"),
    "a\\u{d}\\u{a}b\\u{1b}[31m\\u{85}\\u{202e}\\u{2028}\\u{feff}\\u{d800}é😀",
  );
});

Deno.test("a long value is cut and its length is told, later in a trace", () => {
  const long = "x".repeat(TRACE_VALUE_LIMIT + 1);
  assertMatch(line(["", long, ""]), new RegExp(`INFO x{${VALUE_LIMIT}}\\.\\.\\. \\(8193 char`));
  assertMatch(line(["", long, ""], "trace"), /TRACE x{8192}\.\.\. \(8193 characters\)\n$/);
  assertMatch(line(["", "x".repeat(VALUE_LIMIT), ""]), /INFO x{400}\n$/);
});

Deno.test("a value is cut before it is escaped, so that no escape is cut in the middle", () => {
  assertEquals(formatValue("\n".repeat(3), 2), "\\u{a}\\u{a}... (3 characters)");
  assertEquals(formatValue("a😀", 2), "a\\u{d83d}... (3 characters)");
});

Deno.test("the text between the values is shown whole", () => {
  const text = "x".repeat(VALUE_LIMIT + 1);
  assertMatch(line([text, "value", text]), /INFO x{401}valuex{401}\n$/);
});

Deno.test("a text of our own is shown whole, and escaped all the same", () => {
  assertMatch(line(["", new Whole("x".repeat(1000) + "\n"), ""]), /INFO x{1000}\\u\{a\}\n$/);
});

Deno.test("an error is shown by its message, an object as JSON", () => {
  assertEquals(formatValue(new TypeError("no\nstack")), "no\\u{a}stack");
  assertEquals(formatValue({ a: ["b", null] }), '{"a":["b",null]}');
  assertEquals(formatValue(undefined), "undefined");
  assertEquals(formatValue(7n), "7");
  assertEquals(formatValue(Symbol("s")), "Symbol(s)");
});

Deno.test("a value that JSON cannot show does not keep the line from being written", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  assertMatch(formatValue(circle), /circular/i);
  assertMatch(formatValue({ big: 7n }), /BigInt/);
  assertEquals(formatValue({ toJSON: () => undefined }), "undefined");
  assertEquals(
    formatValue({
      toJSON() {
        throw new Error("no\nJSON");
      },
    }),
    "no\\u{a}JSON",
  );
});
