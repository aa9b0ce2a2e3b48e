/**
 * `bin/aphlict` itself: what of its surroundings reaches the runtime, and where it gets that from. What it does as
 * root is in `as_root/host.ts`.
 */

import { createHash } from "node:crypto";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { loadConfig } from "../../src/config/load.ts";
import { serviceFlags, shellQuote } from "../../src/config/permissions.ts";
import { Folder } from "../folder.ts";
import { BlackHole } from "../acceptance/black_hole.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { DENIED, FORBIDDEN, valuesOf } from "../acceptance/forbidden.ts";
import { fetchedFrom } from "../acceptance/installation.ts";
import { Newcomer, writePackage } from "../acceptance/newcomer.ts";
import { freePorts } from "../acceptance/ports.ts";
import { must, Process } from "../acceptance/process.ts";
import { APHLICT, PROGRAM, programArguments, testOfSource } from "../acceptance/program.ts";
import { publish, writeConfig } from "../acceptance/server.ts";

/** All that reaches the runtime. */
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
  assertEquals(reached.filter((name) => !KEPT.has(name)), []);
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
      return await process.outcome();
    };
    assertEquals(await run(hostile), await run({}));
  }
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["aphlict.json"]);
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
