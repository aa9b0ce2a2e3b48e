/**
 * Files that are refused for the paths in them.
 *
 * @module
 */

import { CLIENT, type InvalidFile, keys, NO_COMMA, USE_PATH } from "./text.ts";

/** A file whose log has this path, refused with `hint`. */
function logging(path: string, hint: string): Pick<InvalidFile, "text" | "problems"> {
  const quoted = JSON.stringify(path);
  return {
    text: keys(`"logs": [{"path": ${quoted}}]`),
    problems: [["logs[0].path", `${quoted} is not a path. ${hint}`]],
  };
}

export const PATHS: readonly InvalidFile[] = [
  {
    what: "a log without a path",
    text: keys(`"logs": [{}]`),
    problems: [["logs[0].path", "The key is missing. Set it to the path of a file in quotes."]],
  },
  { what: "an empty path of a log", ...logging("", USE_PATH) },
  { what: "a log with a comma", ...logging("a,b.log", NO_COMMA) },
  { what: "a log with a line break", ...logging("a\nb.log", NO_COMMA) },
  { what: "a log with a carriage return", ...logging("a\rb.log", NO_COMMA) },
  { what: "a log with NUL", ...logging("a\0b.log", NO_COMMA) },
  {
    what: "a log that is a folder",
    ...logging("logs/", "It names a folder; add the name of a file."),
  },
  { what: "a log that is the folder above", ...logging("..", "It names a folder;") },
  {
    what: "a log with half a surrogate pair",
    ...logging("a\ud800.log", "Choose a path that is valid"),
  },
  ...["/dev/shm/aphlict/a.log", "/dev/tty", "/run/../proc/self/x", "/sys/a"].map((path) => ({
    what: `a log at ${path}, which the runtime does not open`,
    ...logging(path, "Deno opens nothing below /dev, /proc and /sys but /dev/null"),
  })),
  {
    what: "a pidfile in /dev/shm",
    text: keys(`"logs": []`, `"/dev/shm/aphlict.pid"`),
    problems: [["pidfile", "Choose a file elsewhere: /run is in memory, as /dev/shm is."]],
  },
  {
    what: "a pidfile with a comma",
    text: keys(`"logs": []`, `"a,b.pid"`),
    problems: [["pidfile", `"a,b.pid" is not a path. ${NO_COMMA}`]],
  },
  {
    what: "one log twice, in whatever spelling",
    text: keys(`"logs": [{"path": "logs/a.log"}, {"path": "./logs//b/../a.log"}]`),
    problems: [[
      "logs[1].path",
      `"./logs//b/../a.log" is also logs[0].path. ` +
      "Use another file: writing to one would destroy the other.",
    ]],
  },
  {
    what: "a log that a rotation of an earlier one would overwrite",
    text: keys(`"logs": [{"path": "a.log"}, {"path": "a.log.5"}]`),
    problems: [["logs[1].path", `"a.log.5" is also a rotated name of logs[0].path.`]],
  },
  {
    what: "a log that a rotation of a later one would overwrite",
    text: keys(`"logs": [{"path": "a.log.1"}, {"path": "a.log"}]`),
    problems: [[
      "logs[1].path",
      `"a.log" rotates to "a.log.1", which is also logs[0].path. Use another file:`,
    ]],
  },
  {
    what: "a log that is the pidfile",
    text: keys(`"logs": [{"path": "./aphlict.pid"}]`),
    problems: [["logs[0].path", `"./aphlict.pid" is also pidfile.`]],
  },
  {
    what: "a pidfile that is a rotated name of a log",
    text: keys(`"logs": [{"path": "a.log"}]`, `"a.log.2"`),
    problems: [["logs[0].path", `"a.log" rotates to "a.log.2", which is also pidfile.`]],
  },
  {
    what: "a log that is the configuration file",
    text: keys(`"logs": [{"path": "x/../aphlict.json"}]`),
    problems: [["logs[0].path", `"x/../aphlict.json" is also the configuration file.`]],
  },
  {
    what: "a pidfile that is the configuration file",
    text: keys(`"logs": []`, `"aphlict.json"`),
    problems: [["pidfile", `"aphlict.json" is also the configuration file.`]],
  },
  {
    what: "a log that is a certificate, another that is its chain, and a pidfile that is its key",
    text: `{"servers": [${CLIENT}, {"type": "admin", "port": 22281,
      "ssl.key": "k.pem", "ssl.cert": "c.pem", "ssl.chain": "i.pem"}],
      "logs": [{"path": "c.pem"}, {"path": "i.pem"}], "pidfile": "k.pem"}`,
    problems: [
      ["pidfile", `"k.pem" is also servers[1].ssl.key.`],
      ["logs[0].path", `"c.pem" is also servers[1].ssl.cert.`],
      ["logs[1].path", `"i.pem" is also servers[1].ssl.chain.`],
    ],
  },
  {
    what: "a log and a pidfile that are the authorities of peers",
    text: keys(
      `"cluster": [
        {"host": "a", "port": 1, "protocol": "https", "ssl.ca": "ca.pem"},
        {"host": "b", "port": 1, "protocol": "https", "ssl.ca": "aphlict.pid"}
      ], "logs": [{"path": "./ca.pem"}]`,
    ),
    problems: [
      ["pidfile", `"aphlict.pid" is also cluster[1].ssl.ca.`],
      ["logs[0].path", `"./ca.pem" is also cluster[0].ssl.ca.`],
    ],
  },
];
