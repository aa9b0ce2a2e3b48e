import { manifest } from "../../packaging/npm.ts";
import { TESTED_DENO, VERSION } from "../../src/version.ts";
import { type Outcome, Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { dirname } from "node:path";

Deno.test("npm's package depends on the tested Deno and nothing else, and runs no scripts", () => {
  const { version, dependencies, scripts, repository } = manifest(undefined);
  assertEquals({ version, dependencies }, {
    version: VERSION,
    dependencies: { deno: TESTED_DENO },
  });
  assertEquals({ scripts, repository }, { scripts: undefined, repository: undefined });
});

Deno.test("npm's package names the repository where the clone knows a place that others can open", () => {
  assertEquals(manifest("https://code.example.org/aphlict.git")["repository"], {
    type: "git",
    url: "git+https://code.example.org/aphlict.git",
  });
});

/** A bundle in a folder of packages, with another program as the `deno` on the PATH. */
class Installed implements Disposable {
  readonly #folder = new Folder();

  /**
   * @param place The folder of the package.
   * @param programs Denos of the tested version.
   * @param others Denos that are not to be run.
   */
  constructor(
    readonly place: string,
    programs: readonly string[],
    others: readonly string[] = [],
  ) {
    const path = (name: string) => {
      Deno.mkdirSync(dirname(`${this.#folder.path}/${name}`), { recursive: true });
      return `${this.#folder.path}/${name}`;
    };
    Deno.copyFileSync(`${ROOT}dist/aphlict.js`, path(`${place}/aphlict.js`));
    for (const name of programs) Deno.symlinkSync(Deno.execPath(), path(name));
    for (const name of ["bin/deno", ...others]) {
      Deno.writeTextFileSync(path(name), "#!/bin/sh\necho ANOTHER DENO\n", { mode: 0o755 });
    }
  }

  async version(): Promise<Outcome> {
    const { path } = this.#folder;
    const search = `PATH=${path}/bin:/usr/bin:/bin`;
    const command = `${path}/${this.place}/aphlict.js`;
    await using process = new Process("env", ["-i", search, command, "version"]);
    return await process.outcome();
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

/** Where npm puts the package, and the program of its Deno. */
const LAYOUTS: Readonly<Record<string, readonly [place: string, program: string]>> = {
  "npx and in a project": ["node_modules/aphlict", "node_modules/deno/deno"],
  "for all users": ["node_modules/aphlict", "node_modules/aphlict/node_modules/deno/deno"],
  "as a dependency of another package": [
    "node_modules/other/node_modules/aphlict",
    "node_modules/deno/deno",
  ],
  "under the name of an organisation": ["node_modules/@we/aphlict", "node_modules/deno/deno"],
};

for (const [name, [place, program]] of Object.entries(LAYOUTS)) {
  Deno.test(`the bundle runs the Deno that npm has installed for it: ${name}`, async () => {
    using installed = new Installed(place, [program]);
    const { code, output } = await installed.version();
    assertEquals(code, 0, output);
    assertStringIncludes(output, `aphlict ${VERSION} (bundle, deno ${TESTED_DENO}, `);
  });
}

Deno.test("the bundle runs the Deno of its platform where npm runs no scripts of packages", async () => {
  const platform = "@deno/linux-x64-glibc/deno";
  for (const place of ["node_modules", "node_modules/deno/node_modules"]) {
    using installed = new Installed("node_modules/aphlict", [`${place}/${platform}`], [
      "node_modules/deno/bin.cjs",
    ]);
    const { code, output } = await installed.version();
    assertEquals(code, 0, output);
    assert(output.startsWith(`aphlict ${VERSION} (bundle, `), output);
  }
});

Deno.test("the bundle runs its own Deno beside that of the project", async () => {
  const place = "node_modules/aphlict";
  using installed = new Installed(place, [`${place}/node_modules/deno/deno`], [
    "node_modules/deno/deno",
  ]);
  assertEquals((await installed.version()).code, 0);
});

Deno.test("a package of npm without its Deno runs no other", async () => {
  using installed = new Installed("node_modules/aphlict", [], ["node_modules/deno/bin.cjs"]);
  const { code, output } = await installed.version();
  assertEquals(code, 1);
  assertMatch(output, /^aphlict: npm has installed no Deno with \/\S*\/aphlict\.js\. Install /);
});
