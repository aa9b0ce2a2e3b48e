/**
 * The example for systemd, as far as it can be judged without systemd running. These tests need
 * `systemd-analyze`.
 */

import { loadConfig } from "../../src/config/load.ts";
import { assertOutcome, type Outcome, Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import { memoryBudget, memoryWarning } from "../../src/config/memory.ts";
import { Folder } from "../folder.ts";
import { example } from "./site.ts";
import { CLIENT_LIMITS } from "../entries.ts";

/** The greatest exposure that `systemd-analyze security` may find, of 10. */
const EXPOSURE_LIMIT = 2;

/** Writes the unit as it would be with the project where it is here: programs are looked for. */
function writeUnit(folder: Folder, replace: Readonly<Record<string, string>> = {}): string {
  const unit = example("aphlict.service", { "/opt/aphlict/": ROOT, ...replace });
  return folder.write("aphlict.service", unit);
}

async function analyze(...args: readonly string[]): Promise<Outcome> {
  await using process = new Process("systemd-analyze", args);
  return await process.outcome();
}

/** The last value of a directive of the unit. */
function directive(name: string): string {
  const lines = example("aphlict.service", {}).split("\n");
  return lines.findLast((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
}

Deno.test("systemd finds no fault in the unit, and does look", async () => {
  using folder = new Folder();
  assertOutcome(await analyze("verify", writeUnit(folder)), 0, "");
  for (
    const [word, by] of [
      ["KillMode=mixed", "KillMode=nice"],
      ["bin/aphlict run", "bin/aphlit run"],
      ["PrivateTmp=", "PrivateTemp="],
    ] as const
  ) {
    const { output } = await analyze("verify", writeUnit(folder, { [word]: by }));
    assertEquals(output.includes(by.replace(/ .*|=$/, "").replace("KillMode=", "")), true, output);
  }
});

Deno.test("the unit leaves little open", async () => {
  using folder = new Folder();
  const { output } = await analyze("security", "--offline=true", "--no-pager", writeUnit(folder));
  const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(output)?.[1]);
  assertEquals(exposure < EXPOSURE_LIMIT, true, output);
});

Deno.test("the example configuration fits the unit", () => {
  const config = loadConfig(`${ROOT}conf/examples/aphlict.json`);
  const paths = [...config.logs.map(({ path }) => path), config.pidfile];
  assertEquals(paths.map((path) => path.replace(/[^/]*$/, "")), [
    `/var/log/${directive("LogsDirectory")}/`,
    `/run/${directive("RuntimeDirectory")}/`,
  ]);
  // Where systemd would give it to the service.
  assertEquals(directive("CacheDirectory"), "");
  assertMatch(directive("Environment"), /^DENO_DIR=\/var\/cache\/aphlict$/);
  assertEquals(Number(directive("TimeoutStopSec")) > config.drain + 5, true, "time to stop");
  const files = Number(directive("LimitNOFILE"));
  assertEquals(files > CLIENT_LIMITS.connections + 1000, true, "files for every browser");
});

Deno.test("the unit's memory is what all browsers of the example need, and hardly more", () => {
  const config = loadConfig(`${ROOT}conf/examples/aphlict.json`);
  const mebibytes = Number(/^(\d+)M$/.exec(directive("MemoryMax"))?.[1]);
  // V8's heap on a host of 8 GiB.
  const host = (mebibytes: number) => ({ heap: 4192 * 1024 ** 2, granted: mebibytes * 1024 ** 2 });
  assertEquals(memoryWarning(config, host(mebibytes)), null);
  assertEquals(memoryWarning(config, host(mebibytes - 64)) === null, false);
  assertEquals(memoryBudget(config, host(mebibytes)) <= mebibytes / 4 * 1024 ** 2, true);
});
