import fc from "fast-check";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import {
  serviceFlags,
  servicePermissions,
  shellQuote,
  supervisorFlags,
} from "../../src/config/permissions.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { ADMIN, CLIENT, configOf, LOG_DEFAULTS, PEER } from "../entries.ts";

const SMALL = configOf();

const LARGE = configOf({
  path: "/etc/aphlict.json",
  servers: [
    {
      ...CLIENT,
      port: 443,
      listen: "::",
      tls: { key: "tls/key.pem", cert: "tls/cert.pem", chain: "tls/chain.pem" },
    },
    {
      ...ADMIN,
      listen: "::1",
      tls: { key: "tls/key.pem", cert: "tls/admin.pem", chain: null },
      token: "tls/token",
    },
  ],
  logs: [{ ...LOG_DEFAULTS, path: "log/a" }, { ...LOG_DEFAULTS, path: "log/b" }],
  cluster: [
    { ...PEER, ca: "tls/ca.pem", token: "tls/peer.token" },
    { ...PEER, host: "::1", protocol: "http", token: "tls/token" },
  ],
  pidfile: "/run/aphlict.pid",
  memoryHint: 512,
});

const LOG_FILES = [
  ...["log/a", "log/a.1", "log/a.2", "log/a.3", "log/a.4", "log/a.5"],
  ...["log/b", "log/b.1", "log/b.2", "log/b.3", "log/b.4", "log/b.5"],
];

Deno.test("localhost is granted with what it resolves to, where the socket engine needs it", () => {
  const { net } = servicePermissions({
    ...SMALL,
    servers: [
      { ...CLIENT, port: 1, listen: "localhost" },
      { ...CLIENT, port: 2, listen: "localhost", engine: "serve" },
    ],
    cluster: [],
  });
  assertEquals(net, ["localhost:1", "127.0.0.1:1", "[::1]:1", "localhost:2"]);
});

Deno.test("a link to the console may be read by the service and the supervisor, and neither may write it", () => {
  const log = { ...LOG_DEFAULTS, path: "/dev/stdout", links: ["/log/a", "/b"] };
  const config = { ...SMALL, logs: [log] };
  const { read, write } = servicePermissions(config);
  assertEquals([read.slice(-2), write], [["/log/a", "/b"], []]);
  const flags = supervisorFlags(config, "/deno", config.pidfile);
  assertEquals(flags.some((flag) => /^--allow-read=.*,\/log\/a,\/b/.test(flag)), true);
  assertEquals(flags.some((flag) => /^--allow-write=.*\/log\/a/.test(flag)), false);
});

Deno.test("a service without logs, TLS and peers may bind two addresses and read one file", () => {
  assertEquals(servicePermissions(SMALL), {
    net: ["0.0.0.0:22280", "127.0.0.1:22281"],
    read: ["aphlict.json"],
    write: [],
  });
});

Deno.test("the service may use exactly what the configuration names, each once and in its order", () => {
  assertEquals(servicePermissions(LARGE), {
    net: ["[::]:443", "[::1]:22281", "notify2.example.com:22281"],
    read: [
      "/etc/aphlict.json",
      "tls/key.pem",
      "tls/cert.pem",
      "tls/chain.pem",
      "tls/admin.pem",
      "tls/token",
      "tls/ca.pem",
      "tls/peer.token",
      ...LOG_FILES,
    ],
    write: LOG_FILES,
  });
});

Deno.test("a service without logs gets no flag for writing, one without a hint none for its heap", () => {
  assertEquals(serviceFlags(SMALL), [
    "--no-prompt",
    "--cached-only",
    "--deny-import",
    "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=50",
    "--allow-net=0.0.0.0:22280,127.0.0.1:22281",
    "--allow-read=aphlict.json",
  ]);
});

Deno.test("a limit of memory changes no flag, as the service counts by itself", () => {
  assertEquals(serviceFlags({ ...SMALL, memoryLimit: 16 * 1024 * 1024 }), serviceFlags(SMALL));
});

