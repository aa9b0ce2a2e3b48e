import { endpointOf, heldBy, instancePath, originOf, portOf } from "../../src/probe/endpoint.ts";
import { parsePublicUrl } from "../../src/cli/public.ts";
import { UsageError } from "../../src/cli/args.ts";
import { assertEquals, assertThrows } from "../assert.ts";
import { CLIENT as SERVER } from "../entries.ts";

Deno.test("a server that listens everywhere is reached at this host's own address", () => {
  const urls = ["0.0.0.0", "::", "192.0.2.1", "::1", "a.example"].map((listen) =>
    endpointOf({ ...SERVER, listen }).url.href
  );
  assertEquals(urls, [
    "ws://127.0.0.1:22280/",
    "ws://[::1]:22280/",
    "ws://192.0.2.1:22280/",
    "ws://[::1]:22280/",
    "ws://a.example:22280/",
  ]);
});

Deno.test("a server with TLS has to show the certificate of its file", () => {
  const tls = { key: "a.key", cert: "a.crt", chain: null };
  const { url, trust } = endpointOf({ ...SERVER, tls });
  assertEquals([url.href, trust], ["wss://127.0.0.1:22280/", { by: "file", path: "a.crt" }]);
});

Deno.test("an instance stands in the path as Phorge writes it", () => {
  const url = new URL("wss://phorge.example.com/ws/");
  assertEquals([instancePath(url, undefined), instancePath(url, "acme")], ["/ws/", "/ws/~acme/"]);
});

Deno.test("the page at the host of a URL has its scheme's origin and port", () => {
  const urls = [
    "wss://a.example/ws/",
    "ws://a.example/",
    "wss://a.example:8443/",
    "ws://[::1]:80/",
  ];
  assertEquals(urls.map((url) => originOf(new URL(url))), [
    "https://a.example",
    "http://a.example",
    "https://a.example:8443",
    "http://[::1]",
  ]);
  assertEquals(urls.map((url) => portOf(new URL(url))), [443, 80, 8443, 80]);
});

Deno.test("a public URL is that of a WebSocket's folder, and nothing else", () => {
  assertEquals(parsePublicUrl("wss://a.example/ws").href, "wss://a.example/ws/");
  for (
    const text of [
      "https://a.example/",
      "a.example",
      "wss://u:p@a.example/",
      "wss://a.example/?x=1",
    ]
  ) {
    assertThrows(() => parsePublicUrl(text), UsageError, text);
  }
});

Deno.test("an address is held by a service at the same port, there or at all addresses", () => {
  const isHeld = heldBy([
    "ws://127.0.0.1:1/",
    "http://0.0.0.0:2/",
    "wss://[::1]/",
    "http://a.example:4/",
    "?",
  ]);
  const held = [["127.0.0.1", 1], ["0.0.0.0", 1], ["::", 1], ["127.0.0.2", 2], ["0:0::1", 443], [
    "192.0.2.1",
    4,
  ], ["b.example", 1]] as const;
  const free = [["127.0.0.2", 1], ["127.0.0.1", 3], ["::1", 1]] as const;
  const tell = ([listen, port]: readonly [string, number]) => isHeld({ listen, port });
  assertEquals([held.map(tell), free.map(tell)], [held.map(() => true), free.map(() => false)]);
});
