/**
 * The plan of the house, held: which room may import which (docs/architecture.md).
 */

import { assertEquals } from "./assert.ts";
import { ROOT } from "./acceptance/program.ts";
import { filesBelow } from "./files.ts";

/** Imports of the project's modules, by path from its folder. */
type Imports = ReadonlyMap<string, readonly string[]>;

/** What each room may import besides itself. A room is a folder of `src`, or a file beside them. */
const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = new Map([
  ["metrics", []],
  ["budget.ts", ["metrics"]],
  ["backoff.ts", []],
  ["bytes.ts", []],
  ["clock.ts", []],
  ["fifo.ts", []],
  ["work_queue.ts", ["fifo.ts"]],
  ["text.ts", []],
  ["keyed_hash.ts", []],
  ["keyed_map.ts", ["keyed_hash.ts", "text.ts"]],
  ["json.ts", []],
  ["json_members.ts", []],
  ["config", ["budget.ts"]],
  ["net", ["config"]],
  ["hub", ["budget.ts", "metrics"]],
  ["http", ["budget.ts", "config", "log", "net", "within.ts"]],
  ["websocket", ["budget.ts", "config", "http", "metrics", "net", "within.ts"]],
  ["log", ["config", "metrics"]],
  ["client", ["budget.ts", "config", "hub", "http", "websocket", "log", "metrics"]],
  ["within.ts", []],
  ["admin", ["budget.ts", "config", "hub", "http", "log", "metrics", "net", "within.ts"]],
  ["cluster", ["config", "hub", "http", "log", "metrics", "net", "within.ts"]],
  // What a client server's client writes and reads.
  ["probe", ["config", "http", "log", "websocket", "within.ts"]],
  ["certificates.ts", ["config", "log", "metrics", "net"]],
  ["server.ts", ["config", "websocket", "log", "metrics", "net"]],
  ["version.ts", []],
  ["process_meter.ts", ["config", "metrics"]],
  ["collector.ts", [
    "budget.ts",
    "config",
    "hub",
    "log",
    "metrics",
    "client",
    "admin",
    "cluster",
    "certificates.ts",
    "process_meter.ts",
    "server.ts",
    "version.ts",
  ]],
  ["service.ts", [
    "budget.ts",
    "config",
    "http",
    "hub",
    "log",
    "client",
    "admin",
    "cluster",
    "certificates.ts",
    "collector.ts",
    "process_meter.ts",
    "server.ts",
  ]],
  ["supervisor", ["config", "log"]],
  ["cli", [
    "config",
    "log",
    // What a message and a receipt are.
    "hub",
    "net",
    // What `aphlict top` is shown.
    "admin",
    "metrics",
    "probe",
    // Which peers prove who they are.
    "cluster",
    // Whether an address can be bound.
    "http",
    "service.ts",
    "supervisor",
    // Why a server cannot be bound, and what the service is told of the host.
    "process_meter.ts",
    "server.ts",
    "version.ts",
    "within.ts",
  ]],
  ["main.ts", ["cli"]],
]);

/** The ground floor: files that know nothing of Aphlict, for every room to be built on. */
const GROUND = [
  "backoff.ts",
  "bytes.ts",
  "clock.ts",
  "fifo.ts",
  "work_queue.ts",
  "text.ts",
  "keyed_hash.ts",
  "keyed_map.ts",
  "json.ts",
  "json_members.ts",
];

/** Rooms that know nothing of the runtime they are in. */
const PURE = ["budget.ts", "hub", "metrics", ...GROUND.filter((file) => file !== "work_queue.ts")];

/**
 * What else may be imported, and by whom: a package that has no types in one typed place, LogTape by
 * the log, and the version by the module that passes it on. Node's built-in modules are not listed:
 * all rooms but the {@linkcode PURE} ones may import them.
 */
const PLACES: ReadonlyMap<string, RegExp> = new Map([
  // `aphlict deno` looks whether it is there.
  ["@logtape/logtape", /^src\/(log\/.*|cli\/version\.ts)$/],
  ["@std/cli", /^src\/cli\/args\.ts$/],
  ["@std/jsonc", /^src\/config\/jsonc\.ts$/],
  ["@std/text", /^src\/config\/suggest\.ts$/],
  ["./console.css", /^src\/admin\/page\.ts$/],
  ["./console.html", /^src\/admin\/page\.ts$/],
  ["./console.js", /^src\/admin\/page\.ts$/],
  ["../deno.json", /^src\/version\.ts$/],
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
      .filter((other) => {
        const own = roomOf(other);
        return own !== room && !allowed.includes(own) &&
          (GROUND.includes(room) || !GROUND.includes(own));
      })
      .map((other) => `${module} -> ${other}`);
  });
}

