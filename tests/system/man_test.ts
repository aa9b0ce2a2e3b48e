/**
 * The man page, in the eyes of what shows it.
 */

import { manPage } from "../../packaging/man.ts";
import { COMMANDS } from "../../src/cli/cli.ts";
import { VERSION } from "../../src/version.ts";
import { Process } from "../acceptance/process.ts";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";

/** Runs a command on the man page to its end, and returns all that it printed. */
async function shown(env: Record<string, string>, ...command: string[]): Promise<string> {
  using folder = new Folder();
  const [name = "", ...args] = [
    ...command,
    folder.write("aphlict.1", manPage(COMMANDS, VERSION)),
  ];
  await using process = new Process(name, args, { env });
  assertEquals((await process.ended()).code, 0, process.output);
  return process.output;
}

for (const device of ["utf8", "ascii"]) {
  Deno.test(`groff has nothing to warn of in aphlict(1) for ${device}`, async () => {
    assertEquals(await shown({}, "groff", "-man", "-ww", "-z", `-T${device}`), "");
  });
}

Deno.test("man shows aphlict(1) in 80 columns, as it is typed", async () => {
  const env = { LC_ALL: "C.UTF-8", MANWIDTH: "80" };
  const page = await shown(env, "man", "--warnings", "--local-file");
  assert(page.split("\n").every((line) => line.length <= 80));
  assertStringIncludes(page, "\n       aphlict status [--config PATH] [--json]\n");
  assertStringIncludes(page, `aphlict send --to PHID-USER-example '{"type":"test"}'\n`);
});
