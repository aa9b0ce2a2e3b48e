import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decodeHead } from "../../src/net/fields.ts";
import { HandshakeReader, pathOf, refused, timedOut } from "../../src/websocket/handshake.ts";
import type { PlainAnswer } from "../../src/websocket/socket.ts";
import { assert, assertEquals, assertMatch, assertNotMatch } from "../assert.ts";
import { heldBytes } from "../held.ts";
import { bytewise, concat, cut, handshake, hex, latin1, type Shake, utf8 } from "./bytes.ts";

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

/** A good request whose head has exactly `size` bytes. */
function sized(size: number): Uint8Array {
  return request({ "X-Padding": "x".repeat(size - request({ "X-Padding": "" }).length) });
}

const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  `Sec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;

function accepted(path: string, response: string = SWITCH, rest: string = ""): Shake {
  return { type: "accepted", path, response, rest: latin1(rest) };
}

/** An answer but for its date. */
function answered(
  statusLine: string,
  fault: string | null,
  how: { connection?: string; more?: string; body?: string; length?: number } = {},
): Shake {
  const { connection = "close", more = "", body = "", length = body.length } = how;
  const response = `HTTP/1.1 ${statusLine}\r\nContent-Length: ${length}\r\n` +
    `Connection: ${connection}\r\n${more}\r\n${body}`;
  return { type: "answered", response, fault };
}

function badRequest(fault: string): Shake {
  return answered("400 Bad Request", fault);
}

/** Runs one test for each input, in one chunk and one byte at a time. */
function table(cases: readonly (readonly [string, Uint8Array, Shake | null])[]): void {
  for (const [name, input, expected] of cases) {
    Deno.test(name, () => {
      assertEquals(handshake([input]), expected, "in one chunk");
      assertEquals(handshake(bytewise(input)), expected, "one byte at a time");
    });
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
    "what comes behind the head is handed out",
    concat(request(), latin1("\x81\x80\0\0\0\0\r\n\r\n")),
    accepted("/~acme/", SWITCH, "\x81\x80\0\0\0\0\r\n\r\n"),
  ],
  ["a head of 8,192 bytes is accepted", sized(8192), accepted("/~acme/")],
  [
    "what comes behind a head does not count as head",
    concat(sized(8192), latin1("x".repeat(9000))),
    accepted("/~acme/", SWITCH, "x".repeat(9000)),
  ],
]);

const NO_VERSION = answered("426 Upgrade Required", "Its WebSocket version is not 13", {
  connection: "Upgrade, close",
  more: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
});
const NO_HOST = badRequest("It does not have one Host header");
const NO_UPGRADE = badRequest("Its Connection header does not say Upgrade");
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
  ["HTTP/1.0 gets no WebSocket", request({}, "GET / HTTP/1.0"), badRequest("It speaks HTTP/1.0")],
  ["a request without Host is refused", request({ "Host": null }), NO_HOST],
  ["a request with two Hosts is refused", request({ "Host": ["a", "a"] }), NO_HOST],
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

const LINE = badRequest("Its request line is malformed");
const HEADER = badRequest("A line of its head is malformed");
const CONTROL = badRequest("It is no HTTP request: its head has control characters");

/** A head of these lines. */
function lines(...lines: readonly string[]): Uint8Array {
  return latin1(lines.map((line) => `${line}\r\n`).join("") + "\r\n");
}

table([
  ...[
    ...["GET", "GET /", "GET / ", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1"],
    ...["GET / /x HTTP/1.1", "GET / http/1.1", "GET / HTTP/2.0", "GET / HTTP/1.10"],
    ...["GET\t/\tHTTP/1.1", "G(T / HTTP/1.1", "GET / HTTP/1.1\nHost: x", "PRI * HTTP/2.0", ""],
  ].map((line) =>
    [
      `the request line ${JSON.stringify(line)} is malformed`,
      line === "" ? lines("", "Host: x") : lines(line, "Host: x"),
      LINE,
    ] as const
  ),
  ...[
    ...["Host", "Host : x", " Host: x", "\tHost: x", ": x", "Ho st: x", "H\xf6st: x", "Host\t: x"],
    ...["Host: x\n folded", "Host: x\nUpgrade: websocket", "Host: x\rUpgrade: websocket", "\n"],
  ].map((line) =>
    [
      `the header ${JSON.stringify(line)} is malformed`,
      lines("GET / HTTP/1.1", line),
      HEADER,
    ] as const
  ),
  ["a folded header is malformed", lines("GET / HTTP/1.1", "Host: x", " y"), HEADER],
  ...[..."\0\x01\x07\x08\x0b\x0c\x1b\x1f\x7f"].map((character) =>
    [
      `the character ${character.charCodeAt(0).toString(16)} is refused before the head is whole`,
      latin1(`GET / HTTP/1.1\r\nHost: ${character}`),
      CONTROL,
    ] as const
  ),
  ["a TLS hello is refused before it is whole", hex("16 03 01 02 00 01 00"), CONTROL],
  [
    "control characters behind the head are not the head's",
    concat(request(), hex("00 7f")),
    accepted(
      "/~acme/",
      SWITCH,
      "\0\x7f",
    ),
  ],
  ["a head that is not whole has no answer yet", request().slice(0, -1), null],
  ["a head that ends its lines with LF alone is not whole", latin1("GET / HTTP/1.1\n\n"), null],
  ["nothing has no answer", hex(""), null],
]);

const TOO_LONG = answered(
  "431 Request Header Fields Too Large",
  "Its head is longer than 8192 bytes",
);

table([
  ["a head of 8,193 bytes is too long", sized(8193), TOO_LONG],
  ["a head of 20,000 bytes is too long", sized(20_000), TOO_LONG],
  ["a head that has not ended after 8,192 bytes is too long", sized(9000).slice(0, 8192), TOO_LONG],
  ["a head that may end with its byte 8,192 has no answer yet", sized(8192).slice(0, -1), null],
  [
    "a control character in a head that is too long is found whatever the chunks",
    latin1("\0" + "x".repeat(9000)),
    CONTROL,
  ],
  [
    "a control character behind 8,192 bytes does not matter",
    latin1("x".repeat(8192) + "\0"),
    TOO_LONG,
  ],
]);

const PLAIN = answered("501 Not Implemented", null, { body: "No.\n" });

table([
  ["a request that asks for no WebSocket gets the plain answer", lines("GET / HTTP/1.1"), PLAIN],
  ["so does one that asks for another protocol", request({ "Upgrade": "h2c" }), PLAIN],
  [
    "so does one that asks for something like a WebSocket",
    request({ "Upgrade": "websocket2" }),
    PLAIN,
  ],
  ["so does one of HTTP/1.0", lines("GET / HTTP/1.0"), PLAIN],
  [
    "so does one with a body",
    concat(lines("POST / HTTP/1.1", "Content-Length: 5"), utf8("Hello")),
    PLAIN,
  ],
  [
    "HEAD gets the plain answer's head alone",
    lines("HEAD / HTTP/1.1"),
    answered("501 Not Implemented", null, { length: 4 }),
  ],
]);

/** A good request with headers added up to a number of them. */
function crowded(count: number): Uint8Array {
  const names = Array.from({ length: count - 5 }, (_, index) => `X-${index}`);
  return request(Object.fromEntries(names.map((name) => [name, "x"])));
}

table([
  ["a head of 200 fields is accepted", crowded(200), accepted("/~acme/")],
  [
    "a head of 201 fields has too many",
    crowded(201),
    answered("431 Request Header Fields Too Large", "Its head has more than 200 fields"),
  ],
]);

/** The response to a head in one chunk. */
function responseTo(head: Uint8Array, otherwise: PlainAnswer): string {
  return new HandshakeReader(otherwise).read(head)?.response ?? "";
}

Deno.test("the plain answer has the status and the body that the server was given", () => {
  const response = responseTo(lines("GET / HTTP/1.1"), { status: 503, body: "Later" });
  assertMatch(response, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assertMatch(response, /\r\nContent-Length: 5\r\n/);
  assertMatch(response, /\r\n\r\nLater$/);
});

Deno.test("the length of a body is one of bytes", () => {
  const response = responseTo(lines("GET / HTTP/1.1"), { status: 501, body: "é€" });
  assertMatch(response, /\r\nContent-Length: 5\r\n/);
});

Deno.test("answers have a date and no Content-Type", () => {
  const responses = [
    responseTo(lines("GET / HTTP/1.1"), { status: 501, body: "No" }),
    responseTo(lines("?"), { status: 501, body: "No" }),
    timedOut(),
    refused(403),
    refused(429),
    refused(503),
  ];
  for (const response of responses) {
    const date = /^Date: (.*)\r$/m.exec(response)?.[1] ?? "";
    assert(Math.abs(Date.parse(date) - Date.now()) < 10_000, date);
    assertMatch(date, / GMT$/);
    assertNotMatch(response, /Content-Type/i);
  }
});

Deno.test("a head that took too long is answered with 408 and no body", () => {
  assertMatch(timedOut(), /^HTTP\/1\.1 408 Request Timeout\r\n/);
  assertMatch(timedOut(), /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n$/);
});

Deno.test("a client that there is no room for is told to come again", () => {
  assertMatch(refused(503), /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assertMatch(refused(429), /^HTTP\/1\.1 429 Too Many Requests\r\n/);
  for (const status of [429, 503] as const) {
    assertMatch(refused(status), /\r\nRetry-After: [1-9]\d*\r\n/);
  }
});

Deno.test("a client that may not connect is not told to come again", () => {
  assertMatch(refused(403), /^HTTP\/1\.1 403 Forbidden\r\n/);
  assertMatch(refused(403), /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n$/);
  assertNotMatch(refused(403), /Retry-After/i);
});

Deno.test("a reader is empty until something has come", () => {
  const reader = new HandshakeReader({ status: 501, body: "" });
  assertEquals(reader.isEmpty, true);
  reader.read(utf8("G"));
  assertEquals(reader.isEmpty, false);
});

Deno.test("a reader tells what it holds: at most 8 KiB, and nothing once it has an answer", () => {
  const head = sized(8192);
  const reader = new HandshakeReader({ status: 501, body: "" });
  assertEquals(reader.heldBytes, 0);
  for (const [index, byte] of [...head].slice(0, -1).entries()) {
    assertEquals(reader.read(Uint8Array.of(byte)), null);
    assert(reader.heldBytes >= index + 1 && reader.heldBytes <= Math.min(8192, 2 * (index + 1)));
  }
  assertEquals(reader.read(head.slice(-1))?.type, "accepted");
  assertEquals(reader.heldBytes, 0);
  for (const wrong of [latin1("\0"), latin1("x".repeat(9000))]) {
    const reader = new HandshakeReader({ status: 501, body: "" });
    assertEquals(reader.read(wrong)?.type, "answered");
    assertEquals([reader.heldBytes, reader.isEmpty], [0, false]);
  }
});

Deno.test("the bytes behind a head are a copy, whatever kind of bytes the chunk is", () => {
  const bytes = concat(request(), latin1("rest"));
  for (const chunk of [bytes.slice(), Buffer.from(bytes)]) {
    const shake = new HandshakeReader({ status: 501, body: "" }).read(chunk);
    chunk.fill(0);
    assert(shake?.type === "accepted");
    assertEquals([shake.rest.buffer.byteLength, ...shake.rest], [4, ...latin1("rest")]);
  }
});

Deno.test("a path, a header, an address and the rest keep neither the head nor the chunk alive", async () => {
  const module = (path: string) => JSON.stringify(import.meta.resolve(`../../src/${path}`));
  const held = await heldBytes(`
    import { Buffer } from "node:buffer";
    import { HandshakeReader } from ${module("websocket/handshake.ts")};
    import { clientAddress } from ${module("net/forwarded.ts")};
    import { Networks } from ${module("config/network.ts")};
    const proxies = new Networks(["127.0.0.1"]);
    const head = ${JSON.stringify(decodeHead(keptHead))};
    export const make = (index) => {
      const chunk = Buffer.alloc(65_536);
      chunk.write(head, "latin1");
      const reader = new HandshakeReader({ status: 501, body: "" });
      const shake = reader.read(chunk.subarray(0, head.length + 30));
      const origin = shake.header("origin");
      const address = clientAddress("127.0.0.1", shake.header, proxies);
      return [reader, shake.path, origin, address, shake.rest];
    };
  `);
  assert(held < 2500, `a handshake keeps ${held} bytes`);
});

const places = fc.array(fc.nat(), { maxLength: 12 });

/** How to make a request that is often good: small to print, whatever the size of its bytes. */
const recipe = fc.record({
  line: fc.constantFrom("GET / HTTP/1.1", "HEAD / HTTP/1.1", "GET /?x HTTP/1.0", "GET /"),
  changes: fc.dictionary(
    fc.oneof(
      fc.constantFrom(...Object.keys(GOOD), "Content-Length", "__proto__", "constructor"),
      fc.string({ maxLength: 10 }),
    ),
    fc.oneof(
      fc.constantFrom(null, "", "0", "12", "13", "x, upgrade", "WebSocket", KEY, [KEY, KEY]),
      fc.string({ maxLength: 10 }),
    ),
    { maxKeys: 4 },
  ),
  padding: fc.oneof(fc.nat(20), fc.integer({ min: 7900, max: 8100 })),
  rest: fc.uint8Array({ maxLength: 20 }),
  overwritten: fc.option(fc.record({ place: fc.nat(), byte: fc.nat(255) })),
});

type Recipe = typeof recipe extends fc.Arbitrary<infer T> ? T : never;

function made({ line, changes, padding, rest, overwritten }: Recipe): Uint8Array {
  const bytes = concat(request({ ...changes, "X-Padding": "x".repeat(padding) }, line), rest);
  if (overwritten) bytes[overwritten.place % bytes.length] = overwritten.byte;
  return bytes;
}

Deno.test("requests get the same answer however they are cut", () => {
  fc.assert(
    fc.property(recipe, places, (recipe, places) => {
      const input = made(recipe);
      assertEquals(handshake(cut(input, places)), handshake([input]));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("any bytes get the same answer however they are cut, and never throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), places, (input, places) => {
    assertEquals(handshake(cut(input, places)), handshake([input]));
  }));
});

Deno.test("any 8,192 bytes have an answer", () => {
  fc.assert(fc.property(recipe, fc.nat(255), places, (recipe, filling, places) => {
    const input = concat(made(recipe), new Uint8Array(8192).fill(filling)).slice(0, 8192);
    assert(handshake(cut(input, places)) !== null);
  }));
});
