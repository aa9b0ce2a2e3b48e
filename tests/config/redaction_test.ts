import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Redaction } from "../../src/config/redaction.ts";
import { asFingerprint } from "../../src/hub/fingerprint.ts";
import { assert, assertEquals } from "../assert.ts";

/** As `openssl rand -base64 24` makes one. */
const SECRET = "kT2/9sLq+4vXz0bWq7Yt/Re8mPd1+A==";
const redaction = new Redaction(SECRET);

const percent = (text: string) =>
  text.replace(/[^\w]/g, (each) => `%${each.charCodeAt(0).toString(16)}`);
const base64 = (text: string) => Buffer.from(text).toString("base64");

for (
  const [what, echo] of [
    ["as it is", SECRET],
    ["in a URL", percent(SECRET)],
    [
      "in a URL with capital digits",
      percent(SECRET).toUpperCase().replace(/.*/s, () => encodeURIComponent(SECRET)),
    ],
    ["in a URL in a URL", encodeURIComponent(encodeURIComponent(SECRET))],
    ["in a URL in a URL in a URL", percent(encodeURIComponent(encodeURIComponent(SECRET)))],
    ["in JSON of PHP", SECRET.replaceAll("/", "\\/")],
    ["in JSON in JSON", SECRET.replaceAll("/", "\\\\\\/")],
    [
      "in JSON with each character escaped",
      [...SECRET].map((each) => `\\u00${each.charCodeAt(0).toString(16)}`).join(""),
    ],
    [
      "in HTML",
      SECRET.replaceAll("/", "&#47;").replaceAll("+", "&#x2B;").replaceAll("=", "&#0061;"),
    ],
    ["cut", SECRET.slice(0, 20)],
    ["cut to 16 characters", SECRET.slice(0, 16)],
    ["twice", `${SECRET}${SECRET}`],
    ["behind its own beginning", `${SECRET.slice(0, 20)}${SECRET}`],
  ] as const
) {
  Deno.test(`a secret is hidden that is echoed ${what}`, () => {
    assertEquals(redaction.apply(`<${echo}>, %zz \\n &amp;`), "<[the token]>, %zz \\n &amp;");
  });
}

Deno.test("a secret is hidden in Base64, whatever stands before and behind it, but for a few bits at its ends", () => {
  for (const before of ["", ":", "me:", "user:", "Bearer "]) {
    for (const behind of ["", "\n", "\r\n", ", x"]) {
      for (const alphabet of ["base64", "base64url"] as const) {
        const echo = Buffer.from(before + SECRET + behind).toString(alphabet);
        const shown = redaction.apply(`Basic ${echo}!`);
        assert(shown.includes("[the token]"), echo);
        const left = shown.slice("Basic ".length).replace("[the token]", "");
        const bits = 6 * left.replace(/[=!]/g, "").length - 8 * (before + behind).length;
        assert(bits <= 12, `${bits} bits in ${shown}`);
      }
    }
  }
  assertEquals(redaction.apply(base64(SECRET)).startsWith("[the token]"), true);
});

Deno.test("a secret is hidden that begins as it goes on, wherever that stands", () => {
  const secret = `${"abcd".repeat(4)}Z-secret`;
  for (let more = 0; more < 6; more++) {
    const shown = new Redaction(secret).apply(`(${"abcd".repeat(more)}${secret})`);
    assertEquals(shown, "([the token])", `${more} more`);
  }
  assertEquals(new Redaction("a".repeat(16)).apply(`b${"a".repeat(50)}b`), "b[the token]b");
});

Deno.test("a secret is hidden up to its end that is escaped there alone", () => {
  const secret = "kT2x9sLqp4vXz0bWq7Yt/Re8mPd1+A==";
  const long = new Redaction(secret);
  for (const echo of [percent(secret), secret.replaceAll("/", "\\/"), secret]) {
    assertEquals(long.apply(`<${echo}>`), "<[the token]>");
  }
});

Deno.test("a secret is hidden whose first characters seem to end an escape", () => {
  const secret = "ab2/9sLq+4vXz0bWq7Yt";
  for (const before of ["%", "%25", "\\u00", "&#x"]) {
    assertEquals(new Redaction(secret).apply(before + secret), `${before}[the token]`);
  }
});

Deno.test("what is no secret stays as it is", () => {
  for (
    const text of [
      "",
      "OK",
      SECRET.slice(0, 15),
      SECRET.slice(1),
      `${SECRET.slice(0, 15)} ${SECRET.slice(15)}`,
      '{"fingerprint":"k2mXq9TzWb4RsLpV"}',
      "100% of \\ & &#47; \\/ %2F é 🦕 \ud800 %",
    ]
  ) assertEquals(redaction.apply(text), text);
  const names = new Redaction("fingerprint-of-notify2.example.com");
  assertEquals(names.apply('{"fingerprint":"abc"}'), '{"fingerprint":"abc"}');
});

Deno.test("what stands for a secret is no fingerprint", () => {
  assertEquals(asFingerprint(redaction.apply(SECRET)), null);
});

Deno.test("for any secret and any texts around it, all of it is hidden, and all that is not stays", () => {
  const alphabet = [..."ab/+=.~-_%\\0u&#;"];
  const texts = fc.array(fc.constantFrom(...alphabet), { maxLength: 30 }).map((each) =>
    each.join("")
  );
  const secrets = fc.array(fc.constantFrom(..."ab/+-_.~"), { minLength: 16, maxLength: 40 })
    .map((each) => each.join(""));
  fc.assert(
    fc.property(texts, secrets, texts, (before, secret, behind) => {
      const shown = new Redaction(secret).apply(before + secret + behind);
      assert(!shown.includes(secret));
      assert(shown.includes("[the token]"));
      // What it begins and ends with is what the text does.
      const [first = "", last = ""] = [
        shown.split("[the token]")[0],
        shown.split("[the token]").at(-1),
      ];
      assert((before + secret).startsWith(first) && (secret + behind).endsWith(last));
    }),
    { numRuns: 1000 },
  );
});
