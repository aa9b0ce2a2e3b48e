/**
 * The man pages, in the eyes of what shows them.
 */

import { manPage } from "../../packaging/man.ts";
import { configurationManPage } from "../../packaging/configuration.ts";
import { loadCommands } from "../../src/cli/cli.ts";
import { VERSION } from "../../src/version.ts";
import { Process } from "../acceptance/process.ts";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { example } from "./site.ts";

const COMMANDS = await loadCommands();

const PAGES = {
  "aphlict.8": manPage(COMMANDS, VERSION),
  "aphlict.json.5": configurationManPage(VERSION, example("aphlict.json", {})),
};

/** Runs a command on a man page to its end, and returns all that it printed. */
async function shown(
  page: keyof typeof PAGES,
  env: Record<string, string>,
  ...command: string[]
): Promise<string> {
  using folder = new Folder();
  const [name = "", ...args] = [...command, folder.write(page, PAGES[page])];
  await using process = new Process(name, args, { env });
  assertEquals((await process.ended()).code, 0, process.output);
  return process.output;
}

for (const page of ["aphlict.8", "aphlict.json.5"] as const) {
  for (const device of ["utf8", "ascii"]) {
    Deno.test(`groff has nothing to warn of in ${page} for ${device}`, async () => {
      assertEquals(await shown(page, {}, "groff", "-man", "-ww", "-z", `-T${device}`), "");
    });
  }
}

const NARROW = { LC_ALL: "C.UTF-8", MANWIDTH: "80" };

Deno.test("man shows aphlict(8) in 80 columns, as it is typed", async () => {
  const page = await shown("aphlict.8", NARROW, "man", "--warnings", "--local-file");
  assert(page.split("\n").every((line) => line.length <= 80));
  assertStringIncludes(page, "\n       aphlict stop [--config PATH]\n");
  assertStringIncludes(page, `aphlict send --to PHID-USER-example '{"type":"test"}'\n`);
});

Deno.test("man shows aphlict.json(5), with the example as it is written", async () => {
  const page = await shown("aphlict.json.5", NARROW, "man", "--warnings", "--local-file");
  assertStringIncludes(page, "\n       limit.connections\n              WebSockets at a time.");
  assertStringIncludes(page, '\n             "pidfile": "/run/aphlict/aphlict.pid",\n');
});
