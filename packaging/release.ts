/**
 * `deno task release`: makes the files that go beside the program, and the checksums of all that is released.
 *
 * @module
 */

import { parseOptions } from "../src/cli/args.ts";
import { loadCommands } from "../src/cli/cli.ts";
import { SYSTEM_CONFIG } from "../src/config/program.ts";
import { TESTED_DENO, VERSION } from "../src/version.ts";
import { BUNDLE, containedIn } from "./bundle.ts";
import { compile, configFor, EXECUTABLE, NoBase } from "./compile.ts";
import { bashCompletion, COMPLETION } from "./completion.ts";
import {
  CONFIGURATION_MAN_PAGE,
  CONFIGURATION_SCHEMA,
  configurationManPage,
  configurationSchema,
} from "./configuration.ts";
import { BuildError, git, say, sha256, sourceDate } from "./dist.ts";
import { MAN_PAGE, manPage } from "./man.ts";
import { billOf, type Lock, SBOM } from "./sbom.ts";

const COMMANDS = await loadCommands();

const DIST = "dist";

const SUMS = "SHA256SUMS";

/** The facts that tell whether a build is a release. */
export interface Claims {
  /** The version in deno.json. */
  readonly version: string;
  /** The version of the Deno that makes the build. */
  readonly deno: string;
  /** The text of CHANGELOG.md. */
  readonly changelog: string;
  /** The commit's name from `git describe`, with `-dirty` when files differ; none when it has no tag. */
  readonly tag: string | undefined;
}

/**
 * Returns why a build is no release, in words for the builder; `undefined` if it is one. A tag makes a
 * release of a build; without it there is nothing to check the build against.
 *
 * @throws {BuildError} If the commit is tagged as a release, and something contradicts that.
 */
export function whyNoRelease({ version, deno, changelog, tag }: Claims): string | undefined {
  if (tag === undefined) return `git knows of no tag v${version} for this commit.`;
  const name = tag.replace(/-dirty$/, "");
  if (name !== tag) return `Files differ from those of the tag ${name}.`;
  if (name !== `v${version}`) {
    throw new BuildError(
      `The commit is tagged ${name}, and the version in deno.json is ${version}. RELEASING.md says how ` +
        "a release is cut.",
    );
  }
  if (deno !== TESTED_DENO) {
    throw new BuildError(
      `The commit is tagged ${name}, and this is Deno ${deno}. A release is made with ${TESTED_DENO}, the one ` +
        "that is tested.",
    );
  }
  if (!changelog.split("\n").some((line) => isHeading(line, version))) {
    throw new BuildError(
      `The commit is tagged ${name}, and CHANGELOG.md has no section "## [${version}] - YYYY-MM-DD". ` +
        'Give that name to the section "[Unreleased]", commit it, and move the tag.',
    );
  }
  return undefined;
}

function isHeading(line: string, version: string): boolean {
  const start = `## [${version}] - `;
  return line.startsWith(start) && /^\d{4}-\d\d-\d\d$/.test(line.slice(start.length));
}

/** Returns the checksums of files by name, as `sha256sum --check` reads them. Files of checksums are left out. */
export function checksums(files: ReadonlyMap<string, Uint8Array>): string {
  return [...files].filter(([name]) => name !== SUMS && !name.endsWith(".sha256"))
    .sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, content]) => `${sha256(content)}  ${name}\n`).join("");
}

function main(): void {
  parseOptions(Deno.args, []);
  const changelog = Deno.readTextFileSync("CHANGELOG.md");
  const tag = git("describe", "--tags", "--exact-match", "--dirty", "--match", "v[0-9]*");
  const reason = whyNoRelease({ version: VERSION, deno: Deno.version.deno, changelog, tag });
  const time = sourceDate(Deno.env.get("SOURCE_DATE_EPOCH"));
  const bill = billOf({
    version: VERSION,
    deno: Deno.version.deno,
    lock: readLock("deno.lock"),
    tools: readLock("packaging/esbuild.lock"),
    contained: containedIn(Deno.readTextFileSync(BUNDLE)),
    ...time === undefined ? {} : { time },
  });
  Deno.writeTextFileSync(SBOM, `${JSON.stringify(bill, null, 2)}\n`);
  Deno.writeTextFileSync(MAN_PAGE, manPage(COMMANDS, VERSION));
  const example = Deno.readTextFileSync("conf/examples/aphlict.json");
  Deno.writeTextFileSync(CONFIGURATION_MAN_PAGE, configurationManPage(VERSION, example));
  Deno.writeTextFileSync(
    CONFIGURATION_SCHEMA,
    `${JSON.stringify(configurationSchema(), null, 2)}\n`,
  );
  Deno.writeTextFileSync(COMPLETION, bashCompletion(COMMANDS));
  Deno.copyFileSync("LICENSE", `${DIST}/LICENSE`);
  // The licences of what an executable contains.
  Deno.copyFileSync("packaging/deno.txt", `${DIST}/deno.licenses.txt`);
  const lacking = compileOne();
  const files = readFiles(DIST);
  const sums = checksums(files);
  Deno.writeTextFileSync(`${DIST}/${SUMS}`, sums);
  say(`${DIST}/${SUMS}\n${sums}`);
  if (lacking !== undefined) say(`${EXECUTABLE} IS MISSING. ${lacking}\n`);
  say(
    reason === undefined
      ? `This is the release ${VERSION}.`
      : `This is a build to try, and not a release. ${reason}`,
  );
}

/** Compiles the executable for the example configuration. Returns why there is none, where only denort is missing. */
function compileOne(): string | undefined {
  try {
    compile(configFor("conf/examples/aphlict.json", SYSTEM_CONFIG));
    return undefined;
  } catch (error) {
    if (error instanceof NoBase) return error.message;
    throw error;
  }
}

function readLock(path: string): Lock {
  return JSON.parse(Deno.readTextFileSync(path));
}

function readFiles(folder: string): Map<string, Uint8Array> {
  return new Map(
    [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile)
      .map(({ name }) => [name, Deno.readFileSync(`${folder}/${name}`)]),
  );
}

if (import.meta.main) BuildError.explained(main);
