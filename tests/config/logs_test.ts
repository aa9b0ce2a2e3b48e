import { consoleLog, followLink, isStdout, logFiles } from "../../src/config/logs.ts";
import { assertEquals } from "../assert.ts";
import { LOG_DEFAULTS } from "../entries.ts";

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

/** Follows the links of a table. */
function followed(path: string, links: Readonly<Record<string, string>>) {
  const { path: found, links: through } = followLink(
    { ...LOG_DEFAULTS, path },
    (link) => links[link] ?? null,
  );
  return [found, through];
}

Deno.test("a symbolic link to the console is the console, however many links lead there", () => {
  assertEquals(followed("/log/a", { "/log/a": "/dev/stdout" }), ["/dev/stdout", ["/log/a"]]);
  assertEquals(followed("/log/a", { "/log/a": "../b", "/b": "/proc/1/fd/2" }), [
    "/proc/1/fd/2",
    ["/log/a", "/b"],
  ]);
  assertEquals(followed("/dev/stdout", { "/dev/stdout": "/proc/self/fd/1" }), ["/dev/stdout", []]);
});

Deno.test("another symbolic link stays what it is, and links in a circle come to an end", () => {
  assertEquals(followed("/log/a", { "/log/a": "/data/a" }), ["/log/a", []]);
  assertEquals(followed("/a", { "/a": "/b", "/b": "/a" }), ["/a", []]);
});

Deno.test("the first log that names the console is the one, on the stream that it names", () => {
  const logs = ["a.log", "/dev/stderr", "/dev/stdout"].map((path) => ({ ...LOG_DEFAULTS, path }));
  assertEquals(consoleLog(logs), logs[1]);
  const paths = ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/1/fd/2"];
  assertEquals(paths.map((path) => isStdout({ ...LOG_DEFAULTS, path })), [
    true,
    false,
    true,
    false,
    false,
  ]);
});
