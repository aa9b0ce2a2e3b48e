import { pathOf } from "../../src/websocket/handshake.ts";
import { assertEquals } from "../assert.ts";

for (
  const [url, path] of [
    ["http://127.0.0.1:22280/", "/"],
    ["http://x/~acme/?a=~b", "/~acme/"],
    ["https://x/~acme/#~b", "/~acme/"],
    ["http://x//~acme/", "//~acme/"],
    ["http://x/~a/../b/%41", "/~a/../b/%41"],
    ['http://x/~a|"{}', '/~a|"{}'],
    ["http://[/~a/", "/~a/"],
    ["http://x", ""],
    ["http://x?~a", ""],
    ["http://x?/~a/", ""],
    ["http://x#/~a/", ""],
    ["http://[2001:db8::1]:80/~a/", "/~a/"],
    ["http://user:password@x/~a/", "/~a/"],
    ["http://x/http://y/~a/", "/http://y/~a/"],
    ["/~a/", ""],
    ["", ""],
  ] as const
) {
  Deno.test(`the path of ${JSON.stringify(url)} is ${JSON.stringify(path)}`, () => {
    assertEquals(pathOf(url), path);
  });
}