/** Each import of something that is no module of ours where it may not be, as `module -> imported`. */
function misplaced(imports: Imports): string[] {
  return [...imports].flatMap(([module, imported]) =>
    imported.filter((name) => {
      if (/^\.{1,2}\/.*\.ts$/.test(name)) return false;
      if (name.startsWith("node:")) return PURE.includes(roomOf(module));
      return !PLACES.get(name)?.test(module);
    }).map((name) => `${module} -> ${name}`)
  );
}

/** Whether a module's text uses anything of Deno's. Comments may speak of it. */
function usesDeno(text: string): boolean {
  return /\bDeno\b/.test(text.replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, ""));
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

/** What each of the project's modules imports, as it is written there. */
function specifiersOf({ modules }: Info): Imports {
  const base = `file://${ROOT}`;
  return new Map(
    modules.filter(({ specifier }) => specifier.startsWith(base)).map((
      { specifier, dependencies = [] },
    ) => [specifier.slice(base.length), dependencies.map(({ specifier }) => specifier)]),
  );
}

/** Returns the source files of a room: a folder, or a file. */
function sources(room: string): string[] {
  return room.endsWith(".ts") ? [room] : filesBelow(room);
}

Deno.test("imports go down the floors, and never in a circle", async () => {
  const imports = importsOf(await inspect());
  assertEquals(forbidden(imports), []);
  assertEquals(circle(imports), null);
});

Deno.test("the ground floor imports nothing but what is on it, and each file of it is in use", async () => {
  const imports = importsOf(await inspect());
  for (const name of GROUND) {
    const imported = imports.get(`src/${name}`);
    assertEquals(imported?.filter((other) => !GROUND.includes(roomOf(other))), [], name);
    const used = [...imports].filter(([module, others]) =>
      !GROUND.includes(roomOf(module)) && others.includes(`src/${name}`)
    );
    assertEquals(used.length > 0, true, name);
  }
});

Deno.test("the plan allows no import that there is not", async () => {
  const imports = importsOf(await inspect());
  const unused = [...MAY_IMPORT].flatMap(([room, allowed]) => {
    const own = [...imports].filter(([module]) => roomOf(module) === room);
    const used = new Set(own.flatMap(([, others]) => others.map(roomOf)));
    return allowed.filter((other) => !used.has(other)).map((other) => `${room} -> ${other}`);
  });
  assertEquals(unused, []);
});

Deno.test("every source file is part of the program", async () => {
  const { modules } = await inspect();
  const used = new Set(modules.map(({ specifier }) => specifier));
  assertEquals(sources("src").filter((path) => !used.has(`file://${ROOT}${path}`)), []);
});

Deno.test("each untyped package is imported in one place, LogTape by the log, no other at all", async () => {
  const imports = specifiersOf(await inspect());
  assertEquals(misplaced(imports), []);
  const used = new Set([...imports.values()].flat());
  assertEquals([...PLACES.keys()].filter((name) => !used.has(name)), [], "each is still in use");
});

for (const room of PURE) {
  Deno.test(`the room ${room} knows nothing of Deno`, () => {
    for (const path of sources(`src/${room}`)) {
      assertEquals(usesDeno(Deno.readTextFileSync(`${ROOT}${path}`)), false, path);
    }
  });
}

/** Where the console is written to, and the one way in which the others may: reports to the parent process. */
const WRITERS = ["src/cli/output.ts", "src/log/log.ts"];
const REPORTING = "Deno.stdout.writeSync(encode(report))";

