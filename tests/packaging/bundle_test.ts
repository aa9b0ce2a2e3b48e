import { assert, assertEquals, assertStringIncludes, assertThrows } from "../assert.ts";
import { assemble, importsOf, withoutSettings } from "../../packaging/bundle.ts";
import { BuildError, sha256 } from "../../packaging/dist.ts";
import { VERSION } from "../../src/version.ts";
import { ROOT } from "../acceptance/program.ts";
import { writeConfig } from "../acceptance/server.ts";
import { loadConfig } from "../../src/config/load.ts";
import { serviceFlags, shellQuote } from "../../src/config/permissions.ts";
import { Process } from "../acceptance/process.ts";
import { Folder } from "../folder.ts";

const BUNDLE = `${ROOT}dist/aphlict.js`;

const LAUNCHER = '#!/bin/sh\n# A launcher.\nbundle=\necho "launched with $#: $1"\nexit 0\n';

Deno.test("a bundle runs in a shell as its launcher, and in deno as its program", async () => {
  using folder = new Folder("aphlict's test-");
  const text = assemble(LAUNCHER, 'console.log("ran", Deno.args);\n', "A notice.\n");
  const path = folder.write("a b.js", text);
  Deno.chmodSync(path, 0o755);
  await using shell = new Process(path, ["x y"]);
  await shell.ended();
  assertEquals(shell.output, "launched with 1: x y");
  await using deno = new Process(Deno.execPath(), ["run", "--no-config", path, "x y"]);
  await deno.ended();
  assertEquals(deno.output, 'ran [ "x y" ]');
});

Deno.test("a launcher or a notice that would end its comment makes no bundle", () => {
  for (const text of [`${LAUNCHER}case $1 in */x) ;; esac\n`, LAUNCHER.replace("bundle=\n", "")]) {
    assertThrows(() => assemble(text, "", ""), BuildError, "bin/aphlict");
  }
  assertThrows(() => assemble(LAUNCHER, "", "/* */"), BuildError, '"*/" in a licence');
});

Deno.test("of deno.json the bundle has the version alone", () => {
  const settings = '    deno_default = {\n      version: "1",\n      tasks: {\n      }\n    };\n';
  assertEquals(
    withoutSettings(`// deno.json\n${settings}done();\n`),
    `// deno.json\n    deno_default = { version: "${VERSION}" };\ndone();\n`,
  );
  assertThrows(() => withoutSettings("done();\n"), BuildError, "does not have deno.json");
});

Deno.test("what a script imports is found, however it is written", () => {
  const script = `import a from "node:a";
import { b as c,
  d } from 'npm:b';
import "./c.js";
export * from "d";
const e = await import("https://jsr.io/e.ts");
const text = 'import x from "not"';
`;
  const all = ["./c.js", "d", "https://jsr.io/e.ts", "node:a", "npm:b"];
  assertEquals(importsOf(script), all);
  assertEquals(
    importsOf(`${script}await import(\`npm:${"${x}"}\`);\n`),
    [...all, "import(...)"].sort(),
  );
});

Deno.test("the bundle imports nothing but what is built into the runtime", () => {
  const imports = importsOf(Deno.readTextFileSync(BUNDLE));
  assert(imports.length > 5);
  assertEquals(imports.filter((specifier) => !specifier.startsWith("node:")), []);
});

Deno.test("the bundle carries the licences of what it contains, and its checksum is beside it", async () => {
  const text = Deno.readTextFileSync(BUNDLE);
  assertStringIncludes(text, Deno.readTextFileSync(`${BUNDLE}.licenses.txt`));
  await using check = new Process("sha256sum", ["--check", "aphlict.js.sha256"], {
    cwd: `${ROOT}dist`,
  });
  assertEquals((await check.ended()).code, 0, check.output);
});

Deno.test("the bundle is the same, byte for byte, from another folder with another cache", async () => {
  using folder = new Folder();
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const { denoDir } = JSON.parse(new TextDecoder().decode(info.stdout));
  const parts = ["bin", "src", "packaging", "main.ts", "deno.json", "deno.lock"];
  await using copy = new Process("sh", [
    "-c",
    'mkdir -p "$1/deep/clone" "$1/cache" && cp -r "$2/npm" "$1/cache" && shift && shift && cp -r "$@"',
    ...["sh", folder.path, denoDir],
    ...[...parts.map((name) => `${ROOT}${name}`), `${folder.path}/deep/clone`],
  ]);
  assertEquals((await copy.ended()).code, 0, copy.output);
  await using build = new Process(Deno.execPath(), ["task", "bundle"], {
    cwd: `${folder.path}/deep/clone`,
    env: { DENO_DIR: `${folder.path}/cache` },
  });
  assertEquals((await build.ended()).code, 0, build.output);
  assertEquals(
    sha256(Deno.readFileSync(`${folder.path}/deep/clone/dist/aphlict.js`)),
    sha256(Deno.readFileSync(BUNDLE)),
  );
});

Deno.test("with a configuration, wherever it is, building shows the command line of its service", async () => {
  using folder = new Folder();
  const { path, client } = writeConfig(folder);
  await using copy = new Process("cp", [
    "-r",
    ...["bin", "src", "packaging", "main.ts", "deno.json", "deno.lock"].map((name) => ROOT + name),
    folder.path,
  ]);
  assertEquals((await copy.ended()).code, 0, copy.output);
  const args = ["task", "bundle", "--config", path];
  await using build = new Process(Deno.execPath(), args, { cwd: folder.path });
  assertEquals((await build.ended()).code, 0, build.output);
  const flags = shellQuote(serviceFlags(loadConfig(path)));
  assertStringIncludes(flags, `--allow-net=127.0.0.1:${client}`);
  assertStringIncludes(
    build.output,
    `\n  env DENO_DIR=/dev/null/none DENO_LOG=warn,deno::cache=off deno run --no-config --no-remote --no-npm --no-code-cache ${flags} dist/aphlict.js serve --config ${path}`,
  );
});
