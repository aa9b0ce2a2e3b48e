import { LOG_DEFAULTS, logFiles } from "../../src/config/logs.ts";
import { assertEquals } from "../assert.ts";

Deno.test("a log consists of its file and five rotated ones", () => {
  const files = ["log/a", "log/a.1", "log/a.2", "log/a.3", "log/a.4", "log/a.5"];
  assertEquals(logFiles({ ...LOG_DEFAULTS, path: "log/a" }), files);
});

Deno.test("a log consists of as many rotated files as it keeps", () => {
  const files = ["log/a", "log/a.1", "log/a.2"];
  assertEquals(logFiles({ ...LOG_DEFAULTS, path: "log/a", rotateKeep: 2 }), files);
});

Deno.test("a log that never rotates consists of its file alone", () => {
  assertEquals(logFiles({ ...LOG_DEFAULTS, path: "log/a", rotateSize: 0 }), ["log/a"]);
});

Deno.test("a device is no more than itself, and the console is no file at all", () => {
  assertEquals(logFiles({ ...LOG_DEFAULTS, path: "/dev/null" }), ["/dev/null"]);
  assertEquals(logFiles({ ...LOG_DEFAULTS, path: "/dev/stdout" }), []);
});
