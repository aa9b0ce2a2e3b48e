import { Ajv } from "ajv";
import fc from "fast-check";
import {
  CONFIGURATION_GUIDE,
  configurationGuide,
  configurationManPage,
  configurationSchema,
} from "../../packaging/configuration.ts";
import { ConfigError } from "../../src/config/error.ts";
import { parseJsonc } from "../../src/config/jsonc.ts";
import { LOG_KEYS, PEER_KEYS, SERVER_TABLES, TOP_KEYS } from "../../src/config/keys.ts";
import { type Key, keysOf, type Table } from "../../src/config/table.ts";
import { validate } from "../../src/config/validate.ts";
import { ROOT } from "../acceptance/program.ts";
import { filesBelow } from "../files.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { VALID_FILES } from "../config/files/valid.ts";

/** A validator of JSON Schema, which also knows whether the schema is one. */
const accepts = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(configurationSchema());

/** Returns the paths of the problems that `aphlict check` finds. */
function problemsOf(value: unknown): string[] {
  try {
    validate("aphlict.json", value);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ path }) => path);
  }
}

/** An entry that has the example of each key. */
function exampleOf(table: Table, change: Readonly<Record<string, unknown>> = {}) {
  return {
    ...Object.fromEntries(keysOf(table).map(({ name, example }) => [name, example])),
    ...change,
  };
}

/** A file that has the example of each key. */
function example(): Record<string, unknown> {
  return exampleOf(TOP_KEYS, {
    servers: [
      exampleOf(SERVER_TABLES.client),
      exampleOf(SERVER_TABLES.admin, { type: "admin", port: 22281 }),
    ],
    logs: [exampleOf(LOG_KEYS)],
    cluster: [exampleOf(PEER_KEYS)],
  });
}

/** Each key of the configuration, the path of its object in {@linkcode example}, and that object in a copy. */
function everyKey(): {
  key: Key<unknown>;
  path: string;
  file: Record<string, unknown>;
  entry: Record<string, unknown>;
}[] {
  const places = [
    [TOP_KEYS, "", (file: Record<string, unknown>) => file],
    [SERVER_TABLES.client, "servers[0].", (file: Record<string, unknown>) => item(file.servers, 0)],
    [SERVER_TABLES.admin, "servers[1].", (file: Record<string, unknown>) => item(file.servers, 1)],
    [LOG_KEYS, "logs[0].", (file: Record<string, unknown>) => item(file.logs, 0)],
    [PEER_KEYS, "cluster[0].", (file: Record<string, unknown>) => item(file.cluster, 0)],
  ] as const;
  return places.flatMap(([table, path, entryOf]) =>
    keysOf(table).map((key) => {
      const file = structuredClone(example());
      return { key, path: `${path}${key.name}`, file, entry: entryOf(file) };
    })
  );
}

function item(list: unknown, index: number): Record<string, unknown> {
  assert(Array.isArray(list));
  return list[index];
}

Deno.test("docs/configuration.md is what `deno task docs` makes of the keys", async () => {
  const fmt = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await new Blob([configurationGuide()]).stream().pipeTo(fmt.stdin);
  const { stdout } = await fmt.output();
  assertEquals(
    Deno.readTextFileSync(`${ROOT}${CONFIGURATION_GUIDE}`),
    new TextDecoder().decode(stdout),
  );
});

Deno.test("docs/configuration.md has a row for each key, and says of each what a reload does", () => {
  const rows = configurationGuide().split("\n").filter((line) => line.startsWith("| `"));
  const names = everyKey().map(({ key }) => key);
  for (const { name, doc, reload, since } of names) {
    assert(
      rows.some((row) =>
        row.startsWith(`| \`${name}\` | ${doc} |`) && row.includes(`| ${reload} | ${since} |`)
      ),
      name,
    );
  }
});

Deno.test("the examples of all keys together are a configuration", () => {
  assertEquals(problemsOf(example()), []);
  assertEquals(accepts(example()), true, JSON.stringify(accepts.errors));
});

Deno.test("aphlict.json(5) has every key, and those that are required", () => {
  const page = configurationManPage("1.2.3", "{}").split("\n");
  for (const { key, file, path, entry } of everyKey()) {
    const escaped = key.name.replaceAll("-", "\\-");
    const entries = page.flatMap((line, index) =>
      line === `\\fB${escaped}\\fR` ? [page[index + 1] ?? ""] : []
    );
    delete entry[key.name];
    const isRequired = problemsOf(file).includes(path) &&
      // A pair of a key and a certificate is required together only.
      !key.name.startsWith("ssl.");
    assertEquals(
      entries.some((text) => text.startsWith("Required. ")),
      isRequired,
      key.name,
    );
    assert(entries.every((text) => /Required|Default: /.test(text)), key.name);
  }
});

