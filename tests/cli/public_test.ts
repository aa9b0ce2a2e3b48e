import { UsageError } from "../../src/cli/args.ts";
import { originIn, publicEndpoint } from "../../src/cli/public.ts";
import { assertEquals, assertThrows } from "../assert.ts";

Deno.test("an Origin is written as a browser would", () => {
  assertEquals(originIn(new Map()), undefined);
  for (
    const [typed, sent] of [
      ["https://phorge.example.com", "https://phorge.example.com"],
      ["https://日本.example", "https://xn--wgv71a.example"],
      ["HTTP://Phorge.Example:80/", "http://phorge.example"],
      ["https://a.example:8443", "https://a.example:8443"],
    ] as const
  ) {
    assertEquals(originIn(new Map([["origin", typed]])), sent);
    const endpoint = publicEndpoint(new Map([["origin", typed], ["url", "wss://b.example/"]]));
    assertEquals(endpoint?.origin, sent);
  }
});

Deno.test("what no page has as its Origin is wrong usage, and shown so that it steers no terminal", () => {
  for (const typed of ["a.example", "null", "*", "ftp://a.example", "https://", "javascript:1"]) {
    assertThrows(() => originIn(new Map([["origin", typed]])), UsageError, "is no origin");
  }
  assertThrows(
    () => originIn(new Map([["origin", "x\n\x1b[31m"]])),
    UsageError,
    '"--origin x\\u{a}\\u{1b}[31m" is no',
  );
});
