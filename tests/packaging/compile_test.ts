import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "../assert.ts";
import { compileArguments } from "../../packaging/compile.ts";
import { BuildError } from "../../packaging/dist.ts";
import { type Outcome, Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { loadConfig } from "../../src/config/load.ts";
import { defaultConfigPath } from "../../src/config/program.ts";
import { validate } from "../../src/config/validate.ts";
import { serviceFlags } from "../../src/config/permissions.ts";

/** What `deno task compile` prints, and its exit code. */
async function compile(...args: readonly string[]): Promise<Outcome> {
  await using process = new Process(Deno.execPath(), [
    ...["run", "--allow-read", "--allow-env=DENORT_BIN", "--allow-run", "--allow-write"],
    ...["packaging/compile.ts", ...args],
  ], { cwd: ROOT, env: { DENORT_BIN: "/nonexistent/denort" } });
  return await process.outcome();
}

Deno.test("a dry run prints the command line, with the flags of the configuration and its path", async () => {
  const { code, output } = await compile(
    ...["--dry-run", "--config", "conf/examples/aphlict.json"],
    ...["--installed-as", "/etc/aphlict/aphlict.json"],
  );
  assertEquals(code, 0);
  const logs = ["", ".1", ".2", ".3", ".4", ".5"].map((n) => `/var/log/aphlict/aphlict.log${n}`);
  assertEquals(
    output,
    "DENORT_BIN=/nonexistent/denort deno compile --quiet --no-check --no-config --no-remote --no-npm " +
      "--no-code-cache " +
      "--no-prompt --cached-only --deny-import " +
      "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=50 " +
      "--allow-net=127.0.0.1:22280,127.0.0.1:22281 " +
      `--allow-read=${["/etc/aphlict/aphlict.json", ...logs].join(",")} ` +
      `--allow-write=${logs.join(",")} ` +
      "--output dist/aphlict dist/aphlict.js --built-for=/etc/aphlict/aphlict.json",
  );
});

Deno.test("without --config it is compiled for the one that is used in this folder", async () => {
  const { output } = await compile("--dry-run");
  const config = defaultConfigPath({ kind: "source", path: `${ROOT}main.ts` });
  assertStringIncludes(output, ` --built-for=${config}`);
});

Deno.test("what is compiled holds the flags of the service and no others", () => {
  const config = loadConfig(`${ROOT}conf/aphlict.default.json`);
  const args = compileArguments(config, "a.js", "a");
  const flags = args.filter((word) => /^--(allow|deny|v8|no-prompt|cached)/.test(word));
  assertEquals(flags, serviceFlags(config));
});

Deno.test("a configuration with relative paths is not compiled: the folder of a start would choose the file", () => {
  const config = validate("/etc/a.json", {
    servers: [{ type: "client", port: 1 }, { type: "admin", port: 2 }],
    logs: [{ path: "a.log", "rotate.size": 0 }],
    pidfile: "/run/a.pid",
  });
  assertThrows(() => compileArguments(config, "a.js", "a"), BuildError, "names a.log: a relative");
});

Deno.test("where denort is missing, it is said how to get it", async () => {
  const { code, output } = await compile("--config", "conf/examples/aphlict.json");
  assertEquals(code, 1);
  assertMatch(
    output,
    /^Cannot compile: "deno compile" needs denort, .*DENORT_BIN names \/nonexistent\/denort, .*\/v\d+\.\d+\.\d+\/denort-.*\.zip /,
  );
});

Deno.test("the path on the other host is an absolute one that a permission can name", async () => {
  for (const path of ["/etc/x,/", "/etc/a\nb", "a.json"]) {
    const { code, output } = await compile("--dry-run", "--installed-as", path);
    assertEquals(code, 1);
    assertMatch(output, /is no absolute path, which --installed-as takes\.|is not a path\./);
  }
});
