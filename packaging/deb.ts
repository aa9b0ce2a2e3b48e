/**
 * `deno task deb`: makes a Debian package of the bundle and of the deno that runs this. It needs
 * `dpkg-deb`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { TESTED_DENO, VERSION } from "../src/version.ts";
import { loadCommands } from "../src/cli/cli.ts";
import { BUNDLE } from "./bundle.ts";
import { bashCompletion } from "./completion.ts";
import { manPage } from "./man.ts";
import { configurationManPage } from "./configuration.ts";
import { BuildError, checksum, git, origin, say, sha256, sourceDate } from "./dist.ts";

const COMMANDS = await loadCommands();

/** Debian's name of this architecture. */
const ARCHITECTURE = { x86_64: "amd64", aarch64: "arm64" }[Deno.build.arch as string];

/** The path of the package. */
export const PACKAGE = `dist/aphlict_${VERSION}_${ARCHITECTURE}.deb`;

/** The folder in which the package is put together. */
const TREE = "dist/deb";

/** The one file that an administrator changes. */
const CONFIGURATION = "etc/aphlict/aphlict.json";

/** Replacements in the examples for a clone, by the path of the example. */
const CHANGES: Readonly<Record<string, readonly (readonly [string | RegExp, string])[]>> = {
  "conf/examples/aphlict.service": [
    [/^# Aphlict under systemd\.[^]*?\n\n/, ""],
    [
      "file:///opt/aphlict/docs/operations.md",
      "man:aphlict(8) file:///usr/share/doc/aphlict/docs/operations.md",
    ],
    ["/opt/aphlict/bin/aphlict run", "/usr/bin/aphlict run"],
    ["/opt/aphlict/bin/aphlict health", "/usr/bin/aphlict health"],
    ["/opt/aphlict/bin/aphlict reload", "/usr/bin/aphlict reload"],
    [/^# Deno's cache of the dependencies[^]*?\nEnvironment=DENO_DIR=.*\n/m, ""],
  ],
  "conf/examples/logrotate.conf": [
    ["env DENO_DIR=/var/cache/aphlict /opt/aphlict/bin/aphlict", "/usr/bin/aphlict"],
  ],
  "conf/examples/cron.md": [
    ["useradd --system aphlict\n", ""],
    ["/var/lib/aphlict /var/log/aphlict", "/var/lib/aphlict"],
    [/^\nRoot fills Deno's cache.*\n/m, ""],
    [". Cron's own PATH does not reach `/usr/local/bin`, where npm puts Deno:", ":"],
    [/^PATH=.*\nDENO_DIR=.*\n/m, ""],
    ["@reboot /opt/aphlict/bin/aphlict", "@reboot /usr/bin/aphlict"],
    [/env DENO_DIR=[^]*?\/opt\/aphlict\/bin\/aphlict/, "/usr/bin/aphlict"],
  ],
};

/** Returns an example as a package has it: with the package's paths. */
export function packaged(path: string, text: string): string {
  return (CHANGES[path] ?? []).reduce((text, [from, to]) => {
    const changed = text.replace(from, to);
    if (changed === text) throw new BuildError(`${path} has no ${from} any more.`);
    return changed;
  }, text);
}

/** The home page of a package whose repository has no known URL. */
const PHORGE = "https://we.phorge.it/";

/**
 * Returns the facts about the package that dpkg reads.
 *
 * @param source The URL of the repository, if it is known.
 */
export function controlOf(installedKiB: number, source: string | undefined): string {
  return `Package: aphlict
Version: ${VERSION}
Architecture: ${ARCHITECTURE}
Maintainer: ${maintainer()}
Installed-Size: ${installedKiB}
Depends: libc6 (>= 2.27), libgcc-s1, adduser
Recommends: systemd
Section: net
Priority: optional
Homepage: ${source ?? PHORGE}
${
    source === undefined
      ? ""
      : `Vcs-Browser: ${source}\nVcs-Git: ${source}\n`
  }Description: notification server of Phorge
 Phorge posts a small JSON message to it, and it passes the message to every
 open browser that is concerned. It takes the place of the Node.js Aphlict that
 comes with Phorge: the same configuration file, ports and protocol.
 .
 The process that faces the network may bind the addresses, reach the peers,
 read the certificates and write the logs that the configuration names, and
 nothing else. The package contains Deno ${Deno.version.deno}, which runs it, and needs
 no network to be installed or started.
`;
}

/** One file of the package. */
interface Entry {
  /** The path from the root of the file system, without the first slash. */
  readonly path: string;
  readonly content: string | Uint8Array<ArrayBuffer>;
  /** @default {0o644} */
  readonly mode?: number;
}

/** The folder of the documents, laid out as in the repository, so that their links work. */
const DOCUMENTS = "usr/share/doc/aphlict";

/** Returns the documents, and the files that they link to. Other files in `conf` are the builder's own. */
export function documents(): string[] {
  return [
    ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"],
    ...["LICENSE", "Dockerfile", "bench/README.md"],
    ...["conf/aphlict.default.json", "conf/aphlict.local.json"],
    ...filesIn("docs"),
    ...filesIn("conf/examples"),
  ];
}

/** Returns all files but those that dpkg reads. */
function entries(): Entry[] {
  return [
    { path: CONFIGURATION, content: Deno.readFileSync("conf/examples/aphlict.json") },
    {
      path: "usr/bin/aphlict",
      content: Deno.readFileSync("packaging/debian/aphlict"),
      mode: 0o755,
    },
    { path: "usr/lib/aphlict/aphlict.js", content: Deno.readFileSync(BUNDLE), mode: 0o755 },
    // The launcher prefers the deno beside it.
    { path: "usr/lib/aphlict/deno", content: Deno.readFileSync(Deno.execPath()), mode: 0o755 },
    {
      path: "usr/lib/systemd/system/aphlict.service",
      content: document("conf/examples/aphlict.service"),
    },
    { path: "usr/share/man/man8/aphlict.8.gz", content: gzip(manPage(COMMANDS, VERSION)) },
    {
      path: "usr/share/man/man5/aphlict.json.5.gz",
      content: gzip(
        configurationManPage(VERSION, Deno.readTextFileSync("conf/examples/aphlict.json")),
      ),
    },
    {
      path: "usr/share/bash-completion/completions/aphlict",
      content: bashCompletion(COMMANDS),
    },
    { path: `${DOCUMENTS}/copyright`, content: copyright() },
    { path: `${DOCUMENTS}/changelog.gz`, content: gzip(changelog()) },
    {
      path: "usr/share/lintian/overrides/aphlict",
      content: Deno.readFileSync("packaging/debian/lintian-overrides"),
    },
    ...documents().map((path) => ({
      path: `${DOCUMENTS}/${path}`,
      content: document(path),
    })),
  ];
}

/** Returns the content that a package has for a file of the repository. */
function document(path: string): string | Uint8Array<ArrayBuffer> {
  return path in CHANGES ? packaged(path, Deno.readTextFileSync(path)) : Deno.readFileSync(path);
}

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(`${folder}/${name}`) : [`${folder}/${name}`]
  ).sort();
}

/** Compresses at the highest level, as Debian's policy wants it, and without a time. */
function gzip(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(text, { level: 9 }));
}

