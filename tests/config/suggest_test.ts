import { suggest } from "../../src/config/suggest.ts";
import { assertEquals } from "../assert.ts";

const KNOWN = ["type", "port", "listen", "ssl.key", "ssl.cert", "ssl.chain"];

const WORDS: readonly (readonly [word: string, suggestion: string | null])[] = [
  ["prot", "port"],
  ["PROT", "port"],
  ["Type", "type"],
  ["typ", "type"],
  ["ports", "port"],
  ["ssl_cert", "ssl.cert"],
  ["sslchain", "ssl.chain"],
  ["ssl-chains", "ssl.chain"],
  ["host", null],
  ["listening", "listen"],
  ["listenable", null],
  ["ssl", null],
  ["x", null],
  ["", null],
  ["__proto__", null],
];

for (const [word, suggestion] of WORDS) {
  const outcome = suggestion === null ? "nothing" : `"${suggestion}"`;
  Deno.test(`for "${word}" the suggestion is ${outcome}`, () => {
    assertEquals(suggest(word, KNOWN), suggestion);
  });
}

Deno.test("there is no suggestion where nothing is known", () => {
  assertEquals(suggest("port", []), null);
});
