/**
 * The licences that a bundle carries are those that its parts came with.
 */

import { assemble, BUNDLE, containedIn } from "../../packaging/bundle.ts";
import { ROOT } from "../acceptance/program.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import { type Fetched, packagesOf } from "./fetched.ts";

const FETCHED = await packagesOf("deno.lock", "npm:deno-std@1.4.0");

function licenseOf(name: string): string {
  return Deno.readTextFileSync(`${ROOT}packaging/licenses/${name.replace("/", "+")}.txt`);
}

/** The licence that a package ships, if it does. */
function shippedBy({ localPath }: Fetched): string | undefined {
  const file = [...Deno.readDirSync(localPath)].find(({ name }) => /^licen[cs]e\b/i.test(name));
  return file === undefined ? undefined : Deno.readTextFileSync(`${localPath}/${file.name}`);
}

/** The terms of a licence, without its title and its copyright, and however its lines are broken. */
function termsOf(license: string): string {
  return license.slice(license.indexOf("Permission is hereby granted")).split(/\s+/).join(" ")
    .trim();
}

Deno.test("the packages in a bundle are told by its comments, and by those before they are made its own", () => {
  const logtape = { name: "@logtape/logtape", version: "2.4.2" };
  const std = { name: "deno-std", version: "1.4.0" };
  const joined = [
    "// src/cli/args.ts",
    "// ../home/.cache/deno/npm/registry.npmjs.org/deno-std/1.4.0/cli/parse_args.js",
    "// ../home/.cache/deno/npm/registry.npmjs.org/@logtape/logtape/2.4.2/dist/mod.js",
    "// ../home/.cache/deno/npm/registry.npmjs.org/@logtape/logtape/2.4.2/dist/sink.js",
  ].join("\n");
  assertEquals(containedIn(joined), [logtape, std]);
  const bundle = assemble("#!/bin/sh\nbundle=\n", joined, "");
  assertEquals(bundle.includes("/home/"), false);
  assertEquals(containedIn(bundle), [logtape, std]);
});

Deno.test("there is a licence for each package in the bundle, and for no other", () => {
  const files = [...Deno.readDirSync(`${ROOT}packaging/licenses`)].map(({ name }) => name).sort();
  const contained = containedIn(Deno.readTextFileSync(`${ROOT}${BUNDLE}`));
  assertEquals(files, contained.map(({ name }) => `${name.replace("/", "+")}.txt`));
});

Deno.test("the licence of LogTape is the file that the package ships", () => {
  const logtape = FETCHED.find(({ name }) => name === "@logtape/logtape");
  assertEquals(logtape && shippedBy(logtape), licenseOf("@logtape/logtape"));
});

Deno.test("deno-std ships no licence: what stands for it is MIT, of the authors of what it contains", () => {
  const std = FETCHED.find(({ name }) => name === "deno-std");
  assertEquals(std && shippedBy(std), undefined, "Take the file that it ships now.");
  // https://github.com/denoland/std/blob/main/LICENSE
  assertMatch(licenseOf("deno-std"), /^MIT License\n\nCopyright 2018-\d{4} the Deno authors\.\n/);
  assertEquals(termsOf(licenseOf("deno-std")), termsOf(licenseOf("@logtape/logtape")));
});
