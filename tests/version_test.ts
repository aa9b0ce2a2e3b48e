import { denoWarning, TESTED_DENO } from "../src/version.ts";
import { ROOT } from "./acceptance/program.ts";
import { assertEquals, assertMatch } from "./assert.ts";

Deno.test("another Deno is warned of, but for the fixes of the tested one", () => {
  const [major = 0, minor = 0] = TESTED_DENO.split(".").map(Number);
  assertEquals(denoWarning(TESTED_DENO), null);
  assertEquals(denoWarning(`${major}.${minor}.99`), null);
  for (
    const other of [`${major}.${minor + 1}.0`, `${major}.${minor}0.1`, `${major + 1}.${minor}.0`]
  ) {
    assertMatch(
      denoWarning(other) ?? "",
      new RegExp(`^This is Deno ${other}, .* ${TESTED_DENO}: use`),
    );
  }
});

Deno.test("the tested Deno is the one that everything names", () => {
  for (
    const name of [
      ...["bin/aphlict", "Dockerfile", ".ci/run", ".github/workflows/release.yml"],
      ...["README.md", "CONTRIBUTING.md"],
    ]
  ) {
    const text = Deno.readTextFileSync(`${ROOT}${name}`);
    const named = [...text.matchAll(/(?:deno@|Deno |deno:bin-)(\d+\.\d+\.\d+)/g)];
    assertEquals(named.length > 0, true, name);
    for (const [words, version] of named) assertEquals(version, TESTED_DENO, `${name}: ${words}`);
  }
});
