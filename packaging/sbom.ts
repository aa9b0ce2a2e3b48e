/**
 * The bill of materials: the parts that the program is made of, in CycloneDX 1.6.
 *
 * The same sources make the same file, byte for byte: it has no serial number, and a time only when
 * it is told one. The format: https://cyclonedx.org/docs/1.6/json/
 *
 * @module
 */

import type { Contained } from "./bundle.ts";
import { BuildError } from "./dist.ts";

/** The path of the bill of materials. */
export const SBOM = "dist/aphlict.cdx.json";

/** Licences of packages, as SPDX expressions: a lock file does not tell them. */
const LICENSES: Readonly<Record<string, string>> = {
  "@logtape/logtape": "MIT",
  "ajv": "MIT",
  "deno-std": "MIT",
  "esbuild": "MIT",
  "fast-check": "MIT",
  "fast-deep-equal": "MIT",
  "fast-uri": "BSD-3-Clause",
  "json-schema-traverse": "MIT",
  "node-forge": "(BSD-3-Clause OR GPL-2.0)",
  "pure-rand": "MIT",
  "require-from-string": "MIT",
};

/** The parts of Deno's lock file that are read. */
export interface Lock {
  /** The version that each requirement, such as `npm:fast-check@4.10.2`, came to. */
  readonly specifiers: Readonly<Record<string, string>>;
  /** The packages, by name and version, such as `pure-rand@8.4.2`. */
  readonly npm: Readonly<
    Record<string, {
      /** The hash, as in https://www.w3.org/TR/SRI/. */
      readonly integrity: string;
      /** The dependencies, by name, with the version where the file has several. */
      readonly dependencies?: readonly string[];
    }>
  >;
}

/** The materials of a bill. */
export interface Materials {
  /** The version of Aphlict. */
  readonly version: string;
  /** The version of the Deno that it is built with and for. */
  readonly deno: string;
  /** The packages that it is written with. */
  readonly lock: Lock;
  /** The packages that the bundle is made with. */
  readonly tools: Lock;
  /** The packages that the bundle contains. */
  readonly contained: readonly Contained[];
  /** The time at which it was made, in seconds since 1970. Default: the bill does not tell. */
  readonly time?: number;
}

/** A part of a bill. */
export interface Component {
  readonly type: "application" | "library" | "platform";
  /** The name in the bill, and among all packages: https://github.com/package-url/purl-spec */
  readonly "bom-ref": string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  /** The scope: `required` where Aphlict runs, or `excluded` from what runs, as tests and tools are. */
  readonly scope?: "required" | "excluded";
  readonly hashes?: readonly { readonly alg: "SHA-512"; readonly content: string }[];
  readonly licenses: readonly (
    | { readonly license: { readonly id: string } }
    | { readonly expression: string }
  )[];
  readonly purl: string;
}

/** A bill of materials. */
export interface Bill {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly version: 1;
  readonly metadata: {
    readonly timestamp?: string;
    readonly lifecycles: readonly { readonly phase: "build" }[];
    readonly component: Component;
  };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** A package of a lock file. */
interface Package extends Contained {
  /** The hash: `sha512-` and Base64. */
  readonly integrity: string;
  /** The dependencies, as keys of the lock file. */
  readonly dependencies: readonly string[];
}

/**
 * Returns the bill of materials.
 *
 * @throws {BuildError} If the licence of a package is not known here, if the bundle contains a package that
 * the lock file does not have, or if a package has no SHA-512.
 */
export function billOf(materials: Materials): Bill {
  const { version, contained, time } = materials;
  const program = component("application", { name: "aphlict", version }, {
    licenses: licensed("Apache-2.0"),
    purl: `pkg:generic/aphlict@${version}`,
  });
  const platform = component("platform", { name: "deno", version: materials.deno }, {
    scope: "required",
    licenses: licensed("MIT"),
    purl: `pkg:github/denoland/deno@v${materials.deno}`,
  });
  const packages = [...packagesOf(materials.lock), ...packagesOf(materials.tools)];
  const stray = contained.find((part) => !packages.some((each) => isSame(part, each)));
  if (stray !== undefined) {
    throw new BuildError(
      `The bundle contains ${
        keyOf(stray)
      }, which is not in deno.lock. Build it again: deno task bundle.`,
    );
  }
  const direct = [materials.lock, materials.tools].flatMap(rootsOf).map(purlOfKey);
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      ...time === undefined ? {} : { timestamp: timestamp(time) },
      lifecycles: [{ phase: "build" }],
      component: program,
    },
    components: [
      platform,
      ...packages.map((each) => library(each, contained.some((part) => isSame(part, each)))),
    ],
    dependencies: [
      { ref: program.purl, dependsOn: [platform.purl, ...direct] },
      { ref: platform.purl, dependsOn: [] },
      ...packages.map((each) => ({
        ref: purlOf(each),
        dependsOn: each.dependencies.map(purlOfKey),
      })),
    ],
  };
}