/** Returns the changelog that dpkg reads. It points to CHANGELOG.md. */
function changelog(): string {
  const date = new Date(Number(time()) * 1000).toUTCString().replace("GMT", "+0000");
  return `aphlict (${VERSION}) unstable; urgency=medium

  * See CHANGELOG.md beside this file.

 -- ${maintainer()}  ${date}
`;
}

function maintainer(): string {
  return git("log", "-1", "--format=%an <%ae>") ?? "Aphlict on Deno <root@localhost>";
}

function copyright(): string {
  return `Aphlict on Deno: Apache License 2.0, /usr/share/common-licenses/Apache-2.0

/usr/lib/aphlict/deno is Deno ${Deno.version.deno}, as its authors publish it.

${Deno.readTextFileSync("packaging/deno.txt")}
/usr/lib/aphlict/aphlict.js:

${Deno.readTextFileSync(`${BUNDLE}.licenses.txt`)}`;
}

/** Returns the files that dpkg reads. */
function controlEntries(content: readonly Entry[]): Entry[] {
  const sizes = content.map(({ content }) => Math.ceil(content.length / 1024));
  const sums = content.filter(({ path }) => path !== CONFIGURATION).map((entry) =>
    `${createHash("md5").update(entry.content).digest("hex")}  ${entry.path}\n`
  );
  return [
    {
      path: "DEBIAN/control",
      content: controlOf(sizes.reduce((sum, size) => sum + size, 0), origin()),
    },
    { path: "DEBIAN/conffiles", content: `/${CONFIGURATION}\n` },
    { path: "DEBIAN/md5sums", content: sums.join("") },
    ...["preinst", "postinst", "prerm", "postrm"].map((name) => ({
      path: `DEBIAN/${name}`,
      content: Deno.readFileSync(`packaging/debian/${name}`),
      mode: 0o755,
    })),
  ];
}

