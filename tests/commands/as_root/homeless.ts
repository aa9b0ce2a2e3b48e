/**
 * What `bin/aphlict` says to a user that has no home, or no cache that it can fill.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "../../assert.ts";
import { Folder } from "../../folder.ts";
import { BlackHole } from "../../acceptance/black_hole.ts";
import { Installation } from "../../acceptance/installation.ts";
import { Process } from "../../acceptance/process.ts";
import { testOfSource } from "../../acceptance/program.ts";

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
