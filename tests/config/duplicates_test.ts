import { findDuplicates } from "../../src/config/duplicates.ts";
import { assertEquals } from "../assert.ts";

Deno.test("a key that an object has twice is found at any depth, with its path and both lines", () => {
  const text = `{
    "servers": [
      {"type": "client", "port": 1},
      {
        "port": 2, // "port": 3
        "ssl.key": "a", /* "port": 4
        */ "port": 5,
      },
    ],
    "logs": [],
    "a b": {"c": {"d": 1, "d": 2}},
    "logs": [[{"x": 1}, {"x": 2, "x": 3}]],
  }`;
  assertEquals(findDuplicates(text), [
    { path: "servers[1].port", lines: [5, 7] },
    { path: '["a b"].c.d', lines: [11, 11] },
    { path: "logs", lines: [10, 12] },
    { path: "logs[0][1].x", lines: [12, 12] },
  ]);
});

Deno.test("a key that occurs three times is found twice", () => {
  assertEquals(findDuplicates(`{"a": 1,\r\n"a": 2,\r"a": 3}`), [
    { path: "a", lines: [1, 2] },
    { path: "a", lines: [2, 3] },
  ]);
});

Deno.test("a key in another spelling is the same key", () => {
  assertEquals(findDuplicates(String.raw`{"a": 1, "\u0061": 2}`), [{ path: "a", lines: [1, 1] }]);
});

Deno.test("equal keys of different objects, and texts that are values, are no duplicates", () => {
  for (
    const text of [
      `{"a": {"a": "a"}, "b": ["a", "a"]}`,
      `[{"a": 1}, {"a": 1}]`,
      String.raw`{"a": "\"a\": {", "b": "// \\", "c": "/* }"}`,
      `{"a": "b", "b": "a"}`,
      `"a"`,
      "",
    ]
  ) assertEquals(findDuplicates(text), [], text);
});

Deno.test("finding duplicates costs time in proportion to the text", () => {
  const text = `{"a": [${'{"b": "x\\"y" /* z */, "b": 1},\n'.repeat(100_000)}]}`;
  assertEquals(findDuplicates(text).length, 100_000);
});
