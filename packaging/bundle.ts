/**
 * `deno task bundle`: makes one file that is the program and its launcher, out of the modules that
 * `deno bundle` has joined.
 *
 * @module
 */

import { parseOptions } from "../src/cli/args.ts";
import { CONFIG_OPTION } from "../src/cli/command.ts";
import { loadConfig } from "../src/config/load.ts";
import { serviceFlags, shellQuote } from "../src/config/permissions.ts";
import { denoArguments } from "../src/config/program.ts";
import { VERSION } from "../src/version.ts";
import { BuildError, say, sha256, write } from "./dist.ts";

/** The file that `deno bundle` has written. */
const JOINED = "dist/joined.js";

/** The bundle. */
export const BUNDLE = "dist/aphlict.js";

/** A package of which a bundle contains a part. */
export interface Contained {
  /** The name at npm, such as `@logtape/logtape`. */
  readonly name: string;
  readonly version: string;
}

/**
 * The comment before each joined module of npm, and the name of its function, with the path of its file in the
 * builder's cache, or, in a bundle, the text that {@linkcode assemble} puts in its place.
 */
const FROM_NPM =
  /^(\/\/ | *")(?:[^\s"]*\/npm\/[^/\s"]+\/|npm:)((?:@[^/\s"]+\/)?[^/@\s"]+)[/@](\d[^/\s"]*)\/([^\s"]+)/gm;

/** Returns the packages that the modules of a bundle, or those joined for it, come from, each once, by name. */
export function containedIn(joined: string): Contained[] {
  const found = new Map<string, Contained>();
  for (const [, , name = "", version = ""] of joined.matchAll(FROM_NPM)) {
    found.set(`${name}@${version}`, { name, version });
  }
  return [...found.entries()].sort(([a], [b]) => a < b ? -1 : 1).map(([, each]) => each);
}

/**
 * Returns the modules that a bundle imports, each once, and `import(...)` for those that only a run tells. All
 * of them have to be built into the runtime.
 */
export function importsOf(script: string): string[] {
  const statements = script.matchAll(
    /^(?:import|export)\s[^"';]*?from\s*["']([^"']+)["']|^import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm,
  );
  const computed = /\bimport\s*\((?!\s*["'])/.test(script) ? ["import(...)"] : [];
  return [...new Set([...statements].map(([, a, b, c]) => a ?? b ?? c ?? "")), ...computed].sort();
}

/** Returns the licences of the packages that a bundle contains. */
function noticeOf(contained: readonly Contained[]): string {
  const parts = contained.map(({ name, version }) =>
    `${"-".repeat(72)}\n${name} ${version}\n\n${licenseOf(name)}`
  );
  return [
    `Aphlict on Deno ${VERSION} is licensed under the Apache License 2.0:`,
    "https://www.apache.org/licenses/LICENSE-2.0",
    "",
    "esbuild (Copyright 2020 Evan Wallace, MIT License) has joined its modules, with some lines of its own.",
    "",
    "It contains parts of the following packages.",
    "",
    ...parts,
  ].join("\n");
}

function licenseOf(name: string): string {
  const path = `packaging/licenses/${name.replace("/", "+")}.txt`;
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    throw new BuildError(
      `The bundle contains ${name}, and there is no licence of it at ${path}. Put it there.`,
      { cause },
    );
  }
}

/**
 * Returns the file that is both: a shell reads the launcher, which ends by running deno; for JavaScript, the
 * launcher is a comment.
 *
 * @param launcher Text of `bin/aphlict`.
 * @param joined The joined modules.
 */
export function assemble(launcher: string, joined: string, notice: string): string {
  const [hashbang, ...lines] = launcher.trimEnd().split("\n");
  const place = lines.indexOf("bundle=");
  if (hashbang !== "#!/bin/sh" || place === -1) {
    throw new BuildError('bin/aphlict does not begin as a shell script, or has no line "bundle=".');
  }
  const head = lines.with(place, "bundle=yes").join("\n");
  for (const [what, text] of [["bin/aphlict", head], ["a licence", notice]]) {
    if (text?.includes("*/")) {
      throw new BuildError(`"*/" in ${what} would end the comment it is in.`);
    }
  }
  // The paths at which packages were joined are nobody's business, and differ between machines.
  const body = joined.replace(FROM_NPM, "$1npm:$2@$3/$4");
  return `#!/bin/sh\n":" /*\n${head}\nexit\n: <<'JavaScript'\n*/;\n/*\n${notice}*/\n${body}`;
}

/**
 * Returns the joined modules with no more of `deno.json` than the version, which is all that the program uses:
 * another task, or another word of one, makes no other program.
 */
export function withoutSettings(joined: string): string {
  const settings = /^( *)deno_default = \{$[^]*?^\1\};$/m;
  if (!settings.test(joined)) {
    throw new BuildError(`${JOINED} does not have deno.json as it had. Look at src/version.ts.`);
  }
  return joined.replace(settings, `$1deno_default = { version: "${VERSION}" };`);
}

function main(): void {
  const { values } = parseOptions(Deno.args, [CONFIG_OPTION]);
  const joined = withoutSettings(Deno.readTextFileSync(JOINED));
  const foreign = importsOf(joined).filter((specifier) => !specifier.startsWith("node:"));
  if (foreign.length > 0) throw new BuildError(`${JOINED} imports ${foreign.join(", ")}.`);
  const notice = noticeOf(containedIn(joined));
  const script = assemble(Deno.readTextFileSync("bin/aphlict"), joined, notice);
  write(BUNDLE, script, 0o755);
  write(`${BUNDLE}.licenses.txt`, notice);
  Deno.removeSync(JOINED);
  say(`${BUNDLE}  sha256 ${sha256(script)}`);
  const config = values.get(CONFIG_OPTION.name);
  if (config === undefined) return;
  const program = { kind: "bundle", path: BUNDLE } as const;
  const loaded = loadConfig(config);
  const command = shellQuote([
    // The launcher sets these.
    ...["env", "DENO_DIR=/dev/null/none", "DENO_LOG=warn,deno::cache=off"],
    "deno",
    ...denoArguments(program, serviceFlags(loaded), ["serve", "--config", config]),
  ]);
  say(`Its service under ${config}:\n\n  ${command}`);
}

if (import.meta.main) BuildError.explained(main);
