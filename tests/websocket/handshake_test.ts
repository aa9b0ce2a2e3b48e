import fc from "fast-check";
import { decodeHead } from "../../src/net/fields.ts";
import type { HttpRequest } from "../../src/http/handler.ts";
import { HeadReader, requestUrl } from "../../src/http/head.ts";
import { type Handshake, pathOf, readHandshake } from "../../src/websocket/handshake.ts";
import { assert, assertEquals } from "../assert.ts";
import { heldBytes } from "../held.ts";
import { concat, latin1, utf8 } from "./bytes.ts";

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
    ["/~a/", "/~a/"],
    ["", ""],
  ] as const
) {
  Deno.test(`the path of ${JSON.stringify(url)} is ${JSON.stringify(path)}`, () => {
    assertEquals(pathOf(url), path);
  });
}

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** Headers by name; `null` leaves one out, several values send it several times. */
type Headers = Readonly<Record<string, string | readonly string[] | null>>;

const GOOD: Headers = {
  "Host": "server.example.com",
  "Upgrade": "websocket",
  "Connection": "Upgrade",
  "Sec-WebSocket-Key": KEY,
  "Sec-WebSocket-Version": "13",
};

/** The head of a good request with some headers changed or added. */
function request(changes: Headers = {}, line = "GET /~acme/ HTTP/1.1"): Uint8Array {
  const headers = Object.entries({ ...GOOD, ...changes }).flatMap(([name, values]) =>
    [values ?? []].flat().map((value) => `${name}: ${value}\r\n`)
  );
  return latin1(`${line}\r\n${headers.join("")}\r\n`);
}

/** A good request of 8 KiB with a path, an origin and an address that are long enough to be parts of it. */
const keptHead = request({
  "Origin": "https://phorge.example.com",
  "X-Forwarded-For": "203.0.113.100",
  "Cookie": "x".repeat(7800),
}, "GET /~acme/notifications/ HTTP/1.1");

/** The request that these bytes are. */
function requestOf(bytes: Uint8Array): HttpRequest {
  const read = new HeadReader().read(bytes);
  assert(read !== null && "head" in read, `${JSON.stringify(read)}`);
  const { head } = read;
  return {
    method: head.method,
    url: requestUrl(head, "http", "127.0.0.1:22280"),
    headers: head.fields,
    bytes: () => Promise.resolve(new Uint8Array(0)),
  };
}

const NONE: Handshake = { type: "none" };

