/**
 * `bin/aphlict` itself: what of its surroundings reaches the runtime, and where it gets that from.
 */

import { createHash } from "node:crypto";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { loadConfig } from "../../src/config/load.ts";
import { serviceFlags, shellQuote } from "../../src/config/permissions.ts";
import { Folder } from "../folder.ts";
import { BlackHole } from "./black_hole.ts";
import { Daemon } from "./daemon.ts";
import { DENIED, FORBIDDEN, valuesOf } from "./forbidden.ts";
import { fetchedFrom, Installation } from "./installation.ts";
import { freePorts } from "./ports.ts";
import { must, Process } from "./process.ts";
import { APHLICT, PROGRAM, programArguments, testOfSource } from "./program.ts";
import { publish, writeConfig } from "./server.ts";

/** All that reaches the runtime where none of OpenTelemetry's variables is set. */
const KEPT = new Set(
  [
    ..."PATH HOME XDG_CACHE_HOME TERM NO_COLOR TZ DENO_DIR DENO_LOG DENO_NO_UPDATE_CHECK".split(
      " ",
    ),
    // A part of where a clone's dependencies are, whose checksums are in deno.lock.
    ...PROGRAM.kind === "source" ? ["NPM_CONFIG_REGISTRY"] : [],
  ],
);

/** Names of variables in the runtime's binary: its own, Node.js's, and those of what it is made of. */
function variablesOfTheRuntime(): Set<string> {
  const binary = new TextDecoder("latin1").decode(Deno.readFileSync(Deno.execPath()));
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["--help"] }).outputSync();
  const known = new TextDecoder().decode(stdout);
  const names = /\b(?:DENO|NODE|NPM|OTEL|RUST|SSL|V8|JSR|TOKIO|AWS|UV)_[A-Z0-9_]{2,40}/g;
  return new Set([
    ...binary.match(names) ?? [],
    ...known.match(names) ?? [],
    // Those that the binary does not hold in one piece, or that are of another form.
    ..."DENO_PERMISSION_BROKER_PATH DENO_UNSTABLE_CONTROL_SOCK DENO_CERT DENO_NO_PACKAGE_JSON"
      .split(" "),
    ..."OTEL_DENO OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_METRICS_ENDPOINT".split(" "),
    ..."SSLKEYLOGFILE HTTP_PROXY HTTPS_PROXY http_proxy npm_config_registry NODE_PATH".split(" "),
    ..."LD_LIBRARY_PATH SECRET BASH_ENV ENV IFS CDPATH".split(" "),
  ]);
}