/**
 * Returns the required packages, and those that they depend on. Optional ones are left out: they are one and
 * the same program, esbuild, for each kind of machine.
 */
function packagesOf(lock: Lock): Package[] {
  const keys = new Set(rootsOf(lock));
  const packages: Package[] = [];
  for (const key of keys) {
    const { integrity, dependencies = [] } = lock.npm[key] ?? { integrity: "" };
    const needed = dependencies.map((name) => resolved(name, lock));
    packages.push({ ...parsed(key), integrity, dependencies: needed });
    for (const other of needed) keys.add(other);
  }
  return packages;
}

/** Returns the keys of the packages that are required directly. */
function rootsOf({ specifiers }: Lock): string[] {
  return Object.entries(specifiers).map(([specifier, version]) =>
    keyOf({ name: parsed(specifier.replace(/^npm:/, "")).name, version })
  );
}

/** Returns the key of a dependency, which is named without its version where there is but one. */
function resolved(dependency: string, { npm }: Lock): string {
  if (dependency in npm) return dependency;
  const key = Object.keys(npm).find((key) => parsed(key).name === dependency);
  if (key === undefined) throw new BuildError(`The lock file has no ${dependency}.`);
  return key;
}

function parsed(key: string): Contained {
  const at = key.indexOf("@", 1);
  return { name: key.slice(0, at), version: key.slice(at + 1) };
}

function keyOf({ name, version }: Contained): string {
  return `${name}@${version}`;
}

function isSame(one: Contained, other: Contained): boolean {
  return keyOf(one) === keyOf(other);
}

function purlOfKey(key: string): string {
  return purlOf(parsed(key));
}

function purlOf({ name, version }: Contained): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function library(each: Package, isContained: boolean): Component {
  const { name, version, integrity } = each;
  const license = LICENSES[name];
  if (license === undefined) {
    throw new BuildError(
      `packaging/sbom.ts does not know the licence of ${name}. Put it there as the package's own ` +
        "package.json has it.",
    );
  }
  const [group, rest] = name.startsWith("@") ? name.split("/") : [undefined, name];
  return component("library", {
    ...group === undefined ? {} : { group },
    name: rest ?? name,
    version,
  }, {
    scope: isContained ? "required" : "excluded",
    hashes: [{ alg: "SHA-512", content: hexOf(each, integrity) }],
    licenses: licensed(license),
    purl: purlOf(each),
  });
}

function hexOf(each: Contained, integrity: string): string {
  const [, base64] = /^sha512-([A-Za-z0-9+/]{86}==)$/.exec(integrity) ?? [];
  if (base64 === undefined) throw new BuildError(`The lock file has no SHA-512 of ${keyOf(each)}.`);
  return Uint8Array.fromBase64(base64).toHex();
}

function component(
  type: Component["type"],
  named: Pick<Component, "group" | "name" | "version">,
  rest: Omit<Component, "type" | "bom-ref" | "group" | "name" | "version">,
): Component {
  return { type, "bom-ref": rest.purl, ...named, ...rest };
}

function licensed(expression: string): Component["licenses"] {
  return expression.includes(" ") ? [{ expression }] : [{ license: { id: expression } }];
}

/** Returns a timestamp in whole seconds. */
function timestamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
