/**
 * What root types beside a hostile user. The tests in `as_root` need root: this one runs them as root of a user namespace
 * and a mount namespace, which most hosts let every user have.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { NoNamespace, runInNamespace } from "./namespace.ts";
import { PROGRAM, ROOT } from "../acceptance/program.ts";

/** The files of the tests. Their names do not end with `_test`, so that nothing runs them outside. */
const FILES = ["commands", "homeless", "host", "judgement"].map((name) =>
  `${ROOT}tests/commands/as_root/${name}.ts`
);

/** The number of the tests, below which some are missing. Six test the sources alone. */
const AT_LEAST = PROGRAM.kind === "source" ? 42 : 36;

/** Says something to whoever runs the tests. */
function report(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

Deno.test("what root types beside a hostile user is tried as root of a namespace", async () => {
  const namespaces = ["user", "mnt"].map((kind) => Deno.readLinkSync(`/proc/self/ns/${kind}`));
  const command = [
    ...[Deno.execPath(), "test", "--allow-all", "--cached-only", "--no-check", "--parallel"],
    ...["--sanitize-ops", "--sanitize-resources", ...FILES],
  ];
  try {
    const { code, output } = await runInNamespace(command, {
      APHLICT_OUTER_NAMESPACES: namespaces.join(" "),
      DENO_JOBS: "2",
    });
    assertEquals(code, 0, output);
    const [, passed = "0"] = /^ok \| (\d+) passed .*\b0 failed/m.exec(output) ?? [];
    assert(Number(passed) >= AT_LEAST, `Only ${passed} of ${AT_LEAST} tests passed:\n${output}`);
    assertMatch(output, /root is here root of namespaces that are not the host's \.\.\. ok/);
    report(`As root of a namespace ${passed} tests passed.`);
  } catch (error) {
    if (!(error instanceof NoNamespace)) throw error;
    report(`NOT TRIED HERE: what root types beside a hostile user, as ${error.message}.`);
  }
});
