/**
 * The example for logrotate, as far as logrotate itself can judge it.
 */

import { type Outcome, Process } from "../acceptance/process.ts";
import { assertEquals, assertMatch, assertNotMatch } from "../assert.ts";
import { Folder } from "../folder.ts";
import { writeLogrotate } from "./site.ts";

async function dryRun(path: string): Promise<Outcome> {
  await using process = new Process("logrotate", ["-d", "-f", path]);
  return await process.outcome();
}

Deno.test("logrotate takes the example: the file makes room, and is not cut", async () => {
  using folder = new Folder();
  folder.write("aphlict.log", "a line\n");
  const { code, output } = await dryRun(writeLogrotate(folder, "aphlict.json"));
  assertEquals(code, 0, output);
  assertNotMatch(output, /error|copying/i);
  assertMatch(output, /renaming \S+\/aphlict\.log to \S+\/aphlict\.log\.1/);
  assertMatch(output, /aphlict reload --config/);
});

Deno.test("logrotate has nothing to say where there is no log yet", async () => {
  using folder = new Folder();
  const { code, output } = await dryRun(writeLogrotate(folder, "aphlict.json"));
  assertEquals(code, 0, output);
  assertNotMatch(output, /error|aphlict reload/i);
});
