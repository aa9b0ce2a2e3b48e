/**
 * Files that are refused for the shape of the whole, or for keys that nobody knows.
 *
 * @module
 */

import { ANY_SERVER_KEYS, TOP_KEYS } from "../../../src/config/keys.ts";
import { keysOf, type Table } from "../../../src/config/table.ts";
import { ADMIN, admin, CLIENT, type InvalidFile, keys, servers, USE_PATH } from "./text.ts";

/** The names of the keys of a table, as a refusal lists them. */
function listed(table: Table): string {
  return keysOf(table).map(({ name }) => name).join(", ");
}

export const SHAPES: readonly InvalidFile[] = [
  ...[
    ["a list", `[]`],
    ["a text", `"servers"`],
    ["a number", `22280`],
    ["null", `null`],
  ].map(([what = "", text = ""]): InvalidFile => ({
    what: `${what} in place of the whole configuration`,
    text,
    problems: [["", `${text} is not an object. Use an object with the keys servers and pidfile.`]],
  })),
  {
    what: "an empty object, naming the keys that are missing",
    text: `{}`,
    problems: [
      ["servers", "The key is missing. Set it to a list of objects, one for each server."],
      ["pidfile", "The key is missing. Set it to the path of a file in quotes."],
    ],
  },
  {
    what: "servers that are no list, without saying that none is there",
    text: `{"servers": "none", "pidfile": "aphlict.pid"}`,
    problems: [["servers", `"none" is not a list. Use a list of objects, one for each server.`]],
  },
  {
    what: "null for a list",
    text: keys(`"logs": null, "cluster": null`),
    problems: [
      ["logs", "null is not a list. Use a list of objects, one for each log file."],
      ["cluster", "null is not a list. Use a list of objects, one for each peer."],
    ],
  },
  {
    what: "an object for a list, although PHP takes one with the keys 0, 1, ... for a list",
    text: keys(`"logs": {"0": {"path": "a.log"}}`),
    problems: [["logs", `{"0":{"path":"a.log"}} is not a list.`]],
  },
  {
    what: "entries that are no objects, without guessing what they were meant to be",
    text: `{"servers": [22280, null, []], "logs": ["a.log"], "cluster": [true], "pidfile": "p"}`,
    problems: [
      ["servers[0]", `22280 is not an object. Use an object such as {"type": "client"`],
      ["servers[1]", "null is not an object."],
      ["servers[2]", "[] is not an object."],
      ["logs[0]", `"a.log" is not an object. Use an object such as {"path": `],
      ["cluster[0]", `true is not an object. Use an object such as {"host": `],
    ],
  },
  {
    what: "a pidfile of the wrong type",
    text: keys(`"logs": []`, "7"),
    problems: [["pidfile", `7 is not a path. ${USE_PATH}`]],
  },
  {
    what: "an empty pidfile",
    text: keys(`"logs": []`, `""`),
    problems: [["pidfile", `"" is not a path. ${USE_PATH}`]],
  },
  ...["null", "-1", "1.5", "1e300", "true", `"256 MB"`].map((hint): InvalidFile => ({
    what: `${hint} for the memory hint`,
    text: keys(`"memory.hint": ${hint}`),
    problems: [[
      "memory.hint",
      "Use a whole number of megabytes from 32 on, or 0 for the default.",
    ]],
  })),
  {
    what: "a memory hint in quotes, and says to remove them",
    text: keys(`"memory.hint": "256"`),
    problems: [[
      "memory.hint",
      `"256" is not a number of megabytes. Write it without quotes: 256.`,
    ]],
  },
];