Deno.test("the flags list the permissions and the memory hint", () => {
  assertEquals(serviceFlags(LARGE), [
    "--no-prompt",
    "--cached-only",
    "--deny-import",
    "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=50,--max-old-space-size=512",
    "--allow-net=[::]:443,[::1]:22281,notify2.example.com:22281",
    "--allow-read=/etc/aphlict.json,tls/key.pem,tls/cert.pem,tls/chain.pem,tls/admin.pem,tls/token," +
    "tls/ca.pem,tls/peer.token," +
    LOG_FILES.join(","),
    `--allow-write=${LOG_FILES.join(",")}`,
  ]);
});

/** Paths as validation lets them through. */
const path = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) =>
  !/[,\0\r\n]/.test(text)
);
const port = fc.integer({ min: 1, max: 65_535 });
const host = fc.constantFrom("127.0.0.1", "::1", "localhost", "notify.example.com");
const tls = fc.option(fc.record({ key: path, cert: path, chain: fc.option(path) }));
const place = { port, listen: host, tls };
const config: fc.Arbitrary<Config> = fc.record({
  path,
  servers: fc.array(
    fc.oneof(
      fc.record({ ...place, engine: fc.constantFrom("socket", "serve") })
        .map((change) => ({ ...CLIENT, ...change })),
      fc.record({ ...place, token: fc.option(path) }).map((change) => ({ ...ADMIN, ...change })),
    ),
    { minLength: 1 },
  ),
  logs: fc.array(fc.record({ path }).map(({ path }) => ({ ...LOG_DEFAULTS, path }))),
  cluster: fc.array(fc.record({
    host,
    port,
    protocol: fc.constantFrom("http", "https"),
    ca: fc.option(path),
    token: fc.option(path),
  })),
  pidfile: path,
  memoryHint: fc.option(fc.nat()),
}).map(configOf);

Deno.test("the supervisor may append to the first log alone, and to none when there is none", () => {
  const owned = ["", ".state", ".state.new", ".new"].map((suffix) => `${LARGE.pidfile}${suffix}`);
  assertEquals(supervisorFlags(LARGE, "/bin/deno", LARGE.pidfile).slice(3), [
    `--allow-read=${[LARGE.path, ...owned, "log/a"].join(",")}`,
    `--allow-write=${[...owned, "log/a"].join(",")}`,
    "--allow-run=/bin/deno",
  ]);
  assertEquals(
    supervisorFlags({ ...LARGE, logs: [] }, "/bin/deno", LARGE.pidfile)[4],
    `--allow-write=${owned.join(",")}`,
  );
});

Deno.test("no flag that grants something is ever bare, or has an empty entry", () => {
  fc.assert(fc.property(config, (config) => {
    const grants = serviceFlags(config).filter((flag) => flag.startsWith("--allow-"));
    for (const flag of grants) assertMatch(flag, /^--allow-(net|read|write)=[^,]+(,[^,]+)*$/s);
    assertEquals(grants.length, config.logs.length === 0 ? 2 : 3);
  }));
});

