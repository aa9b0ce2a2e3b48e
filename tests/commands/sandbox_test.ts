import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { loadConfig } from "../../src/config/load.ts";
import { serviceFlags } from "../../src/config/permissions.ts";
import { Folder } from "../folder.ts";
import { DENIED, FORBIDDEN, type Values, valuesOf } from "../acceptance/forbidden.ts";
import { Process } from "../acceptance/process.ts";
import { freePorts } from "../acceptance/ports.ts";
import { writeConfig } from "../acceptance/server.ts";
import { APHLICT, PROGRAM, programArguments, ROOT } from "../acceptance/program.ts";

/**
 * Runs code in the program's own process, before the program itself, under the flags derived from a
 * configuration with one peer; resolves to its output.
 */
async function underDerivedFlags(code: (values: Values) => string): Promise<string> {
  using folder = new Folder();
  const [peer = 0, other = 0] = freePorts(2);
  const written = writeConfig(folder, {
    cluster: [{ host: "127.0.0.1", port: peer, protocol: "http" }],
  });
  const script = folder.write(
    "probe.js",
    code(valuesOf(written, { peer, other })),
  );
  const flags = [...serviceFlags(loadConfig(written.path)), `--preload=${script}`];
  await using process = new Process(
    Deno.execPath(),
    programArguments(flags, "version", written.path),
    {
      env: { SECRET: "hunter2" },
    },
  );
  await process.ended();
  return process.output;
}

for (const [deed, code] of Object.entries(FORBIDDEN)) {
  Deno.test(`under its derived flags the service cannot ${deed}`, async () => {
    assertMatch(await underDerivedFlags(code), DENIED);
  });
}

Deno.test("nothing in the environment of a start brings code or a debugger into the service", async () => {
  using folder = new Folder();
  const { path } = writeConfig(folder);
  const foreign = folder.write("foreign.cjs", 'console.log("FOREIGN CODE");');
  const [port = 0] = freePorts(1);
  await using service = new Process(APHLICT, ["serve", "--config", path], {
    env: {
      DENO: Deno.execPath(),
      DENO_V8_FLAGS: "--prof",
      DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`,
      NODE_OPTIONS: `--require ${foreign} --inspect=127.0.0.1:${port}`,
    },
  });
  await service.line(/has fingerprint /);
  assertEquals(/FOREIGN CODE/.test(service.output), false);
  Deno.listen({ hostname: "127.0.0.1", port }).close();
  const environment = Deno.readTextFileSync(`/proc/${service.pid}/environ`);
  assertEquals(/(NODE_OPTIONS|DENO_V8_FLAGS|DENO_SERVE_ADDRESS)=/.test(environment), false);
});

if (PROGRAM.kind === "bundle") {
  Deno.test("a bundle's service finds no place in which the runtime keeps what needs no permission", async () => {
    using folder = new Folder();
    const { path } = writeConfig(folder);
    await using service = new Process(APHLICT, ["serve", "--config", path], {
      env: { DENO: Deno.execPath() },
    });
    await service.line(/has fingerprint /);
    const environment = Deno.readTextFileSync(`/proc/${service.pid}/environ`).split("\0");
    const [kept = ""] = environment.filter((pair) => pair.startsWith("DENO_DIR="));
    const probe = folder.write(
      "probe.js",
      `const cache = await caches.open("x");
      await cache.put("http://127.0.0.1/", new Response("kept"));`,
    );
    await using storing = new Process(
      Deno.execPath(),
      programArguments([...serviceFlags(loadConfig(path)), `--preload=${probe}`], "version", path),
      { env: { DENO_DIR: kept.replace("DENO_DIR=", "") } },
    );
    await storing.ended();
    assertMatch(storing.output, /Failed to create cache storage directory/);
  });
}

Deno.test("under its derived flags the service can do what it needs", async () => {
  const output = await underDerivedFlags(({ client, admin, peer, folder }) => `
    for (const port of [${client}, ${admin}]) Deno.listen({ hostname: "127.0.0.1", port }).close();
    try {
      await Deno.connect({ hostname: "127.0.0.1", port: ${peer} });
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }
    Deno.readTextFileSync("${folder}/aphlict.json");
    Deno.writeTextFileSync("${folder}/aphlict.log", "line");
    for (let n = 5; n > 0; n--) {
      const from = n === 1 ? "" : "." + (n - 1);
      try {
        Deno.renameSync("${folder}/aphlict.log" + from, "${folder}/aphlict.log." + n);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    console.log("all done");
  `);
  assertStringIncludes(output, "all done");
});

Deno.test("no task but the tests grants a permission without saying for what", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  for (const [name, task] of Object.entries<{ command: string }>(tasks)) {
    // The soak and the floods run what the tests are made of. What is built reads the configuration that is named, and
    // the deno that it runs under; and who may run deno may do anything.
    if (/^test|^(soak|flood|bundle|compile|deb|npm|release)$/.test(name)) continue;
    for (const flag of task.command.split(" ").filter((word) => /^(-A|--allow)/.test(word))) {
      assertMatch(flag, /^--allow-\w+=\S+$/, name);
    }
  }
});
