/**
 * A clone of the repository, installed on a machine by the very text of the guide. These tests need root,
 * `mmdebstrap` and `systemd-nspawn`.
 */

import { must } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { until } from "../acceptance/until.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { VERSION } from "../../src/version.ts";
import { Machine, Root } from "./machine.ts";

/** Deno's cache of a clone, as the unit and the guide name it. */
const CACHE = "/var/cache/aphlict";

let root: Root;

Deno.test.beforeAll(async () => {
  root = await Root.make("trixie");
  must("install", ["-d", `${root.path}/opt/aphlict`, `${root.path}${CACHE}`]);
  const files = new Deno.Command("git", { args: ["ls-files", "-z"], cwd: ROOT }).outputSync();
  const list = root.put("files", files.stdout);
  const copy = `cd '${ROOT}' && tar c --null -T '${root.path}${list}' | ` +
    `tar x --no-same-owner -C '${root.path}/opt/aphlict'`;
  must("sh", ["-ec", copy]);
  must("install", ["-m", "755", Deno.execPath(), `${root.path}/usr/local/bin/deno`]);
  // What the registry would answer, as the machine reaches none.
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const { npmCache } = JSON.parse(new TextDecoder().decode(info.stdout));
  must("cp", ["-r", "--no-preserve=ownership", npmCache, `${root.path}${CACHE}/npm`]);
});

Deno.test.afterAll(() => root[Symbol.dispose]());

/** The block of the guide that holds a text. */
function block(text: string): string {
  const guide = Deno.readTextFileSync(`${ROOT}docs/install.md`);
  const blocks = [...guide.matchAll(/```sh\n(.*?)```/gs)].map(([, block = ""]) => block)
    .filter((block) => block.includes(text));
  assertEquals(blocks.length, 1, text);
  return blocks[0] ?? "";
}

/** A machine on which the guide's commands were typed, and the service listens. */
async function installed(): Promise<Machine> {
  const machine = await Machine.boot(root);
  try {
    await machine.call("sh", "-ec", block("useradd --system aphlict"));
    await machine.call("sh", "-ec", block("systemctl enable --now aphlict"));
    await until(async () => (await typed(machine, "aphlict health")).code === 0);
    return machine;
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

/** Types a command into root's shell, which has the function of the guide. */
function typed(machine: Machine, command: string, shell = "sh") {
  return machine.run(shell, "-c", `${block("aphlict() {")}\n${command}`);
}

/** Types a command on a terminal, and returns the lines that it shows. */
async function onTerminal(machine: Machine, command: string): Promise<string> {
  const script = `${block("aphlict() {")}\n${command}`;
  const { output } = await machine.run("script", "-qec", `sh -c '${script}'`, "/dev/null");
  return output.replaceAll("\r", "").trim();
}

Deno.test("a clone that is installed by the guide serves, and nothing that it runs is the service's to write", async () => {
  await using machine = await installed();
  const found = await machine.call(
    ...["find", CACHE, "/opt/aphlict", "(", "!", "-user", "root", "-o", "-perm", "/022", ")"],
    ...["-a", "!", "-type", "l"],
  );
  assertEquals(found, "");
  // Neither the unit nor the file system would let it.
  const main = await machine.call("systemctl", "show", "--property=MainPID", "--value", "aphlict");
  const mounts = await machine.call("cat", `/proc/${main}/mountinfo`);
  assertMatch(mounts, / \/ \/ ro,/);
  const write = await machine.run("runuser", "-u", "aphlict", "--", "touch", `${CACHE}/x`);
  assertStringIncludes(write.output, "Permission denied");
});

for (const shell of ["sh", "bash"]) {
  Deno.test(`the function of the guide runs every kind of command (${shell})`, async () => {
    await using machine = await installed();
    const version = new RegExp(`^aphlict ${VERSION.replaceAll(".", "\\.")} \\(source, `);
    const expected: [string, RegExp][] = [
      ["aphlict", /^Usage: aphlict VERB/],
      ["aphlict help", /^Usage: aphlict VERB/],
      ["aphlict help send", /^Usage: aphlict send/],
      ["aphlict --help", /^Usage: aphlict VERB/],
      ["aphlict status --help", /^Usage: aphlict status/],
      ["aphlict version", version],
      ["aphlict --version", version],
      ["aphlict status", /^Aphlict \(\d+\) is running/],
      ["aphlict check", /^OK: \/etc\/aphlict\/aphlict\.json/],
      [`aphlict send --to A -- '{"type":"x"}'`, /^Sent to A: /],
      ["aphlict reload", /read again/],
    ];
    for (const [command, pattern] of expected) {
      const { code, output } = await typed(machine, command, shell);
      assertMatch(output, pattern, command);
      assertEquals(code, 0, command);
    }
    assertEquals((await typed(machine, "aphlict nonsense", shell)).code, 2);
  });
}

Deno.test("a clone's command on a terminal begins with its own words", async () => {
  await using machine = await installed();
  assertMatch(await onTerminal(machine, "aphlict version"), /^aphlict \d/);
  assertMatch(await onTerminal(machine, "aphlict status"), /^Aphlict \(\d+\) is running/);
});

Deno.test("a changed file in a cache runs in spite of the lock: so only root may write the service's", async () => {
  await using machine = await installed();
  // A cache of the user's own, as it would be without DENO_DIR in the unit.
  const change = `cp -r ${CACHE} /tmp/own
    file=$(find /tmp/own/npm -path '*logtape*' -name 'mod.js' | head -n 1)
    printf '\\nconsole.error("changed code runs");\\n' >>"$file"
    chown -R aphlict: /tmp/own
    runuser -u aphlict -- env DENO_DIR=/tmp/own /opt/aphlict/bin/aphlict check || :`;
  assertMatch(await machine.call("sh", "-ec", change), /^changed code runs$/m);
  assertEquals((await typed(machine, "aphlict check")).output.includes("changed"), false);
});

Deno.test("systemd bounds the memory of a clone's service", async () => {
  await using machine = await installed();
  const show = ["show", "--property=MemoryMax", "--value", "aphlict"] as const;
  assertEquals(await machine.call("systemctl", ...show), `${2304 * 1024 ** 2}`);
});
