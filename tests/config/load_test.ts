import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../../src/config/error.ts";
import { defaultConfigPath, type Program } from "../../src/config/program.ts";
import { configReadFault, loadConfig, loadPidfile } from "../../src/config/load.ts";
import { assertEquals, assertThrows } from "../assert.ts";
import { configOf, LOG_DEFAULTS } from "../entries.ts";
import { Folder } from "../folder.ts";

const VALID = `{
  // One of each.
  "servers": [{"type": "client", "port": 22280}, {"type": "admin", "port": 22281}],
  "pidfile": "aphlict.pid",
}`;

/** Runs `test` with a new folder and removes the folder afterwards. */
function withFolder(test: (folder: string) => void): void {
  using folder = new Folder();
  test(folder.path);
}

/** Checks that loading `path` is refused with one problem with the file as a whole. */
function assertRefused(path: string, message: string): void {
  const error = assertThrows(() => loadConfig(path), ConfigError);
  assertEquals(error.problems, [{ path: "", message }]);
  assertEquals(error.message, `Cannot use ${path}: 1 problem.\n  ${message}`);
}

/** Checks that loading a file with this content is refused. */
function assertContentRefused(content: string | Uint8Array, message: string): void {
  withFolder((folder) => {
    const path = join(folder, "aphlict.json");
    Deno.writeFileSync(path, typeof content === "string" ? encode(content) : content);
    assertRefused(path, message);
  });
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("loading yields the configuration that a file describes, and its path as it was named", () => {
  withFolder((folder) => {
    const path = `${folder}/./aphlict.json`;
    Deno.writeTextFileSync(path, VALID);
    assertEquals(loadConfig(path), configOf({ path }));
  });
});

for (const name of ["aphlict.default.json", "aphlict.local.json"]) {
  Deno.test(`loading accepts ${name}, which this project ships`, () => {
    const path = fileURLToPath(new URL(`../../conf/${name}`, import.meta.url));
    assertEquals(loadConfig(path).servers.map(({ port }) => port), [22280, 22281]);
  });
}

Deno.test("loading refuses a file with problems under its name", () => {
  withFolder((folder) => {
    const path = join(folder, "aphlict.json");
    Deno.writeTextFileSync(path, "{}");
    const error = assertThrows(() => loadConfig(path), ConfigError);
    assertEquals(error.file, path);
    assertEquals(error.problems.map((problem) => problem.path), ["servers", "pidfile"]);
  });
});

Deno.test("loading says that a file does not exist", () => {
  withFolder((folder) => {
    assertRefused(
      join(folder, "aphlict.json"),
      "The file does not exist. Create it, mount its folder if this is a container, or name another with " +
        "--config.",
    );
  });
});

Deno.test("loading says that a file is a folder", () => {
  withFolder((folder) => {
    assertRefused(folder, "It is a folder. Name a file in it with --config.");
  });
});

Deno.test("loading says that a folder on the way to the file is a file", () => {
  withFolder((folder) => {
    Deno.writeTextFileSync(join(folder, "conf"), VALID);
    assertRefused(
      join(folder, "conf", "aphlict.json"),
      "A folder of its path is a file. Name another file with --config.",
    );
  });
});

Deno.test("loading says that the user may not read a file", () => {
  // To root, as which these tests may run, every file is readable.
  assertEquals(
    configReadFault(new Deno.errors.PermissionDenied()),
    `User ${Deno.uid()} may not read it. Change the file's owner or mode, or run the command as another user.`,
  );
});

Deno.test({
  name: "loading refuses a path that fits into no flag, before it is refused as not permitted",
  permissions: { read: false },
  fn() {
    assertRefused(
      "/etc/a,b.json",
      '"/etc/a,b.json" is not a path. Choose a path without commas, line breaks and NUL: Deno\'s ' +
        "permission flags separate paths by commas and have no way to escape one.",
    );
  },
});

Deno.test({
  name: "loading says that Deno was not permitted to read a file",
  permissions: { read: false },
  fn() {
    assertRefused(
      "aphlict.json",
      "Deno was not permitted to read it. Add it to --allow-read, or start with bin/aphlict.",
    );
  },
});

Deno.test("loading passes on what the system says about any other failure", () => {
  const path = "x".repeat(5000);
  const error = assertThrows(() => loadConfig(path), ConfigError, "It cannot be read: ");
  assertEquals(error.problems.length, 1);
});

Deno.test("loading says where a file is no JSON", () => {
  assertContentRefused(
    `{\n  "servers": []\n  "pidfile": "p"\n}\n`,
    'Syntax error at line 3, column 3: unexpected text "pidfile". ' +
      "Look before it for a missing comma or colon.",
  );
});

Deno.test("loading says that a file is empty", () => {
  assertContentRefused(
    "",
    "Syntax error at line 1, column 1: the file is empty. " +
      "Write the configuration as a JSON object.",
  );
});

Deno.test("loading names a byte order mark instead of calling it a syntax error", () => {
  assertContentRefused(
    `\ufeff${VALID}`,
    "It starts with a byte order mark. Save it as UTF-8 without one.",
  );
});

Deno.test("loading refuses bytes that are no UTF-8 instead of replacing them", () => {
  assertContentRefused(
    Uint8Array.of(...encode(`{"pidfile": "`), 0xff, ...encode(`"}`)),
    "It is not valid UTF-8. Save it as UTF-8.",
  );
});

Deno.test("loading refuses UTF-16", () => {
  assertContentRefused(
    Uint8Array.of(0xff, 0xfe, 0x7b, 0, 0x7d, 0),
    "It is not valid UTF-8. Save it as UTF-8.",
  );
});

Deno.test("loading parses a file of 1 MiB and refuses a larger one", () => {
  const longest = `{} "${"x".repeat(1024 * 1024 - 5)}"`;
  assertContentRefused(
    longest,
    `Syntax error at line 1, column 4: unexpected text "${"x".repeat(56)}.... ` +
      "Look before it for a missing comma or colon.",
  );
  assertContentRefused(
    ` ${longest}`,
    "It is larger than 1048576 bytes: it is no configuration. Name another with --config.",
  );
});

function source(root: string): Program {
  return { kind: "source", path: join(root, "main.ts") };
}

Deno.test("the default of a bundle is where a package puts it, and of a compiled one what it was made for", () => {
  assertEquals(
    defaultConfigPath({ kind: "bundle", path: "/srv/aphlict.js" }),
    "/etc/aphlict/aphlict.json",
  );
  assertEquals(defaultConfigPath({ kind: "compiled", config: "/srv/a.json" }), "/srv/a.json");
});

Deno.test("the default is aphlict.custom.json where it exists", () => {
  withFolder((folder) => {
    Deno.mkdirSync(join(folder, "conf"));
    Deno.writeTextFileSync(join(folder, "conf/aphlict.custom.json"), VALID);
    assertEquals(defaultConfigPath(source(folder)), join(folder, "conf/aphlict.custom.json"));
  });
});

Deno.test("the default is aphlict.default.json otherwise, whether that exists or not", () => {
  withFolder((folder) => {
    assertEquals(defaultConfigPath(source(folder)), join(folder, "conf/aphlict.default.json"));
  });
});

Deno.test({
  name: "the default is aphlict.custom.json where it cannot be looked at, so that loading says why",
  permissions: { read: false },
  fn() {
    assertEquals(defaultConfigPath(source(".")), "./conf/aphlict.custom.json");
  },
});

Deno.test("the default that is shipped says what Phorge's own default says", () => {
  const path = fileURLToPath(new URL("../../conf/aphlict.default.json", import.meta.url));
  assertEquals(
    loadConfig(path),
    configOf({
      path,
      logs: [{ ...LOG_DEFAULTS, path: "/var/log/aphlict.log" }],
      pidfile: "/var/tmp/aphlict/pid/aphlict.pid",
    }),
  );
});

Deno.test("the pidfile of a file that cannot be used otherwise is found, with what is wrong", () => {
  using folder = new Folder();
  const path = folder.write("aphlict.json", '{"servers": [, "pidfile" : "/run/a\\u0062.pid"');
  const { pidfile, error } = loadPidfile(path);
  assertEquals(pidfile, "/run/ab.pid");
  assertEquals(error?.problems.length, 1);
});

Deno.test("a file whose pidfile cannot be understood is refused as it is", () => {
  using folder = new Folder();
  for (const pidfile of ['"a,b"', '"a\\x"', "1", '""']) {
    const path = folder.write("aphlict.json", `{"servers": [], "pidfile": ${pidfile}}`);
    assertThrows(() => loadPidfile(path), ConfigError);
  }
});
