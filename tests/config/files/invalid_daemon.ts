/**
 * Files that are refused for their logs, or for the keys of the daemon.
 *
 * @module
 */

import { type InvalidFile, keys } from "./text.ts";

/** Logs, and the keys of the daemon, that cannot be used. */
export const DAEMON: readonly InvalidFile[] = [
  ...[
    [`-1`, "-1 is not a number of bytes. Use bytes, a text such as"],
    [`1.5`, "1.5 is not a number of bytes."],
    [`1e300`, "is not a number of bytes."],
    [`"16"`, "Write bytes as a number without quotes, or end the text with KiB, MiB or GiB."],
    [`"16MB"`, "or end the text with KiB, MiB or GiB."],
    [
      `"lots"`,
      `"lots" is not a number of bytes. Use bytes, a text such as "16MiB", or 0 for never.`,
    ],
    [`true`, "true is not a number of bytes."],
  ].map(([size = "", message = ""]): InvalidFile => ({
    what: `${size} for the size of a log`,
    text: keys(`"logs": [{"path": "a.log", "rotate.size": ${size}}]`),
    problems: [["logs[0].rotate.size", message]],
  })),
  {
    what: "a log that keeps no or too many rotated files",
    text: keys(
      `"logs": [{"path": "a.log", "rotate.keep": 0}, {"path": "b.log", "rotate.keep": 101}]`,
    ),
    problems: [
      ["logs[0].rotate.keep", "0 is not a number of files. Use a whole number from 1 to 100."],
      ["logs[1].rotate.keep", "101 is not a number of files."],
    ],
  },
  {
    what: "levels and formats that there are not",
    text: keys(`"logs": [{"path": "a.log", "level": "warn", "format": "xml"}]`),
    problems: [
      ["logs[0].level", `"warn" is not a level.`],
      ["logs[0].format", `"xml" is not a format. Use "text" or "json".`],
    ],
  },
  {
    what: "a log that rotates to the state beside the pidfile",
    text: keys(`"logs": [{"path": "p.state"}]`, `"p"`),
    problems: [["logs[0].path", `"p.state" is also a file beside pidfile.`]],
  },
  {
    what: "a pidfile whose state would replace a certificate",
    text: `{"servers": [{"type": "client", "port": 1}, {"type": "admin", "port": 2,
      "ssl.key": "p.state", "ssl.cert": "c.pem"}], "pidfile": "p"}`,
    problems: [["pidfile", `"p" comes with "p.state", which is also servers[1].ssl.key.`]],
  },
  {
    what: "users that could be taken for something else",
    text: keys(`"user": "-u root"`),
    problems: [[
      "user",
      `"-u root" is not an ordinary user. Use the name or the number of a user in quotes.`,
    ]],
  },
  {
    what: "a drain that is no number of seconds",
    text: keys(`"drain": 301`),
    problems: [["drain", "301 is not a number of seconds. Use a whole number from 0 to 300."]],
  },
];