Deno.test("a hostile environment changes nothing for the service", async () => {
  using folder = new Folder();
  const [peer = 0, other = 0, port = 0] = freePorts(3);
  const written = writeConfig(folder, {
    cluster: [{ host: "127.0.0.1", port: peer, protocol: "http" }],
  });
  Deno.mkdirSync(`${folder.path}/hostile`);
  const foreign = folder.write("foreign.cjs", 'console.log("FOREIGN CODE");');
  const names = [...variablesOfTheRuntime()].filter((name) => !KEPT.has(name));
  assert(names.length > 80, `${names.length} names`);
  const hostile: Record<string, string> = {
    ...Object.fromEntries(names.map((name) => [name, `${folder.path}/hostile/${name}`])),
    NODE_OPTIONS: `--require ${foreign} --inspect=127.0.0.1:${port}`,
    DENO_V8_FLAGS: "--prof",
    DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`,
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_METRIC_EXPORT_INTERVAL: "100",
    DENO_AUTO_SERVE: "1",
    DENO_TRACE_PERMISSIONS: "1",
    DENO_LOG: "trace",
    DENO: Deno.execPath(),
  };
  let visits = 0;
  await using _visited = Deno.serve(
    { hostname: "127.0.0.1", port, onListen() {} },
    () => {
      visits++;
      return new Response();
    },
  );
  await using service = new Process(APHLICT, ["serve", "--config", written.path], { env: hostile });
  await service.line(/has fingerprint /);
  assertMatch(await publish(written.admin, { subscribers: ["A"] }), /^\w{16}$/);
  const pairs = Deno.readTextFileSync(`/proc/${service.pid}/environ`).split("\0").slice(0, -1);
  const reached = pairs.map((pair) => pair.slice(0, pair.indexOf("=")));
  // These do nothing without OTEL_DENO, which is made from the configuration.
  assertEquals(reached.filter((name) => !KEPT.has(name) && !name.startsWith("OTEL_")), []);
  assertEquals(/^OTEL_(DENO|EXPORTER_OTLP_(\w+_)?ENDPOINT)/m.test(reached.join("\n")), false);
  const words = Deno.readTextFileSync(`/proc/${service.pid}/cmdline`).split("\0");
  const flags = serviceFlags(loadConfig(written.path));
  assertStringIncludes(words.join("\0"), flags.join("\0"));
  // What the service cannot do is what it could not do in any other environment.
  const values = valuesOf(written, { peer, other });
  const deeds = Object.entries(FORBIDDEN).map(([deed, code]) =>
    `try {
      await (async () => { ${code(values)} })();
      console.log("ALLOWED: " + ${JSON.stringify(deed)});
    } catch (error) { console.log("tried: " + error); }`
  );
  const probe = folder.write("probe.js", deeds.join("\n"));
  const preload = [...flags, `--preload=${probe}`];
  await using trying = new Process("env", [
    "-i",
    ...pairs,
    Deno.execPath(),
    ...programArguments(preload, "version", written.path),
  ]);
  await trying.ended();
  const tried = trying.output.split("\n").filter((line) => line.startsWith("tried: "));
  assertEquals(tried.length, deeds.length, trying.output);
  for (const line of tried) assertMatch(line, DENIED);
  // Nor is anything left behind, sent or listened to.
  service.kill("SIGTERM");
  assertEquals((await service.ended()).code, 0);
  assertEquals(service.output.includes("FOREIGN CODE"), false);
  assertEquals([...Deno.readDirSync(`${folder.path}/hostile`)], []);
  assertEquals(visits, 0);
});

Deno.test("a hostile environment changes nothing for a command", async () => {
  using folder = new Folder();
  const { path } = writeConfig(folder);
  const names = [...variablesOfTheRuntime()].filter((name) => !KEPT.has(name));
  const hostile = Object.fromEntries(names.map((name) => [name, `${folder.path}/${name}`]));
  for (
    const args of [["version"], ["permissions", "--config", path], ["check", "--config", path]]
  ) {
    const run = async (env: Record<string, string>) => {
      await using process = new Process(APHLICT, args, {
        env: { ...env, DENO: Deno.execPath() },
      });
      const { code } = await process.ended();
      return { code, output: process.output };
    };
    assertEquals(await run(hostile), await run({}));
  }
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["aphlict.json"]);
});

Deno.test("the user's own variables of OpenTelemetry reach the service", async () => {
  await using daemon = new Daemon();
  const headers = "authorization=Bearer a b";
  await using start = daemon.launchWith({ OTEL_EXPORTER_OTLP_HEADERS: headers }, "start");
  assertEquals((await start.ended()).code, 0, start.output);
  const environment = Deno.readTextFileSync(`/proc/${daemon.pid("service")}/environ`);
  assertStringIncludes(`\0${environment}`, `\0OTEL_EXPORTER_OTLP_HEADERS=${headers}\0`);
});

/** A registry of npm that has one package, `deno`, whose program runs the deno that runs this. */
class Registry implements AsyncDisposable {
  readonly #folder = new Folder();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  asked = 0;

  constructor(deno: string) {
    const { path } = this.#folder;
    Deno.mkdirSync(`${path}/package`);
    writePackage(`${path}/package`, `exec ${shellQuote([deno])} "$@"`);
    must("tar", ["-czf", `${path}/deno.tgz`, "-C", path, "package"]);
    const tarball = Deno.readFileSync(`${path}/deno.tgz`);
    const checksum = createHash("sha512").update(tarball).digest("base64");
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      this.asked++;
      // It asks for known faults of what it installs.
      if (request.method === "POST") return Response.json({});
      if (request.url.endsWith(".tgz")) return new Response(tarball);
      const version = {
        name: "deno",
        version: "2.9.6",
        bin: { deno: "deno.sh" },
        dist: { tarball: `${this.url}deno.tgz`, integrity: `sha512-${checksum}` },
      };
      return Response.json({
        name: "deno",
        "dist-tags": { latest: "2.9.6" },
        versions: { "2.9.6": version },
      });
    });
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    this.#folder[Symbol.dispose]();
  }
}

/** Writes npm's package `deno` in a version that suits, whose program is a shell script. */
function writePackage(folder: string, script: string): void {
  const manifest = { name: "deno", version: "2.9.6", bin: { deno: "deno.sh" } };
  Deno.writeTextFileSync(`${folder}/package.json`, JSON.stringify(manifest));
  Deno.writeTextFileSync(`${folder}/deno.sh`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** A user of a clone who has npm and no deno, in a folder that somebody else has filled. */
class Newcomer implements Disposable {
  readonly #folder = new Folder();
  readonly #installation = new Installation();
  /** Their folders in the cache. */
  readonly #registries = new Set<string>();
  /** The deno of the installation, which is not on the PATH. */
  readonly deno: string = this.#installation.env["DENO"] ?? "";
  readonly folder: string = `${this.#folder.path}/hostile`;
  readonly isRoot: boolean;

  constructor(isRoot: boolean) {
    this.isRoot = isRoot;
    const { path } = this.#folder;
    Deno.mkdirSync(`${path}/bin`);
    for (
      const name of "sh env readlink dirname id cat head stat npx node mkdir chmod".split(" ")
    ) {
      const { stdout } = new Deno.Command("sh", { args: ["-c", `command -v ${name}`] })
        .outputSync();
      Deno.symlinkSync(new TextDecoder().decode(stdout).trim(), `${path}/bin/${name}`);
    }
    const modules = `${this.folder}/node_modules`;
    for (const folder of [`${modules}/deno`, `${modules}/.bin`, `${path}/home`]) {
      Deno.mkdirSync(folder, { recursive: true });
    }
    const mark = `echo HOSTILE >>${path}/home/mark; echo /bin/false`;
    writePackage(`${modules}/deno`, mark);
    Deno.symlinkSync("../deno/deno.sh", `${modules}/.bin/deno`);
    Deno.writeTextFileSync(`${this.folder}/package.json`, '{"dependencies":{"deno":"2.9.6"}}');
    Deno.writeTextFileSync(`${this.folder}/.npmrc`, "registry=http://127.0.0.1:9/\noffline=true\n");
    Deno.chmodSync(path, 0o755);
    if (!isRoot) must("chmod", ["-R", "a+rwX", `${path}/home`, this.folder]);
  }

  /** Runs bin/aphlict there, in a process group of its own. */
  run(registry: string, ...args: readonly string[]): Process {
    const { path } = this.#folder;
    const become = this.isRoot || Deno.uid() !== 0
      ? []
      : ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    // As if the dependencies had come from there.
    const cache = this.#installation.env["DENO_DIR"] ?? "";
    const folder = `${cache}/npm/${new URL(registry).port}`;
    if (!this.#registries.has(folder)) Deno.symlinkSync("registry.npmjs.org", folder);
    this.#registries.add(folder);
    const environment = {
      PATH: `${path}/bin`,
      HOME: `${path}/home`,
      NPM_CONFIG_REGISTRY: registry,
      DENO_DIR: cache,
    };
    const pairs = Object.entries(environment).map((pair) => pair.join("="));
    const { command } = this.#installation;
    const [program = "", ...rest] = ["setsid", ...become, "env", "-i", ...pairs, command, ...args];
    return new Process(program, rest, { cwd: this.folder });
  }

  /** Whether something of the folder was run. */
  get wasTricked(): boolean {
    return [...Deno.readDirSync(`${this.#folder.path}/home`)].some(({ name }) => name === "mark");
  }

  [Symbol.dispose](): void {
    this.#installation[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}

testOfSource(
  "without deno npx fetches it once, says so, and runs nothing of the folder that one stands in",
  async () => {
    using newcomer = new Newcomer(false);
    let port: number;
    {
      await using registry = new Registry(newcomer.deno);
      port = registry.port;
      await using first = newcomer.run(registry.url, "version");
      assertEquals((await first.ended()).code, 0, first.output);
      assertMatch(
        first.output,
        /^aphlict: fetching Deno 2\.9\.6 from npm, once \(npx deno@2\.9\.6\)\.\naphlict \d/,
      );
      assert(registry.asked > 0);
    }
    // What is there is used without asking.
    using hole = new BlackHole(port);
    await using second = newcomer.run(hole.url, "version");
    assertEquals((await second.ended()).code, 0, second.output);
    assertMatch(second.output, /^aphlict \d/);
    assertEquals(hole.asked, 0);
    assertEquals(newcomer.wasTricked, false);
  },
);

testOfSource(
  "without deno and without a registry it is told at once what is waited for",
  async () => {
    using newcomer = new Newcomer(false);
    using hole = new BlackHole();
    await using waiting = newcomer.run(hole.url, "version");
    await waiting.line(/^aphlict: fetching Deno 2\.9\.6 from npm, once/);
    Deno.kill(-waiting.pid, "SIGKILL");
    await waiting.ended();
    assertEquals(newcomer.wasTricked, false);
  },
);

if (Deno.uid() === 0) {
  testOfSource("root runs no npx, and is told what to do", async () => {
    using newcomer = new Newcomer(true);
    using hole = new BlackHole();
    await using process = newcomer.run(hole.url, "version");
    assertEquals((await process.ended()).code, 1);
    assertMatch(
      process.output,
      /^aphlict: found no deno on the PATH, and root runs no npx\. Install Deno .*, or set DENO to its path\.$/,
    );
    assertEquals([hole.asked, newcomer.wasTricked], [0, false]);
  });

  testOfSource("root runs no code from a cache that others can write", async () => {
    using installation = new Installation();
    const cache = installation.env["DENO_DIR"] ?? "";
    const run = async (DENO_DIR: string) => {
      await using process = new Process(installation.command, ["version"], {
        env: { ...installation.env, DENO_DIR },
      });
      const { code } = await process.ended();
      return { code, output: process.output };
    };
    const above = cache.slice(0, cache.lastIndexOf("/"));
    assertEquals((await run(cache)).code, 0);
    const spoilings = [
      () => Deno.chmodSync(cache, 0o777),
      () => Deno.chmodSync(cache, 0o1777),
      () => Deno.chownSync(cache, 65534, 65534),
      () => Deno.chownSync(above, 65534, 65534),
      () => Deno.chmodSync(above, 0o777),
    ];
    for (const spoil of spoilings) {
      spoil();
      const { code, output } = await run(cache);
      assertEquals(code, 1);
      assertMatch(
        output,
        /^aphlict: root runs no code from \S+, as other users can write \S+\. Run this as /,
      );
      // A cache that is not there yet would be made by whoever is first.
      assertEquals((await run(`${cache}/none/cache`)).code, 1);
      for (const path of [cache, above]) {
        Deno.chownSync(path, 0, 0);
        Deno.chmodSync(path, 0o755);
      }
    }
    Deno.symlinkSync(cache, `${above}/link`);
    assertEquals((await run(`${above}/link`)).code, 0);
    Deno.chmodSync(cache, 0o777);
    assertEquals((await run(`${above}/link`)).code, 1);
  });
}

/** A user that no list of users has. */
const UID = 51_234;

/** Runs a command as that user, with these variables and no others. */
async function asStranger(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const pairs = Object.entries({ PATH: "/usr/bin:/bin", NO_COLOR: "1", ...env })
    .map((pair) => pair.join("="));
  const become = [`--reuid=${UID}`, `--regid=${UID}`, "--clear-groups"];
  await using process = new Process("setpriv", [...become, "env", "-i", ...pairs, ...command]);
  assertEquals((await process.ended()).code, 1, process.output);
  return process.output;
}

const NO_HOME = new RegExp(
  `^aphlict: user ${UID} has no home .*neither HOME nor .*getent passwd ${UID}.*` +
    "Set DENO_DIR to a folder with the dependencies that this user can read, or HOME .*\\.$",
);

if (Deno.uid() === 0) {
  testOfSource("a user without a home is told what to set, and nothing else", async () => {
    using installation = new Installation();
    const { command, env: { DENO = "" } } = installation;
    for (const home of [{}, { HOME: "" }]) {
      assertMatch(await asStranger([command, "version"], { DENO, ...home }), NO_HOME);
    }
  });

  testOfSource("so is root that becomes such a user, who owns the configuration", async () => {
    using installation = new Installation();
    using folder = new Folder();
    Deno.chmodSync(folder.path, 0o755);
    const path = folder.write("aphlict.json", JSON.stringify({ pidfile: `${folder.path}/pid` }));
    for (const each of [folder.path, path]) Deno.chownSync(each, UID, UID);
    const cache = installation.env["DENO_DIR"] ?? "";
    using home = new Folder();
    Deno.mkdirSync(`${home.path}/.cache`);
    Deno.symlinkSync(cache, `${home.path}/.cache/deno`);
    const { DENO = "" } = installation.env;
    await using process = new Process("env", [
      ...["-i", "PATH=/usr/bin:/bin:/usr/sbin", `HOME=${home.path}`, `DENO=${DENO}`],
      ...[installation.command, "status", "--config", path],
    ]);
    assertEquals((await process.ended()).code, 1);
    assertMatch(process.output, NO_HOME);
  });

  testOfSource(
    "a user that can neither read nor fill the cache is told where it is, and asks no registry",
    async () => {
      using installation = new Installation();
      using hole = new BlackHole();
      const { command, env: { DENO = "", DENO_DIR = "" } } = installation;
      // Something is missing in it, as after an upgrade.
      Deno.removeSync(`${DENO_DIR}/npm`, { recursive: true });
      using closed = new Folder();
      Deno.chmodSync(closed.path, 0o700);
      for (
        const [env, cache] of [
          [{ HOME: "/nonexistent" }, "/nonexistent/.cache/deno"],
          [{ XDG_CACHE_HOME: "/nonexistent" }, "/nonexistent/deno"],
          [{ DENO_DIR: closed.path }, closed.path],
          [{ DENO_DIR }, DENO_DIR],
        ] as const
      ) {
        const said = await asStranger([command, "version"], {
          DENO,
          ...env,
          NPM_CONFIG_REGISTRY: hole.url,
        });
        assertMatch(said, /^aphlict: user \d+ does not find .* and cannot write there\. .*\.$/);
        assertStringIncludes(said, ` in ${cache} (`);
        assertStringIncludes(said, ` && DENO_DIR=${cache} ${DENO} install --frozen`);
      }
      assertEquals(hole.asked, 0);
    },
  );

  testOfSource("a user without a home is told what to set where there is no deno", async () => {
    using installation = new Installation();
    using bin = new Folder();
    Deno.chmodSync(bin.path, 0o755);
    for (const name of "sh env readlink dirname id getent".split(" ")) {
      Deno.symlinkSync(`/usr/bin/${name}`, `${bin.path}/${name}`);
    }
    Deno.chmodSync(bin.write("npx", "#!/bin/sh\nexit 1\n"), 0o755);
    const said = await asStranger([installation.command, "version"], { PATH: bin.path });
    assertMatch(
      said,
      /^aphlict: found no deno, and user \d+ has no home \(.*\) in which npx could keep it\. Set DENO to the path of Deno 2\.9\.6, or HOME .*\.$/,
    );
  });
}

Deno.test("no command asks a registry once the dependencies are there", async () => {
  using hole = new BlackHole();
  await using daemon = new Daemon();
  const env = fetchedFrom(hole, daemon.folder.path);
  for (const verb of ["check", "start", "status", "restart", "reload", "stop", "version"]) {
    const [first = "", ...options] = ["restart", "start"].includes(verb)
      ? [verb, "--as-root"]
      : [verb];
    const config = verb === "version" ? [] : ["--config", daemon.written.path];
    await using process = new Process(APHLICT, [first, ...config, ...options], {
      env: { ...env, DENO: Deno.execPath() },
    });
    assertEquals((await process.ended()).code, 0, process.output);
  }
  assertEquals(hole.asked, 0);
});

/** A program that answers as another deno. */
function otherDeno(folder: Folder, version: string, otherwise: string): string {
  const path = folder.write(
    "deno",
    `#!/bin/sh\ncase $1 in --version) echo "${version}"; echo "v8 1" ;; *) ${otherwise} ;; esac\n`,
  );
  Deno.chmodSync(path, 0o755);
  return path;
}

Deno.test("a deno that is too old, or another program, is told by its path and version", async () => {
  using folder = new Folder();
  const cases = [
    ["deno 1.46.3 (stable, release, x86_64-unknown-linux-gnu)", "exit 1"],
    ["deno 2.10.0 (stable)", "exit 1"],
  ] as const;
  for (const [version, otherwise] of cases) {
    const path = otherDeno(folder, version, otherwise);
    for (
      const env of [{ DENO: path }, { DENO: "", PATH: `${folder.path}:${Deno.env.get("PATH")}` }]
    ) {
      if (PROGRAM.kind === "bundle" && env.DENO === "") continue;
      await using process = new Process(APHLICT, ["check"], { env });
      assertEquals((await process.ended()).code, 1);
      assertEquals(
        process.output,
        `aphlict: ${path} is not Deno 2.9.6, which Aphlict is made for: it says "${version}". ` +
          "Put that first on the PATH (npm install -g deno@2.9.6), or set DENO to its path.",
      );
    }
  }
});

Deno.test("a deno that works and is not the tested one is warned of with every command", async () => {
  using folder = new Folder();
  const answer =
    `case "$*" in *" deno") echo "${Deno.execPath()}"; echo "This is another." ;; esac`;
  const path = otherDeno(folder, "deno 2.8.0", answer);
  await using process = new Process(APHLICT, ["version"], { env: { DENO: path } });
  assertEquals((await process.ended()).code, 0);
  assertMatch(process.output, /^aphlict: Warning: This is another\.$/m);
  assertMatch(process.output, /^aphlict \d/m);
});

if (Deno.uid() === 0) {
  Deno.test("a user that there is not and a setpriv that there is not are told at once", async () => {
    using installation = new Installation();
    await using daemon = new Daemon(() => ({ user: "nobody-at-all" }));
    using bin = new Folder();
    for (const name of "sh env readlink dirname id cat head stat".split(" ")) {
      Deno.symlinkSync(`/usr/bin/${name}`, `${bin.path}/${name}`);
    }
    await using process = new Process(
      installation.command,
      ["start", "--config", daemon.written.path],
      { env: { ...installation.env, PATH: bin.path } },
    );
    assertEquals((await process.ended()).code, 1);
    assertMatch(process.output, /^aphlict: setpriv \(of util-linux\) is missing, .*Install it/m);
    assertMatch(process.output, /^aphlict: there is no user nobody-at-all, .*Make it: useradd/m);
    assertEquals(daemon.members(), []);
  });
}

Deno.test("all folders that serve cannot make are told, with what to do", async () => {
  using folder = new Folder();
  for (const name of ["log", "pid"]) folder.write(name, "is no folder");
  const { path } = writeConfig(folder, {
    logs: [{ path: `${folder.path}/log/sub/aphlict.log` }],
    pidfile: `${folder.path}/pid/sub/aphlict.pid`,
  });
  await using process = new Process(APHLICT, ["serve", "--config", path], {
    env: { DENO: Deno.execPath() },
  });
  assertEquals((await process.ended()).code, 1);
  for (const name of ["log", "pid"]) {
    assertMatch(process.output, new RegExp(`^mkdir: .*${folder.path}/${name}\\b`, "m"));
  }
  assertStringIncludes(
    process.output,
    `the pidfile in ${path} cannot be made, see above. Make them`,
  );
});
