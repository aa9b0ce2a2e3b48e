import type { LogLevel, LogRecord } from "@logtape/logtape";
import fc from "fast-check";
import { TRACE_VALUE_LIMIT, VALUE_LIMIT, Whole } from "../../src/log/format.ts";
import { formatJson, formatJsonText } from "../../src/log/json_format.ts";
import { assertEquals, assertMatch, assertNotMatch } from "../assert.ts";

function record(properties: Record<string, unknown>, level: LogLevel = "info"): LogRecord {
  const message = Object.values(properties).flatMap((value) => [value, ""]);
  return {
    category: ["aphlict", "client"],
    level,
    message: ["Hello ", ...message],
    rawMessage: "",
    timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    properties,
  };
}

/** The fields of the line that has these values. */
function fields(values: Record<string, unknown>, level?: LogLevel): unknown {
  return JSON.parse(formatJson(record(values, level))).fields;
}

Deno.test("a JSON line has the time in UTC, level, category, message and fields, and no more", () => {
  assertEquals(
    formatJson(record({ who: "you" }, "warning")),
    '{"time":"2026-01-02T03:04:05.006Z","level":"warning","category":"client",' +
      '"message":"Hello you","fields":{"who":"you"}}\n',
  );
});

Deno.test("a JSON line of the library itself has the library's category", () => {
  const line = formatJson({ ...record({}), category: ["logtape", "meta"] });
  assertEquals(JSON.parse(line).category, "logtape.meta");
});

Deno.test("a JSON line about the log itself has the same keys", () => {
  const { time, ...others } = JSON.parse(formatJsonText("warning", "Missing."));
  assertMatch(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assertEquals(others, { level: "warning", category: "log", message: "Missing.", fields: {} });
});

Deno.test("whatever the values are, a JSON line is one line of JSON and steers no terminal", () => {
  const values = fc.dictionary(fc.string({ unit: "binary" }), fc.anything());
  fc.assert(fc.property(values, fc.string({ unit: "binary" }), (values, text) => {
    const line = formatJson(record({ ...values, text }));
    assertEquals(line.indexOf("\n"), line.length - 1);
    assertNotMatch(line.slice(0, -1), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    const parsed = JSON.parse(line);
    assertEquals(Object.keys(parsed), ["time", "level", "category", "message", "fields"]);
    assertEquals(
      Object.keys(parsed.fields).sort(),
      [...new Set([...Object.keys(values), "text"])].sort(),
    );
  }));
});

Deno.test("what steers a terminal or ends a line is escaped in JSON, too", () => {
  const line = formatJson(record({ who: "\u007f\u009b\u2028\u2029\u202e\u{e0001}" }));
  assertNotMatch(line.slice(0, -1), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
});

Deno.test("a field has the value itself, where the message shows it escaped", () => {
  const { message, fields } = JSON.parse(
    formatJson(record({ who: "a\nb\u009b\u202e😀\u{e0001}" })),
  );
  assertEquals(message, "Hello a\\u{a}b\\u{9b}\\u{202e}😀\\u{e0001}");
  assertEquals(fields, { who: "a\nb\u009b\u202e😀\u{e0001}" });
});

Deno.test("numbers, booleans and null stay what they are, other values are text as in a text line", () => {
  assertEquals(
    fields({
      number: 7,
      yes: true,
      nothing: null,
      error: new TypeError("no\nstack"),
      whole: new Whole("text"),
      object: { a: ["b"] },
      big: 7n,
      infinite: Infinity,
      missing: undefined,
    }),
    {
      number: 7,
      yes: true,
      nothing: null,
      error: "no\nstack",
      whole: "text",
      object: '{"a":["b"]}',
      big: "7",
      infinite: "Infinity",
      missing: "undefined",
    },
  );
});

Deno.test("a long field is cut as in a text line, later in a trace, and a text of our own never", () => {
  const long = "x".repeat(TRACE_VALUE_LIMIT + 1);
  const cut = (limit: number) => ({ long: `${"x".repeat(limit)}... (8193 characters)` });
  assertEquals(fields({ long }), cut(VALUE_LIMIT));
  assertEquals(fields({ long }, "trace"), cut(TRACE_VALUE_LIMIT));
  assertEquals(fields({ whole: new Whole(long) }), { whole: long });
});

Deno.test("a field may be called __proto__, and is a field like any other", () => {
  const values: Record<string, unknown> = JSON.parse('{"__proto__":"x","constructor":1}');
  assertMatch(formatJson(record(values)), /"fields":\{"__proto__":"x","constructor":1\}\}\n$/);
});
