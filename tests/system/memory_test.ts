/**
 * The memory that a control group grants, as a container's is one: bin/aphlict finds it out for the service.
 */

import { Folder } from "../folder.ts";
import { APHLICT } from "../acceptance/program.ts";
import { writeConfig } from "../acceptance/server.ts";
import { assertEquals, assertStringIncludes } from "../assert.ts";
import { example } from "./site.ts";

const MEBIBYTE = 1024 * 1024;

/** Where groups are made, and the file that limits one. */
function hierarchy(): { readonly folder: string; readonly file: string } {
  const { stdout } = new Deno.Command("sh", {
    args: ["-c", "test -d /sys/fs/cgroup/memory && echo old || echo new"],
  }).outputSync();
  return new TextDecoder().decode(stdout).trim() === "old"
    ? { folder: "/sys/fs/cgroup/memory", file: "memory.limit_in_bytes" }
    : { folder: "/sys/fs/cgroup", file: "memory.max" };
}

/** Runs `check` in a group within a control group with a limit, and returns its output. */
function checkWithin(limitMiB: number): string {
  using folder = new Folder();
  const { path } = writeConfig(folder);
  const { folder: root, file } = hierarchy();
  const group = `${root}/aphlict-test-${Deno.pid}`;
  const run = (script: string) => new Deno.Command("sh", { args: ["-ec", script] }).outputSync();
  try {
    const { code, stdout, stderr } = run(
      `mkdir -p ${group}/inner; echo ${limitMiB * MEBIBYTE} >${group}/${file}; ` +
        `echo $$ >${group}/inner/cgroup.procs; exec ${APHLICT} check --config ${path}`,
    );
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals(code, 0, output);
    return output;
  } finally {
    run(`rmdir ${group}/inner ${group} || true`);
  }
}

Deno.test("the budget is a quarter of what the smallest group around the service grants", () => {
  const output = checkWithin(512);
  assertStringIncludes(output, "128 MiB of memory for browsers and what they do");
  assertStringIncludes(output, "a quarter of the 512 MiB that the host or the container grants");
});

Deno.test("the memory that the unit grants is enough for all browsers that are accepted by default", () => {
  const unit = example("aphlict.service", {});
  const output = checkWithin(Number(/^MemoryMax=(\d+)M$/m.exec(unit)?.[1]));
  assertStringIncludes(output, "569 MiB of memory for browsers and what they do");
  assertEquals(output.includes("enough for about"), false, output);
});
