import { BuildError, sourceDate } from "../../packaging/dist.ts";
import { checksums, whyNoRelease } from "../../packaging/release.ts";
import { TESTED_DENO } from "../../src/version.ts";
import { assertEquals, assertMatch, assertThrows } from "../assert.ts";

const UNRELEASED = "# Changelog\n\n## [Unreleased]\n\n- Flies.\n";
const RELEASED = "# Changelog\n\n## [1.2.3] - 2026-01-31\n\n- Flies.\n";

Deno.test("a commit that is tagged, and whose changelog has a section for it, makes a release", () => {
  assertEquals(
    whyNoRelease({ version: "1.2.3", deno: TESTED_DENO, changelog: RELEASED, tag: "v1.2.3" }),
    undefined,
  );
});

Deno.test("a release is made with the Deno that is tested", () => {
  assertThrows(
    () => whyNoRelease({ version: "1.2.3", deno: "2.8.3", changelog: RELEASED, tag: "v1.2.3" }),
    BuildError,
    "this is Deno 2.8.3. A release is made with",
  );
});

Deno.test("a commit without a tag makes a build to try, whatever its changelog says", () => {
  for (const changelog of [UNRELEASED, RELEASED]) {
    assertMatch(
      whyNoRelease({ version: "1.2.3", deno: TESTED_DENO, changelog, tag: undefined }) ?? "",
      /no tag v1\.2\.3/,
    );
  }
});

Deno.test("files that differ from those of the tag make a build to try", () => {
  const reason = whyNoRelease({
    version: "1.2.3",
    deno: TESTED_DENO,
    changelog: RELEASED,
    tag: "v1.2.3-dirty",
  });
  assertMatch(reason ?? "", /Files differ from those of the tag v1\.2\.3\./);
});

Deno.test("a tag that names another version than deno.json is refused", () => {
  assertThrows(
    () => whyNoRelease({ version: "1.2.3", deno: TESTED_DENO, changelog: RELEASED, tag: "v1.2.4" }),
    BuildError,
    "tagged v1.2.4, and the version in deno.json is 1.2.3",
  );
});

Deno.test("a tag is refused when the changelog has no dated section for its version", () => {
  const undated = "## [1.2.3]\n";
  for (const changelog of [UNRELEASED, undated, RELEASED.replace("1.2.3", "1x2.3")]) {
    assertThrows(
      () => whyNoRelease({ version: "1.2.3", deno: TESTED_DENO, changelog, tag: "v1.2.3" }),
      BuildError,
      'no section "## [1.2.3] - YYYY-MM-DD"',
    );
  }
});

Deno.test("SOURCE_DATE_EPOCH is a number of seconds, or not there", () => {
  assertEquals(sourceDate(undefined), undefined);
  assertEquals(sourceDate("1000000000"), 1_000_000_000);
  for (const text of ["", "now", "-1", "1.5", "999999999999"]) {
    assertThrows(() => sourceDate(text), BuildError, `SOURCE_DATE_EPOCH=${text} is not`);
  }
});

Deno.test("checksums() lists the files by name, without those that are checksums themselves", () => {
  const files = ["b", "a", "a.sha256", "SHA256SUMS"].map((name): [string, Uint8Array] => [
    name,
    new Uint8Array(),
  ]);
  // That of nothing: https://www.di-mgt.com.au/sha_testvectors.html
  const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assertEquals(checksums(new Map(files)), `${sum}  a\n${sum}  b\n`);
});
