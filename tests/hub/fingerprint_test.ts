import { asFingerprint, generateFingerprint } from "../../src/hub/fingerprint.ts";
import { assertEquals, assertMatch } from "../assert.ts";

Deno.test("generateFingerprint() gives 16 characters that are hard to confuse", () => {
  assertMatch(
    generateFingerprint(),
    /^[23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ]{16}$/,
  );
});

Deno.test("generateFingerprint() gives another one each time", () => {
  assertEquals(new Set(Array.from({ length: 1000 }, () => generateFingerprint())).size, 1000);
});

Deno.test("generateFingerprint() uses only bytes that favour no character", () => {
  let turn = 0;
  const fingerprint = generateFingerprint((bytes) => bytes.fill(turn++ === 0 ? 255 : 0));
  assertEquals(fingerprint, "2".repeat(16));
});

Deno.test("asFingerprint() takes up to 64 characters of printable ASCII, and nothing else", () => {
  for (const value of [generateFingerprint(), "!", "~".repeat(64), "__proto__"]) {
    assertEquals(asFingerprint(value), value);
  }
  for (
    const value of ["", "~".repeat(65), "a b", "a\n", "\u007f", "ü", 7, null, undefined, ["a"]]
  ) {
    assertEquals(asFingerprint(value), null);
  }
});
