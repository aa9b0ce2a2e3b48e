/**
 * `deno task npm`: makes a package for npm of the bundle, which depends on npm's package of Deno. It needs `npm`.
 *
 * @module
 */

import settings from "../deno.json" with { type: "json" };
import { TESTED_DENO, VERSION } from "../src/version.ts";
import { BUNDLE } from "./bundle.ts";
import { BuildError, checksum, origin, say, sha256 } from "./dist.ts";

/** The path of the package. */
export const NPM_PACKAGE = `dist/aphlict-${VERSION}.tgz`;

/** The folder in which the package is put together. */
const TREE = "dist/npm";

/** The files of the package beside its manifest, by the paths that they come from. */
const FILES: Readonly<Record<string, string>> = {
  [BUNDLE]: "aphlict.js",
  [`${BUNDLE}.licenses.txt`]: "aphlict.js.licenses.txt",
  "LICENSE": "LICENSE",
  "packaging/npm/README.md": "README.md",
};

/**
 * Returns the manifest, `package.json`.
 *
 * It has no scripts: installing the package runs none of its code. It names the exact version of Deno,
 * and the platforms that this Deno and the supervisor run on.
 *
 * @param source The URL at which the repository is published; `undefined` where that is not known.
 * @see https://docs.npmjs.com/cli/configuring-npm/package-json
 */
export function manifest(source: string | undefined): Readonly<Record<string, unknown>> {
  return {
    name: "aphlict",
    version: VERSION,
    description: "The notification server of Phorge, in a sandbox made from its configuration",
    license: settings.license,
    ...source === undefined ? {} : { repository: { type: "git", url: `git+${source}` } },
    bin: { aphlict: "aphlict.js" },
    files: Object.values(FILES),
    dependencies: { deno: TESTED_DENO },
    engines: { node: ">=20" },
    os: ["linux"],
    cpu: ["x64", "arm64"],
    libc: ["glibc"],
  };
}

function main(): void {
  Deno.mkdirSync(TREE, { recursive: true });
  for (const [from, to] of Object.entries(FILES)) put(to, Deno.readFileSync(from));
  put("package.json", new TextEncoder().encode(`${JSON.stringify(manifest(origin()), null, 2)}\n`));
  pack();
  const bytes = Deno.readFileSync(NPM_PACKAGE);
  checksum(NPM_PACKAGE, bytes);
  say(`${NPM_PACKAGE}  sha256 ${sha256(bytes)}`);
}

/** Writes a file of the package, with a mode that no umask changes. */
function put(name: string, content: Uint8Array<ArrayBuffer>): void {
  const path = `${TREE}/${name}`;
  Deno.writeFileSync(path, content);
  Deno.chmodSync(path, name === "aphlict.js" ? 0o755 : 0o644);
}

/** Makes the package. npm gives all files the same time, so that the same files make the same package. */
function pack(): void {
  const args = ["pack", "--silent", "--pack-destination", "..", "."];
  const { success, stderr } = npm(args);
  if (!success) throw new BuildError(`npm ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

function npm(args: readonly string[]): Deno.CommandOutput {
  try {
    return new Deno.Command("npm", { args: [...args], cwd: TREE }).outputSync();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new BuildError(
      "There is no npm here, which makes its package. Install Node.js with npm.",
    );
  }
}

if (import.meta.main) BuildError.explained(main);