function accepted(path: string): Handshake {
  return {
    type: "accepted",
    path,
    headers: { "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT },
  };
}

function refused(
  status: 400 | 426 | 501,
  reason: string,
  headers: Readonly<Record<string, string>> = {},
): Handshake {
  return { type: "fault", status, reason, headers };
}

function badRequest(reason: string): Handshake {
  return refused(400, reason);
}

/** Runs one test for each request. */
function table(cases: readonly (readonly [string, Uint8Array, Handshake])[]): void {
  for (const [name, input, expected] of cases) {
    Deno.test(name, () => assertEquals(readHandshake(requestOf(input)), expected));
  }
}

const CHROME = [
  "GET /~phabricator/ HTTP/1.1",
  "Host: phabricator.example.com:22280",
  "Connection: Upgrade",
  "Pragma: no-cache",
  "Cache-Control: no-cache",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
  "Chrome/126.0.0.0 Safari/537.36",
  "Upgrade: websocket",
  "Origin: https://phabricator.example.com",
  "Sec-WebSocket-Version: 13",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en-US;q=0.9,en;q=0.8",
  "Cookie: phsid=abcdefghijklmnopqrstuvwxyz; phusr=alincoln; next_uri=0%2C%2Ffeed%2F",
  `Sec-WebSocket-Key: ${KEY}`,
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
  "",
  "",
];

const FIREFOX = [
  "GET / HTTP/1.1",
  "Host: phabricator.example.com:22280",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
  "Accept: */*",
  "Accept-Language: en-GB,en;q=0.5",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Sec-WebSocket-Version: 13",
  "Origin: https://phabricator.example.com",
  "Sec-WebSocket-Extensions: permessage-deflate",
  `Sec-WebSocket-Key: ${KEY}`,
  "DNT: 1",
  "Connection: keep-alive, Upgrade",
  "Sec-Fetch-Dest: empty",
  "Sec-Fetch-Mode: websocket",
  "Sec-Fetch-Site: same-site",
  "Pragma: no-cache",
  "Cache-Control: no-cache",
  "Upgrade: websocket",
  "",
  "",
];

/** As with `proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`. */
const NGINX = [
  "GET /ws/?x=1 HTTP/1.1",
  "Upgrade: websocket",
  "Connection: upgrade",
  "Host: 127.0.0.1:22280",
  "X-Forwarded-For: 192.0.2.7, 198.51.100.1",
  "X-Forwarded-Proto: https",
  "Pragma: no-cache",
  "Sec-WebSocket-Version: 13",
  `Sec-WebSocket-Key: ${KEY}`,
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
  "",
  "",
];

table([
  [
    "the sample key of RFC 6455, section 1.3, gets its sample answer",
    request(),
    accepted("/~acme/"),
  ],
  [
    "Chrome gets a WebSocket, without the extensions it offers",
    latin1(CHROME.join("\r\n")),
    accepted(
      "/~phabricator/",
    ),
  ],
  ["Firefox gets a WebSocket", latin1(FIREFOX.join("\r\n")), accepted("/")],
  ["a browser behind nginx gets a WebSocket", latin1(NGINX.join("\r\n")), accepted("/ws/")],
  [
    "names of headers and their tokens have no case",
    latin1(
      "GET /~acme/ HTTP/1.1\r\nHOST: x\r\nupgrade: WebSocket\r\ncONNECTION: UPGRADE\r\n" +
        `SEC-WEBSOCKET-KEY: ${KEY}\r\nsec-websocket-version: 13\r\n\r\n`,
    ),
    accepted("/~acme/"),
  ],
  [
    "a header's value may have any blanks around it, or none",
    request({ "Sec-WebSocket-Key": ` \t ${KEY} \t`, "Host": "\t" }),
    accepted("/~acme/"),
  ],
  [
    "Connection may be a list",
    request({ "Connection": "keep-alive, Upgrade" }),
    accepted("/~acme/"),
  ],
  [
    "Connection may be a list without blanks, and with gaps",
    request({ "Connection": ",keep-alive,,Upgrade" }),
    accepted("/~acme/"),
  ],
  [
    "Connection may come twice",
    request({ "Connection": ["keep-alive", "Upgrade"] }),
    accepted("/~acme/"),
  ],
  ["Upgrade may be a list", request({ "Upgrade": "h2c, websocket" }), accepted("/~acme/")],
  ["Upgrade may come twice", request({ "Upgrade": ["h2c", "websocket"] }), accepted("/~acme/")],
  ["headers may be empty", request({ "Origin": "", "X-Empty": "" }), accepted("/~acme/")],
  ["headers may have bytes above 7F", request({ "X-Name": "J\xfcrgen" }), accepted("/~acme/")],
  [
    "headers may be named as nothing else",
    request({ "!#$%&'*+-.^_`|~9z": "x" }),
    accepted("/~acme/"),
  ],
  [
    "headers named like members of objects are harmless",
    request({
      ["__proto__"]: "x",
      "constructor": "x",
      "toString": "x",
      "hasOwnProperty": ["x", "y"],
    }),
    accepted("/~acme/"),
  ],
  [
    "a request may say that it has no body",
    request({ "Content-Length": "0" }),
    accepted("/~acme/"),
  ],
  [
    "the path is kept as it was sent",
    request({}, "GET //a/../%41/\xe9?b#c HTTP/1.1"),
    accepted(
      "//a/../%41/\xe9",
    ),
  ],
  ["the target may be a URL", request({}, "GET ws://x:80/~acme/?y HTTP/1.1"), accepted("/~acme/")],
  [
    "HTTP/1.0 gets a WebSocket, as from the original: nginx speaks it when not told otherwise",
    request({}, "GET /~acme/ HTTP/1.0"),
    accepted("/~acme/"),
  ],
  [
    "so does one without Host",
    request({ "Host": null }, "GET /~acme/ HTTP/1.0"),
    accepted("/~acme/"),
  ],
  [
    "a head of 15 KiB is accepted: browsers send many cookies",
    request({ "Cookie": "x".repeat(15 * 1024) }),
    accepted("/~acme/"),
  ],
]);

const NO_VERSION = refused(426, "Its WebSocket version is not 13", {
  "Upgrade": "websocket",
  "Connection": "Upgrade",
  "Sec-WebSocket-Version": "13",
});
const NO_UPGRADE = refused(
  501,
  "Its Connection header does not say Upgrade: a proxy may not pass it on",
);
const NO_KEY = badRequest("It does not have one key of 16 bytes");
const BODY = badRequest("It has a body");

table([
  [
    "POST gets no WebSocket",
    request({}, "POST / HTTP/1.1"),
    badRequest("Its method is POST, not GET"),
  ],
  [
    "HEAD gets no WebSocket",
    request({}, "HEAD / HTTP/1.1"),
    badRequest("Its method is HEAD, not GET"),
  ],
  ["methods have a case", request({}, "get / HTTP/1.1"), badRequest("Its method is get, not GET")],
  ["a request without Connection is refused", request({ "Connection": null }), NO_UPGRADE],
  ["Connection must say Upgrade", request({ "Connection": "keep-alive" }), NO_UPGRADE],
  ["Connection must say Upgrade as a word", request({ "Connection": "no-upgrade" }), NO_UPGRADE],
  ["a request without key is refused", request({ "Sec-WebSocket-Key": null }), NO_KEY],
  ["an empty key is refused", request({ "Sec-WebSocket-Key": "" }), NO_KEY],
  ["a key of 15 bytes is refused", request({ "Sec-WebSocket-Key": btoa("x".repeat(15)) }), NO_KEY],
  ["a key of 17 bytes is refused", request({ "Sec-WebSocket-Key": btoa("x".repeat(17)) }), NO_KEY],
  ["a key must be padded", request({ "Sec-WebSocket-Key": KEY.slice(0, -2) }), NO_KEY],
  ["a key must be base64", request({ "Sec-WebSocket-Key": KEY.replace("G", "-") }), NO_KEY],
  ["two keys are refused", request({ "Sec-WebSocket-Key": [KEY, KEY] }), NO_KEY],
  ["a list of keys is refused", request({ "Sec-WebSocket-Key": `${KEY}, ${KEY}` }), NO_KEY],
  ["version 12 is told the right one", request({ "Sec-WebSocket-Version": "12" }), NO_VERSION],
  ["no version is told the right one", request({ "Sec-WebSocket-Version": null }), NO_VERSION],
  [
    "several versions are told the right one",
    request({ "Sec-WebSocket-Version": "8, 13" }),
    NO_VERSION,
  ],
  [
    "a version that comes twice is told the right one",
    request({ "Sec-WebSocket-Version": ["13", "12"] }),
    NO_VERSION,
  ],
  ["a request with a body is refused", request({ "Content-Length": "5" }), BODY],
  ["a length that is no number is refused", request({ "Content-Length": "0x0" }), BODY],
  ["two lengths are refused", request({ "Content-Length": ["0", "0"] }), BODY],
  ["a chunked body is refused", request({ "Transfer-Encoding": "chunked" }), BODY],
]);

/** A head of these lines. */
function lines(...lines: readonly string[]): Uint8Array {
  return latin1(lines.map((line) => `${line}\r\n`).join("") + "\r\n");
}

table([
  ["a request that asks for no WebSocket", lines("GET / HTTP/1.1", "Host: x"), NONE],
  ["one that asks for another protocol", request({ "Upgrade": "h2c" }), NONE],
  ["one that asks for something like a WebSocket", request({ "Upgrade": "websocket2" }), NONE],
  ["one of HTTP/1.0", lines("GET / HTTP/1.0"), NONE],
  [
    "one with a body",
    concat(lines("POST / HTTP/1.1", "Host: x", "Content-Length: 5"), utf8("Hello")),
    NONE,
  ],
  [
    "a load balancer's check, whose Upgrade is not for this connection",
    request({ "Connection": "close", "Sec-WebSocket-Key": null }),
    NONE,
  ],
]);

Deno.test("a path, an address and the headers keep neither the head nor the chunk alive", async () => {
  const module = (path: string) => JSON.stringify(import.meta.resolve(`../../src/${path}`));
  const held = await heldBytes(`
    import { Buffer } from "node:buffer";
    import { HeadReader, requestUrl } from ${module("http/head.ts")};
    import { readHandshake } from ${module("websocket/handshake.ts")};
    import { clientAddress } from ${module("net/forwarded.ts")};
    import { Networks } from ${module("config/network.ts")};
    const proxies = new Networks(["127.0.0.1"]);
    const head = ${JSON.stringify(decodeHead(keptHead))};
    export const make = (index) => {
      const chunk = Buffer.alloc(65_536);
      chunk.write(head, "latin1");
      const reader = new HeadReader();
      const read = reader.read(chunk.subarray(0, head.length + 30)).head;
      const request = { method: "GET", url: requestUrl(read, "http", "x"), headers: read.fields };
      const { path, headers } = readHandshake(request);
      const address = clientAddress("127.0.0.1", (name) => read.fields.get(name), proxies);
      return [reader, path, headers, address];
    };
  `);
  assert(held < 2500, `a handshake keeps ${held} bytes`);
});

/** A request that is often good. */
const recipe = fc.record({
  line: fc.constantFrom("GET / HTTP/1.1", "HEAD / HTTP/1.1", "GET /?x HTTP/1.0"),
  changes: fc.dictionary(
    fc.constantFrom(...Object.keys(GOOD), "Content-Length", "X-Other"),
    fc.oneof(
      fc.constantFrom(null, "", "0", "12", "13", "x, upgrade", "WebSocket", KEY, [KEY, KEY]),
      fc.stringMatching(/^[ -~]{0,10}$/),
    ),
    { maxKeys: 4 },
  ),
});

Deno.test("any request has an answer, and is accepted only with all that RFC 6455 asks for", () => {
  fc.assert(
    fc.property(recipe, ({ line, changes }) => {
      const read = new HeadReader().read(request(changes, line));
      fc.pre(read !== null && "head" in read);
      const asked = requestOf(request(changes, line));
      if (readHandshake(asked).type !== "accepted") return;
      const { headers } = asked;
      assertEquals(asked.method, "GET");
      assertEquals(headers.get("sec-websocket-version"), "13");
      assertEquals(atob(headers.get("sec-websocket-key") ?? "").length, 16);
      assert(/websocket/i.test(headers.get("upgrade") ?? ""));
      assert(/upgrade/i.test(headers.get("connection") ?? ""));
    }),
    { numRuns: 1000 },
  );
});
