import fc from "fast-check";
import type { Config } from "../../src/config/config.ts";
import { ConfigError } from "../../src/config/error.ts";
import { parseJsonc } from "../../src/config/jsonc.ts";
import { ANY_SERVER_KEYS, LOG_KEYS, PEER_KEYS, TOP_KEYS } from "../../src/config/keys.ts";
import { keysOf, type Table } from "../../src/config/table.ts";
import { validate } from "../../src/config/validate.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "../assert.ts";
import { DAEMON } from "./files/invalid_daemon.ts";
import { CLUSTER, HOSTS } from "./files/invalid_hosts.ts";
import { MEMORY, SHAPES, UNKNOWN_KEYS } from "./files/invalid_keys.ts";
import { PATHS } from "./files/invalid_paths.ts";
import { SERVERS, TLS } from "./files/invalid_servers.ts";
import { VALID_FILES } from "./files/valid.ts";

const INVALID_FILES = [
  ...SHAPES,
  ...MEMORY,
  ...UNKNOWN_KEYS,
  ...SERVERS,
  ...TLS,
  ...HOSTS,
  ...PATHS,
  ...CLUSTER,
  ...DAEMON,
];

function validateText(text: string): Config {
  return validate("aphlict.json", parseJsonc(text));
}

for (const { what, text, expected } of VALID_FILES) {
  Deno.test(`validation accepts ${what}`, () => {
    const config = validateText(text);
    assertEquals(config, { ...config, ...expected });
  });
}

for (const { what, text, problems } of INVALID_FILES) {
  Deno.test(`validation refuses ${what}`, () => {
    const error = assertThrows(() => validateText(text), ConfigError);
    assertEquals(error.problems.map(({ path }) => path), problems.map(([path]) => path));
    problems.forEach(([, message], index) => {
      assertStringIncludes(error.problems[index]?.message ?? "", message);
    });
  });
}

Deno.test("the message of a refusal names the file and has one line for each problem", () => {
  const text = `{"servers": [{"type": "client", "port": 22280}, {"type": "admin", "port": 70000}],
    "pidfile": ""}`;
  const error = assertThrows(() => validate("conf/x.json", parseJsonc(text)), ConfigError);
  assertEquals(error.file, "conf/x.json");
  assertEquals(
    error.message,
    `Cannot use conf/x.json: 2 problems.
  servers[1].port: 70000 is not a port. Use a whole number from 1 to 65535.
  pidfile: "" is not a path. Use the path of a file in quotes.`,
  );
});

Deno.test("the message of a refusal cuts long values", () => {
  const text = `{"servers": [], "pidfile": [${'"🦕", '.repeat(100)}]}`;
  const error = assertThrows(() => validateText(text), ConfigError);
  const quoted = `[${'"🦕",'.repeat(14)}`;
  assertEquals(
    error.problems[0]?.message,
    `${quoted}... is not a path. Use the path of a file in quotes.`,
  );
});

Deno.test("the message of a refusal holds no character that a terminal obeys or hides", () => {
  const text = `{"\x9b\u202e\ufeff\u00a0": 1, "pidfile": "\x9b,\u2028", "servers": []}`;
  const error = assertThrows(() => validate("\x1b[2J.json", parseJsonc(text)), ConfigError);
  assert(!/(?![ \n])[\p{Cc}\p{Cf}\p{Z}]/u.test(error.message));
  assertStringIncludes(error.message, "Cannot use \\u{1b}[2J.json: 3 problems.");
  assertStringIncludes(error.message, '["\\u{9b}\\u{202e}\\u{feff}\\u{a0}"]: The key is unknown.');
});

/** A usable configuration or a `ConfigError` with problems; anything else fails. */
function assertAnswers(value: unknown): void {
  try {
    const config = validate("aphlict.json", value);
    assert(config.servers.length >= 2);
  } catch (error) {
    assertInstanceOf(error, ConfigError);
    assert(error.problems.length > 0);
    assertEquals(error.message.split("\n").length, error.problems.length + 1);
  }
}

Deno.test("validation answers any JSON value with a configuration or with problems", () => {
  fc.assert(fc.property(fc.jsonValue(), assertAnswers));
});

Deno.test("validation answers any values under its keys with a configuration or with problems", () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom("admin", "client", "http", "::1", "a.log", "a.log.1", "p", 1, 2, null, ""),
  );
  const valuesOf = (table: Table) =>
    Object.fromEntries(keysOf(table).map(({ name }) => [name, value]));
  const entry = (table: Table) => fc.record(valuesOf(table), { requiredKeys: [] });
  const file = fc.record({
    ...valuesOf(TOP_KEYS),
    "servers": fc.array(entry(ANY_SERVER_KEYS)),
    "logs": fc.array(entry(LOG_KEYS)),
    "cluster": fc.array(entry(PEER_KEYS)),
    ["__proto__"]: value,
  }, { requiredKeys: [] });
  fc.assert(fc.property(file, assertAnswers));
});