/** Each use of a stream of the console in a module's text that could write to it. */
function consoleUses(text: string): string[] {
  const code = text.replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, "").replaceAll(REPORTING, "");
  return code.match(
    /\bconsole\s*(\.(log|error|warn|info|debug|dir|table|trace)\b|\[)|\bDeno\s*(\.|\[["'])std(out|err)\b(?!\.isTerminal)|\{[^{}]*\bstd(out|err)\b[^{}]*\}\s*=\s*Deno\b|(?<![#.])\bprocess\.std(out|err)\b|\bimport\s+([\w*][^{};]*|\{[^{}]*\bstd(out|err)\b[^{}]*\}\s*from\s*)"node:process"|"node:(console|tty)"/g,
  ) ?? [];
}

Deno.test("what is printed goes through one file, which lets nothing steer a terminal", () => {
  const uses = sources("src").filter((path) => path.endsWith(".ts") && !WRITERS.includes(path))
    .flatMap((path) => {
      const text = Deno.readTextFileSync(`${ROOT}${path}`);
      return consoleUses(text).map((use) => `${path}: ${use}`);
    });
  assertEquals(uses, []);
});

Deno.test("the check finds whatever else writes to the console", () => {
  for (
    const [code, use] of [
      ['console.log("x")', "console.log"],
      ['console["error"](1)', "console["],
      ["const { stdout } = Deno", "{ stdout } = Deno"],
      ["Deno.stderr.write(bytes)", "Deno.stderr"],
      ["x.pipeTo(Deno.stdout.writable)", "Deno.stdout"],
      ["process.stdout.write(text)", "process.stdout"],
      ['import { stdout } from "node:process"', 'import { stdout } from "node:process"'],
      ['import process from "node:process"', 'import process from "node:process"'],
    ] as const
  ) assertEquals(consoleUses(code)[0], use, code);
  for (
    const code of [
      "Deno.stdout.isTerminal()",
      REPORTING,
      "// console.log",
      'stdout: "piped"',
      'import { cpuUsage } from "node:process"',
    ]
  ) assertEquals(consoleUses(code), [], code);
});

/** Each way in a module's text in which something could be connected to. */
function connecting(text: string): string[] {
  const code = text.replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, "")
    .replaceAll(/import \{ isIP \} from "node:net";/g, "");
  return code.match(
    /\bfetch\(|\bnew (WebSocket|EventSource)\b|\bDeno\s*\.\s*(connect|startTls)\w*|"node:(https?|http2|net|tls|dgram)"/g,
  ) ?? [];
}

Deno.test("commands connect to servers in one room, which shows no token that a server gives back", () => {
  const uses = sources("src/cli").flatMap((path) =>
    connecting(Deno.readTextFileSync(`${ROOT}${path}`)).map((use) => `${path}: ${use}`)
  );
  assertEquals(uses, []);
});

Deno.test("the check finds whatever connects", () => {
  for (
    const [code, use] of [
      ["await fetch(url)", "fetch("],
      ["new WebSocket(url)", "new WebSocket"],
      ["Deno.connectTls({ port })", "Deno.connectTls"],
      ['import { request } from "node:https"', '"node:https"'],
      ['import { connect, isIP } from "node:net";', '"node:net"'],
    ] as const
  ) assertEquals(connecting(code)[0], use, code);
  for (const code of ['import { isIP } from "node:net";', "// fetch(url)", "prefetch()"]) {
    assertEquals(connecting(code), [], code);
  }
});

Deno.test("the check finds an import that goes up, aside, or into an unknown room", () => {
  assertEquals(
    forbidden(
      new Map([
        ["src/hub/hub.ts", [
          "src/client/client_server.ts",
          "src/hub/topics.ts",
          "src/metrics/labelled_counter.ts",
        ]],
        ["src/client/client_server.ts", ["src/admin/admin_server.ts", "src/hub/hub.ts"]],
        ["src/config/load.ts", ["main.ts"]],
        ["src/attic/x.ts", []],
        ["src/keyed_map.ts", ["src/text.ts", "src/keyed_hash.ts", "src/budget.ts"]],
        ["src/budget.ts", ["src/config/memory.ts", "src/hub/hub.ts"]],
      ]),
    ),
    [
      "src/hub/hub.ts -> src/client/client_server.ts",
      "src/client/client_server.ts -> src/admin/admin_server.ts",
      "src/config/load.ts -> main.ts",
      "src/attic/x.ts: unknown room attic",
      "src/keyed_map.ts -> src/budget.ts",
      "src/budget.ts -> src/config/memory.ts",
      "src/budget.ts -> src/hub/hub.ts",
    ],
  );
});

Deno.test("the check finds a package in the wrong place, or one that the plan does not know", () => {
  assertEquals(
    misplaced(
      new Map([
        ["src/hub/hub.ts", ["./topics.ts", "node:fs", "../../deno.json"]],
        ["src/metrics/lag.ts", ["node:perf_hooks"]],
        ["src/log/format.ts", ["@logtape/logtape", "../config/error.ts", "node:path"]],
        ["src/cli/args.ts", ["@std/cli", "@logtape/logtape", "npm:@std/cli"]],
        ["src/cli/help.ts", ["@std/cli", "fast-check", "https://example.com/x.ts"]],
      ]),
    ),
    [
      "src/hub/hub.ts -> node:fs",
      "src/hub/hub.ts -> ../../deno.json",
      "src/metrics/lag.ts -> node:perf_hooks",
      "src/cli/args.ts -> @logtape/logtape",
      "src/cli/args.ts -> npm:@std/cli",
      "src/cli/help.ts -> @std/cli",
      "src/cli/help.ts -> fast-check",
      "src/cli/help.ts -> https://example.com/x.ts",
    ],
  );
});

Deno.test("the check finds Deno in the code, however it is used, and not in the comments", () => {
  for (const code of ["Deno.cwd();", "const { cwd } = Deno;", 'globalThis["Deno"]', "/* */ Deno"]) {
    assertEquals(usesDeno(code), true, code);
  }
  for (const code of ["// Deno.cwd()", "/**\n * Deno\n */", "DenoLike.x", "x; // Deno"]) {
    assertEquals(usesDeno(code), false, code);
  }
});

Deno.test("the check finds a circle and says where it goes", () => {
  const imports = new Map([["a", ["b", "d"]], ["b", ["c"]], ["c", ["b"]], ["d", []]]);
  assertEquals(circle(imports), ["b", "c", "b"]);
  assertEquals(circle(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]])), null);
});
