/**
 * The plan of the house, held: which room may import which (docs/architecture.md).
 */

import { assertEquals } from "./assert.ts";
import { ROOT } from "./acceptance/server.ts";

/** Imports of the project's modules, by path from its folder. */
type Imports = ReadonlyMap<string, readonly string[]>;

/** What each room may import besides itself. A room is a folder of `src`, or a file beside them. */
const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = new Map([
  ["config", []],
  ["hub", ["config"]],
  ["websocket", ["config"]],
  ["log", ["config"]],
  ["client", ["config", "hub", "websocket", "log"]],
  ["admin", ["config", "hub", "websocket", "log"]],
  ["service.ts", ["config", "hub", "websocket", "log", "client", "admin"]],
  ["version.ts", []],
  ["cli", ["config", "log", "service.ts", "version.ts"]],
  ["main.ts", ["cli"]],
]);

/** Packages that only one module may import, so that each is used in one typed place. */
const ONE_PLACE: ReadonlyMap<string, string> = new Map([
  ["@std/cli", "src/cli/args.ts"],
  ["@std/jsonc", "src/config/jsonc.ts"],
  ["@std/text", "src/config/suggest.ts"],
]);

function roomOf(module: string): string {
  return module.replace(/^src\//, "").replace(/\/.*/, "");
}

/** Each import that a room may not have, as `module -> imported`. */
function forbidden(imports: Imports): string[] {
  return [...imports].flatMap(([module, imported]) => {
    const room = roomOf(module);
    const allowed = MAY_IMPORT.get(room);
    if (allowed === undefined) return [`${module}: unknown room ${room}`];
    return imported
      .filter((other) => roomOf(other) !== room && !allowed.includes(roomOf(other)))
      .map((other) => `${module} -> ${other}`);
  });
}

/** One circle of imports, as the modules along it; `null` when there is none. */
function circle(imports: Imports): string[] | null {
  const done = new Set<string>();
  const visit = (module: string, path: readonly string[]): string[] | null => {
    if (path.includes(module)) return [...path.slice(path.indexOf(module)), module];
    if (done.has(module)) return null;
    done.add(module);
    for (const other of imports.get(module) ?? []) {
      const found = visit(other, [...path, module]);
      if (found) return found;
    }
    return null;
  };
  for (const module of imports.keys()) {
    const found = visit(module, []);
    if (found) return found;
  }
  return null;
}

interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

/** What `deno info` says of the program. */
async function inspect(): Promise<Info> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", `${ROOT}main.ts`],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

function importsOf({ modules }: Info): Imports {
  const base = `file://${ROOT}`;
  const path = (url: string | undefined) => url?.startsWith(base) ? url.slice(base.length) : "";
  return new Map(
    modules.map(({ specifier, dependencies = [] }): [string, string[]] => [
      path(specifier),
      dependencies.map(({ code, type }) => path(code?.specifier ?? type?.specifier)),
    ]).filter(([module]) => module.endsWith(".ts")).map(([module, imported]) => [
      module,
      imported.filter((other) => other.endsWith(".ts")),
    ]),
  );
}

function sources(folder: string): string[] {
  return [...Deno.readDirSync(`${ROOT}${folder}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? sources(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

Deno.test("imports go down the floors, and never in a circle", async () => {
  const imports = importsOf(await inspect());
  assertEquals(forbidden(imports), []);
  assertEquals(circle(imports), null);
});

Deno.test("every source file is part of the program", async () => {
  const imports = importsOf(await inspect());
  assertEquals(sources("src").filter((path) => !imports.has(path)), []);
});

Deno.test("each untyped package is imported in one place, and LogTape by the log alone", async () => {
  for (const { specifier, dependencies = [] } of (await inspect()).modules) {
    const module = specifier.slice(`file://${ROOT}`.length);
    for (const { specifier: name } of dependencies) {
      assertEquals(ONE_PLACE.get(name) ?? module, module, name);
      if (name.startsWith("@logtape/")) assertEquals(roomOf(module), "log");
    }
  }
});

Deno.test("the hub knows nothing of Deno", () => {
  for (const path of sources("src/hub")) {
    assertEquals(/\bDeno\./.test(Deno.readTextFileSync(`${ROOT}${path}`)), false, path);
  }
});

Deno.test("the check finds an import that goes up, aside, or into an unknown room", () => {
  assertEquals(
    forbidden(
      new Map([
        ["src/hub/hub.ts", ["src/client/server.ts", "src/hub/topics.ts", "src/config/config.ts"]],
        ["src/client/server.ts", ["src/admin/server.ts", "src/hub/hub.ts"]],
        ["src/config/load.ts", ["main.ts"]],
        ["src/attic/x.ts", []],
      ]),
    ),
    [
      "src/hub/hub.ts -> src/client/server.ts",
      "src/client/server.ts -> src/admin/server.ts",
      "src/config/load.ts -> main.ts",
      "src/attic/x.ts: unknown room attic",
    ],
  );
});

Deno.test("the check finds a circle and says where it goes", () => {
  const imports = new Map([["a", ["b", "d"]], ["b", ["c"]], ["c", ["b"]], ["d", []]]);
  assertEquals(circle(imports), ["b", "c", "b"]);
  assertEquals(circle(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]])), null);
});