/** Limits of memory that cannot be used. */
export const MEMORY: readonly InvalidFile[] = [
  ...["0", "-1", "16777215", "16777216.5", "1e300", "true", "[]", '"16383KiB"', '""'].map((
    limit,
  ): InvalidFile => ({
    what: `${limit} for the limit of memory`,
    text: keys(`"limit.memory": ${limit}`),
    problems: [[
      "limit.memory",
      ' is not a number of bytes from 16 MiB on. Use bytes, or a text such as "512MiB".',
    ]],
  })),
  ...['"512"', '"512MB"', '"512 M"'].map((limit): InvalidFile => ({
    what: `${limit} for the limit of memory, and lists the units`,
    text: keys(`"limit.memory": ${limit}`),
    problems: [["limit.memory", "or end the text with KiB, MiB or GiB."]],
  })),
  {
    what: "a limit of memory in a server, where it is not shared by all",
    text: admin(`"limit.memory": "512MiB"`),
    problems: [["servers[1].limit.memory", "The key is unknown."]],
  },
  {
    what: "a misspelt limit of memory, and names the key that was meant",
    text: keys(`"limit_memory": "512MiB"`),
    problems: [["limit_memory", `The key is unknown. Did you mean "limit.memory"?`]],
  },
];

export const UNKNOWN_KEYS: readonly InvalidFile[] = [
  {
    what: "an unknown key, and lists the known ones",
    text: keys(`"workers": 4`),
    problems: [["workers", `The key is unknown. Remove it, or use one of: ${listed(TOP_KEYS)}.`]],
  },
  {
    what: "a schema that is no text",
    text: keys(`"$schema": {}`),
    problems: [["$schema", "{} is not a schema. Use the URL or the path of a JSON Schema"]],
  },
  {
    what: "a schema elsewhere than at the top",
    text: admin(`"$schema": "x.json"`),
    problems: [["servers[1].$schema", "The key is unknown."]],
  },
  {
    what: "a misspelt key, and names the one that was meant instead of missing it too",
    text: `{"severs": [${CLIENT}, ${ADMIN}], "pidfiel": "p", "memory_hint": 1}`,
    problems: [
      ["severs", `The key is unknown. Did you mean "servers"?`],
      ["pidfiel", `The key is unknown. Did you mean "pidfile"?`],
      ["memory_hint", `The key is unknown. Did you mean "memory.hint"?`],
    ],
  },
  {
    what: "misspelt keys of a server, without judging what is missing then",
    text: admin(`"ssl.kye": "k.pem", "ssl.cert": "c.pem", "lisen": "::1"`),
    problems: [
      ["servers[1].ssl.kye", `Did you mean "ssl.key"?`],
      ["servers[1].lisen", `Did you mean "listen"?`],
    ],
  },
  {
    what: "an unknown key that is like one that is already there, without suggesting that",
    text: admin(`"ports": 22282`),
    problems: [[
      "servers[1].ports",
      `The key is unknown. Remove it, or use one of: ${listed(ANY_SERVER_KEYS)}.`,
    ]],
  },
  {
    what: "unknown keys of logs and peers",
    text: keys(
      `"logs": [{"path": "a.log", "colour": 3}],
      "cluster": [{"host": "a", "port": 1, "protocol": "http", "weight": 2}]`,
    ),
    problems: [
      [
        "logs[0].colour",
        "The key is unknown. Remove it, or use one of: path, rotate.size, rotate.keep, level, format.",
      ],
      [
        "cluster[0].weight",
        "The key is unknown. Remove it, or use one of: host, port, protocol, ssl.ca, token.file.",
      ],
    ],
  },
  {
    what: "keys that every JavaScript object inherits, like any other unknown key",
    text: keys(`"__proto__": {"logs": []}, "constructor": 1, "toString": null`),
    problems: [
      ["__proto__", "The key is unknown."],
      ["constructor", "The key is unknown."],
      ["toString", "The key is unknown."],
    ],
  },
  {
    what: "inherited keys in place of required ones",
    text: servers(CLIENT, `{"__proto__": {"type": "admin", "port": 22281}}`),
    problems: [
      ["servers[1].__proto__", "The key is unknown."],
      ["servers[1].type", `The key is missing. Set it to "admin" or "client".`],
      ["servers[1].port", "The key is missing."],
    ],
  },
  {
    what: "a key that is no plain word, quoting it in the path",
    text: keys(`"": 1, "my key": 2, "a\\nb": 3`),
    problems: [
      [`[""]`, "The key is unknown."],
      [`["my key"]`, "The key is unknown."],
      [`["a\\nb"]`, "The key is unknown."],
    ],
  },
];