Deno.test("aphlict.json(5) shows the example as it is, in ASCII", () => {
  const example = Deno.readTextFileSync(`${ROOT}conf/examples/aphlict.json`);
  const page = configurationManPage("1.2.3", example);
  assertMatch(page, /^\.TH APHLICT\.JSON 5 "" "Aphlict on Deno 1\.2\.3" "File Formats"/);
  assertMatch(page, /^[\n\x20-\x7e]*$/);
  assertStringIncludes(page, "\\(dqpidfile\\(dq: \\(dq/run/aphlict/aphlict.pid\\(dq,");
});

for (const path of filesBelow("conf", ".json")) {
  Deno.test(`the JSON Schema accepts ${path}`, () => {
    const file = parseJsonc(Deno.readTextFileSync(ROOT + path));
    assertEquals(problemsOf(file), []);
    assertEquals(accepts(file), true, JSON.stringify(accepts.errors));
  });
}

for (const { what, text } of VALID_FILES) {
  Deno.test(`the JSON Schema accepts ${what}`, () => {
    assertEquals(accepts(parseJsonc(text)), true, JSON.stringify(accepts.errors));
  });
}

Deno.test("the JSON Schema refuses a wrong type, and the absence of a required key, as validation does", () => {
  for (const { key, path, file, entry } of everyKey()) {
    entry[key.name] = true;
    assert(problemsOf(file).includes(path), path);
    assertEquals(accepts(file), false, path);
    delete entry[key.name];
    assertEquals(accepts(file), !key.isRequired, path);
  }
});

for (
  const [what, change] of [
    ["an unknown key", { workers: 4 }],
    ["a misspelt key", { "limit_memory": "512MiB" }],
    ["a number below the least", { "limit.memory": 1024 }],
    ["a number above the most", { drain: 301 }],
    ["a number with a fraction", { drain: 1.5 }],
    ["a number in quotes", { drain: "2" }],
    ["an unknown unit", { "limit.memory": "512MB" }],
    ["null where it does not count as absent", { "memory.hint": null }],
    ["an unknown word", { logs: [{ path: "a.log", level: "warn" }] }],
    ["an unknown type of server", {
      servers: [{ type: "client", port: 1 }, { type: "admin", port: 2 }, {
        type: "browser",
        port: 3,
      }],
    }],
    ["a key of client servers in an admin server", {
      servers: [{ type: "client", port: 1 }, { type: "admin", port: 2, "limit.topic": 64 }],
    }],
    ["a key of admin servers in a client server", {
      servers: [{ type: "client", port: 1, allow: ["::1"] }, { type: "admin", port: 2 }],
    }],
    ["a peer without a protocol", { cluster: [{ host: "10.0.0.2", port: 22281 }] }],
    ["an object that is no empty list", { cluster: { 0: {} } }],
    ["a wrong item of a list", {
      servers: [{ type: "client", port: 1, origins: [7] }, { type: "admin", port: 2 }],
    }],
  ] as const
) {
  Deno.test(`the JSON Schema refuses ${what}, as validation does`, () => {
    const file = {
      servers: [{ type: "client", port: 1 }, { type: "admin", port: 2 }],
      pidfile: "aphlict.pid",
    };
    assertEquals([problemsOf(file), accepts(file)], [[], true]);
    assertEquals(problemsOf({ ...file, ...change }).length > 0, true);
    assertEquals(accepts({ ...file, ...change }), false);
  });
}

Deno.test("whatever the keys hold, the JSON Schema accepts what validation accepts", () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(null, "", 0, 1, 60, 1e6, "64KiB", "1 MiB", "serve", "info", "http", "::1", {}),
    fc.constantFrom([], ["127.0.0.1"], ["https://x"], [null]),
  );
  const change = fc.tuple(fc.nat(), value);
  fc.assert(fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
    const file = structuredClone(example());
    const entries = [file, item(file.servers, 0), item(file.servers, 1), item(file.logs, 0)];
    for (const [at, value] of changes) {
      const places = entries.flatMap((entry) =>
        Object.keys(entry).map((name) => ({ entry, name }))
      );
      const place = places[at % places.length];
      if (place !== undefined) place.entry[place.name] = value;
    }
    if (problemsOf(file).length === 0) {
      assertEquals(accepts(file), true, JSON.stringify(accepts.errors));
    }
  }));
});
