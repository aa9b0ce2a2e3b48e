import { BUNDLE, containedIn } from "../../packaging/bundle.ts";
import { BuildError } from "../../packaging/dist.ts";
import { type Bill, billOf, type Lock, type Materials } from "../../packaging/sbom.ts";
import { ROOT } from "../acceptance/program.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../assert.ts";
import { packagesOf } from "./fetched.ts";

/** 64 bytes, as a lock file and as a bill have them. */
const INTEGRITY = `sha512-${"/".repeat(85)}w==`;
const HEX = "f".repeat(128);

const LOCK: Lock = {
  specifiers: { "npm:@logtape/logtape@^2.0.0": "2.4.2", "npm:fast-check@4.10.2": "4.10.2" },
  npm: {
    "@logtape/logtape@2.4.2": { integrity: INTEGRITY },
    "fast-check@4.10.2": { integrity: INTEGRITY, dependencies: ["pure-rand"] },
    "pure-rand@8.4.2": { integrity: INTEGRITY },
  },
};

const TOOLS: Lock = {
  specifiers: { "npm:esbuild@0.25.5": "0.25.5" },
  npm: { "esbuild@0.25.5": { integrity: INTEGRITY } },
};

const LOGTAPE = "pkg:npm/%40logtape/logtape@2.4.2";

function bill(parts: Partial<Materials> = {}): Bill {
  const contained = [{ name: "@logtape/logtape", version: "2.4.2" }];
  return billOf({ version: "1.2.3", deno: "2.9.6", lock: LOCK, tools: TOOLS, contained, ...parts });
}

/** What a bill says of a package. */
function componentOf({ components }: Bill, ref: string): unknown {
  return components.find((component) => component["bom-ref"] === ref);
}

/** That of the project, as its bundle is now. */
function ours(): Bill {
  const read = (path: string) => Deno.readTextFileSync(`${ROOT}${path}`);
  return bill({
    lock: JSON.parse(read("deno.lock")),
    tools: JSON.parse(read("packaging/esbuild.lock")),
    contained: containedIn(read(BUNDLE)),
  });
}

Deno.test("billOf() is about Aphlict in its version", () => {
  assertEquals(bill().metadata.component, {
    type: "application",
    "bom-ref": "pkg:generic/aphlict@1.2.3",
    name: "aphlict",
    version: "1.2.3",
    licenses: [{ license: { id: "Apache-2.0" } }],
    purl: "pkg:generic/aphlict@1.2.3",
  });
});

Deno.test("billOf() tells of a package in the bundle that it is required", () => {
  assertEquals(componentOf(bill(), LOGTAPE), {
    type: "library",
    "bom-ref": LOGTAPE,
    group: "@logtape",
    name: "logtape",
    version: "2.4.2",
    scope: "required",
    hashes: [{ alg: "SHA-512", content: HEX }],
    licenses: [{ license: { id: "MIT" } }],
    purl: LOGTAPE,
  });
});

Deno.test("billOf() excludes what only tests and tools need from what runs", () => {
  const required = bill().components.filter(({ scope }) => scope === "required");
  assertEquals(required.map(({ name }) => name), ["deno", "logtape"]);
});

Deno.test("billOf() names the runtime as a platform", () => {
  assertEquals(componentOf(bill(), "pkg:github/denoland/deno@v2.9.6"), {
    type: "platform",
    "bom-ref": "pkg:github/denoland/deno@v2.9.6",
    name: "deno",
    version: "2.9.6",
    scope: "required",
    licenses: [{ license: { id: "MIT" } }],
    purl: "pkg:github/denoland/deno@v2.9.6",
  });
});

Deno.test("billOf() tells what depends on what", () => {
  const [program, ...others] = bill().dependencies;
  assertEquals(program?.dependsOn, [
    "pkg:github/denoland/deno@v2.9.6",
    LOGTAPE,
    "pkg:npm/fast-check@4.10.2",
    "pkg:npm/esbuild@0.25.5",
  ]);
  assertEquals(others.filter(({ dependsOn }) => dependsOn.length > 0), [
    { ref: "pkg:npm/fast-check@4.10.2", dependsOn: ["pkg:npm/pure-rand@8.4.2"] },
  ]);
});

Deno.test("billOf() knows a dependency by its version where the lock file has several", () => {
  const npm = {
    ...LOCK.npm,
    "fast-check@4.10.2": { integrity: INTEGRITY, dependencies: ["pure-rand@7.0.0"] },
    "pure-rand@7.0.0": { integrity: INTEGRITY },
  };
  const { dependencies } = bill({ lock: { ...LOCK, npm } });
  const ref = "pkg:npm/fast-check@4.10.2";
  assertEquals(dependencies.find((each) => each.ref === ref)?.dependsOn, [
    "pkg:npm/pure-rand@7.0.0",
  ]);
});

Deno.test("billOf() tells the time that it is told, and no other", () => {
  assertEquals(bill({ time: 1_000_000_000 }).metadata.timestamp, "2001-09-09T01:46:40Z");
  assertEquals(JSON.stringify(bill()).includes("timestamp"), false);
});

Deno.test("billOf() makes no bill that leaves a question open", () => {
  const unknown: Lock = {
    specifiers: { "npm:left-pad@1.0.0": "1.0.0" },
    npm: { "left-pad@1.0.0": { integrity: INTEGRITY } },
  };
  assertThrows(() => bill({ lock: unknown, contained: [] }), BuildError, "licence of left-pad");
  const stray = [{ name: "left-pad", version: "1.0.0" }];
  assertThrows(() => bill({ contained: stray }), BuildError, "left-pad@1.0.0, which is not in");
  const weak = { ...TOOLS, npm: { "esbuild@0.25.5": { integrity: "sha1-AAAA" } } };
  assertThrows(() => bill({ tools: weak }), BuildError, "no SHA-512 of esbuild@0.25.5");
});

Deno.test("the bill of the project has every package of deno.lock, and the bundler", () => {
  const { npm }: Lock = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.lock`));
  const purls = ours().components.map(({ purl }) => decodeURIComponent(purl));
  for (const key of Object.keys(npm)) assert(purls.includes(`pkg:npm/${key}`), key);
  assertEquals(purls.filter((purl) => purl.startsWith("pkg:npm/esbuild@")).length, 1);
});

Deno.test("the bill of the project is whole: each part once, and each in the graph", () => {
  const { metadata, components, dependencies } = ours();
  const parts = [metadata.component, ...components].map((component) => component["bom-ref"]);
  assertEquals(new Set(parts).size, parts.length);
  assertEquals(dependencies.map(({ ref }) => ref), parts);
  const needed = new Set(dependencies.flatMap(({ dependsOn }) => dependsOn));
  assertEquals([...needed].sort(), parts.slice(1).sort());
  for (const { content } of components.flatMap(({ hashes = [] }) => hashes)) {
    assertMatch(content, /^[0-9a-f]{128}$/);
  }
});

Deno.test("the licences in the bill are those that the packages state", async () => {
  const packages = [
    ...await packagesOf("deno.lock", "npm:deno-std@1.4.0"),
    ...await packagesOf("packaging/esbuild.lock", "npm:esbuild@0.25.5"),
  ];
  for (const { group, name, licenses } of ours().components.slice(1)) {
    const full = group === undefined ? name : `${group}/${name}`;
    const path = packages.find(({ name }) => name === full)?.localPath;
    const { license } = JSON.parse(Deno.readTextFileSync(`${path}/package.json`));
    assertEquals(
      licenses,
      license.includes(" ") ? [{ expression: license }] : [{ license: { id: license } }],
      full,
    );
  }
});