/** Runs a program to its end and returns what it printed. */
function run(command: string, args: string[], cwd?: string): string {
  const options = cwd === undefined ? { args } : { args, cwd };
  const { success, stdout, stderr } = new Deno.Command(command, options).outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** What a process tries that runs under the flags; prints one line for each. */
const PROBE = `
const attempts = {
  "read the configuration": () => Deno.readTextFileSync("aphlict.json"),
  "read a certificate through a link": () => Deno.readTextFileSync("live.pem"),
  "read the link's target by its name": () => Deno.readTextFileSync("archive.pem"),
  "append to the log": () => Deno.writeTextFileSync("a.log", "x", { append: true }),
  "rotate the log": () => { Deno.statSync("a.log"); Deno.renameSync("a.log", "a.log.5"); },
  "write a file of another name": () => Deno.writeTextFileSync("a.log.6", "x"),
  "write the configuration": () => Deno.writeTextFileSync("aphlict.json", "x"),
  "bind another port": () => Deno.listen({ hostname: "127.0.0.1", port: 22282 }).close(),
  "read the environment": () => Deno.env.get("HOME"),
  "start a program": () => new Deno.Command("true").outputSync(),
};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    attempt();
    console.log("may " + name);
  } catch (error) {
    console.log((error instanceof Deno.errors.NotCapable ? "may not " : String(error)) + name);
  }
}
for (const host of ["jsr.io:443", "deno.land:443", "esm.sh:443", "example.com:443"]) {
  const { state } = Deno.permissions.querySync({ name: "import", host });
  console.log(host + " " + state);
}`;

Deno.test("a process under the flags can do what the configuration says, and nothing else", () => {
  const folder = Deno.makeTempDirSync({ prefix: "aphlict-flags-" });
  try {
    Deno.writeTextFileSync(join(folder, "probe.js"), PROBE);
    Deno.writeTextFileSync(join(folder, "aphlict.json"), "{}");
    Deno.writeTextFileSync(join(folder, "archive.pem"), "PEM");
    Deno.symlinkSync("archive.pem", join(folder, "live.pem"));
    const flags = serviceFlags({
      ...SMALL,
      servers: [{
        ...CLIENT,
        listen: "127.0.0.1",
        tls: { key: "live.pem", cert: "live.pem", chain: null },
      }],
      logs: [{ ...LOG_DEFAULTS, path: "a.log" }],
    });
    const printed = run(Deno.execPath(), ["run", ...flags, "probe.js"], folder);
    assertEquals(printed.trimEnd().split("\n"), [
      "may read the configuration",
      "may read a certificate through a link",
      "may not read the link's target by its name",
      "may append to the log",
      "may rotate the log",
      "may not write a file of another name",
      "may not write the configuration",
      "may not bind another port",
      "may not read the environment",
      "may not start a program",
      "jsr.io:443 denied",
      "deno.land:443 denied",
      "esm.sh:443 denied",
      "example.com:443 denied",
    ]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

/**
 * What a shell makes of each quoted list. The command substitution is what a script does to get at
 * the output of another program; it drops line breaks at the end.
 */
function shellLists(lists: readonly string[][]): string[][] {
  const script = `
    for each in "$@"; do
      out=$(printf '%s\\n' "$each")
      eval "set -- $out"
      printf '%s\\0' "$#" "$@"
    done`;
  const words = run("sh", ["-c", script, "sh", ...lists.map(shellQuote)]).split("\0");
  return lists.map(() => words.splice(0, 1 + Number(words[0])).slice(1));
}

Deno.test("quoted arguments reach a shell as they were, whatever they hold", () => {
  const lists = [
    [],
    [""],
    ["", "", ""],
    ["-n", "--", "-e"],
    ["a b", "c\td", "e\nf", "g\r", "\n", "last\n\n"],
    ["it's", "'", "''", "\\'", '"', '\\"'],
    [
      "$HOME",
      "${x}",
      "$(id)",
      "`id`",
      "$((1))",
      "!!",
      "#no",
      "~",
      "~root",
      "*",
      "?",
      "[a]",
      "{a,b}",
    ],
    ["a;b", "a&b", "a|b", "a>b", "a<b", "(a)", "a\\", "\\n", "%s", "x=1", "2>&1"],
    ["Ärger", "🦕", "\u202e", "\x7f", "\x1b[2J"],
    serviceFlags(LARGE),
  ];
  assertEquals(shellLists(lists), lists);
});

Deno.test("quoted arguments reach a shell as they were, for any text without NUL", () => {
  const texts = fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", ""));
  const awkward = fc.string({ unit: fc.constantFrom(..."' \"\\$`\n\t*~#;&|<>(){}[]!?=%-ab") });
  const lists = fc.array(fc.oneof(texts, awkward), { maxLength: 5 });
  // A run starts a shell, so one run takes many lists.
  fc.assert(
    fc.property(fc.array(lists, { minLength: 20, maxLength: 50 }), (lists) => {
      assertEquals(shellLists(lists), lists);
    }),
    { numRuns: 5 },
  );
});

Deno.test("quoting leaves plain arguments readable", () => {
  assertEquals(
    shellQuote(["--no-prompt", "--allow-read=/etc/x.json", "[::1]:1", "it's"]),
    `--no-prompt --allow-read=/etc/x.json '[::1]:1' 'it'\\''s'`,
  );
  assertStringIncludes(
    shellQuote(serviceFlags(SMALL)),
    "--allow-net=0.0.0.0:22280,127.0.0.1:22281",
  );
});