/** Writes a file of the package. Others may look into its folders, whatever the umask says. */
function put({ path, content, mode = 0o644 }: Entry): void {
  const full = `${TREE}/${path}`;
  for (let folder = dirname(full); folder !== "dist"; folder = dirname(folder)) {
    Deno.mkdirSync(folder, { recursive: true });
    Deno.chmodSync(folder, 0o755);
  }
  if (typeof content === "string") Deno.writeTextFileSync(full, content);
  else Deno.writeFileSync(full, content);
  Deno.chmodSync(full, mode);
}

/** Returns the time of the package's files, in s since 1970: that of the commit, so that it is always the same. */
function time(): string {
  return String(
    sourceDate(Deno.env.get("SOURCE_DATE_EPOCH")) ?? git("log", "-1", "--format=%ct") ?? 0,
  );
}

/** Makes a package of a tree with dpkg-deb. */
function pack(tree: string, path: string): void {
  // Every Debian's dpkg reads xz; its first level makes 35 MB in 4 s, its sixth 31 MB in 30 s.
  const args = ["-Zxz", "-z1", "--root-owner-group", "--build", tree, path];
  let outcome: Deno.CommandOutput;
  try {
    outcome = new Deno.Command("dpkg-deb", { args, env: { SOURCE_DATE_EPOCH: time() } })
      .outputSync();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new BuildError(`Cannot make ${path}: dpkg-deb is missing. apt install dpkg`);
  }
  if (!outcome.success) {
    throw new BuildError(`Cannot make ${path}: ${new TextDecoder().decode(outcome.stderr).trim()}`);
  }
}

function main(): void {
  if (ARCHITECTURE === undefined) {
    throw new BuildError(`Cannot make a package for ${Deno.build.arch}: Deno has no build for it.`);
  }
  if (Deno.version.deno !== TESTED_DENO) {
    throw new BuildError(
      `This is Deno ${Deno.version.deno}, and would be in the package. Make it with ${TESTED_DENO}, the one that ` +
        "is tested.",
    );
  }
  const content = entries();
  try {
    for (const entry of [...content, ...controlEntries(content)]) put(entry);
    pack(TREE, PACKAGE);
  } finally {
    Deno.removeSync(TREE, { recursive: true });
  }
  const bytes = Deno.readFileSync(PACKAGE);
  checksum(PACKAGE, bytes);
  say(`${PACKAGE}  sha256 ${sha256(bytes)}`);
}

if (import.meta.main) BuildError.explained(main);
